//! Reading the object in a request body: JSON, YAML or protobuf, by the schema of the kind.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use super::{Context, proto};
use crate::kinds::Kind;
use crate::kinds::custom::Custom;
use crate::schema::decode::body::{self, Expected, Format};
use crate::schema::decode::{self, Decoded};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::schema::structural;
use crate::schema::table::Type;
use crate::schema::yaml as yaml_text;

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

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The media type of a body, without parameters; JSON where none is said.
#[must_use]
pub fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim().to_lowercase();
    if media.is_empty() { "application/json".into() } else { media }
}

/// The schema of a built-in kind.
#[must_use]
pub fn schema(kind: &Kind) -> Option<Type<'static>> {
    Type::builtin(&kind.group, &kind.version, &kind.kind)
}

/// Reads a body as an object of the kind that the path names.
///
/// # Errors
/// 400 for what is none, 415 for another media type.
pub fn object(
    cx: &Context<'_>,
    bytes: &Bytes,
    validation: Validation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let kind = &cx.kind;
    let expected = Expected { group: &kind.group, version: &kind.version, kind: &kind.kind };
    let Some(custom) = kind.custom() else { return typed(cx, bytes, &expected, validation, warnings) };
    let format = match media_type(&cx.headers).as_str() {
        "application/json" => Format::Json,
        "application/yaml" => Format::Yaml,
        _ => return Err(unsupported()),
    };
    let decoded = body::custom(bytes, format, &expected, custom.compiled().schema())?;
    settle(decoded, &expected, validation, warnings)
}

/// Reads a body as an object of another kind, which a subresource takes.
///
/// # Errors
/// As [`object`].
pub fn other(
    cx: &Context<'_>,
    bytes: &Bytes,
    expected: &Expected<'_>,
    validation: Validation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    typed(cx, bytes, expected, validation, warnings)
}

/// Reads a body as the Scale of an object.
///
/// # Errors
/// As [`object`].
pub fn scale(
    cx: &Context<'_>,
    bytes: &Bytes,
    validation: Validation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    typed(cx, bytes, &SCALE, validation, warnings)
}

const SCALE: Expected<'static> = Expected { group: "autoscaling", version: "v1", kind: "Scale" };

fn typed(
    cx: &Context<'_>,
    bytes: &Bytes,
    expected: &Expected<'_>,
    validation: Validation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let format = match media_type(&cx.headers).as_str() {
        "application/json" => Format::Json,
        "application/yaml" => Format::Yaml,
        PROTOBUF => return proto::object(bytes, expected),
        _ => return Err(unsupported()),
    };
    let decoded = body::object(bytes, format, expected)?;
    settle(decoded, expected, validation, warnings)
}

/// Turns what strict validation says into warnings or a refusal.
fn settle(
    decoded: Decoded,
    expected: &Expected<'_>,
    validation: Validation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    match validation {
        Validation::Ignore => {}
        Validation::Warn => warnings.extend(decoded.warnings()),
        Validation::Strict => body::strict(&decoded, expected)?,
    }
    Ok(decoded.value)
}

fn unsupported() -> Status {
    Status::new(
        415,
        "UnsupportedMediaType",
        format!(
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml, {PROTOBUF}"
        ),
    )
}

/// Reads `DeleteOptions`, of whichever group they say they are.
///
/// # Errors
/// 400 for another kind, 415 for another media type.
pub fn delete_options(cx: &Context<'_>, bytes: &Bytes) -> Result<Value, Status> {
    let expected = Expected { group: "meta.k8s.io", version: "v1", kind: "DeleteOptions" };
    let value = match media_type(&cx.headers).as_str() {
        "application/json" => decode::untyped(bytes).map_err(|error| body::unrecognized(bytes, &expected, &error))?,
        "application/yaml" => yaml_text::read(bytes).map_err(|error| body::unrecognized(bytes, &expected, &error))?,
        PROTOBUF => return proto::object(bytes, &expected),
        _ => return Err(unsupported()),
    };
    let (version, kind) = (value.value.text("/apiVersion"), value.value.text("/kind"));
    let found = body::found(version, kind, &expected).map_err(|error| body::unrecognized(bytes, &expected, &error))?;
    if !kind.is_empty() && kind != expected.kind {
        return Err(Status::bad_request(body::not_registered(&found)));
    }
    let Some(ty) = Type::builtin("", "v1", expected.kind) else { return Ok(value.value) };
    let decoded = decode::retyped(&value.value, ty).map_err(|error| found.refuse(&expected, &error))?;
    Ok(decoded.value)
}

/// Reads a YAML (or JSON) document without a schema.
///
/// # Errors
/// 400 for what is none.
pub fn yaml(bytes: &[u8], validation: Validation, warnings: &mut Vec<String>) -> Result<Value, Status> {
    let decoded =
        yaml_text::read(bytes).map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
    match validation {
        Validation::Ignore => {}
        Validation::Warn => warnings.extend(decoded.warnings()),
        Validation::Strict => {
            if let Some(error) = decoded.strict_error() {
                return Err(Status::bad_request(format!("error strict decoding YAML: {error}")));
            }
        }
    }
    Ok(decoded.value)
}

/// Reads the document of a patch; `list` says whether it is a list of operations.
///
/// # Errors
/// 400 for what is none.
pub fn untyped(bytes: &[u8], list: bool, validation: Validation, warnings: &mut Vec<String>) -> Result<Value, Status> {
    if list {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
        return Ok(value);
    }
    let decoded =
        decode::untyped(bytes).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    match validation {
        Validation::Ignore => {}
        Validation::Warn => warnings.extend(decoded.warnings()),
        Validation::Strict => {
            if let Some(error) = decoded.strict_error() {
                return Err(Status::bad_request(format!("error decoding patch: {error}")));
            }
        }
    }
    Ok(decoded.value)
}

/// Reads a patched object again by the schema of its kind.
///
/// # Errors
/// 422 for values that do not fit.
pub fn patched(
    kind: &Kind,
    value: &Value,
    patch: &[u8],
    validation: Validation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let expected = Expected { group: &kind.group, version: &kind.version, kind: &kind.kind };
    if let Some(custom) = kind.custom() {
        return patched_custom(kind, custom, value, patch, validation, warnings);
    }
    let found = body::found(value.text("/apiVersion"), value.text("/kind"), &expected);
    let found = found.map_err(|error| refuse_patch(patch, &error))?;
    if !found.is(&expected) {
        return Err(refuse_patch(patch, &body::not_registered(&found)));
    }
    let Some(ty) = schema(kind) else { return Ok(value.clone()) };
    let decoded = decode::retyped(value, ty).map_err(|error| refuse_patch(patch, &error))?;
    match validation {
        Validation::Ignore => {}
        Validation::Warn => warnings.extend(decoded.warnings()),
        Validation::Strict => {
            if let Some(error) = decoded.strict_error() {
                return Err(refuse_patch(patch, &error));
            }
        }
    }
    Ok(decoded.value)
}

fn patched_custom(
    kind: &Kind,
    custom: &Custom,
    value: &Value,
    patch: &[u8],
    validation: Validation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let (said, wanted) = (value.text("/apiVersion"), kind.api_version());
    if value.text("/kind").is_empty() {
        return Err(refuse_patch(patch, &format!("Object 'Kind' is missing in '{value}'")));
    }
    if said != wanted {
        let detail = format!("the API version in the data ({said}) does not match the expected API version ({wanted})");
        return Err(refuse_patch(patch, &detail));
    }
    let mut value = value.clone();
    let strict =
        structural::coerce(&mut value, custom.compiled().schema()).map_err(|error| refuse_patch(patch, &error))?;
    let decoded = Decoded { value, strict };
    match validation {
        Validation::Ignore => {}
        Validation::Warn => warnings.extend(decoded.warnings()),
        Validation::Strict => {
            if let Some(error) = decoded.strict_error() {
                return Err(refuse_patch(patch, &error));
            }
        }
    }
    Ok(decoded.value)
}

/// 422 about a patch whose outcome cannot be read.
fn refuse_patch(patch: &[u8], error: &str) -> Status {
    let mut errors = Errors::new();
    errors.invalid_text(&Path::new("patch"), &String::from_utf8_lossy(patch), error);
    let mut status = Status::invalid("", "", "", &errors);
    // The failure is about no object, and upstream says so.
    status.message = format!(" \"\" is invalid: {}", errors.iter().map(ToString::to_string).collect::<String>());
    status
}

/// Reads a Scale after a patch.
///
/// # Errors
/// 422 for values that do not fit.
pub fn scale_value(value: &Value) -> Result<Value, Status> {
    let Some(ty) = Type::builtin(SCALE.group, SCALE.version, SCALE.kind) else { return Ok(value.clone()) };
    let decoded = decode::retyped(value, ty).map_err(Status::bad_request)?;
    Ok(decoded.value)
}

/// What Go calls the type of a JSON value.
#[must_use]
pub fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
