//! Answers without end as the messages of a WebSocket, for clients in browsers: the events of a watch,
//! one in each message, and the bytes of a log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::super::body::Body;
use super::socket::{self, LINGER, Message};
use super::spdy::Closed;
use super::{Context, upgrade};
use crate::schema::status::Status;

const BASE64: &str = "base64.binary.k8s.io";
const BINARY: &str = "binary.k8s.io";

/// What a message holds.
#[derive(Clone, Copy)]
enum Form {
    /// A line, as text. The subprotocol changes nothing, as upstream has it for watches.
    Lines,
    /// Bytes as they come.
    Binary,
    /// Bytes as they come, in base64.
    Base64,
}

/// A watch, over a WebSocket where the request wants one.
///
/// # Errors
/// 400 where the opening is not sound.
pub fn watched(cx: &Context<'_>, response: Response<Body>) -> Result<Response<Body>, Status> {
    carried(cx, response, |_| Form::Lines)
}

/// A log, over a WebSocket where the request wants one.
///
/// # Errors
/// 400 where the opening is not sound.
pub fn logged(cx: &Context<'_>, response: Response<Body>) -> Result<Response<Body>, Status> {
    carried(cx, response, |protocol| if protocol == BASE64 { Form::Base64 } else { Form::Binary })
}

fn carried(
    cx: &Context<'_>,
    response: Response<Body>,
    form: impl FnOnce(&str) -> Form,
) -> Result<Response<Body>, Status> {
    if response.status() != StatusCode::OK || upgrade::wanted(&cx.headers) != Some(upgrade::Kind::WebSocket) {
        return Ok(response);
    }
    let agreed = upgrade::websocket(&cx.headers, &[BASE64, BINARY, ""])?;
    let connection = cx.take_upgrade().ok_or_else(|| Status::bad_request("Upgrade request required"))?;
    let form = form(agreed.protocol);
    tokio::spawn(async move {
        if let Ok(io) = connection.await {
            serve(TokioIo::new(io), response.into_body(), form).await;
        }
    });
    Ok(agreed.response)
}

async fn serve<S>(io: S, body: Body, form: Form)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut incoming, messages, writing) = socket::open(io);
    let mut gone = tokio::spawn(async move { while incoming.next().await.is_some() {} });
    let sent = tokio::select! {
        sent = send(body, &messages, form) => sent,
        _ = &mut gone => Err(Closed),
    };
    drop(messages);
    if sent.is_ok() {
        let _ = tokio::time::timeout(LINGER, &mut gone).await;
    }
    gone.abort();
    writing.abort();
}

async fn send(mut body: Body, messages: &mpsc::Sender<Message>, form: Form) -> Result<(), Closed> {
    let mut rest = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(bytes) = frame.into_data() else { continue };
        for message in cut(form, &mut rest, bytes) {
            messages.send(message).await.map_err(|_| Closed)?;
        }
    }
    messages.send(Message::Close).await.map_err(|_| Closed)
}

/// The messages of what has come; the beginning of a line is kept in `rest`.
fn cut(form: Form, rest: &mut BytesMut, bytes: Bytes) -> Vec<Message> {
    match form {
        Form::Binary => vec![Message::Binary(bytes.into())],
        Form::Base64 => vec![Message::Text(STANDARD.encode(bytes).into_bytes())],
        Form::Lines => {
            rest.extend_from_slice(&bytes);
            let mut lines = Vec::new();
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                lines.push(Message::Text(rest.split_to(end + 1).to_vec()));
            }
            lines
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(messages: Vec<Message>) -> Vec<Vec<u8>> {
        let text = |message| match message {
            Message::Text(bytes) | Message::Binary(bytes) => bytes,
            Message::Pong(_) | Message::Close => Vec::new(),
        };
        messages.into_iter().map(text).collect()
    }

    #[test]
    fn each_event_has_a_message() {
        let mut rest = BytesMut::new();
        assert_eq!(texts(cut(Form::Lines, &mut rest, Bytes::from("{1}\n{2}\n{3"))), [b"{1}\n", b"{2}\n"]);
        assert_eq!(texts(cut(Form::Lines, &mut rest, Bytes::from("}\n"))), [b"{3}\n"]);
        assert!(rest.is_empty());
    }

    #[test]
    fn a_log_is_sent_as_agreed() {
        let mut rest = BytesMut::new();
        assert_eq!(texts(cut(Form::Base64, &mut rest, Bytes::from("one\n"))), [b"b25lCg=="]);
        assert_eq!(texts(cut(Form::Binary, &mut rest, Bytes::from("one\n"))), [b"one\n"]);
    }
}
