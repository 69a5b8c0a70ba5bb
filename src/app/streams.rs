//! Streams of the API over those of the node.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::api::body::BoxError;
use crate::api::streams::{Connection, ExecOptions, LogOptions, LogStream, Output, PodStreams, Process};
use crate::engine::{self, ExecSpec, StdStream};
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
        let output = streams.output.map(|frame| {
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
