//! The opening of a WebSocket (RFC 6455 section 4.2) and the choice of its subprotocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::{HeaderMap, Response, StatusCode};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::super::body::{self, Body};
use crate::schema::status::Status;

/// What RFC 6455 has every server append to the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The subprotocols of exec and attach, the best first.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// What was agreed on.
pub struct Agreed {
    /// The subprotocol.
    pub protocol: &'static str,
    /// The answer that ends HTTP on this connection.
    pub response: Response<Body>,
}

/// Whether a request asks for a WebSocket.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let has = |name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    has(CONNECTION, "upgrade") && has(UPGRADE, "websocket")
}

/// Agrees on a subprotocol.
///
/// # Errors
/// 400 where the key is missing, 403 (as upstream) where no subprotocol fits.
pub fn agree(headers: &HeaderMap) -> Result<Agreed, Status> {
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(|| Status::bad_request("missing Sec-WebSocket-Key"))?;
    let offered: Vec<&str> = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let protocol = PROTOCOLS.into_iter().find(|protocol| offered.contains(protocol));
    let protocol = protocol.ok_or_else(|| {
        Status::bad_request(format!(
            "unable to upgrade: requested protocol(s) are not supported: {offered:?}; \
                                     supports {PROTOCOLS:?}"
        ))
    })?;
    let mut joined = key.as_bytes().to_vec();
    joined.extend_from_slice(GUID.as_bytes());
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &joined));
    let mut response = Response::new(body::full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(Agreed { protocol, response })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_proves_that_the_key_was_read() {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("v4.channel.k8s.io, v5.channel.k8s.io"));
        let agreed = agree(&headers).unwrap_or_else(|status| panic!("{status}"));
        assert_eq!(agreed.protocol, "v5.channel.k8s.io");
        assert_eq!(agreed.response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn an_unknown_subprotocol_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("x"));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("v9.channel.k8s.io"));
        assert!(agree(&headers).is_err_and(|status| status.code == 400));
    }
}
