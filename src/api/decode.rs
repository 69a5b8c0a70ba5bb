//! Reading the object in a request body: JSON, YAML or protobuf, by the schema of the kind.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use super::Context;
use crate::kinds::Kind;
use crate::schema::status::Status;

/// How unknown and doubled fields are treated: the parameter `fieldValidation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// They are dropped in silence.
    Ignore,
    /// They are dropped with a warning each.
    Warn,
    /// They are refused.
    Strict,
}

/// The media type of a body, without parameters; JSON where none is said.
#[must_use]
pub fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim().to_lowercase();
    if media.is_empty() { "application/json".into() } else { media }
}
