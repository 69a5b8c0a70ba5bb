//! exec and attach, whatever the client speaks: what is asked, what passes between a program and its
//! client, and how the outcome is told.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use hyper::Response;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tracing::debug;

use super::super::body::Body;
use super::spdy::Closed;
use super::{Context, ExecOptions, Output, Process, channels, no_host, pod, remote, streams, upgrade};
use crate::registry::containers;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// What is spoken over SPDY, the best first; the two differ over WebSockets alone.
const STREAMS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// Runs a program in a container, or connects to the one that it runs.
pub async fn answer(cx: &Context<'_>, attach: bool) -> Result<Response<Body>, Status> {
    let pod = pod(cx).await?;
    let container = containers::choose(&pod, cx.query.text("container"))?;
    if pod.text("/spec/nodeName").is_empty() {
        return Err(no_host(&pod));
    }
    let options = options(cx, attach);
    if !attach && options.command.is_empty() {
        return Err(Status::bad_request("you must specify at least one command for the container"));
    }
    if !options.stdin && !options.stdout && !options.stderr {
        return Err(Status::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    let upgrade_required = || Status::bad_request("Upgrade request required");
    let kind = upgrade::wanted(&cx.headers).ok_or_else(upgrade_required)?;
    let agreed = match kind {
        upgrade::Kind::WebSocket => upgrade::websocket(&cx.headers, &channels::PROTOCOLS)?,
        upgrade::Kind::Spdy => match upgrade::spdy(&cx.headers, &STREAMS) {
            Ok(agreed) => agreed,
            Err(refused) => return Ok(*refused),
        },
    };
    let streams = streams(cx, &pod)?;
    let connection = cx.take_upgrade().ok_or_else(upgrade_required)?;
    let protocol = agreed.protocol;
    tokio::spawn(async move {
        let Ok(io) = connection.await else { return };
        let io = TokioIo::new(io);
        // What fails from here on is told in the session.
        let wanted = options.clone();
        let start: BoxFuture<'_, _> =
            if attach { streams.attach(&pod, &container, wanted) } else { streams.exec(&pod, &container, wanted) };
        let ended = match kind {
            upgrade::Kind::WebSocket => channels::serve(io, start, &options, protocol).await,
            upgrade::Kind::Spdy => remote::serve(io, start, &options).await,
        };
        if let Err(error) = ended {
            debug!(%error, "a session ended early");
        }
    });
    Ok(agreed.response)
}

fn options(cx: &Context<'_>, attach: bool) -> ExecOptions {
    let query = &cx.query;
    let tty = query.flag("tty");
    let command = if attach { Vec::new() } else { query.all("command").map(ToOwned::to_owned).collect() };
    ExecOptions {
        command,
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        // A terminal has one output.
        stderr: query.flag("stderr") && !tty,
        tty,
    }
}

/// Sets columns and rows of a terminal.
pub type Resize = Box<dyn Fn(u16, u16) -> BoxFuture<'static, ()> + Send + Sync>;

/// The client's side of a session.
pub trait Wire: Send + Sync {
    /// Sends what the program has written.
    fn send(&self, output: Output, bytes: &[u8]) -> impl Future<Output = Result<(), Closed>> + Send;

    /// Tells the outcome, after which nothing is sent.
    fn finish(&self, verdict: &[u8]) -> impl Future<Output = Result<(), Closed>> + Send;
}

/// The size of a terminal as clients send it.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    #[serde(rename = "Width")]
    pub width: u16,
    /// Rows.
    #[serde(rename = "Height")]
    pub height: u16,
}

/// The process, or one that has ended with why it could not start.
pub async fn started(start: BoxFuture<'_, Result<Process, Status>>) -> Process {
    start.await.unwrap_or_else(|status| Process {
        output: stream::empty().boxed(),
        stdin: None,
        resize: Box::new(|_, _| Box::pin(std::future::ready(()))),
        exit: Box::pin(std::future::ready(Err(status))),
    })
}

/// What [`run`] connects.
pub struct Running {
    /// What the program writes.
    pub output: BoxStream<'static, Result<(Output, Bytes), super::BoxError>>,
    /// What it reads.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Its outcome.
    pub exit: BoxFuture<'static, Result<Option<i64>, Status>>,
    /// What the client sends; its end is the end of the program's input.
    pub input: BoxStream<'static, Bytes>,
}

/// Carries bytes between a program and its client until the program ends or the client is `gone`.
pub async fn run(
    wire: &impl Wire,
    running: Running,
    options: &ExecOptions,
    gone: impl Future<Output = ()>,
) -> Result<(), Closed> {
    let Running { mut output, stdin, exit, input } = running;
    let feeding = tokio::spawn(feed(input, stdin));
    let carry = async {
        let outcome = loop {
            match output.next().await {
                Some(Ok((Output::Stdout, _))) if !options.stdout => {}
                Some(Ok((Output::Stderr, _))) if !options.stderr => {}
                Some(Ok((from, bytes))) => wire.send(from, &bytes).await?,
                Some(Err(error)) => break Err(Status::internal(error)),
                None => break exit.await,
            }
        };
        wire.finish(verdict(outcome).to_string().as_bytes()).await
    };
    let ended = tokio::select! {
        ended = carry => ended,
        () = gone => Err(Closed),
    };
    feeding.abort();
    ended
}

/// Writes to the program until the client says that this is all. The way in is held for as long as this is polled.
async fn feed(input: BoxStream<'static, Bytes>, mut stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>) {
    let mut input = input.fuse();
    if let Some(stdin) = &mut stdin {
        while let Some(bytes) = input.next().await {
            if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
                break;
            }
        }
        // A program that is gone has had its end of input.
        let _ = stdin.shutdown().await;
    }
    while input.next().await.is_some() {}
    std::future::pending().await
}

/// The outcome as clients read it.
fn verdict(outcome: Result<Option<i64>, Status>) -> Value {
    match outcome {
        Ok(None | Some(0)) => json!({"metadata": {}, "status": "Success"}),
        Ok(Some(code)) => json!({
            "metadata": {},
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Err(status) => status.to_value(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn the_end_of_input_reaches_the_program_and_harms_nobody() {
        let (mut program, stdin) = tokio::io::duplex(64);
        let pieces = vec![Bytes::from("one "), Bytes::from("two")].into_iter();
        // As the sessions make their input: not to be polled after its end.
        let input = stream::unfold(pieces, |mut left| async move { left.next().map(|piece| (piece, left)) });
        let feeding = tokio::spawn(feed(input.boxed(), Some(Box::new(stdin))));
        let mut got = String::new();
        program.read_to_string(&mut got).await.expect("readable");
        assert_eq!(got, "one two");
        tokio::task::yield_now().await;
        assert!(!feeding.is_finished(), "the way in is held");
        feeding.abort();
    }

    #[test]
    fn a_failed_command_tells_its_code() {
        let verdict = verdict(Ok(Some(3)));
        assert_eq!(verdict["details"]["causes"][0], json!({"reason": "ExitCode", "message": "3"}));
        assert_eq!(super::verdict(Ok(Some(0)))["status"], "Success");
    }
}
