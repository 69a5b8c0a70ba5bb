//! Streams of the API over those of the node.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use futures_util::{FutureExt, Stream};
use serde_json::Value;
use tokio::io::AsyncWrite;

use crate::api::body::BoxError;
use crate::api::streams::{Connection, ExecOptions, LogOptions, LogStream, Output, PodStreams, Process};
use crate::engine::{self, ExecSpec, Frame, Frames, StdStream, Stdin};
use crate::pods::{self, Node};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// The node as the API talks to it.
pub struct NodeStreams(pub Node);

impl NodeStreams {
    /// The program behind `process`, with what its client may do.
    fn connect(&self, process: pods::streams::Process, options: &ExecOptions) -> Process {
        let pods::streams::Process { streams, exec, container, tty, ends } = process;
        let node = self.0.clone();
        let place = Arc::new((exec.clone(), container));
        let refusal = Arc::new(OnceLock::new());
        let started = Begun {
            frames: streams.output,
            exec: exec.clone(),
            refusal: Arc::clone(&refusal),
            next: None,
            fresh: true,
        };
        let output = stream::unfold((started, node.clone()), |(mut begun, node)| async {
            let frame = begun.next(&node).await?;
            Some((frame, (begun, node)))
        });
        let output = output.map(|frame| {
            let frame = frame.map_err(BoxError::from)?;
            let output = if frame.stream == StdStream::Stderr { Output::Stderr } else { Output::Stdout };
            Ok((output, frame.data))
        });
        let resized = node.clone();
        let resize = move |columns, rows| -> BoxFuture<'static, ()> {
            let (node, place) = (resized.clone(), Arc::clone(&place));
            Box::pin(async move {
                if tty && let Err(error) = node.resize(place.0.as_deref(), &place.1, columns, rows).await {
                    // A terminal that is gone needs no size.
                    tracing::debug!(%error, "cannot resize");
                }
            })
        };
        let exit = async move {
            match exec {
                Some(_) if let Some(told) = refusal.get() => {
                    Err(Status::internal(format!("error executing command in container: {told}")))
                }
                Some(exec) => node.exit_code(&exec).await.map(Some),
                None => Ok(None),
            }
        };
        Process {
            output: output.boxed(),
            stdin: options.stdin.then(|| Box::new(Input { stdin: streams.stdin, ends }) as Box<_>),
            resize: Box::new(resize),
            exit: Box::pin(exit),
        }
    }
}

/// The way into a program. That of a container whose input is open for others after this one (`stdinOnce` unset)
/// does not end with who talks to it: Docker would end the output too.
struct Input {
    stdin: Stdin,
    ends: bool,
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ends { Pin::new(&mut self.stdin).poll_shutdown(context) } else { Poll::Ready(Ok(())) }
    }
}

/// How Docker begins what it writes in the place of a program that it could not run.
const REFUSED: &[u8] = b"OCI runtime exec failed: ";

/// The output of a program; what an engine has written there itself is no part of it.
struct Begun {
    frames: Frames,
    exec: Option<String>,
    /// Why the program was not run.
    refusal: Arc<OnceLock<String>>,
    /// Read already.
    next: Option<io::Result<Frame>>,
    /// Nothing was read yet.
    fresh: bool,
}

impl Begun {
    async fn next(&mut self, node: &Node) -> Option<io::Result<Frame>> {
        if let Some(frame) = self.next.take() {
            return Some(frame);
        }
        let frame = self.frames.next().await?;
        let suspect =
            std::mem::take(&mut self.fresh) && frame.as_ref().is_ok_and(|frame| frame.data.starts_with(REFUSED));
        if suspect && let Some(exec) = &self.exec {
            self.next = self.frames.next().await;
            let alone = self.next.is_none() && matches!(node.exit_code(exec).await, Ok(126 | 127));
            if let (true, Ok(frame)) = (alone, &frame) {
                // It is only this future that sets it.
                let _ = self.refusal.set(String::from_utf8_lossy(&frame.data).trim().to_owned());
                return None;
            }
        }
        Some(frame)
    }
}

impl PodStreams for NodeStreams {
    fn logs<'a>(
        &'a self,
        pod: &'a Value,
        container: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, Status>> {
        Box::pin(async move {
            let wanted = engine::LogOptions {
                follow: options.follow,
                since: since(&options),
                tail: options.tail_lines,
                timestamps: options.timestamps,
                stdout: options.stdout,
                stderr: options.stderr,
                ..engine::LogOptions::default()
            };
            let frames = self.0.logs(pod.namespace(), pod.name(), container, options.previous, &wanted).await?;
            Ok(gathered(frames))
        })
    }

    fn exec<'a>(
        &'a self,
        pod: &'a Value,
        container: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<Process, Status>> {
        Box::pin(async move {
            let spec = ExecSpec {
                command: options.command.clone(),
                tty: options.tty,
                stdin: options.stdin,
                stdout: options.stdout,
                stderr: options.stderr || options.tty,
                ..ExecSpec::default()
            };
            let process = self.0.exec(pod.namespace(), pod.name(), container, &spec).await?;
            Ok(self.connect(process, &options))
        })
    }

    fn attach<'a>(
        &'a self,
        pod: &'a Value,
        container: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<Process, Status>> {
        Box::pin(async move {
            let process = self.0.attach(pod.namespace(), pod.name(), container, options.stdin).await?;
            Ok(self.connect(process, &options))
        })
    }

    fn port_forward<'a>(&'a self, pod: &'a Value, port: u16) -> BoxFuture<'a, Result<Box<dyn Connection>, Status>> {
        Box::pin(async move {
            let stream = self.0.port_forward(pod.namespace(), pod.name(), port).await?;
            Ok(Box::new(stream) as Box<dyn Connection>)
        })
    }
}

/// Bytes of a log from which on nothing more is gathered.
const GATHERED: usize = 16 * 1024;

/// The bytes of a log, those that are there already in one piece: a client is not sent each line by itself.
fn gathered(frames: impl Stream<Item = io::Result<Frame>> + Send + 'static) -> LogStream {
    let state = (frames.fuse().boxed(), None);
    let pieces = stream::unfold(state, |(mut frames, broken): (_, Option<io::Error>)| async move {
        if let Some(error) = broken {
            return Some((Err(error.into()), (frames, None)));
        }
        let first = match frames.next().await? {
            Ok(frame) => frame.data,
            Err(error) => return Some((Err(error.into()), (frames, None))),
        };
        let (mut all, mut broken) = (BytesMut::new(), None);
        while first.len().max(all.len()) < GATHERED {
            match frames.next().now_or_never().flatten() {
                Some(Ok(frame)) if all.is_empty() => {
                    all.reserve(GATHERED);
                    all.extend_from_slice(&first);
                    all.extend_from_slice(&frame.data);
                }
                Some(Ok(frame)) => all.extend_from_slice(&frame.data),
                Some(Err(error)) => {
                    broken = Some(error);
                    break;
                }
                None => break,
            }
        }
        let piece = if all.is_empty() { first } else { all.freeze() };
        Some((Ok(piece), (frames, broken)))
    });
    pieces.boxed()
}

/// The earliest line that is wanted.
fn since(options: &LogOptions) -> Option<jiff::Timestamp> {
    let ago = options.since_seconds.map(jiff::SignedDuration::from_secs);
    options.since_time.or_else(|| ago.and_then(|ago| jiff::Timestamp::now().checked_sub(ago).ok()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn lines_that_are_there_go_out_together_and_an_error_last() {
        let frame = |text: &'static str| Frame { stream: StdStream::Stdout, data: Bytes::from(text) };
        let frames = vec![Ok(frame("a\n")), Ok(frame("b\n")), Ok(frame("c\n"))];
        let pieces: Vec<_> = gathered(stream::iter(frames)).map(|piece| piece.unwrap_or_default()).collect().await;
        assert_eq!(pieces, [Bytes::from("a\nb\nc\n")]);
        let broken = vec![Ok(frame("a\n")), Err(io::Error::other("gone"))];
        let pieces: Vec<_> = gathered(stream::iter(broken)).collect().await;
        assert!(matches!(pieces.as_slice(), [Ok(text), Err(_)] if text == "a\n"), "{pieces:?}");
    }
}
