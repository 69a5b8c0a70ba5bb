//! Port forwarding: SPDY streams in pairs, one for the bytes of a connection and one for what goes
//! wrong with it, either over SPDY itself or with SPDY's bytes in the messages of a WebSocket.

use std::collections::HashMap;
use std::sync::Arc;

use hyper::Response;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::task::JoinSet;
use tracing::debug;

use super::super::body::Body;
use super::socket::{self, Message};
use super::spdy::{Closed, Input, Output, Session, Stream};
use super::{Connection, Context, PodStreams, no_host, pod, streams, upgrade};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// What is spoken over SPDY.
const STREAMS: [&str; 1] = ["portforward.k8s.io"];
/// What is spoken over a WebSocket.
const TUNNEL: [&str; 1] = ["SPDY/3.1+portforward.k8s.io"];
/// Bytes that are moved at a time.
const CHUNK: usize = 16 * 1024;
/// Streams that wait for the other of their pair.
const MAX_WAITING: usize = 64;

/// Forwards ports of a pod.
pub async fn answer(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let pod = pod(cx).await?;
    if pod.text("/spec/nodeName").is_empty() {
        return Err(no_host(&pod));
    }
    let upgrade_required = || Status::bad_request("Upgrade request required");
    let kind = upgrade::wanted(&cx.headers).ok_or_else(upgrade_required)?;
    let agreed = match kind {
        upgrade::Kind::WebSocket => upgrade::websocket(&cx.headers, &TUNNEL)?,
        upgrade::Kind::Spdy => match upgrade::spdy(&cx.headers, &STREAMS) {
            Ok(agreed) => agreed,
            Err(refused) => return Ok(*refused),
        },
    };
    let streams = streams(cx, &pod)?;
    let connection = cx.take_upgrade().ok_or_else(upgrade_required)?;
    tokio::spawn(async move {
        let Ok(io) = connection.await else { return };
        let io = TokioIo::new(io);
        match kind {
            upgrade::Kind::Spdy => serve(Session::open(io), streams, Arc::new(pod)).await,
            upgrade::Kind::WebSocket => {
                let (inside, outside) = tokio::io::duplex(CHUNK);
                tokio::select! {
                    () = serve(Session::open(inside), streams, Arc::new(pod)) => {}
                    () = tunnel(io, outside) => {}
                }
            }
        }
    });
    Ok(agreed.response)
}

/// Carries bytes between a WebSocket's messages and `inside` until the client is gone.
async fn tunnel<S>(io: S, inside: DuplexStream)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut incoming, messages, writing) = socket::open(io);
    let (mut reader, mut writer) = tokio::io::split(inside);
    let inwards = async {
        while let Some(message) = incoming.next().await {
            if writer.write_all(&message).await.is_err() {
                break;
            }
        }
    };
    let outwards = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count) = reader.read(&mut buffer).await {
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            if messages.send(Message::Binary(bytes.to_vec())).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = inwards => {}
        () = outwards => {}
    }
    writing.abort();
}

/// The streams of one connection; one of them until the other has come.
#[derive(Default)]
struct Pair {
    data: Option<Stream>,
    error: Option<Stream>,
}

/// Serves connections until the client is gone, and ends them with it.
async fn serve(mut session: Session, streams: Arc<dyn PodStreams>, pod: Arc<Value>) {
    let mut waiting: HashMap<String, Pair> = HashMap::new();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = session.accept() => stream,
            Some(_) = connections.join_next() => continue,
        };
        let Some(stream) = stream else { return };
        let key = request(&stream);
        let port = stream.headers.text("port").parse::<u16>().ok().filter(|port| *port != 0);
        let kind = stream.headers.text("streamtype").to_owned();
        let (Some(port), true) = (port, waiting.len() < MAX_WAITING) else {
            debug!(port = stream.headers.text("port"), "a stream was refused");
            stream.output.reset().await;
            continue;
        };
        let pair = waiting.entry(key.clone()).or_default();
        match kind.as_str() {
            "data" => pair.data = Some(stream),
            "error" => pair.error = Some(stream),
            _ => stream.output.reset().await,
        }
        if pair.data.is_none() || pair.error.is_none() {
            continue;
        }
        if let Some(Pair { data: Some(data), error: Some(error) }) = waiting.remove(&key) {
            connections.spawn(forward(Arc::clone(&streams), Arc::clone(&pod), port, data, error));
        }
    }
}

/// What the two streams of a connection have in common. Clients before `requestID` used one port once.
fn request(stream: &Stream) -> String {
    match stream.headers.text("requestid") {
        "" => format!("port {}", stream.headers.text("port")),
        id => id.to_owned(),
    }
}

/// Carries one connection to its end.
async fn forward(streams: Arc<dyn PodStreams>, pod: Arc<Value>, port: u16, data: Stream, error: Stream) {
    let told = match streams.port_forward(&pod, port).await {
        Ok(connection) => carry(connection, data.input, &data.output).await.err().map(|error| error.to_string()),
        Err(status) => Some(status.message),
    };
    if let Some(told) = told {
        let (name, uid) = (pod.name(), pod.uid());
        let text = format!("error forwarding port {port} to pod {name}, uid {uid}: {told}");
        // A client that is gone need not be told.
        let _ = error.output.send(text.as_bytes()).await;
    }
    data.output.end().await;
    error.output.end().await;
}

/// Moves bytes both ways until the pod's side has said all, or the client has left.
async fn carry(connection: Box<dyn Connection>, mut input: Input, output: &Output) -> Result<(), std::io::Error> {
    let (mut reader, mut writer) = tokio::io::split(connection);
    let inwards = async {
        loop {
            match input.next().await {
                Ok(Some(bytes)) if writer.write_all(&bytes).await.is_ok() && writer.flush().await.is_ok() => {}
                // What the pod does not read it may still answer.
                Ok(Some(_)) => {}
                Ok(None) => {
                    let _ = writer.shutdown().await;
                    return std::future::pending().await;
                }
                Err(Closed) => return,
            }
        }
    };
    let outwards = async {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = reader.read(&mut buffer).await?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
            if output.send(bytes).await.is_err() {
                return Ok(());
            }
        }
    };
    tokio::select! {
        () = inwards => Ok(()),
        ended = outwards => ended,
    }
}
