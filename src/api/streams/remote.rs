//! exec and attach over SPDY: a stream for each of error, stdin, stdout, stderr and resize, named by
//! its header `streamtype`; the outcome goes to the error stream.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::session::{Resize, Running, Size, Wire, run, started};
use super::spdy::{self, Closed, Session};
use super::{ExecOptions, Output, Process};
use crate::schema::status::Status;

/// How long a client may take to open its streams, as upstream has it.
const OPENING: Duration = Duration::from_secs(30);
/// Bytes of a size that is not whole, above which it is thrown away.
const MAX_SIZE: usize = 1024;

/// The streams of a session by what they are for.
#[derive(Default)]
struct Streams {
    error: Option<spdy::Stream>,
    stdin: Option<spdy::Stream>,
    stdout: Option<spdy::Stream>,
    stderr: Option<spdy::Stream>,
    resize: Option<spdy::Stream>,
}

impl Streams {
    /// Takes those that the options ask for, in any order.
    async fn gather(session: &mut Session, options: &ExecOptions) -> Result<Self, Closed> {
        let mut streams = Self::default();
        while !streams.complete(options) {
            let stream = session.accept().await.ok_or(Closed)?;
            let place = match stream.headers.text("streamtype") {
                "error" => &mut streams.error,
                "stdin" => &mut streams.stdin,
                "stdout" => &mut streams.stdout,
                "stderr" => &mut streams.stderr,
                "resize" => &mut streams.resize,
                other => {
                    debug!(streamtype = other, "an unknown stream was refused");
                    stream.output.reset().await;
                    continue;
                }
            };
            *place = Some(stream);
        }
        Ok(streams)
    }

    fn complete(&self, options: &ExecOptions) -> bool {
        self.error.is_some()
            && (self.stdin.is_some() || !options.stdin)
            && (self.stdout.is_some() || !options.stdout)
            && (self.stderr.is_some() || !options.stderr)
            && (self.resize.is_some() || !options.tty)
    }
}

/// The outputs of a session.
struct Remote {
    error: Option<spdy::Output>,
    stdout: Option<spdy::Output>,
    stderr: Option<spdy::Output>,
}

impl Wire for Remote {
    async fn send(&self, output: Output, bytes: &[u8]) -> Result<(), Closed> {
        let stream = if output == Output::Stdout { &self.stdout } else { &self.stderr };
        match stream {
            Some(stream) => stream.send(bytes).await,
            None => Ok(()),
        }
    }

    async fn finish(&self, verdict: &[u8]) -> Result<(), Closed> {
        for stream in [&self.stdout, &self.stderr].into_iter().flatten() {
            stream.end().await;
        }
        if let Some(error) = &self.error {
            error.send(verdict).await?;
            error.end().await;
        }
        Ok(())
    }
}

/// Serves a session to its end.
pub async fn serve(
    io: impl AsyncRead + AsyncWrite + Send + 'static,
    start: BoxFuture<'_, Result<Process, Status>>,
    options: &ExecOptions,
) -> Result<(), Closed> {
    let mut session = Session::open(io);
    let gathered = tokio::time::timeout(OPENING, Streams::gather(&mut session, options)).await;
    let Streams { error, stdin, stdout, stderr, resize: sizes } = gathered.map_err(|_| Closed)??;
    let Process { output, stdin: program, resize, exit } = started(start).await;
    let resizing = sizes.map(|sizes| tokio::spawn(follow(sizes.input, resize)));
    let input = stdin.map_or_else(|| stream::empty().boxed(), |stdin| received(stdin.input));
    let running = Running { output, stdin: program, exit, input };
    let output = |stream: Option<spdy::Stream>| stream.map(|stream| stream.output);
    let wire = Remote { error: output(error), stdout: output(stdout), stderr: output(stderr) };
    let gone = async { while session.accept().await.is_some() {} };
    let ended = run(&wire, running, options, gone).await;
    if let Some(resizing) = resizing {
        resizing.abort();
    }
    if ended.is_ok() {
        session.close().await;
    }
    ended
}

fn received(input: spdy::Input) -> BoxStream<'static, Bytes> {
    stream::unfold(input, |mut input| async {
        // A client that is gone is told apart elsewhere.
        let bytes = input.next().await.ok().flatten()?;
        Some((bytes, input))
    })
    .boxed()
}

/// Sets each size that the client sends.
async fn follow(mut input: spdy::Input, resize: Resize) {
    let mut buffer = Vec::new();
    while let Ok(Some(bytes)) = input.next().await {
        buffer.extend_from_slice(&bytes);
        for size in sizes(&mut buffer) {
            resize(size.width, size.height).await;
        }
    }
}

/// Takes the whole sizes from the front of `buffer`; JSON objects, one after the other.
fn sizes(buffer: &mut Vec<u8>) -> Vec<Size> {
    let mut values = serde_json::Deserializer::from_slice(buffer).into_iter();
    let mut sizes = Vec::new();
    let mut taken = 0;
    while let Some(Ok(size)) = values.next() {
        sizes.push(size);
        taken = values.byte_offset();
    }
    buffer.drain(..taken);
    if buffer.len() > MAX_SIZE {
        buffer.clear();
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_arrive_in_pieces() {
        let mut buffer = br#"{"Width":80,"Height":24}
{"Width":100,"Hei"#
            .to_vec();
        assert_eq!(sizes(&mut buffer), [Size { width: 80, height: 24 }]);
        buffer.extend_from_slice(br#"ght":30}"#);
        assert_eq!(sizes(&mut buffer), [Size { width: 100, height: 30 }]);
        assert!(sizes(&mut vec![b'{'; 2 * MAX_SIZE]).is_empty());
    }
}
