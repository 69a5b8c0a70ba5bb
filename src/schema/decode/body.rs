//! A request body as an object: which kind it says it is, whether that can be the kind that is asked
//! for, and the one sentence in which every failure is told.

use serde_json::Value;

use super::removed::is_former;
use super::{Decoded, typed, untyped};
use crate::schema::json::{Cursor, Token, check, go_quote};
use crate::schema::protobuf;
use crate::schema::status::Status;
use crate::schema::structural;
use crate::schema::table::Type;
use crate::schema::yaml;

/// The notation of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`; built-in kinds alone.
    Protobuf,
}

/// The kind that a request expects in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Version within the group.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
}

/// The kind that a body says it is, with what it leaves out taken from what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// API group.
    pub group: String,
    /// Version within the group.
    pub version: String,
    /// Kind.
    pub kind: String,
}

impl Found {
    /// Whether it is that kind.
    #[must_use]
    pub fn is(&self, expected: &Expected<'_>) -> bool {
        self.group == expected.group && self.version == expected.version && self.kind == expected.kind
    }

    /// The failure to read the body as the kind that is expected: 400 with `… cannot be handled as …`.
    #[must_use]
    pub fn refuse(&self, expected: &Expected<'_>, why: &str) -> Status {
        let (kind, version) = (&self.kind, go_quote(&self.version));
        Status::bad_request(format!("{kind} in version {version} cannot be handled as a {}: {why}", expected.kind))
    }

    fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }
}

/// Reads a body as an object of a built-in kind. `apiVersion` and `kind` of the result are those that
/// are expected. Strict errors are left to the caller, see [`strict`].
///
/// # Errors
/// 400 in upstream's words: no JSON or YAML, another kind, values of the wrong type.
pub fn object(body: &[u8], format: Format, expected: &Expected<'_>) -> Result<Decoded, Status> {
    if format == Format::Protobuf {
        return message(body, expected);
    }
    let (json, mut told) = to_json(body, format, expected)?;
    let found = interpret(&json, body, expected, expected)?;
    let Some(ty) = Type::builtin(&found.group, &found.version, &found.kind) else {
        return Err(unknown(&found, expected));
    };
    let mut decoded = typed(&json, ty).map_err(|error| found.refuse(expected, &error))?;
    convertible(&found, expected)?;
    told.append(&mut decoded.strict);
    decoded.strict = told;
    set_kind(&mut decoded.value, expected);
    Ok(decoded)
}

fn message(body: &[u8], expected: &Expected<'_>) -> Result<Decoded, Status> {
    let wrong = |error: &str| unrecognized(body, expected, error);
    let envelope = protobuf::open(body).map_err(|error| wrong(&error.to_string()))?;
    let found = found(&envelope.api_version, &envelope.kind, expected).map_err(|error| wrong(&error))?;
    let Some(ty) = Type::builtin(&found.group, &found.version, &found.kind) else {
        return Err(unknown(&found, expected));
    };
    let mut value = protobuf::decode(envelope.raw, ty).map_err(|error| found.refuse(expected, &error.to_string()))?;
    convertible(&found, expected)?;
    set_kind(&mut value, expected);
    Ok(Decoded { value, strict: Vec::new() })
}

/// Reads a body as a custom resource with that `openAPIV3Schema`: what the schema does not know is gone
/// and told, `metadata` is read by its type. `kind` stays as it was sent; that it must be the one that is
/// expected is a rule of validation upstream. Defaults are left to the caller.
///
/// # Errors
/// 400 in upstream's words: no JSON or YAML, no object, no kind, another group version, wrong metadata.
pub fn custom(body: &[u8], format: Format, expected: &Expected<'_>, schema: &Value) -> Result<Decoded, Status> {
    let (json, mut told) = to_json(body, format, expected)?;
    // What is left out is not filled in for these.
    let found = interpret(&json, body, expected, &NOTHING)?;
    if found.kind.is_empty() {
        let text = String::from_utf8_lossy(&json);
        return Err(unrecognized(body, expected, &format!("Object 'Kind' is missing in '{text}'")));
    }
    let mut decoded = untyped(&json).map_err(|error| found.refuse(expected, &error))?;
    told.append(&mut decoded.strict);
    if found.group == expected.group && found.kind == expected.kind {
        let unknown = structural::coerce(&mut decoded.value, schema).map_err(|error| found.refuse(expected, &error))?;
        told.extend(unknown);
    }
    if found.group != expected.group || found.version != expected.version {
        return Err(other_version(&found, expected));
    }
    decoded.strict = told;
    Ok(decoded)
}

/// The failure of a request that asks for strict validation, if anything was told.
///
/// # Errors
/// 400 with `strict decoding error: …`.
pub fn strict(decoded: &Decoded, expected: &Expected<'_>) -> Result<(), Status> {
    let found = Found {
        group: expected.group.to_owned(),
        version: expected.version.to_owned(),
        kind: expected.kind.to_owned(),
    };
    decoded.strict_error().map_or(Ok(()), |error| Err(found.refuse(expected, &error)))
}

/// Whether what a body is can be taken for the kind that is expected.
///
/// # Errors
/// 400 with `unknown conversion`, or with the two versions where only they differ.
pub fn convertible(found: &Found, expected: &Expected<'_>) -> Result<(), Status> {
    if found.is(expected) {
        return Ok(());
    }
    let internal = |group: &str| match group {
        "" | "events.k8s.io" => "core".to_owned(),
        group => group.split('.').next().unwrap_or(group).to_owned(),
    };
    if found.kind == expected.kind && internal(&found.group) == internal(expected.group) {
        return Err(other_version(found, expected));
    }
    let package = Type::builtin(&found.group, &found.version, &found.kind)
        .and_then(Type::as_struct)
        .map_or_else(|| format!("{}.{}", found.version, found.kind), |found| found.go_name());
    let target = format!("{}.{}", internal(expected.group), expected.kind);
    Err(found.refuse(expected, &format!("converting ({package}) to ({target}): unknown conversion")))
}

fn other_version(found: &Found, expected: &Expected<'_>) -> Status {
    Status::bad_request(format!(
        "the API version in the data ({}) does not match the expected API version ({})",
        found.api_version(),
        api_version(expected.group, expected.version)
    ))
}

/// The refusal of a kind of which there is no schema: it never was, or its version is no longer served.
#[must_use]
pub fn unknown(found: &Found, expected: &Expected<'_>) -> Status {
    if found.kind == expected.kind && is_former(&found.group, &found.version, &found.kind, expected.group) {
        return other_version(found, expected);
    }
    found.refuse(expected, &not_registered(found))
}

/// The message for a kind that is not known.
#[must_use]
pub fn not_registered(found: &Found) -> String {
    format!(
        "no kind {} is registered for version {} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
        go_quote(&found.kind),
        go_quote(&found.api_version())
    )
}

/// The failure to find out what a body is: 400 with `the object provided is unrecognized …`.
#[must_use]
pub fn unrecognized(body: &[u8], expected: &Expected<'_>, why: &str) -> Status {
    let kind = expected.kind;
    let summary = summarize(body);
    Status::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why} ({summary})"))
}

/// Sets `apiVersion` and `kind` to what is expected.
pub fn set_kind(value: &mut Value, expected: &Expected<'_>) {
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion".to_owned(), api_version(expected.group, expected.version).into());
        map.insert("kind".to_owned(), expected.kind.into());
    }
}

/// The kind that `apiVersion` and `kind` name.
///
/// # Errors
/// `unexpected GroupVersion string: …`.
pub fn found(api_version: &str, kind: &str, expected: &Expected<'_>) -> Result<Found, String> {
    let (group, version) = match api_version.split_once('/') {
        None => ("", api_version),
        Some((_, rest)) if rest.contains('/') => {
            return Err(format!("unexpected GroupVersion string: {api_version}"));
        }
        Some(parts) => parts,
    };
    let kind = if kind.is_empty() { expected.kind } else { kind };
    let (group, version) = match (group, version) {
        ("", "") => (expected.group, expected.version),
        (group, "") if group == expected.group => (group, expected.version),
        other => other,
    };
    Ok(Found { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() })
}

fn to_json<'b>(
    body: &'b [u8],
    format: Format,
    expected: &Expected<'_>,
) -> Result<(std::borrow::Cow<'b, [u8]>, Vec<String>), Status> {
    if format != Format::Yaml {
        return Ok((body.into(), Vec::new()));
    }
    let read = yaml::read(body).map_err(|error| unrecognized(body, expected, &error))?;
    let json = serde_json::to_vec(&read.value).map_err(|error| unrecognized(body, expected, &error.to_string()))?;
    Ok((json.into(), read.strict))
}

const NOTHING: Expected<'static> = Expected { group: "", version: "", kind: "" };

/// Finds `apiVersion` and `kind` in a JSON text; what is left out is taken from `defaults`.
fn interpret(json: &[u8], body: &[u8], expected: &Expected<'_>, defaults: &Expected<'_>) -> Result<Found, Status> {
    let wrong =
        |why: &str| unrecognized(body, expected, &format!("couldn't get version/kind; json parse error: {why}"));
    check(json).map_err(|error| wrong(&error))?;
    let mut cursor = Cursor::new(json);
    let mut names = [("apiVersion", String::new()), ("kind", String::new())];
    match cursor.peek() {
        Token::Null => {}
        Token::Object => {
            let mut error = None;
            cursor.enter();
            while cursor.more() {
                let key = cursor.key();
                let Some((name, slot)) = names.iter_mut().find(|(name, _)| *name == key) else {
                    cursor.skip();
                    continue;
                };
                match cursor.peek() {
                    Token::String => *slot = cursor.string().into_owned(),
                    Token::Null => cursor.skip(),
                    token => {
                        let found = token.word();
                        error.get_or_insert_with(|| {
                            format!("json: cannot unmarshal {found} into Go struct field .{name} of type string")
                        });
                        cursor.skip();
                    }
                }
            }
            if let Some(error) = error {
                return Err(wrong(&error));
            }
        }
        token => {
            let target = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
                          Kind string \"json:\\\"kind,omitempty\\\"\" }";
            return Err(wrong(&format!("json: cannot unmarshal {} into Go value of type {target}", token.word())));
        }
    }
    let [(_, api_version), (_, kind)] = &names;
    found(api_version, kind, defaults).map_err(|error| unrecognized(body, expected, &error))
}

/// The begin of a body, for a message: as it is if it looks like JSON, else in hexadecimal.
fn summarize(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let begin = body.get(..SHOWN).unwrap_or(body);
    let more = if body.len() > SHOWN { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(begin)),
        Some(_) => begin.iter().map(|byte| format!("{byte:02x}")).chain([more.to_owned()]).collect(),
    }
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}
