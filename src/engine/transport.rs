//! Connections to the engine's socket: a few that are kept for the next call and closed when idle, and
//! others for streams of their own. It puts the version of the API before each path, which bollard does not.
//! It knows HTTP, and nothing of containers.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HOST, HeaderValue, SERVER};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::wire::{ErrorBody, VersionBody};
use super::{Error, Result, Settings, Version};
use crate::failpoint;

/// A request's body, of the same type as bollard's, so that one pool serves both.
pub(super) type Body =
    Either<Full<Bytes>, StreamBody<Pin<Box<dyn Stream<Item = io::Result<hyper::body::Frame<Bytes>>> + Send>>>>;

/// The version of Podman's own API, which counts otherwise: the oldest that each Podman since 4.0 takes.
const LIBPOD: &str = "4.0.0";
/// How many connections are kept for later calls.
const KEPT: usize = 4;
/// How long one is kept.
const KEEP: Duration = Duration::from_secs(20);
/// Largest buffer of a connection for what is read.
const BUFFER: usize = 64 << 10;
/// Largest answer that is read as a whole: a list of a few thousand containers.
const MAX_ANSWER: usize = 64 << 20;
/// How long opening the socket may take: it is on this machine.
const CONNECT: Duration = Duration::from_secs(10);
/// Pause before another try where the engine's queue of connections is full.
const FULL: Duration = Duration::from_millis(10);

pub(super) struct Transport {
    settings: Settings,
    idle: Mutex<Idle>,
    known: Mutex<Option<Known>>,
}

#[derive(Default)]
struct Idle {
    senders: Vec<(SendRequest<Body>, Instant)>,
    reaping: bool,
}

/// What was learnt of the engine, good as long as its `Server` header stays the same.
#[derive(Clone)]
struct Known {
    version: Arc<Version>,
    server: Option<HeaderValue>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Transport {
    pub(super) fn new(settings: Settings) -> Transport {
        Transport { settings, idle: Mutex::default(), known: Mutex::default() }
    }

    /// The longest a usual call may take.
    pub(super) fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// The engine's versions, from memory if it was asked before.
    pub(super) async fn version(self: &Arc<Self>) -> Result<Arc<Version>> {
        if let Some(known) = lock(&self.known).as_ref() {
            return Ok(known.version.clone());
        }
        let response = self.pooled(plain(Method::GET, "/version")).await?;
        let server = response.headers().get(SERVER).cloned();
        let body: VersionBody = read_json(response).await?;
        let version = Arc::new(body.into_version()?);
        *lock(&self.known) = Some(Known { version: version.clone(), server });
        Ok(version)
    }

    /// Forgets the engine's versions, so that they are asked anew.
    pub(super) fn forget(&self) {
        *lock(&self.known) = None;
    }

    /// Sends a request over a kept connection or a new one. The path gets its version here.
    pub(super) async fn send(self: &Arc<Self>, request: Request<Body>) -> Result<Response<Incoming>> {
        let again = match request.body() {
            Either::Left(full) => Some(copy(&request, Either::Left(full.clone()))),
            Either::Right(_) => None,
        };
        let name = change(&request);
        if let Some(name) = &name {
            failpoint::pass("before engine", name);
        }
        let response = self.pooled(self.versioned(request).await?).await?;
        if let Some(name) = &name {
            failpoint::pass("after engine", name);
        }
        match again {
            // The engine was replaced by one that speaks other versions while nobody looked.
            Some(again) if response.status() == StatusCode::BAD_REQUEST && !self.is_same_engine(&response) => {
                self.forget();
                self.pooled(self.versioned(again).await?).await
            }
            _ => {
                if !self.is_same_engine(&response) {
                    self.forget();
                }
                Ok(response)
            }
        }
    }

    /// Sends a request over a connection of its own that is never kept, ready to be taken over.
    pub(super) async fn send_alone(self: &Arc<Self>, request: Request<Body>) -> Result<Response<Incoming>> {
        let request = self.versioned(request).await?;
        let mut sender = self.open().await?;
        sender.send_request(request).await.map_err(|cause| self.unreachable(&cause))
    }

    async fn versioned(self: &Arc<Self>, mut request: Request<Body>) -> Result<Request<Body>> {
        let api = self.version().await?.api;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let uri = match path.starts_with("/libpod/") {
            true => format!("/v{LIBPOD}{path}"),
            false => format!("/v{api}{path}"),
        };
        *request.uri_mut() = Uri::try_from(uri).map_err(|e| Error::InvalidArgument(e.to_string()))?;
        request.headers_mut().insert(HOST, HeaderValue::from_static("engine"));
        Ok(request)
    }

    fn is_same_engine(&self, response: &Response<Incoming>) -> bool {
        lock(&self.known).as_ref().is_none_or(|known| known.server.as_ref() == response.headers().get(SERVER))
    }

    async fn pooled(self: &Arc<Self>, mut request: Request<Body>) -> Result<Response<Incoming>> {
        while let Some(mut sender) = self.take().await {
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.keep(sender);
                    return Ok(response);
                }
                // The engine closed the connection while it was kept: the request was not sent.
                Err(mut failed) => match failed.take_message() {
                    Some(back) => request = back,
                    None => return Err(self.unreachable(failed.error())),
                },
            }
        }
        let mut sender = self.open().await?;
        let response = sender.send_request(request).await.map_err(|cause| self.unreachable(&cause))?;
        self.keep(sender);
        Ok(response)
    }

    async fn open(&self) -> Result<SendRequest<Body>> {
        let path = self.settings.socket.resolve(|path| path.exists());
        let fail = |cause: io::Error| {
            self.forget();
            let socket = path.display().to_string();
            match cause.kind() {
                io::ErrorKind::PermissionDenied => Error::PermissionDenied { socket },
                _ => Error::Unreachable { socket, cause: cause.to_string() },
            }
        };
        let stream = match tokio::time::timeout(CONNECT, connect(&path)).await {
            Ok(connected) => connected.map_err(&fail)?,
            Err(_) => return Err(fail(io::ErrorKind::TimedOut.into())),
        };
        let (sender, connection) = Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| self.unreachable(&cause))?;
        tokio::spawn(async move {
            if let Err(cause) = connection.with_upgrades().await {
                tracing::debug!(%cause, "connection to the engine ended");
            }
        });
        Ok(sender)
    }

    pub(super) fn unreachable(&self, cause: &dyn std::error::Error) -> Error {
        let mut text = cause.to_string();
        if let Some(source) = cause.source() {
            text = format!("{text}: {source}");
        }
        let socket = self.settings.socket.resolve(|path| path.exists()).display().to_string();
        Error::Unreachable { socket, cause: text }
    }

    /// A kept connection that can take a request now.
    async fn take(&self) -> Option<SendRequest<Body>> {
        for attempt in 0..2 {
            {
                let mut idle = lock(&self.idle);
                idle.senders.retain(|(sender, _)| !sender.is_closed());
                if let Some(at) = idle.senders.iter().position(|(sender, _)| sender.is_ready()) {
                    return Some(idle.senders.swap_remove(at).0);
                }
                if idle.senders.is_empty() {
                    return None;
                }
            }
            if attempt == 0 {
                // The one before has just been read to its end: let its task notice.
                tokio::task::yield_now().await;
            }
        }
        None
    }

    /// Keeps a connection. It is taken again only once its answer was read to the end.
    fn keep(self: &Arc<Self>, sender: SendRequest<Body>) {
        let mut idle = lock(&self.idle);
        if idle.senders.len() < KEPT {
            idle.senders.push((sender, Instant::now()));
        }
        if !idle.reaping && !idle.senders.is_empty() {
            idle.reaping = true;
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }
}

/// The name of a call that changes something.
fn change(request: &Request<Body>) -> Option<String> {
    (request.method() != Method::GET).then(|| format!("{} {}", request.method(), request.uri().path()))
}

/// Connects, again and again while the engine's queue of connections is full, which a unix socket tells at once.
async fn connect(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(FULL).await,
            other => return other,
        }
    }
}

/// Closes connections that were not used for a while; ends with the last of them.
async fn reap(transport: Weak<Transport>) {
    loop {
        tokio::time::sleep(KEEP).await;
        let Some(transport) = transport.upgrade() else { return };
        let mut idle = lock(&transport.idle);
        idle.senders.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < KEEP);
        if idle.senders.is_empty() {
            idle.senders.shrink_to_fit();
            idle.reaping = false;
            return;
        }
    }
}

/// A request without a body.
pub(super) fn plain(method: Method, path: &str) -> Request<Body> {
    with_body(method, path, Bytes::new())
}

/// A request with a body.
pub(super) fn with_body(method: Method, path: &str, body: Bytes) -> Request<Body> {
    let mut request = Request::new(Either::Left(Full::new(body)));
    *request.method_mut() = method;
    // Paths are put together by `path` below and hold nothing that a URI does not.
    *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
    request.headers_mut().insert(HOST, HeaderValue::from_static("engine"));
    request
}

fn copy(request: &Request<Body>, body: Body) -> Request<Body> {
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Reads an answer whole. An error status becomes an [`Error`].
pub(super) async fn read_body(response: Response<Incoming>) -> Result<Bytes> {
    let response = check(response).await?;
    collect(response.into_body()).await
}

/// Reads a JSON answer.
pub(super) async fn read_json<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T> {
    let body = read_body(response).await?;
    serde_json::from_slice(&body).map_err(|cause| Error::Protocol(cause.to_string()))
}

/// Turns an error status into an [`Error`] and lets any other answer through.
pub(super) async fn check(response: Response<Incoming>) -> Result<Response<Incoming>> {
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED || status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let body = collect(response.into_body()).await?;
    let message = match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(error) => error.into_message(),
        Err(_) => String::from_utf8_lossy(&body).into_owned(),
    };
    Err(Error::classify(status.as_u16(), &message))
}

async fn collect(body: Incoming) -> Result<Bytes> {
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(cause) if cause.is::<LengthLimitError>() => Err(Error::Protocol(cause.to_string())),
        Err(cause) => Err(Error::Broken(cause.to_string())),
    }
}
