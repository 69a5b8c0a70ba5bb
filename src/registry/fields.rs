//! Who manages which field: `metadata.managedFields` after each kind of write.

use jiff::Timestamp;
use serde_json::Value;

use super::create::type_of;
use super::{Part, WriteOptions, now};
use crate::kinds::Kind;
use crate::schema::merge::apply;
use crate::schema::merge::fields::Set;
use crate::schema::merge::reset::reset_fields;
use crate::schema::merge::update::{Subject, Writer, update};
use crate::schema::status::Status;

/// Sets the managed fields of an object that is being created.
pub(super) fn created(kind: &Kind, object: &mut Value, options: &WriteOptions, at: Timestamp) {
    set(kind, Part::Main, None, object, options, at);
}

/// Sets the managed fields of an object that is being changed.
pub(super) fn updated(kind: &Kind, part: Part, old: &Value, object: &mut Value, options: &WriteOptions, at: Timestamp) {
    set(kind, part, Some(old), object, options, at);
}

fn set(kind: &Kind, part: Part, old: Option<&Value>, object: &mut Value, options: &WriteOptions, at: Timestamp) {
    let version = kind.api_version();
    let writer = Writer { manager: &options.manager, subresource: part.name(), now: at };
    update(subject(kind, &version), old, object, writer, &reset(kind, part));
}

/// The object that a server-side apply makes, with its managed fields.
///
/// # Errors
/// 409 for conflicts, 500 (as upstream) for a patch that does not fit the schema.
pub fn applied(
    kind: &Kind,
    part: Part,
    old: Option<&Value>,
    patch: &Value,
    options: &WriteOptions,
    force: bool,
) -> Result<Value, Status> {
    let version = kind.api_version();
    let writer = Writer { manager: &options.manager, subresource: part.name(), now: now() };
    apply::apply(subject(kind, &version), old, patch, writer, force, &reset(kind, part))
}

fn subject<'a>(kind: &'a Kind, version: &'a str) -> Subject<'a> {
    Subject { typing: type_of(kind), api_version: version, kind: &kind.kind, versions: &[] }
}

/// The fields that nobody can set through this part of the object.
fn reset(kind: &Kind, part: Part) -> Set<'static> {
    reset_fields(&kind.group, &kind.kind, part.name(), kind.has_status())
}
