//! Who manages which field: `metadata.managedFields` after each kind of write.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::create::type_of;
use super::{Catalog, Part, WriteOptions, now, versions};
use crate::kinds::Kind;
use crate::kinds::custom::{Compiled, Custom, Scale};
use crate::schema::merge::reset::{Reset, reset_fields};
use crate::schema::merge::scale::{self, Replicas};
use crate::schema::merge::update::{Sibling, Subject, Writer, update};
use crate::schema::merge::{apply, managed};
use crate::schema::status::Status;
use crate::schema::table::Type;

/// Sets the managed fields of an object that is being created.
pub(super) fn created(catalog: &Catalog, kind: &Kind, object: &mut Value, options: &WriteOptions, at: Timestamp) {
    set(catalog, kind, Part::Main, None, object, options, at);
}

/// Sets the managed fields of an object that is being changed.
pub(super) fn updated(
    catalog: &Catalog,
    kind: &Kind,
    part: Part,
    old: &Value,
    object: &mut Value,
    options: &WriteOptions,
    at: Timestamp,
) {
    set(catalog, kind, part, Some(old), object, options, at);
}

fn set(
    catalog: &Catalog,
    kind: &Kind,
    part: Part,
    old: Option<&Value>,
    object: &mut Value,
    options: &WriteOptions,
    at: Timestamp,
) {
    let writer = Writer { manager: &options.manager, subresource: part.name(), now: at };
    with_subject(catalog, kind, |subject| update(subject, old, object, writer, &reset(kind, part)));
}

/// Runs `act` with what the field manager must know of a kind: its type, its version and the other
/// versions of its objects.
fn with_subject<T>(catalog: &Catalog, kind: &Kind, act: impl FnOnce(Subject<'_>) -> T) -> T {
    let version = kind.api_version();
    let compiled = kind.custom().map(Custom::compiled);
    let others: Vec<(String, &Kind, Option<Arc<Compiled>>)> = catalog
        .siblings(kind)
        .map(|other| (other.api_version(), other.as_ref(), other.custom().map(Custom::compiled)))
        .collect();
    let ways: Vec<_> =
        others.iter().map(|(_, other, _)| move |object: &Value| versions::converted(kind, other, object)).collect();
    let siblings: Vec<Sibling<'_>> = others
        .iter()
        .zip(&ways)
        .map(|((version, other, compiled), way)| Sibling {
            api_version: version,
            typing: typing(other, compiled.as_deref()),
            convert: way,
        })
        .collect();
    let typing = typing(kind, compiled.as_deref());
    act(Subject { typing, api_version: &version, kind: &kind.kind, versions: &[], siblings: &siblings })
}

/// The object that a server-side apply makes, with its managed fields.
///
/// # Errors
/// 409 for conflicts, 500 (as upstream) for a patch that does not fit the schema.
pub fn applied(
    catalog: &Catalog,
    kind: &Kind,
    part: Part,
    old: Option<&Value>,
    patch: &Value,
    options: &WriteOptions,
    force: bool,
) -> Result<Value, Status> {
    let writer = Writer { manager: &options.manager, subresource: part.name(), now: now() };
    with_subject(catalog, kind, |subject| apply::apply(subject, old, patch, writer, force, &reset(kind, part)))
}

/// Sets the managed fields of a request that is answered and not stored.
pub fn of_request(object: &mut Value, kind: &str, subresource: &str, options: &WriteOptions) {
    let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let (group, short) = version.split_once('/').unwrap_or(("", &version));
    let typing = Type::builtin(group, short, kind);
    let subject = Subject { typing, api_version: &version, kind, versions: &[], siblings: &[] };
    let writer = Writer { manager: &options.manager, subresource, now: now() };
    update(subject, None, object, writer, &Reset::nothing());
}

/// Where the kinds with a `scale` keep their number of replicas.
const REPLICAS: [&str; 2] = ["spec", "replicas"];

fn replicas(kind: &Kind) -> Vec<&str> {
    kind.custom().and_then(Custom::scale).map_or_else(|| REPLICAS.to_vec(), Scale::spec_path)
}

/// The managed fields of a Scale, taken from those of its object.
///
/// # Errors
/// 500 for entries that cannot be read.
pub fn of_scale(kind: &Kind, object: &Value) -> Result<Option<Value>, Status> {
    let version = kind.api_version();
    let path = replicas(kind);
    let places = [Replicas { api_version: &version, path: &path }];
    scale::to_scale(managed::of(object), &places).map_err(Status::internal)
}

/// Sets the managed fields of a Scale that is being changed from `old`.
pub fn update_scale(old: &Value, new: &mut Value, options: &WriteOptions) {
    let writer = Writer { manager: &options.manager, subresource: "scale", now: now() };
    update(scale_subject(), Some(old), new, writer, &Reset::nothing());
}

/// The Scale that a server-side apply makes of `old`.
///
/// # Errors
/// As [`applied`].
pub fn apply_scale(old: &Value, patch: &Value, options: &WriteOptions, force: bool) -> Result<Value, Status> {
    let writer = Writer { manager: &options.manager, subresource: "scale", now: now() };
    apply::apply(scale_subject(), Some(old), patch, writer, force, &Reset::nothing())
}

/// Puts what the writer of a Scale manages into its object.
///
/// # Errors
/// 500 for entries that cannot be read.
pub fn from_scale(kind: &Kind, object: &mut Value, scale: &Value) -> Result<(), Status> {
    let version = kind.api_version();
    let path = replicas(kind);
    let places = [Replicas { api_version: &version, path: &path }];
    let list = scale::to_parent(managed::of(object), managed::of(scale), &version, &places);
    managed::put(object, list.map_err(Status::internal)?);
    Ok(())
}

fn scale_subject() -> Subject<'static> {
    let typing = Type::builtin("autoscaling", "v1", "Scale");
    Subject { typing, api_version: "autoscaling/v1", kind: "Scale", versions: &[], siblings: &[] }
}

/// The type of a kind: its own where a definition makes it.
fn typing<'a>(kind: &Kind, compiled: Option<&'a Compiled>) -> Option<Type<'a>> {
    match compiled {
        Some(compiled) => compiled.typing(),
        None => type_of(kind),
    }
}

/// The fields that nobody can set through this part of the object.
fn reset(kind: &Kind, part: Part) -> Reset<'static> {
    if kind.custom().is_some() && part == Part::Status {
        return Reset::of(&[&["metadata"], &["spec"]]);
    }
    reset_fields(&kind.group, &kind.kind, part.name(), kind.has_status())
}
