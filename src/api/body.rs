//! Bodies: reading a request's within limits, and the forms of a response's.

use std::error::Error;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body as HttpBody, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::negotiate::{Encoding, Form};
use super::proto;
use crate::schema::emit;
use crate::schema::status::Status;

/// The failure of a body that is being sent or read.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a response.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that is made as it is sent; an error ends the connection.
pub fn stream(chunks: impl futures_util::Stream<Item = Result<Bytes, BoxError>> + Send + 'static) -> Body {
    use futures_util::StreamExt as _;
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

/// The body, with something that is let go when the body is.
pub fn holding(body: Body, held: impl Send + 'static) -> Body {
    body.map_frame(move |frame| {
        let _ = &held;
        frame
    })
    .boxed_unsync()
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 for a larger one, 400 where the connection breaks.
pub async fn read<B>(body: B, limit: usize) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Status::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}")))
        }
        Err(error) => Err(Status::bad_request(format!("the body cannot be read: {error}"))),
    }
}

/// Reads over a body that nobody wanted, so that the connection goes on; what is too large or breaks ends
/// it.
pub async fn skip(mut body: Body, limit: usize) {
    let mut left = limit;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// A response with a body of a media type.
pub fn response(code: u16, media: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media = HeaderValue::from_str(media).unwrap_or(HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

/// Plain text.
pub fn text(code: u16, text: impl Into<String>) -> Response<Body> {
    response(code, "text/plain; charset=utf-8", full(text.into()))
}

/// An object in the encoding and, for JSON, the indentation of `form`.
pub fn object(code: u16, form: Form, object: &Value) -> Response<Body> {
    response(code, form.encoding.media_type(), full(encode(form, object)))
}

/// The bytes of an object.
pub fn encode(form: Form, object: &Value) -> Vec<u8> {
    match form.encoding {
        Encoding::Yaml => emit::yaml(object).into_bytes(),
        Encoding::Protobuf => proto::sealed(object).unwrap_or_else(|| json(form, object)),
        Encoding::Json => json(form, object),
    }
}

fn json(form: Form, object: &Value) -> Vec<u8> {
    let written = if form.pretty { serde_json::to_vec_pretty(object) } else { serde_json::to_vec(object) };
    let mut bytes = written.unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A failure in the form that the client asked for.
pub fn failure(form: Form, status: &Status) -> Response<Body> {
    let mut response = object(status.code, form.whole(), &status.to_value());
    let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    if seconds > 0 {
        response.headers_mut().insert(hyper::header::RETRY_AFTER, seconds.into());
    }
    super::warn(&mut response, &status.warnings);
    response
}
