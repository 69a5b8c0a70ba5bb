//! create, update, patch, delete and deletecollection.

use bytes::Bytes;
use hyper::Response;
use serde_json::Value;

use super::super::authz::{self, Attributes};
use super::super::body::Body;
use super::super::decode::{self, Validation};
use super::super::{Context, body, warn};
use super::patch::{self, Patch};
use super::{delete, pod, review, scale, token};
use crate::kinds::Verbs;
use crate::registry::{Change, Changed, Part, Target, WriteOptions, Written};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Longest manager name.
const MANAGER_MAX: usize = 128;

/// Runs the write that the request asks for.
///
/// # Errors
/// What the verb says.
pub async fn dispatch(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    let sub = cx.info.subresource.as_str();
    match (cx.info.verb.as_str(), sub) {
        ("update" | "patch", "scale") => scale::write(cx, bytes).await,
        ("create", "") if cx.kind.plural == "bindings" && cx.kind.group.is_empty() => pod::bind(cx, bytes).await,
        ("create", "") if cx.kind.verbs == Verbs::CreateOnly => review::create(cx, bytes).await,
        ("create", "") => create(cx, bytes).await,
        ("create", "binding") => pod::bind(cx, bytes).await,
        ("create", "eviction") => pod::evict(cx, bytes).await,
        ("create", "token") => token::create(cx, bytes).await,
        ("update", _) => update(cx, bytes, part(cx)?).await,
        ("patch", _) => patch_object(cx, bytes, part(cx)?).await,
        ("delete", "") => delete::one(cx, bytes).await,
        ("deletecollection", "") => delete::collection(cx, bytes).await,
        _ => Err(Status::method_not_allowed()),
    }
}

/// The part of the object that the subresource stands for.
fn part(cx: &Context<'_>) -> Result<Part, Status> {
    match cx.info.subresource.as_str() {
        "" => Ok(Part::Main),
        "status" => Ok(Part::Status),
        name => cx.kind.subresource(name).map(|sub| Part::Sub(sub.name)).ok_or_else(Status::unknown_resource),
    }
}

/// `dryRun`, `fieldManager`, `fieldValidation` and `force`, checked.
pub struct Options {
    /// Everything but the storing.
    pub dry_run: bool,
    /// How unknown fields are treated.
    pub validation: Validation,
    /// Whether an apply takes fields from others.
    pub force: bool,
}

impl Options {
    /// Reads the parameters; `kind` names them in errors (`CreateOptions`, …).
    ///
    /// # Errors
    /// 422 for words that are none of theirs.
    pub fn read(cx: &Context<'_>, kind: &str, apply: Option<bool>) -> Result<Self, Status> {
        let query = &cx.query;
        let mut errors = Errors::new();
        if apply == Some(false) && query.get("force").is_some() {
            errors.forbidden(&Path::new("force"), "may not be specified for non-apply patch");
        }
        let manager = query.text("fieldManager");
        if apply == Some(true) && manager.is_empty() {
            errors.required(&Path::new("fieldManager"), "is required for apply patch");
        }
        check_manager(manager, &mut errors);
        let dry: Vec<&str> = query.all("dryRun").collect();
        check_dry_run(&dry, &mut errors);
        let validation = match query.text("fieldValidation") {
            "" | "Warn" => Validation::Warn,
            "Ignore" => Validation::Ignore,
            "Strict" => Validation::Strict,
            other => {
                let path = Path::new("fieldValidation");
                errors.not_supported(&path, &other.into(), &["Ignore", "Strict", "Warn"]);
                Validation::Warn
            }
        };
        if !errors.is_empty() {
            return Err(Status::invalid("meta.k8s.io", kind, "", &errors));
        }
        Ok(Self { dry_run: !dry.is_empty(), validation, force: query.flag("force") })
    }
}

/// `dryRun` may only be `All`.
pub fn check_dry_run(values: &[&str], errors: &mut Errors) {
    if values.iter().any(|value| *value != "All") {
        errors.not_supported(&Path::new("dryRun"), &Value::from(values.to_vec()), &["All"]);
    }
}

fn check_manager(manager: &str, errors: &mut Errors) {
    let path = Path::new("fieldManager");
    if manager.len() > MANAGER_MAX {
        errors.too_long(&path, MANAGER_MAX);
    }
    for (at, letter) in manager.chars().enumerate() {
        if letter.is_control() {
            let detail = format!("invalid character {letter:?} (at position {at})");
            errors.invalid_text(&path, manager, &detail);
        }
    }
}

async fn create(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    let options = Options::read(cx, "CreateOptions", None)?;
    let mut warnings = Vec::new();
    let object = decode::object(cx, &bytes, options.validation, &mut warnings)?;
    check_namespace(cx, &object)?;
    let target = Target::new(&cx.kind, &cx.target().namespace, "");
    let outcome = cx.api.registry().create(&target, object, &cx.write_options(options.dry_run)).await;
    let written = outcome.map_err(|status| status.after(&warnings))?;
    // It can be set once only, which is here.
    let _ = cx.made.set(written.object.name().to_owned());
    respond(cx, 201, written, warnings)
}

/// An answer with the warnings of reading before those of writing.
fn respond(cx: &Context<'_>, code: u16, written: Written, mut warnings: Vec<String>) -> Result<Response<Body>, Status> {
    warnings.extend(written.warnings);
    cx.answer(code, &written.object, &warnings)
}

/// The namespace of a body must be that of the path.
///
/// # Errors
/// 400 for another one.
pub fn check_namespace(cx: &Context<'_>, object: &Value) -> Result<(), Status> {
    let said = object.namespace();
    if cx.kind.is_namespaced() && !said.is_empty() && said != cx.info.namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// Name and namespace of a body must be those of the path.
pub fn check_name(cx: &Context<'_>, object: &Value) -> Result<(), Status> {
    let (said, wanted) = (object.name(), cx.info.name.as_str());
    if said.is_empty() && object.text("/metadata/generateName").is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
        )));
    }
    if !said.is_empty() && said != wanted {
        return Err(Status::bad_request(format!(
            "the name of the object ({said}) does not match the name on the URL ({wanted})"
        )));
    }
    check_namespace(cx, object)
}

async fn update(cx: &Context<'_>, bytes: Bytes, part: Part) -> Result<Response<Body>, Status> {
    let options = Options::read(cx, "UpdateOptions", None)?;
    let mut warnings = Vec::new();
    let object = decode::object(cx, &bytes, options.validation, &mut warnings)?;
    check_name(cx, &object)?;
    let target = cx.target();
    let write = cx.write_options(options.dry_run);
    let outcome = {
        let uid = Some(object.uid().to_owned()).filter(|uid| !uid.is_empty());
        let mut change = |_: &Value| Ok(Changed { object: object.clone(), managed: false, uid: uid.clone() });
        cx.api.registry().update(&target, part, &mut change, &write).await
    };
    let creates = part == Part::Main && cx.kind.strategy.allows_create_on_update();
    match outcome {
        Err(status) if status.code == 404 && creates && object.resource_version().is_empty() => {
            may_create(cx).await?;
            let outcome = cx.api.registry().create(&target, object, &write).await;
            respond(cx, 201, outcome.map_err(|status| status.after(&warnings))?, warnings)
        }
        outcome => respond(cx, 200, outcome.map_err(|status| status.after(&warnings))?, warnings),
    }
}

async fn patch_object(cx: &Context<'_>, bytes: Bytes, part: Part) -> Result<Response<Body>, Status> {
    let media = decode::media_type(&cx.headers);
    let patch = Patch::read(cx, &media, &bytes)?;
    let options = Options::read(cx, "PatchOptions", Some(patch.is_apply()))?;
    let write = cx.write_options(options.dry_run);
    let target = cx.target();
    if !patch.is_apply() {
        // That it is not there is told before what is wrong with the patch.
        cx.api.registry().get(&target).await?;
    }
    let patch = patch.parse(cx, &bytes, options.validation)?;
    let mut warnings = Vec::new();
    let outcome = {
        let mut change = |old: &Value| {
            warnings.clear();
            patch.change(cx, part, Some(old), &options, &write, &mut warnings)
        };
        let change: &mut Change<'_> = &mut change;
        cx.api.registry().update(&target, part, change, &write).await
    };
    match outcome {
        Err(status) if status.code == 404 && patch.is_apply() && part == Part::Main && is_missing(&status, cx) => {
            apply_new(cx, &patch, &options, &write).await
        }
        outcome => respond(cx, 200, outcome.map_err(|status| status.after(&warnings))?, warnings),
    }
}

/// Whether it is the object itself that is not there.
fn is_missing(status: &Status, cx: &Context<'_>) -> bool {
    status.details.as_ref().is_some_and(|details| details.kind == cx.kind.plural && details.name == cx.info.name)
}

/// Whoever makes something by an update must be allowed to create it.
async fn may_create(cx: &Context<'_>) -> Result<(), Status> {
    let what = Attributes { verb: "create", ..Attributes::from(&cx.info) };
    authz::check(cx.api, &cx.user, &what).await
}

/// An apply of something that is not there makes it.
async fn apply_new(
    cx: &Context<'_>,
    patch: &patch::Parsed,
    options: &Options,
    write: &WriteOptions,
) -> Result<Response<Body>, Status> {
    may_create(cx).await?;
    let mut warnings = Vec::new();
    let changed = patch.change(cx, Part::Main, None, options, write, &mut warnings)?;
    let mut object = changed.object;
    object.metadata_mut().remove("resourceVersion");
    let outcome = cx.api.registry().create_applied(&cx.target(), object, write).await;
    respond(cx, 201, outcome.map_err(|status| status.after(&warnings))?, warnings)
}

/// A `Status` that stands for success without an object.
pub fn done(cx: &Context<'_>, code: u16, status: &Value, warnings: &[String]) -> Response<Body> {
    let mut response = body::object(code, cx.form.whole(), status);
    warn(&mut response, warnings);
    response
}
