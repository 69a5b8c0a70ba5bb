//! Header blocks of SPDY/3.1 (sections 2.6.10 and 2.6.10.1): pairs of names and values in one zlib
//! stream for each direction, which begins with a known dictionary. What is sent is stored, not
//! compressed: an answer has next to no headers.

use flate2::{Decompress, FlushDecompress, Status};

use super::dictionary;
use super::frame::Error;

/// Bytes of one header block when decompressed, above which the session ends.
const MAX_BLOCK: usize = 16 * 1024;
/// First bytes of a zlib stream (RFC 1950) that names a dictionary.
const ZLIB: [u8; 2] = [0x78, 0xBB];
/// Bit of the second byte that says that the dictionary's checksum follows.
const NAMES_DICTIONARY: u8 = 0x20;
/// An empty stored block (RFC 1951 section 3.2.4), which makes a reader give out all that it has.
const FLUSH: [u8; 5] = [0, 0, 0, 0xFF, 0xFF];

/// Names, in lower case, and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of a header, empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    fn parse(block: &[u8]) -> Result<Self, Error> {
        let mut rest = block;
        let count = number(&mut rest)?;
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = text(&mut rest)?.to_ascii_lowercase();
            headers.push((name, text(&mut rest)?));
        }
        Ok(Self(headers))
    }
}

fn number(rest: &mut &[u8]) -> Result<u32, Error> {
    let (head, tail) = rest.split_first_chunk::<4>().ok_or(Error::Headers)?;
    *rest = tail;
    Ok(u32::from_be_bytes(*head))
}

fn text(rest: &mut &[u8]) -> Result<String, Error> {
    let length = usize::try_from(number(rest)?).map_err(|_| Error::Headers)?;
    let (head, tail) = rest.split_at_checked(length).ok_or(Error::Headers)?;
    *rest = tail;
    Ok(String::from_utf8_lossy(head).into_owned())
}

/// Reads the header blocks of one direction.
#[derive(Default)]
pub struct Reader {
    inflate: Option<Decompress>,
}

impl Reader {
    /// The headers of the next block.
    ///
    /// # Errors
    /// The block is broken or too large; no further block can be read.
    pub fn read(&mut self, block: &[u8]) -> Result<Headers, Error> {
        let (inflate, block) = match &mut self.inflate {
            Some(inflate) => (inflate, block),
            None => {
                let (inflate, rest) = begin(block)?;
                (self.inflate.insert(inflate), rest)
            }
        };
        Headers::parse(&decompress(inflate, block)?)
    }
}

/// Takes off the head of the stream.
fn begin(block: &[u8]) -> Result<(Decompress, &[u8]), Error> {
    let (head, mut rest) = block.split_first_chunk::<2>().ok_or(Error::Headers)?;
    if head[0] & 0x0F != 8 || u16::from_be_bytes(*head) % 31 != 0 {
        return Err(Error::Headers);
    }
    let mut inflate = Decompress::new(false);
    if head[1] & NAMES_DICTIONARY != 0 {
        if number(&mut rest)? != dictionary::CHECKSUM {
            return Err(Error::Headers);
        }
        // A dictionary is what the window holds before the stream, so the window is filled with it.
        let words = dictionary::bytes();
        let mut stored = Vec::with_capacity(words.len() + 5);
        store(&mut stored, &words);
        decompress(&mut inflate, &stored)?;
    }
    Ok((inflate, rest))
}

fn decompress(inflate: &mut Decompress, mut input: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(2048);
    loop {
        let before = inflate.total_in();
        let status = inflate.decompress_vec(input, &mut out, FlushDecompress::Sync).map_err(|_| Error::Headers)?;
        let taken = usize::try_from(inflate.total_in() - before).map_err(|_| Error::Headers)?;
        input = input.get(taken..).unwrap_or_default();
        if status == Status::StreamEnd {
            return Err(Error::Headers);
        }
        if out.len() == out.capacity() {
            if out.len() >= MAX_BLOCK {
                return Err(Error::Headers);
            }
            out.reserve(out.len());
        } else if input.is_empty() {
            return Ok(out);
        } else if taken == 0 {
            return Err(Error::Headers);
        }
    }
}

/// Appends one stored block; `bytes` has to be shorter than 64 KiB.
fn store(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.push(0);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or_default());
}

/// Writes the header blocks of one direction.
#[derive(Default)]
pub struct Writer {
    begun: bool,
}

impl Writer {
    /// A block without any header.
    pub fn empty(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        if !self.begun {
            self.begun = true;
            out.extend_from_slice(&ZLIB);
            out.extend_from_slice(&dictionary::CHECKSUM.to_be_bytes());
        }
        store(&mut out, &0u32.to_be_bytes());
        out.extend_from_slice(&FLUSH);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = (pairs.len() as u32).to_be_bytes().to_vec();
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend_from_slice(&(text.len() as u32).to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        }
        plain
    }

    #[test]
    fn what_is_written_is_read_again_block_by_block() {
        let (mut writer, mut reader) = (Writer::default(), Reader::default());
        for _ in 0..3 {
            assert_eq!(reader.read(&writer.empty()).ok(), Some(Headers::default()));
        }
    }

    #[test]
    fn a_block_may_lean_on_the_dictionary() {
        // Fixed Huffman codes: a copy of eleven bytes, `00 00 00 07 options`, from the dictionary's start.
        let mut reader = Reader::default();
        let mut stream = ZLIB.to_vec();
        stream.extend_from_slice(&dictionary::CHECKSUM.to_be_bytes());
        let mut plain = Vec::new();
        store(&mut plain, &1u32.to_be_bytes());
        stream.extend_from_slice(&plain);
        let distance = dictionary::bytes().len() + 4;
        stream.extend(copy(11, distance));
        let mut value = Vec::new();
        store(&mut value, b"\0\0\0\x02ok");
        stream.extend_from_slice(&value);
        let headers = reader.read(&stream).expect("a sound block");
        assert_eq!(headers.text("options"), "ok");
    }

    /// A block of one copy of eleven bytes from 1025 to 1536 bytes back, then an empty stored block.
    fn copy(length: usize, distance: usize) -> Vec<u8> {
        assert!(length == 11 && (1025..=1536).contains(&distance));
        let mut bits: Vec<bool> = vec![false, true, false];
        let push_code = |bits: &mut Vec<bool>, code: usize, width: usize| {
            bits.extend((0..width).rev().map(|bit| code >> bit & 1 == 1));
        };
        // Length symbol 265 stands for 11 and 12 with one bit more; distance symbol 20 for 1025 to 1536 with nine.
        push_code(&mut bits, 265 - 256, 7);
        bits.push(false);
        push_code(&mut bits, 20, 5);
        bits.extend((0..9).map(|bit| (distance - 1025) >> bit & 1 == 1));
        push_code(&mut bits, 0, 7);
        bits.extend([false, false, false]);
        let mut bytes: Vec<u8> = bits
            .chunks(8)
            .map(|chunk| chunk.iter().enumerate().fold(0, |byte, (place, bit)| byte | u8::from(*bit) << place))
            .collect();
        bytes.extend_from_slice(&[0, 0, 0xFF, 0xFF]);
        bytes
    }

    #[test]
    fn a_block_that_grows_without_end_is_refused() {
        let mut compress = flate2::Compress::new(flate2::Compression::best(), true);
        let mut small = Vec::with_capacity(4096);
        compress.compress_vec(&block(&[("a", &"x".repeat(1 << 20))]), &mut small, flate2::FlushCompress::Sync).unwrap();
        assert!(Reader::default().read(&small).is_err());
    }

    #[test]
    fn broken_blocks_are_told() {
        let whole = {
            let mut compress = flate2::Compress::new(flate2::Compression::best(), true);
            let mut out = Vec::with_capacity(4096);
            compress.compress_vec(&block(&[("port", "80")]), &mut out, flate2::FlushCompress::Sync).unwrap();
            out
        };
        let headers = Reader::default().read(&whole).unwrap();
        assert_eq!(headers.text("port"), "80");
        for end in 0..whole.len() {
            // The last bytes only end what is whole without them.
            let cut = Reader::default().read(&whole[..end]);
            assert!(cut.is_err() || (end > 16 && cut.as_ref() == Ok(&headers)), "cut at {end}: {cut:?}");
        }
    }
}
