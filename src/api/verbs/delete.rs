//! delete and deletecollection.

use bytes::Bytes;
use hyper::Response;
use serde_json::{Value, json};

use super::super::Context;
use super::super::body::Body;
use super::super::decode;
use super::read;
use super::write::{check_dry_run, done};
use crate::kinds::Propagation;
use crate::registry::delete::{DeleteOptions, Deleted};
use crate::registry::{Target, versions};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Reads `DeleteOptions` from the body, or from the parameters where there is no body.
fn options(cx: &Context<'_>, bytes: &Bytes) -> Result<(DeleteOptions, bool, bool), Status> {
    let object = if bytes.is_empty() { from_query(cx)? } else { decode::delete_options(cx, bytes)? };
    let mut errors = Errors::new();
    let policy = object.get("propagationPolicy").and_then(Value::as_str);
    let orphan = object.get("orphanDependents").and_then(Value::as_bool);
    let path = Path::new("propagationPolicy");
    let propagation = match policy {
        Some(text) if orphan.is_some() => {
            errors.invalid_text(&path, text, "orphanDependents and deletionPropagation cannot be both set");
            None
        }
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Background") => Some(Propagation::Background),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(text) => {
            errors.not_supported(&path, &text.into(), &["Foreground", "Background", "Orphan", "nil"]);
            None
        }
        None => orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
    };
    let dry: Vec<&str> = object.list("/dryRun").iter().filter_map(Value::as_str).collect();
    check_dry_run(&dry, &mut errors);
    if !errors.is_empty() {
        return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &errors));
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    let delete = DeleteOptions {
        grace_period_seconds: object.int("/gracePeriodSeconds"),
        propagation,
        uid: text("/preconditions/uid"),
        resource_version: text("/preconditions/resourceVersion"),
    };
    let said = policy.is_some() || orphan.is_some();
    Ok((delete, !dry.is_empty(), said))
}

fn from_query(cx: &Context<'_>) -> Result<Value, Status> {
    let query = &cx.query;
    let mut object = json!({});
    if let Some(seconds) = query.get("gracePeriodSeconds") {
        let seconds: i64 = seconds
            .parse()
            .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {seconds:?}: invalid syntax")))?;
        object["gracePeriodSeconds"] = seconds.into();
    }
    if let Some(policy) = query.get("propagationPolicy") {
        object["propagationPolicy"] = policy.into();
    }
    if query.get("orphanDependents").is_some() {
        object["orphanDependents"] = query.flag("orphanDependents").into();
    }
    let dry: Vec<&str> = query.all("dryRun").collect();
    if !dry.is_empty() {
        object["dryRun"] = dry.into();
    }
    Ok(object)
}

/// Deletes one object.
///
/// # Errors
/// What the registry says.
pub async fn one(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    let (delete, dry_run, said) = options(cx, &bytes)?;
    let write = cx.write_options(dry_run);
    let deleted = cx.api.registry().delete(&cx.target(), &delete, &write).await?;
    let warnings = warnings(cx, said);
    let answer = deleted.answer(&cx.kind);
    if answer["kind"] == "Status" && answer["apiVersion"] == "v1" {
        return Ok(done(cx, 200, &answer, &warnings));
    }
    cx.answer(200, &answer, &warnings)
}

/// Jobs keep their pods by default, which surprises people.
fn warnings(cx: &Context<'_>, said: bool) -> Vec<String> {
    if cx.kind.group != "batch" || cx.kind.plural != "jobs" || said {
        return Vec::new();
    }
    vec![
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them \
         or set propagationPolicy=Orphan to suppress this warning"
            .to_owned(),
    ]
}

/// Deletes everything that the selectors let through; answers with what was there.
///
/// # Errors
/// What the registry says of the first object that cannot be deleted.
pub async fn collection(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    let (delete, dry_run, said) = options(cx, &bytes)?;
    let write = cx.write_options(dry_run);
    let filter = cx.filter()?;
    let list = read::list_options(cx, filter.namespace())?;
    let registry = cx.api.registry();
    let mut lister = registry.list(&cx.kind, filter, list).await?;
    let builtin = decode::schema(&cx.kind).is_some();
    let mut items = Vec::new();
    while let Some(record) = lister.next().await? {
        let target = Target::new(&cx.kind, &record.key.namespace, &record.key.name);
        match registry.delete(&target, &delete, &write).await {
            Ok(Deleted::Gone(_) | Deleted::Waiting(_)) => {}
            Err(status) if status.code == 404 => {}
            Err(status) => return Err(status),
        }
        let mut object = versions::shown(&cx.kind, &record.to_value()).into_owned();
        if builtin && let Some(map) = object.as_object_mut() {
            map.remove("apiVersion");
            map.remove("kind");
        }
        items.push(object);
    }
    let answer = json!({
        "apiVersion": cx.kind.api_version(),
        "kind": format!("{}List", cx.kind.kind),
        "metadata": {"resourceVersion": lister.revision().to_string()},
        "items": items,
    });
    Ok(done(cx, 200, &answer, &warnings(cx, said)))
}
