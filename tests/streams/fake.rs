//! Containers that are programs of this machine: `exec` starts one, the container itself echoes.

use std::process::Stdio;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use k2d::api::body::BoxError;
use k2d::api::streams::{Connection, ExecOptions, LogOptions, LogStream, Output, PodStreams, Process};
use k2d::schema::status::Status;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::mpsc;

/// The port that echoes; on the others nobody listens.
pub const ECHO: u16 = 7;

/// Starts programs.
pub struct Programs;

type Pieces = BoxStream<'static, Result<(Output, Bytes), BoxError>>;

impl PodStreams for Programs {
    fn logs<'a>(&'a self, _: &'a Value, _: &'a str, options: LogOptions) -> BoxFuture<'a, Result<LogStream, Status>> {
        let mut lines = vec!["one\n", "two\n", "three\n"];
        if let Some(last) = options.tail_lines {
            lines.drain(..lines.len().saturating_sub(last as usize));
        }
        if options.follow {
            lines.push("four\n");
        }
        let pieces = lines.into_iter().map(|line| Ok(Bytes::from(line)));
        Box::pin(std::future::ready(Ok(stream::iter(pieces).boxed())))
    }

    fn exec<'a>(&'a self, _: &'a Value, _: &'a str, options: ExecOptions) -> BoxFuture<'a, Result<Process, Status>> {
        Box::pin(async move { if options.tty { Ok(terminal()) } else { start(&options.command, options.stdin) } })
    }

    fn attach<'a>(&'a self, _: &'a Value, _: &'a str, options: ExecOptions) -> BoxFuture<'a, Result<Process, Status>> {
        Box::pin(async move { start(&["cat".to_owned()], options.stdin) })
    }

    fn port_forward<'a>(&'a self, _: &'a Value, port: u16) -> BoxFuture<'a, Result<Box<dyn Connection>, Status>> {
        Box::pin(async move {
            if port != ECHO {
                return Err(Status::internal("connection refused"));
            }
            let (here, there) = tokio::io::duplex(4096);
            tokio::spawn(async move {
                let (mut from, mut to) = tokio::io::split(there);
                // The other side may leave in the middle.
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
            Ok(Box::new(here) as Box<dyn Connection>)
        })
    }
}

fn start(command: &[String], stdin: bool) -> Result<Process, Status> {
    let (program, args) = command.split_first().unwrap();
    let mut child = Command::new(program)
        .args(args)
        .stdin(if stdin { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Status::internal(format!("{program}: {error}")))?;
    let out = pieces(Output::Stdout, child.stdout.take().unwrap());
    let err = pieces(Output::Stderr, child.stderr.take().unwrap());
    // A pipe of the system ends when it is dropped, not when it is shut down.
    let stdin = child.stdin.take().map(|mut stdin| {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move { tokio::io::copy(&mut far, &mut stdin).await });
        Box::new(near) as _
    });
    let exit = async move {
        let status = child.wait().await.map_err(Status::internal)?;
        Ok(status.code().map(i64::from))
    };
    Ok(Process {
        output: stream::select(out, err).boxed(),
        stdin,
        resize: Box::new(|_, _| Box::pin(std::future::ready(()))),
        exit: Box::pin(exit),
    })
}

/// A program that says the first size that its terminal gets, and ends.
fn terminal() -> Process {
    let (sizes, mut told) = mpsc::channel(1);
    let output = async_once(async move { told.recv().await });
    Process {
        output,
        stdin: Some(Box::new(tokio::io::sink())),
        resize: Box::new(move |columns, rows| {
            let sizes = sizes.clone();
            Box::pin(async move {
                let _ = sizes.try_send(format!("{columns}x{rows}\r\n"));
            })
        }),
        exit: Box::pin(std::future::ready(Ok(Some(0)))),
    }
}

fn async_once(text: impl Future<Output = Option<String>> + Send + 'static) -> Pieces {
    stream::once(text).filter_map(|text| async { text.map(|text| Ok((Output::Stdout, Bytes::from(text)))) }).boxed()
}

fn pieces(of: Output, from: impl AsyncRead + Send + Unpin + 'static) -> Pieces {
    stream::unfold(from, move |mut from| async move {
        let mut buffer = vec![0; 8192];
        let count = from.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        buffer.truncate(count);
        Some((Ok((of, Bytes::from(buffer))), from))
    })
    .boxed()
}
