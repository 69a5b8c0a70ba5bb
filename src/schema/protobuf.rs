//! Protobuf as Kubernetes uses it: the envelope (`k8s\0` and `runtime.Unknown`), and objects by the
//! schema table in both directions, byte for byte as the Go types of the API write them.
//!
//! Reading is bounded by the size and the nesting of its input; unknown fields are passed over.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;

use thiserror::Error;

pub use read::decode;
pub use write::encode;

use read::Reader;
use write::{bytes_field, key};

/// What every body begins with.
pub const PREFIX: &[u8; 4] = b"k8s\0";
/// The media type of a body.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Bytes that are no protobuf message of the type that is expected.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProtobufError {
    /// There is nothing.
    #[error("empty data")]
    Empty,
    /// There is a prefix and nothing behind it.
    #[error("empty body")]
    EmptyBody,
    /// Something else stands at the begin.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Prefix,
    /// The bytes end inside a field.
    #[error("unexpected EOF")]
    End,
    /// A number has more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A field has another wire type than its type says.
    #[error("proto: wrong wireType = {wire} for field {field}")]
    WireType {
        /// The wire type that was found.
        wire: u8,
        /// The name of the field.
        field: String,
    },
    /// A tag that cannot be.
    #[error("proto: illegal tag {0}")]
    Tag(u64),
    /// Messages in messages beyond any sense.
    #[error("proto: exceeded max depth")]
    Depth,
    /// A value that its type does not take, in the words of the type.
    #[error("{0}")]
    Value(String),
}

/// An object in its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `apiVersion` of the object.
    pub api_version: Cow<'a, str>,
    /// `kind` of the object.
    pub kind: Cow<'a, str>,
    /// The message.
    pub raw: &'a [u8],
}

/// Takes a body out of its envelope.
///
/// # Errors
/// The prefix is not there, or what follows is no `runtime.Unknown`.
pub fn open(bytes: &[u8]) -> Result<Envelope<'_>, ProtobufError> {
    if bytes.is_empty() {
        return Err(ProtobufError::Empty);
    }
    let body = bytes.strip_prefix(PREFIX).ok_or(ProtobufError::Prefix)?;
    if body.is_empty() {
        return Err(ProtobufError::EmptyBody);
    }
    let mut envelope = Envelope { api_version: Cow::Borrowed(""), kind: Cow::Borrowed(""), raw: &[] };
    let mut reader = Reader::new(body);
    while let Some((number, wire)) = reader.tag()? {
        match (number, wire) {
            (1, 2) => {
                let mut meta = Reader::new(reader.bytes()?);
                while let Some((number, wire)) = meta.tag()? {
                    match (number, wire) {
                        (1, 2) => envelope.api_version = String::from_utf8_lossy(meta.bytes()?),
                        (2, 2) => envelope.kind = String::from_utf8_lossy(meta.bytes()?),
                        _ => meta.skip(wire)?,
                    }
                }
            }
            (2, 2) => envelope.raw = reader.bytes()?,
            _ => reader.skip(wire)?,
        }
    }
    Ok(envelope)
}

/// What stands before a message of `length` bytes; [`AFTER`] follows it. So a message can be sent
/// without being copied.
#[must_use]
pub fn before(api_version: &str, kind: &str, length: usize) -> Vec<u8> {
    let mut meta = Vec::new();
    bytes_field(1, api_version.as_bytes(), &mut meta);
    bytes_field(2, kind.as_bytes(), &mut meta);
    let mut out = PREFIX.to_vec();
    bytes_field(1, &meta, &mut out);
    key(2, 2, &mut out);
    write::varint(length as u64, &mut out);
    out
}

/// What stands behind a message in its envelope: no content encoding and no content type.
pub const AFTER: &[u8; 4] = b"\x1a\0\x22\0";

/// Puts a message into its envelope.
#[must_use]
pub fn seal(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut out = before(api_version, kind, raw.len());
    out.extend_from_slice(raw);
    out.extend_from_slice(AFTER);
    out
}

/// One frame of a watch: its length as four bytes, the highest first, and a `metav1.WatchEvent` whose
/// object is already in its envelope.
#[must_use]
pub fn watch_frame(event: &str, sealed: &[u8]) -> Vec<u8> {
    let mut object = Vec::with_capacity(sealed.len() + 6);
    bytes_field(1, sealed, &mut object);
    let mut out = vec![0; 4];
    bytes_field(1, event.as_bytes(), &mut out);
    bytes_field(2, &object, &mut out);
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX).to_be_bytes();
    for (to, from) in out.iter_mut().zip(length) {
        *to = from;
    }
    out
}

/// The field of a list that holds one item, already encoded: the items of a list may be written one
/// by one, behind the field of its metadata.
pub fn list_item(item: &[u8], out: &mut Vec<u8>) {
    bytes_field(2, item, out);
}
