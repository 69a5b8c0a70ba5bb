//! `pods/NAME/proxy` and `services/NAME/proxy`: requests handed on to a server in a pod, whatever their method and
//! path, with WebSockets and other upgrades. Who is meant is settled in `target`, links of pages are put right in
//! `links`; nothing here knows the engine.
//!
//! Source of the rules: the connect verbs of the API reference, and what clients see of kube-apiserver's proxy.

mod links;
mod page;
mod target;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tracing::debug;

use super::Context;
use super::authz;
use super::body::{self, Body, BoxError};
use crate::host::dial::{cause, unverified};
use crate::schema::status::Status;

use links::Links;
use target::Server;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(30);
/// Bytes that are held each way of an upgraded connection, and of what a server answers.
const BUFFER: usize = 16 * 1024;
/// Headers that are about one connection alone (RFC 9110 section 7.6.1 and what came before it).
const HOP: [&str; 9] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers by which a server would decide who may read what the API server answers.
const CORS: [&str; 4] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// Whether a request is one to hand on.
#[must_use]
pub fn is_proxy(group: &str, resource: &str, subresource: &str) -> bool {
    group.is_empty() && subresource == "proxy" && matches!(resource, "pods" | "services" | "nodes")
}

/// Hands a request on, and its answer back.
///
/// # Errors
/// 404 and 400 where nobody can be meant, 503 where nobody answers.
pub async fn answer(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let server = target::server(cx).await?;
    let upgrades = names(&cx.headers, &header::CONNECTION).any(|word| word.eq_ignore_ascii_case("upgrade"));
    let path = path(&cx.info.rest, cx.info.path.ends_with('/'));
    if path.is_empty() && !upgrades && matches!(cx.method, Method::GET | Method::HEAD) {
        return Ok(with_slash(cx));
    }
    let request = request(cx, &path, upgrades);
    let stream = connect(&server).await.map_err(|told| unreachable(&told, upgrades))?;
    let response = exchange(stream, request).await.map_err(|told| unreachable(&told, upgrades))?;
    if upgrades {
        return upgraded(cx, response);
    }
    let links = Links { prefix: prefix(cx), server: server.authority(), host: host(cx) };
    Ok(received(response, links, &path))
}

/// What upstream says where nobody answers.
fn unreachable(told: &str, upgrades: bool) -> Status {
    if upgrades {
        return Status::new(500, "", told);
    }
    Status::new(503, "ServiceUnavailable", format!("error trying to reach service: {told}"))
}

/// The way to the server's `/`, for links on its page to be relative to it.
fn with_slash(cx: &Context<'_>) -> Response<Body> {
    let query = cx.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::new(body::full(""));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(place) = HeaderValue::from_str(&format!("{}/{query}", cx.info.path)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// The path before what the server gets to see.
fn prefix(cx: &Context<'_>) -> String {
    let info = &cx.info;
    let place = if info.namespace.is_empty() { String::new() } else { format!("/namespaces/{}", info.namespace) };
    format!("/api/{}{place}/{}/{}/proxy", info.version, info.resource, info.name)
}

/// Whom the client has called.
fn host(cx: &Context<'_>) -> String {
    let named = cx.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| cx.uri.authority().map(|authority| authority.as_str())).unwrap_or_default().to_owned()
}

/// The path that the server gets: cleaned as path.Join of Go does, with its last slash, empty for none at all.
fn path(parts: &[String], slash: bool) -> String {
    let mut clean: Vec<&str> = Vec::new();
    for part in parts.iter().flat_map(|part| part.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = clean.pop(),
            part => clean.push(part),
        }
    }
    let mut path: String = clean.iter().map(|part| format!("/{}", escaped(part))).collect();
    if slash {
        path.push('/');
    }
    path
}

/// A segment of a path with what may not stand there escaped (RFC 3986 section 3.3).
fn escaped(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'$' | b'&' | b'+' | b',' | b':' | b';' | b'=' | b'@' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The words of a header that is a list.
fn names<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn request(cx: &Context<'_>, path: &str, upgrades: bool) -> Request<Body> {
    let body = cx.take_body().unwrap_or_else(|| body::full(Bytes::new()));
    let mut request = Request::new(body);
    *request.method_mut() = cx.method.clone();
    let path = if path.is_empty() { "/" } else { path };
    let whole = cx.uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    // What was escaped above is a path, and the query was one before.
    *request.uri_mut() = whole.parse().unwrap_or_default();
    *request.headers_mut() = sent(&cx.headers, upgrades);
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::from_str(&host(cx)) {
        headers.insert(header::HOST, host);
    }
    if let Some(peer) = cx.peer {
        let before: Vec<&str> = names(&cx.headers, &FORWARDED_FOR).collect();
        let all = before.iter().map(|word| (*word).to_owned()).chain([peer.to_string()]).collect::<Vec<_>>().join(", ");
        if let Ok(all) = HeaderValue::from_str(&all) {
            headers.insert(FORWARDED_FOR, all);
        }
    }
    if !upgrades && let Ok(place) = HeaderValue::from_str(&format!("{}{path}", prefix(cx))) {
        headers.insert(FORWARDED_URI, place);
    }
    request
}

/// The headers that go on: none that are about this connection, and no credential.
fn sent(headers: &HeaderMap, upgrades: bool) -> HeaderMap {
    let mut sent = headers.clone();
    let upgrade = sent.get(header::UPGRADE).cloned();
    without_hop(&mut sent);
    sent.remove(header::AUTHORIZATION);
    let impersonating: Vec<HeaderName> = sent.keys().filter(|name| authz::is_impersonation(name)).cloned().collect();
    for name in impersonating {
        sent.remove(name);
    }
    if let (true, Some(upgrade)) = (upgrades, upgrade) {
        sent.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        sent.insert(header::UPGRADE, upgrade);
    }
    sent
}

fn without_hop(headers: &mut HeaderMap) {
    let named: Vec<String> = names(headers, &header::CONNECTION).map(ToOwned::to_owned).collect();
    for name in named.iter().map(String::as_str).chain(HOP) {
        headers.remove(name);
    }
}

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(server: &Server) -> Result<Box<dyn Stream>, String> {
    let address = server.authority();
    let failed = |error: &io::Error| format!("dial tcp {address}: connect: {}", cause(error));
    let stream = match tokio::time::timeout(CONNECT, TcpStream::connect((server.address, server.port))).await {
        Ok(connected) => connected.map_err(|error| failed(&error))?,
        Err(_) => return Err(format!("dial tcp {address}: i/o timeout")),
    };
    // What was not waited for may not wait.
    let _ = stream.set_nodelay(true);
    if !server.tls {
        return Ok(Box::new(stream));
    }
    let config = unverified().map_err(|error| error.to_string())?;
    let name = ServerName::from(server.address);
    match tokio::time::timeout(CONNECT, TlsConnector::from(Arc::new(config)).connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(format!("tls: {}", cause(&error))),
        Err(_) => Err("net/http: TLS handshake timeout".to_owned()),
    }
}

async fn exchange(stream: Box<dyn Stream>, request: Request<Body>) -> Result<Response<Incoming>, String> {
    let told = |error: hyper::Error| {
        if error.is_incomplete_message() {
            return "EOF".to_owned();
        }
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
        source.map_or_else(|| error.to_string(), cause)
    };
    let mut builder = http1::Builder::new();
    // Servers in small devices know headers by how they are mostly written.
    builder.title_case_headers(true).max_buf_size(BUFFER);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(told)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            debug!(%error, "a connection to a server in a pod ended");
        }
    });
    sender.send_request(request).await.map_err(told)
}

/// The answer as the client gets it.
fn received(response: Response<Incoming>, links: Links, path: &str) -> Response<Body> {
    let (mut parts, incoming) = response.into_parts();
    without_hop(&mut parts.headers);
    for name in CORS {
        parts.headers.remove(name);
    }
    if let Some(place) = parts.headers.get(header::LOCATION) {
        let led = place.to_str().ok().and_then(|place| links.rewritten(place));
        if let Some(led) = led.and_then(|led| HeaderValue::from_str(&led).ok()) {
            parts.headers.insert(header::LOCATION, led);
        }
        return Response::from_parts(parts, incoming.map_err(BoxError::from).boxed_unsync());
    }
    debug!(path, status = parts.status.as_u16(), "handed on");
    let body = page::rewritten(&mut parts.headers, incoming, links);
    Response::from_parts(parts, body)
}

/// Ties both connections together where the server agrees.
fn upgraded(cx: &Context<'_>, mut response: Response<Incoming>) -> Result<Response<Body>, Status> {
    let code = response.status();
    if code != StatusCode::SWITCHING_PROTOCOLS {
        if code.as_u16() < 400 {
            return Err(Status::new(500, "", format!("invalid upgrade response: status code {}", code.as_u16())));
        }
        let (mut parts, incoming) = response.into_parts();
        without_hop(&mut parts.headers);
        return Ok(Response::from_parts(parts, incoming.map_err(BoxError::from).boxed_unsync()));
    }
    let theirs = hyper::upgrade::on(&mut response);
    let ours = cx.take_upgrade().ok_or_else(|| Status::bad_request("Upgrade request required"))?;
    tokio::spawn(async move {
        if let Err(error) = tie(ours, theirs).await {
            debug!(%error, "an upgraded connection ended");
        }
    });
    let (parts, _) = response.into_parts();
    Ok(Response::from_parts(parts, body::full("")))
}

async fn tie(ours: OnUpgrade, theirs: OnUpgrade) -> Result<(), BoxError> {
    let (ours, theirs) = (ours.await?, theirs.await?);
    copy_bidirectional_with_sizes(&mut TokioIo::new(ours), &mut TokioIo::new(theirs), BUFFER, BUFFER).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
