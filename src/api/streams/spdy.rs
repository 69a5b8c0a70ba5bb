//! A SPDY/3.1 session as Kubernetes uses it: a client opens streams, each named by its headers, over
//! a connection that began as HTTP/1.1. It knows no pods. Memory is bounded by small queues: a stream
//! that is not read holds its connection back, as windows are not spoken (see [`frame::Frame`]).

mod dictionary;
mod frame;
mod headers;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::debug;

pub use headers::Headers;

use frame::{Decoder, Frame};

/// Streams at a time in one session; further ones are refused.
const MAX_STREAMS: usize = 256;
/// Pieces that wait in one stream.
const PIECES: usize = 4;
/// Frames that wait to be written.
const FRAMES: usize = 4;
/// Bytes that are read at a time.
const CHUNK: usize = 16 * 1024;
/// How long a client may take to hang up after everything was said.
const LINGER: Duration = Duration::from_secs(5);

const REFUSED: u32 = 3;
const CANCELLED: u32 = 5;

/// The session's other side is gone, or has reset the stream.
#[derive(Debug, thiserror::Error)]
#[error("the stream is closed")]
pub struct Closed;

/// A session with a client.
pub struct Session {
    streams: mpsc::Receiver<Stream>,
    frames: mpsc::Sender<Vec<u8>>,
    reading: JoinHandle<()>,
    writing: JoinHandle<()>,
}

/// A stream that the client has opened.
pub struct Stream {
    /// What it is for.
    pub headers: Headers,
    /// What the client sends.
    pub input: Input,
    /// What the client is sent.
    pub output: Output,
}

/// What the client sends on a stream.
pub struct Input(mpsc::Receiver<Piece>);

/// What the client is sent on a stream.
#[derive(Clone)]
pub struct Output {
    stream: u32,
    frames: mpsc::Sender<Vec<u8>>,
}

enum Piece {
    Data(Bytes),
    End,
}

impl Session {
    /// A session over a connection.
    pub fn open(io: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (reader, writer) = tokio::io::split(io);
        let (frames, to_write) = mpsc::channel(FRAMES);
        let (opened, streams) = mpsc::channel(1);
        let writing = tokio::spawn(async move {
            if let Err(error) = write(writer, to_write).await {
                debug!(%error, "a SPDY session cannot be written");
            }
        });
        let answers = frames.clone();
        let reading = tokio::spawn(async move {
            if let Err(error) = read(reader, opened, answers).await {
                debug!(%error, "a SPDY session ended early");
            }
        });
        Self { streams, frames, reading, writing }
    }

    /// The next stream that the client opens, or `None` once it is gone.
    pub async fn accept(&mut self) -> Option<Stream> {
        self.streams.recv().await
    }

    /// Ends the session after all that was sent has been written and the client has hung up.
    pub async fn close(mut self) {
        let _ = self.frames.send(frame::go_away(0)).await;
        // Closing with something unread would take from the client what it has not yet read.
        let gone = async { while self.streams.recv().await.is_some() {} };
        let _ = tokio::time::timeout(LINGER, gone).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.reading.abort();
        self.writing.abort();
    }
}

impl Input {
    /// The next bytes, or `None` at the end.
    ///
    /// # Errors
    /// The client has reset the stream or is gone.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Closed> {
        match self.0.recv().await {
            Some(Piece::Data(bytes)) => Ok(Some(bytes)),
            Some(Piece::End) => Ok(None),
            None => Err(Closed),
        }
    }
}

impl Output {
    /// Sends bytes, fewer than 16 MiB.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn send(&self, bytes: &[u8]) -> Result<(), Closed> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.frames.send(frame::data(self.stream, bytes, false)).await.map_err(|_| Closed)
    }

    /// Says that nothing more is sent. A client that is gone need not know.
    pub async fn end(&self) {
        let _ = self.frames.send(frame::data(self.stream, b"", true)).await;
    }

    /// Ends the stream in both directions.
    pub async fn reset(&self) {
        let _ = self.frames.send(frame::reset(self.stream, CANCELLED)).await;
    }
}

async fn write(
    mut writer: WriteHalf<impl AsyncWrite>,
    mut frames: mpsc::Receiver<Vec<u8>>,
) -> Result<(), std::io::Error> {
    while let Some(frame) = frames.recv().await {
        writer.write_all(&frame).await?;
        if frames.is_empty() {
            writer.flush().await?;
        }
    }
    writer.shutdown().await
}

/// Reads frames until the client is gone; then all streams end as `opened` does.
async fn read(
    mut reader: ReadHalf<impl AsyncRead>,
    opened: mpsc::Sender<Stream>,
    frames: mpsc::Sender<Vec<u8>>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut decoder = Decoder::default();
    let mut headers_out = headers::Writer::default();
    let mut streams: HashMap<u32, mpsc::Sender<Piece>> = HashMap::new();
    loop {
        decoder.buffer.reserve(CHUNK);
        if reader.read_buf(&mut decoder.buffer).await? == 0 {
            return Ok(());
        }
        while let Some(frame) = decoder.next()? {
            match frame {
                Frame::Open { stream, headers, last } => {
                    streams.retain(|_, pieces| !pieces.is_closed());
                    // Clients number their streams oddly and never twice.
                    if stream % 2 == 0 || streams.contains_key(&stream) || streams.len() >= MAX_STREAMS {
                        frames.send(frame::reset(stream, REFUSED)).await?;
                        continue;
                    }
                    frames.send(frame::reply(stream, &mut headers_out)).await?;
                    let (pieces, input) = mpsc::channel(PIECES);
                    if last {
                        let _ = pieces.try_send(Piece::End);
                    } else {
                        streams.insert(stream, pieces);
                    }
                    let output = Output { stream, frames: frames.clone() };
                    // A session that takes no more streams goes on with those it has.
                    let _ = opened.send(Stream { headers, input: Input(input), output }).await;
                }
                Frame::Data { stream, bytes, last } => {
                    let Some(pieces) = streams.get(&stream) else { continue };
                    // A stream that nobody reads any more is read to its end for the sake of the others.
                    if !bytes.is_empty() {
                        let _ = pieces.send(Piece::Data(bytes)).await;
                    }
                    if last {
                        let _ = pieces.send(Piece::End).await;
                        streams.remove(&stream);
                    }
                }
                Frame::Reset(stream) => {
                    streams.remove(&stream);
                }
                // Even numbers would be answers to pings of the server, which sends none.
                Frame::Ping(id) if id % 2 == 1 => frames.send(frame::ping(id)).await?,
                Frame::Ping(_) | Frame::GoAway | Frame::Other => {}
            }
        }
    }
}
