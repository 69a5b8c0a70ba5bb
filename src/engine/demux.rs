//! The streams of a container: frames with a header of 8 bytes each (kind, three zeros, length, most
//! significant byte first), or raw where it has a terminal. It knows no request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;
use hyper::body::{Body, Incoming};
use tokio::net::unix::OwnedReadHalf;

/// Most that is read from the socket at once.
const CHUNK: usize = 32 << 10;
/// Longest error text of the engine within a stream.
const MAX_ERROR: usize = 4 << 10;

/// Which output some bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdStream {
    /// Output; with a terminal, all of it.
    Stdout,
    /// Error output.
    Stderr,
}

/// Some bytes of output, cut anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where they come from.
    pub stream: StdStream,
    /// The bytes, at least one.
    pub data: Bytes,
}

/// Output of a container, as it comes. Nothing is read ahead of who polls it but one chunk, so a slow
/// reader slows the writer down.
pub struct Frames {
    source: Source,
    decoder: Decoder,
    chunk: Bytes,
    /// Lines at the front that are left out.
    skip: u64,
}

enum Source {
    Body(Incoming),
    Socket(OwnedReadHalf),
    Ended,
}

impl Frames {
    pub(super) fn from_body(body: Incoming, raw: bool) -> Frames {
        Frames { source: Source::Body(body), decoder: Decoder::new(raw), chunk: Bytes::new(), skip: 0 }
    }

    /// `read` was already read from the socket.
    pub(super) fn from_socket(half: OwnedReadHalf, read: Bytes, raw: bool) -> Frames {
        Frames { source: Source::Socket(half), decoder: Decoder::new(raw), chunk: read, skip: 0 }
    }

    /// Without so many lines at the front.
    pub fn without_lines(self, skip: u64) -> Frames {
        Frames { skip, ..self }
    }

    /// The rest of some bytes, once enough lines were left out.
    fn after_skipped(&mut self, mut data: Bytes) -> Bytes {
        while self.skip > 0 {
            let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return Bytes::new() };
            data.advance(end + 1);
            self.skip -= 1;
        }
        data
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.source {
            Source::Ended => Poll::Ready(None),
            Source::Body(body) => match ready!(Pin::new(body).poll_frame(context)) {
                Some(Ok(frame)) => Poll::Ready(Some(Ok(frame.into_data().unwrap_or_default()))),
                Some(Err(cause)) => Poll::Ready(Some(Err(io::Error::other(cause)))),
                None => Poll::Ready(None),
            },
            Source::Socket(half) => loop {
                ready!(half.as_ref().poll_read_ready(context))?;
                let mut buffer = BytesMut::with_capacity(CHUNK);
                match half.try_read_buf(&mut buffer) {
                    Ok(0) => return Poll::Ready(None),
                    // A few bytes shall not hold a whole chunk.
                    Ok(read) if read < CHUNK / 8 => return Poll::Ready(Some(Ok(Bytes::copy_from_slice(&buffer)))),
                    Ok(_) => return Poll::Ready(Some(Ok(buffer.freeze()))),
                    Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                    Err(cause) => return Poll::Ready(Some(Err(cause))),
                }
            },
        }
    }
}

impl Stream for Frames {
    type Item = io::Result<Frame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let failure = match this.decoder.next(&mut this.chunk) {
                Ok(Some(Frame { stream, data })) => {
                    let data = this.after_skipped(data);
                    if data.is_empty() {
                        continue;
                    }
                    return Poll::Ready(Some(Ok(Frame { stream, data })));
                }
                Ok(None) => match ready!(this.poll_chunk(context)) {
                    Some(Ok(chunk)) => {
                        this.chunk = chunk;
                        continue;
                    }
                    Some(Err(cause)) => Some(cause),
                    None => this.decoder.end().err(),
                },
                Err(cause) => Some(cause),
            };
            this.source = Source::Ended;
            this.decoder = Decoder::new(true);
            this.chunk = Bytes::new();
            return Poll::Ready(failure.map(Err));
        }
    }
}

/// Cuts chunks into frames. A frame is handed on in parts as they come, never gathered.
struct Decoder {
    raw: bool,
    header: [u8; 8],
    filled: usize,
    stream: Kind,
    left: usize,
    error: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Kind {
    Output(StdStream),
    EngineError,
}

impl Decoder {
    fn new(raw: bool) -> Decoder {
        Decoder { raw, header: [0; 8], filled: 0, stream: Kind::Output(StdStream::Stdout), left: 0, error: Vec::new() }
    }

    /// Takes the next part of a frame out of `input`; `None` when it needs more.
    fn next(&mut self, input: &mut Bytes) -> io::Result<Option<Frame>> {
        if self.raw {
            let data = std::mem::take(input);
            return Ok((!data.is_empty()).then_some(Frame { stream: StdStream::Stdout, data }));
        }
        while !input.is_empty() {
            if self.left == 0 {
                self.read_header(input)?;
                continue;
            }
            let data = input.split_to(self.left.min(input.len()));
            self.left -= data.len();
            match self.stream {
                Kind::Output(stream) => return Ok(Some(Frame { stream, data })),
                Kind::EngineError => {
                    let room = MAX_ERROR.saturating_sub(self.error.len());
                    self.error.extend(data.iter().take(room));
                    if self.left == 0 {
                        return Err(io::Error::other(String::from_utf8_lossy(&self.error).into_owned()));
                    }
                }
            }
        }
        Ok(None)
    }

    fn read_header(&mut self, input: &mut Bytes) -> io::Result<()> {
        while let Some(slot) = self.header.get_mut(self.filled) {
            if input.is_empty() {
                return Ok(());
            }
            *slot = input.get_u8();
            self.filled += 1;
        }
        self.filled = 0;
        let [kind, _, _, _, length @ ..] = self.header;
        self.stream = match kind {
            // Stdin that is echoed counts as output.
            0 | 1 => Kind::Output(StdStream::Stdout),
            2 => Kind::Output(StdStream::Stderr),
            3 => Kind::EngineError,
            other => {
                let text = format!("unknown kind of stream {other}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        };
        self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        Ok(())
    }

    /// The source has ended: an error in the middle of a header or frame.
    fn end(&self) -> io::Result<()> {
        match self.left == 0 && self.filled == 0 {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
        bytes
    }

    fn decode(decoder: &mut Decoder, chunks: &[&[u8]]) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let mut input = Bytes::copy_from_slice(chunk);
            while let Some(frame) = decoder.next(&mut input)? {
                match frame.stream {
                    StdStream::Stdout => out.extend(&frame.data),
                    StdStream::Stderr => err.extend(&frame.data),
                }
            }
        }
        Ok((out, err))
    }

    #[test]
    fn frames_cut_anywhere_come_out_whole() {
        let mut bytes = frame(1, b"one\0\xff");
        bytes.extend(frame(2, b"two"));
        bytes.extend(frame(1, b""));
        bytes.extend(frame(1, b"three"));
        for size in 1..bytes.len() {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            let mut decoder = Decoder::new(false);
            let (out, err) = decode(&mut decoder, &chunks).unwrap();
            assert_eq!((out.as_slice(), err.as_slice()), (&b"one\0\xffthree"[..], &b"two"[..]), "chunks of {size}");
            assert!(decoder.end().is_ok());
        }
    }

    #[tokio::test]
    async fn lines_are_left_out_at_the_front() {
        use futures_util::StreamExt;
        let (ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
        let mut bytes = frame(1, b"one\ntw");
        bytes.extend(frame(1, b"o\n"));
        bytes.extend(frame(2, b"three\nfour"));
        tokio::io::AsyncWriteExt::write_all(&mut theirs, &bytes).await.unwrap();
        drop(theirs);
        let frames = Frames::from_socket(ours.into_split().0, Bytes::new(), false).without_lines(2);
        let got: Vec<_> = frames.map(|frame| frame.unwrap().data).collect().await;
        assert_eq!(got.concat(), b"three\nfour");
    }

    #[test]
    fn raw_bytes_pass_untouched() {
        let bytes = frame(2, b"looks like a frame");
        let (out, err) = decode(&mut Decoder::new(true), &[&bytes]).unwrap();
        assert_eq!((out, err), (bytes, Vec::new()));
    }

    #[test]
    fn an_error_of_the_engine_within_the_stream_is_an_error() {
        let error = decode(&mut Decoder::new(false), &[&frame(3, b"disk went away")]).unwrap_err();
        assert_eq!(error.to_string(), "disk went away");
    }

    #[test]
    fn what_is_no_frame_or_is_cut_off_is_an_error() {
        assert!(decode(&mut Decoder::new(false), &[b"plain text here"]).is_err());
        for cut in [3, 10] {
            let mut decoder = Decoder::new(false);
            let bytes = frame(1, b"abc");
            decode(&mut decoder, &[&bytes[..cut]]).unwrap();
            assert_eq!(decoder.end().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
