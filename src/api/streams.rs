//! The subresources of pods that talk to a container: `log`, `exec`, `attach`, `portforward`. Which
//! container is meant and whether the request is sound is settled here; the bytes come from
//! [`PodStreams`].
//!
//! ```text
//! log
//! session → upgrade, channels (WebSocket) → socket
//!                    remote (SPDY) → spdy
//! port_forward → upgrade, socket, spdy
//! messages (watches and logs over WebSocket) → upgrade, socket
//! ```

mod channels;
mod log;
mod messages;
mod port_forward;
mod remote;
mod session;
mod socket;
mod spdy;
mod upgrade;

pub use messages::watched;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hyper::Response;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Context;
use super::authz;
use super::body::{Body, BoxError};
use super::request::RequestInfo;
use crate::registry::Target;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// What is wanted of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Goes on until the container ends.
    pub follow: bool,
    /// The log of the container before the last restart.
    pub previous: bool,
    /// Lines from so many seconds ago.
    pub since_seconds: Option<i64>,
    /// Lines from this time on (RFC 3339).
    pub since_time: Option<jiff::Timestamp>,
    /// The last so many lines.
    pub tail_lines: Option<u64>,
    /// At most so many bytes.
    pub limit_bytes: Option<u64>,
    /// Each line begins with its time.
    pub timestamps: bool,
    /// Whether stdout is wanted.
    pub stdout: bool,
    /// Whether stderr is wanted.
    pub stderr: bool,
}

/// What is to be run, or attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// Program and arguments; empty for an attach.
    pub command: Vec<String>,
    /// Whether something is sent in.
    pub stdin: bool,
    /// Whether stdout is wanted.
    pub stdout: bool,
    /// Whether stderr is wanted.
    pub stderr: bool,
    /// Whether it has a terminal.
    pub tty: bool,
}

/// Which of the two outputs a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output, and all of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A program whose streams are connected.
pub struct Process {
    /// What it writes; ends when it does.
    pub output: BoxStream<'static, Result<(Output, Bytes), BoxError>>,
    /// What it reads; shutting it down is the end of its input.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Sets columns and rows of its terminal.
    pub resize: Box<dyn Fn(u16, u16) -> BoxFuture<'static, ()> + Send + Sync>,
    /// Its exit code, once the output has ended; `None` where there is none (attach).
    pub exit: BoxFuture<'static, Result<Option<i64>, Status>>,
}

/// The bytes of a log.
pub type LogStream = BoxStream<'static, Result<Bytes, BoxError>>;

/// A connection to a port.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Talks to the containers of pods.
pub trait PodStreams: Send + Sync {
    /// The log of a container.
    fn logs<'a>(
        &'a self,
        pod: &'a Value,
        container: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, Status>>;

    /// Runs a program in a container.
    fn exec<'a>(
        &'a self,
        pod: &'a Value,
        container: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<Process, Status>>;

    /// Connects to the program that a container runs.
    fn attach<'a>(
        &'a self,
        pod: &'a Value,
        container: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<Process, Status>>;

    /// Connects to a TCP port of a pod.
    fn port_forward<'a>(&'a self, pod: &'a Value, port: u16) -> BoxFuture<'a, Result<Box<dyn Connection>, Status>> {
        let told = format!("port {port} of pod {} cannot be forwarded here", pod.name());
        Box::pin(std::future::ready(Err(Status::new(501, "NotImplemented", told))))
    }
}

/// Whether a subresource is one of these.
#[must_use]
pub fn is_stream(cx: &Context<'_>) -> bool {
    cx.kind.group.is_empty()
        && cx.kind.plural == "pods"
        && matches!(cx.info.subresource.as_str(), "log" | "exec" | "attach" | "portforward")
}

/// Answers a request for one of these.
///
/// # Errors
/// What upstream says of pods, containers and options that are not there or do not fit.
pub async fn answer(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let subresource = cx.info.subresource.as_str();
    if subresource != "log" && cx.info.verb != "create" {
        // Whoever opens these changes something, by whichever method (KEP-4006).
        let info = RequestInfo { verb: "create".to_owned(), ..cx.info.clone() };
        authz::authorize(cx.api, &cx.user, &info, &cx.headers).await?;
    }
    match subresource {
        "log" => messages::logged(cx, log::answer(cx).await?),
        "portforward" => port_forward::answer(cx).await,
        subresource => session::answer(cx, subresource == "attach").await,
    }
}

/// The pod of the request.
async fn pod(cx: &Context<'_>) -> Result<Value, Status> {
    let target = Target::new(&cx.kind, &cx.info.namespace, &cx.info.name);
    Ok(cx.api.registry().get(&target).await?.to_value())
}

/// The pod's side of the streams, for a pod that is on the node.
fn streams(cx: &Context<'_>, pod: &Value) -> Result<Arc<dyn PodStreams>, Status> {
    if pod.text("/spec/nodeName").is_empty() {
        return Err(no_host(pod));
    }
    cx.api.streams().ok_or_else(|| Status::internal("this k2d runs no pods"))
}

fn no_host(pod: &Value) -> Status {
    Status::bad_request(format!("pod {} does not have a host assigned", pod.name()))
}
