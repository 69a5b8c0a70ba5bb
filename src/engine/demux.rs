//! The streams of a container: frames of 8 bytes of header each, or raw where it has a terminal.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

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
    /// The bytes.
    pub data: Bytes,
}

/// Output of a container, as it comes: nothing is read ahead of who polls it but one small buffer.
pub struct Frames {
    source: Pin<Box<dyn Stream<Item = io::Result<Frame>> + Send>>,
}

impl Stream for Frames {
    type Item = io::Result<Frame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.source.as_mut().poll_next(context)
    }
}
