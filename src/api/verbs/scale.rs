//! The subresource `scale`: the number of replicas as autoscaling/v1 Scale.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Response;
use serde_json::{Value, json};

use super::super::body::Body;
use super::super::decode;
use super::super::{Context, body};
use super::patch::Patch;
use super::write::{Options, check_name};
use crate::kinds;
use crate::registry::{Changed, Part, fields};
use crate::schema::field::{Errors, Path};
use crate::schema::merge::{json_patch, merge_patch};
use crate::schema::object::Object;
use crate::schema::selector;
use crate::schema::status::Status;

/// The Scale of an object.
fn scale_of(object: &Value) -> Value {
    let selector = match object.pointer("/spec/selector") {
        Some(selector) if selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some() => {
            selector::format_object(selector)
        }
        Some(Value::Object(labels)) => selector::format_labels(Some(labels)),
        _ => String::new(),
    };
    let mut meta = serde_json::Map::new();
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.pointer("/metadata").and_then(|meta| meta.get(key)) {
            meta.insert(key.into(), value.clone());
        }
    }
    let mut spec = serde_json::Map::new();
    let replicas = object.int("/spec/replicas").unwrap_or(0);
    if replicas != 0 {
        spec.insert("replicas".into(), replicas.into());
    }
    let mut status = json!({"replicas": object.int("/status/replicas").unwrap_or(0)});
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta, "spec": spec, "status": status})
}

/// A Scale in the form that is asked for.
fn shown(cx: &Context<'_>, scale: &Value) -> Result<Response<Body>, Status> {
    let show = cx.show(&Arc::new(kinds::autoscaling::scale::kind()))?;
    Ok(body::object(200, cx.form, show.one(scale)?.as_ref()))
}

/// Reads the scale.
///
/// # Errors
/// 404 where the object is not there.
pub async fn get(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let object = cx.api.registry().get(&cx.target()).await?.to_value();
    shown(cx, &scale_of(&object))
}

/// Changes the scale by an update or a patch.
///
/// # Errors
/// 422 for a negative number, 409 for a version that is not the current one.
pub async fn write(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    let mut warnings = Vec::new();
    let patch =
        if cx.info.verb == "patch" { Some(Patch::read(cx, &decode::media_type(&cx.headers), &bytes)?) } else { None };
    let options = match patch {
        Some(patch) => Options::read(cx, "PatchOptions", Some(patch.is_apply()))?,
        None => Options::read(cx, "UpdateOptions", None)?,
    };
    let whole = match patch {
        None => Some(decode::scale(cx, &bytes, options.validation, &mut warnings)?),
        Some(_) => None,
    };
    let document = match patch {
        Some(Patch::Apply) => Some(decode::yaml(&bytes, options.validation, &mut warnings)?),
        Some(patch) => Some(decode::untyped(&bytes, patch == Patch::Json, options.validation, &mut warnings)?),
        None => None,
    };
    let write = cx.write_options(options.dry_run);
    let mut change = |old: &Value| {
        let mut before = scale_of(old);
        if let Some(list) = fields::of_scale(&cx.kind, old)? {
            before.metadata_mut().insert("managedFields".into(), list);
        }
        let mut scale = before.clone();
        match (&whole, patch, &document) {
            (Some(whole), _, _) => scale = whole.clone(),
            (None, Some(Patch::Apply), Some(document)) => {
                scale = fields::apply_scale(&before, document, &write, options.force)?;
            }
            (None, Some(Patch::Json), Some(document)) => json_patch::apply(&mut scale, document.clone())?,
            (None, _, Some(document)) => merge_patch::apply(&mut scale, document.clone())?,
            (None, _, None) => {}
        }
        let mut scale = decode::scale_value(&scale)?;
        check_name(cx, &scale)?;
        if patch != Some(Patch::Apply) {
            fields::update_scale(&before, &mut scale, &write);
        }
        let replicas = scale.int("/spec/replicas").unwrap_or(0);
        if replicas < 0 {
            let mut errors = Errors::new();
            let path = Path::new("spec").child("replicas");
            errors.invalid(&path, &replicas.into(), "must be greater than or equal to 0");
            return Err(Status::invalid("autoscaling", "Scale", scale.name(), &errors));
        }
        let mut object = old.clone();
        object.section_mut("spec").insert("replicas".into(), replicas.into());
        fields::from_scale(&cx.kind, &mut object, &scale)?;
        match scale.pointer("/metadata/resourceVersion") {
            Some(said) => object.metadata_mut().insert("resourceVersion".into(), said.clone()),
            None => object.metadata_mut().remove("resourceVersion"),
        };
        let uid = Some(scale.uid().to_owned()).filter(|uid| !uid.is_empty());
        Ok(Changed { object, managed: true, uid })
    };
    let written = cx.api.registry().update(&cx.target(), Part::Sub("scale"), &mut change, &write).await?;
    warnings.extend(written.warnings);
    let mut response = shown(cx, &scale_of(&written.object))?;
    super::super::warn(&mut response, &warnings);
    Ok(response)
}
