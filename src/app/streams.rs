//! Streams of the API over those of the node.

use std::io;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use crate::api::body::BoxError;
use crate::api::streams::{Connection, ExecOptions, LogOptions, LogStream, Output, PodStreams, Process};
use crate::engine::{self, ExecSpec, Frame, Frames, StdStream};
use crate::pods::{self, Node};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// The node as the API talks to it.
pub struct NodeStreams(pub Node);

impl NodeStreams {
    /// The program behind `process`, with what its client may do.
    fn connect(&self, process: pods::streams::Process, options: &ExecOptions) -> Process {
        let pods::streams::Process { streams, exec, container, tty } = process;
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
            stdin: options.stdin.then(|| Box::new(streams.stdin) as Box<_>),
            resize: Box::new(resize),
            exit: Box::pin(exit),
        }
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
            Ok(frames.map(|frame| frame.map(|frame| frame.data).map_err(BoxError::from)).boxed())
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

/// The earliest line that is wanted.
fn since(options: &LogOptions) -> Option<jiff::Timestamp> {
    let ago = options.since_seconds.map(jiff::SignedDuration::from_secs);
    options.since_time.or_else(|| ago.and_then(|ago| jiff::Timestamp::now().checked_sub(ago).ok()))
}
