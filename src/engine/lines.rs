//! A body of one JSON text a line, cut into its lines as they come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;
use hyper::body::{Body, Incoming};

use super::{Error, Result};

/// Longest line; an event with many labels is far below.
const MAX_LINE: usize = 1 << 20;

/// The lines of a body, empty ones left out.
pub(super) struct Lines<B = Incoming> {
    body: B,
    partial: BytesMut,
    ended: bool,
}

impl<B> Lines<B> {
    pub(super) fn new(body: B) -> Lines<B> {
        Lines { body, partial: BytesMut::new(), ended: false }
    }

    fn take_line(&mut self) -> Option<Bytes> {
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line = self.partial.split_to(end).freeze();
            self.partial.advance(1);
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
        None
    }
}

impl<B> Stream for Lines<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(line) = this.take_line() {
                return Poll::Ready(Some(Ok(line)));
            }
            if this.ended {
                let rest = this.partial.split().freeze();
                return Poll::Ready((!rest.trim_ascii().is_empty()).then_some(Ok(rest)));
            }
            if this.partial.len() > MAX_LINE {
                this.ended = true;
                this.partial.clear();
                return Poll::Ready(Some(Err(Error::Protocol("a line without end".to_owned()))));
            }
            if this.partial.is_empty() {
                // Waiting may take days: hold no memory meanwhile.
                this.partial = BytesMut::new();
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => this.partial.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(cause)) => {
                    this.ended = true;
                    this.partial.clear();
                    return Poll::Ready(Some(Err(Error::Broken(cause.to_string()))));
                }
                None => this.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    #[tokio::test]
    async fn lines_cut_anywhere_come_out_whole() {
        let text = b"{\"a\":1}\n\n{\"b\":2}\r\n{\"c\":3}";
        for size in 1..text.len() {
            let chunks: Vec<_> = text.chunks(size).map(Bytes::copy_from_slice).collect();
            let frames =
                futures_util::stream::iter(chunks.into_iter().map(|c| Ok::<_, std::io::Error>(Frame::data(c))));
            let lines: Vec<_> = Lines::new(StreamBody::new(frames)).map(|line| line.unwrap()).collect().await;
            let lines: Vec<_> = lines.iter().map(|line| line.trim_ascii()).collect();
            assert_eq!(lines, [b"{\"a\":1}", b"{\"b\":2}", b"{\"c\":3}"], "chunks of {size}");
        }
    }
}
