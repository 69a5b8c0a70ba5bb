//! The end of HTTP on a connection: the opening of a WebSocket (RFC 6455 section 4.2) or of SPDY/3.1,
//! and the choice of what is spoken in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::{HeaderMap, Response, StatusCode};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::super::body::{self, Body};
use crate::schema::status::Status;

/// What RFC 6455 has every server append to the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Where a client of SPDY says what it speaks, and is told what was chosen.
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
/// Where such a client is told what could have been chosen.
const ACCEPTED_PROTOCOLS: HeaderName = HeaderName::from_static("x-accepted-stream-protocol-versions");
/// Name of SPDY in an `Upgrade` header.
const SPDY: &str = "SPDY/3.1";

/// What a connection becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Messages.
    WebSocket,
    /// Streams.
    Spdy,
}

/// What was agreed on.
pub struct Agreed {
    /// The protocol within it.
    pub protocol: &'static str,
    /// The answer that ends HTTP on this connection.
    pub response: Response<Body>,
}

/// What a request wants its connection to become.
pub fn wanted(headers: &HeaderMap) -> Option<Kind> {
    let has = |name, word: &str| values(headers, name).any(|part| part.eq_ignore_ascii_case(word));
    if !has(&CONNECTION, "upgrade") {
        None
    } else if has(&UPGRADE, "websocket") {
        Some(Kind::WebSocket)
    } else if has(&UPGRADE, SPDY) {
        Some(Kind::Spdy)
    } else {
        None
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Agrees on a subprotocol of a WebSocket, `known` having the best first.
///
/// # Errors
/// 400 where the key is missing or no subprotocol fits.
pub fn websocket(headers: &HeaderMap, known: &[&'static str]) -> Result<Agreed, Status> {
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(|| Status::bad_request("missing Sec-WebSocket-Key"))?;
    let offered: Vec<&str> = values(headers, &SEC_WEBSOCKET_PROTOCOL).collect();
    let protocol = known.iter().copied().find(|protocol| offered.contains(protocol)).ok_or_else(|| {
        Status::bad_request(format!(
            "unable to upgrade: requested protocol(s) are not supported: {offered:?}; supports {known:?}"
        ))
    })?;
    let mut joined = key.as_bytes().to_vec();
    joined.extend_from_slice(GUID.as_bytes());
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &joined));
    let mut response = switching("websocket");
    let headers = response.headers_mut();
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(Agreed { protocol, response })
}

/// Agrees on what is spoken over SPDY, `known` having the best first; else the answer that says that
/// nothing fits, which names what would.
pub fn spdy(headers: &HeaderMap, known: &[&'static str]) -> Result<Agreed, Box<Response<Body>>> {
    let offered: Vec<&str> = values(headers, &STREAM_PROTOCOL).collect();
    let Some(protocol) = known.iter().copied().find(|protocol| offered.contains(protocol)) else {
        let (offered, accepted) = (offered.join(" "), known.join(" "));
        let text = format!(
            "unable to upgrade: unable to negotiate protocol: client supports [{offered}], server accepts [{accepted}]\n"
        );
        let mut response = body::text(403, text);
        for protocol in known {
            response.headers_mut().append(ACCEPTED_PROTOCOLS, HeaderValue::from_static(protocol));
        }
        return Err(Box::new(response));
    };
    let mut response = switching(SPDY);
    response.headers_mut().insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
    Ok(Agreed { protocol, response })
}

fn switching(to: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(to));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

    #[test]
    fn the_answer_proves_that_the_key_was_read() {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("v4.channel.k8s.io, v5.channel.k8s.io"));
        let agreed = websocket(&headers, &KNOWN).unwrap_or_else(|status| panic!("{status}"));
        assert_eq!(agreed.protocol, "v5.channel.k8s.io");
        assert_eq!(agreed.response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn an_unknown_subprotocol_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("x"));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("v9.channel.k8s.io"));
        assert!(websocket(&headers, &KNOWN).is_err_and(|status| status.code == 400));
    }

    #[test]
    fn spdy_is_chosen_by_its_own_header() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
        assert_eq!(wanted(&headers), Some(Kind::Spdy));
        for protocol in ["v1.channel.k8s.io", "v4.channel.k8s.io"] {
            headers.append(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
        }
        let agreed = spdy(&headers, &KNOWN).unwrap_or_else(|_| panic!("v4 is known"));
        assert_eq!(agreed.response.headers()[STREAM_PROTOCOL], "v4.channel.k8s.io");
        let refused = spdy(&HeaderMap::new(), &KNOWN).err().expect("nothing was offered");
        assert_eq!(refused.status(), 403);
        assert_eq!(refused.headers().get_all(ACCEPTED_PROTOCOLS).iter().count(), 2);
    }
}
