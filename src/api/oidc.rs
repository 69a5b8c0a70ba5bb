//! What others need to check tokens of service accounts: the discovery document of OpenID Connect and
//! the keys (KEP-1393). Authorised as any path; by the usual roles all service accounts may read them.

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Method, Response};
use serde_json::{Value, json};

use super::Api;
use super::body::{self, Body};
use crate::schema::status::Status;

/// Path of the discovery document.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Path of the keys.
pub const KEYS: &str = "/openid/v1/jwks";

/// The answer, where the path is one of these.
///
/// # Errors
/// 405 for a method other than GET.
pub fn answer(api: &Api, method: &Method, path: &str, address: &str) -> Result<Option<Response<Body>>, Status> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (media, document) = match path {
        DISCOVERY => ("application/json", discovery(api, address)),
        KEYS => ("application/jwk-set+json", api.issuer().key_set()),
        _ => return Ok(None),
    };
    if *method != Method::GET && *method != Method::HEAD {
        return Err(Status::method_not_allowed());
    }
    let mut response = body::response(200, media, body::full(document.to_string()));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Ok(Some(response))
}

fn discovery(api: &Api, address: &str) -> Value {
    json!({
        "issuer": api.issuer().name(),
        "jwks_uri": format!("https://{address}{KEYS}"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}
