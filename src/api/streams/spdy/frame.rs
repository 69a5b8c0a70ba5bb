//! Frames of SPDY/3.1 (section 2.2) as a server reads and writes them. Pure: bytes in, frames out.
//! The data of a frame is given out as it arrives, so that a frame's length costs no memory.

use bytes::{Buf, Bytes, BytesMut};

use super::headers::{Headers, Reader, Writer};

/// What ends a session.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Another version than 3.
    #[error("SPDY version {0} is not spoken here")]
    Version(u16),
    /// A control frame of an impossible length.
    #[error("a control frame of type {0} has {1} bytes")]
    Length(u16, usize),
    /// A header block that cannot be read.
    #[error("a header block is broken or too large")]
    Headers,
}

/// What a client may send.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// Opens a stream.
    Open {
        /// Its number.
        stream: u32,
        /// What it is for.
        headers: Headers,
        /// Whether nothing more follows on it.
        last: bool,
    },
    /// Some of a stream's bytes.
    Data {
        /// The stream.
        stream: u32,
        /// The bytes; empty only at the end.
        bytes: Bytes,
        /// Whether nothing more follows on it.
        last: bool,
    },
    /// Ends a stream in both directions.
    Reset(u32),
    /// Wants the same back.
    Ping(u32),
    /// Nothing new comes.
    GoAway,
    /// What needs no answer. Windows are among it: the peers that speak SPDY with Kubernetes neither
    /// announce nor heed any, and slow each other down by not reading the connection.
    Other,
}

/// Bytes of a control frame, above which the session ends.
const MAX_CONTROL: usize = 16 * 1024;
/// Bytes of the head of each frame.
const HEAD: usize = 8;
const CONTROL: u8 = 0x80;
const LAST: u8 = 0x01;
const STREAM_MASK: u32 = 0x7FFF_FFFF;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;

/// Takes frames from the bytes that a client sends.
#[derive(Default)]
pub struct Decoder {
    /// What has arrived and is not yet taken.
    pub buffer: BytesMut,
    headers: Reader,
    open: Option<Open>,
}

/// A data frame whose end has not arrived.
struct Open {
    stream: u32,
    left: usize,
    last: bool,
}

impl Decoder {
    /// The next frame, or `None` where more bytes are needed.
    ///
    /// # Errors
    /// The client does not speak SPDY/3.1; nothing more can be read.
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if let Some(open) = &mut self.open {
                let count = open.left.min(self.buffer.len());
                if count == 0 && open.left > 0 {
                    return Ok(None);
                }
                open.left -= count;
                // A copy, as a piece of the buffer would keep all of it.
                let bytes = Bytes::copy_from_slice(self.buffer.get(..count).unwrap_or_default());
                self.buffer.advance(count);
                let frame = Frame::Data { stream: open.stream, bytes, last: open.last && open.left == 0 };
                if open.left == 0 {
                    self.open = None;
                }
                return Ok(Some(frame));
            }
            let Some(head) = self.buffer.first_chunk::<HEAD>() else { return Ok(None) };
            let [a, b, c, d, flags, length @ ..] = *head;
            let length = length.into_iter().fold(0, |sum, byte| sum << 8 | usize::from(byte));
            if a & CONTROL == 0 {
                let stream = u32::from_be_bytes([a, b, c, d]);
                let last = flags & LAST != 0;
                self.buffer.advance(HEAD);
                if length > 0 || last {
                    self.open = Some(Open { stream, left: length, last });
                }
                continue;
            }
            let version = u16::from_be_bytes([a & !CONTROL, b]);
            if version != 3 {
                return Err(Error::Version(version));
            }
            let kind = u16::from_be_bytes([c, d]);
            if length > MAX_CONTROL {
                return Err(Error::Length(kind, length));
            }
            if self.buffer.len() < HEAD + length {
                return Ok(None);
            }
            self.buffer.advance(HEAD);
            let payload = self.buffer.split_to(length);
            return self.control(kind, flags, &payload).map(Some);
        }
    }

    fn control(&mut self, kind: u16, flags: u8, payload: &[u8]) -> Result<Frame, Error> {
        let short = || Error::Length(kind, payload.len());
        let first = || payload.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes)).ok_or_else(short);
        Ok(match kind {
            SYN_STREAM => {
                let stream = first()? & STREAM_MASK;
                let headers = self.headers.read(payload.get(10..).ok_or_else(short)?)?;
                Frame::Open { stream, headers, last: flags & LAST != 0 }
            }
            // Their blocks belong to the one zlib stream and have to be read.
            SYN_REPLY | HEADERS => {
                self.headers.read(payload.get(4..).ok_or_else(short)?)?;
                Frame::Other
            }
            RST_STREAM => Frame::Reset(first()? & STREAM_MASK),
            PING => Frame::Ping(first()?),
            GOAWAY => Frame::GoAway,
            _ => Frame::Other,
        })
    }
}

/// The answer that accepts a stream.
pub fn reply(stream: u32, headers: &mut Writer) -> Vec<u8> {
    let block = headers.empty();
    let mut frame = control(SYN_REPLY, block.len() + 4);
    frame.extend_from_slice(&(stream & STREAM_MASK).to_be_bytes());
    frame.extend_from_slice(&block);
    frame
}

/// Ends a stream for `reason`: 1 protocol error, 3 refused, 5 cancelled (section 2.6.3).
pub fn reset(stream: u32, reason: u32) -> Vec<u8> {
    pair(RST_STREAM, stream & STREAM_MASK, reason)
}

/// Says that no new streams are taken, `last` being the last one that was.
pub fn go_away(last: u32) -> Vec<u8> {
    pair(GOAWAY, last & STREAM_MASK, 0)
}

/// Answers a ping.
pub fn ping(id: u32) -> Vec<u8> {
    let mut frame = control(PING, 4);
    frame.extend_from_slice(&id.to_be_bytes());
    frame
}

/// Some of a stream's bytes, fewer than 16 MiB; `last` where nothing follows.
pub fn data(stream: u32, bytes: &[u8], last: bool) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + bytes.len());
    frame.extend_from_slice(&(stream & STREAM_MASK).to_be_bytes());
    frame.extend_from_slice(&flagged_length(u8::from(last), bytes.len()));
    frame.extend_from_slice(bytes);
    frame
}

fn pair(kind: u16, first: u32, second: u32) -> Vec<u8> {
    let mut frame = control(kind, 8);
    frame.extend_from_slice(&first.to_be_bytes());
    frame.extend_from_slice(&second.to_be_bytes());
    frame
}

fn control(kind: u16, length: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + length);
    frame.extend_from_slice(&[CONTROL, 3]);
    frame.extend_from_slice(&kind.to_be_bytes());
    frame.extend_from_slice(&flagged_length(0, length));
    frame
}

fn flagged_length(flags: u8, length: usize) -> [u8; 4] {
    let [_, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [flags, b, c, d]
}

#[cfg(test)]
#[path = "frame/tests.rs"]
mod tests;
