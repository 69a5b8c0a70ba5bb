//! Objects as protobuf bodies and frames: which type a body has, and what becomes of it.

use serde_json::Value;

use crate::schema::decode::body::{Expected, convertible, found, not_registered, set_kind};
use crate::schema::object::Object;
use crate::schema::protobuf;
use crate::schema::status::Status;
use crate::schema::table::Type;

fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// An object in its envelope; `None` where there is no such message (custom kinds).
#[must_use]
pub fn sealed(object: &Value) -> Option<Vec<u8>> {
    let (api_version, kind) = (object.text("/apiVersion"), object.text("/kind"));
    let (group, version) = split(api_version);
    let ty = Type::builtin(group, version, kind)?;
    let mut raw = Vec::new();
    protobuf::encode(object, ty, &mut raw);
    Some(protobuf::seal(api_version, kind, &raw))
}

/// One frame of a watch; empty where there is no such message.
#[must_use]
pub fn frame(event: &str, object: &Value) -> Vec<u8> {
    sealed(object).map(|sealed| protobuf::watch_frame(event, &sealed)).unwrap_or_default()
}

/// Reads a body as the kind that is expected.
///
/// # Errors
/// 400 for what is no message of that kind.
pub fn object(bytes: &[u8], expected: &Expected<'_>) -> Result<Value, Status> {
    let envelope = protobuf::open(bytes).map_err(|error| {
        Status::bad_request(format!("the object provided is unrecognized (must be of type {}): {error}", expected.kind))
    })?;
    let found = found(&envelope.api_version, &envelope.kind, expected).map_err(Status::bad_request)?;
    let Some(ty) = Type::builtin(&found.group, &found.version, &found.kind) else {
        return Err(found.refuse(expected, &not_registered(&found)));
    };
    if !found.is(expected) && expected.kind != "DeleteOptions" {
        convertible(&found, expected)?;
    }
    let mut value = protobuf::decode(envelope.raw, ty).map_err(|error| found.refuse(expected, &error.to_string()))?;
    set_kind(&mut value, expected);
    Ok(value)
}
