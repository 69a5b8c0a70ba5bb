//! The subresource `token` of service accounts: TokenRequest.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::body::{self, Body};
use super::super::{Context, decode, warn};
use super::write::Options;
use crate::registry::tokens::{Bound, claims};
use crate::registry::{fields, timestamp};
use crate::schema::decode::body::Expected;
use crate::schema::field::{Errors, Path, quote};
use crate::schema::object::Object;
use crate::schema::status::Status;

const REQUEST: Expected<'static> = Expected { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" };

/// Seconds that a token is valid where the client does not say.
const DEFAULT: i64 = 3600;
/// The shortest that may be asked for.
const SHORTEST: i64 = 600;
/// The longest that may be asked for.
const LONGEST: i64 = 1 << 32;

/// Makes a token.
///
/// # Errors
/// 404 for an account or a bound object that is not there, 422 for a duration out of range.
pub async fn create(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    let options = Options::read(cx, "CreateOptions", None)?;
    let mut warnings = Vec::new();
    let mut request = decode::other(cx, &bytes, &REQUEST, options.validation, &mut warnings)?;
    let account = cx.api.registry().get(&cx.target()).await?.to_value();
    request.section_mut("spec").entry("expirationSeconds").or_insert_with(|| DEFAULT.into());
    fields::of_request(&mut request, REQUEST.kind, "token", &cx.write_options(options.dry_run));
    complete(cx, &mut request, &account);
    check(&request, &account)?;
    let bound = bound_objects(cx, &request).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds = request.int("/spec/expirationSeconds").and_then(|s| u64::try_from(s).ok()).unwrap_or(0);
    let audiences: Vec<String> =
        request.list("/spec/audiences").iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    let issuer = cx.api.issuer();
    let token = issuer.sign(&claims(issuer.name(), &account, &bound, &audiences, now, seconds))?;
    let end = i64::try_from(now + seconds).ok().and_then(|end| Timestamp::from_second(end).ok());
    request["status"] = json!({"token": token, "expirationTimestamp": end.map(|end| end.to_string())});
    let meta = request.metadata_mut();
    for key in ["name", "namespace", "uid"] {
        if let Some(value) = account.pointer("/metadata").and_then(|meta| meta.get(key)) {
            meta.insert(key.into(), value.clone());
        }
    }
    meta.insert("creationTimestamp".into(), timestamp().into());
    let mut response = body::object(201, cx.form.whole(), &request);
    warn(&mut response, &warnings);
    Ok(response)
}

/// Fills in what the client left out.
fn complete(cx: &Context<'_>, request: &mut Value, account: &Value) {
    let issuer = cx.api.issuer().name().to_owned();
    let spec = request.section_mut("spec");
    if spec.get("audiences").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec.insert("audiences".into(), json!([issuer]));
    }
    spec.entry("boundObjectRef").or_insert(Value::Null);
    let meta = request.metadata_mut();
    if meta.get("namespace").is_none() {
        meta.insert("namespace".into(), account.namespace().into());
    }
}

fn check(request: &Value, account: &Value) -> Result<(), Status> {
    let mut errors = Errors::new();
    let mut name = "";
    let (group, kind) = (REQUEST.group, REQUEST.kind);
    if !request.name().is_empty() && request.name() != account.name() {
        name = account.name();
        let path = Path::new("metadata").child("name");
        errors.invalid_text(&path, request.name(), "must match the service account name if specified");
        return Err(Status::invalid(group, kind, name, &errors));
    }
    let seconds = request.int("/spec/expirationSeconds").unwrap_or(DEFAULT);
    let path = Path::new("spec").child("expirationSeconds");
    if seconds < SHORTEST {
        errors.invalid(&path, &seconds.into(), "may not specify a duration less than 10 minutes");
    }
    if seconds > LONGEST {
        errors.invalid(&path, &seconds.into(), "may not specify a duration larger than 2^32 seconds");
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(group, kind, name, &errors)) }
}

/// The object that the token is to live and die with, and what else it names.
async fn bound_objects(cx: &Context<'_>, request: &Value) -> Result<Vec<Bound>, Status> {
    let Some(reference) = request.pointer("/spec/boundObjectRef").filter(|reference| reference.is_object()) else {
        return Ok(Vec::new());
    };
    let (version, kind) = (reference.text("/apiVersion"), reference.text("/kind"));
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let (key, plural) = match (group, kind) {
        ("", "Pod") => ("pod", "pods"),
        ("", "Secret") => ("secret", "secrets"),
        ("", "Node") => ("node", "nodes"),
        _ => {
            return Err(Status::bad_request(format!(
                "cannot bind token to object of type {group}/{version}, Kind={kind}"
            )));
        }
    };
    let registry = cx.api.registry();
    let namespace = if plural == "nodes" { "" } else { cx.info.namespace.as_str() };
    let object = registry.get(&registry.target("", plural, namespace, reference.text("/name"))?).await?.to_value();
    if key == "pod" && object.text("/spec/serviceAccountName") != cx.info.name {
        return Err(Status::bad_request(format!(
            "cannot bind token for serviceaccount {} to pod running with different serviceaccount name.",
            quote(&cx.info.name)
        )));
    }
    let uid = reference.text("/uid");
    if !uid.is_empty() && uid != object.uid() {
        let detail = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        // Upstream names the kind where a resource belongs.
        return Err(Status::conflict("", kind, object.name(), &detail));
    }
    if key == "pod" { registry.bound_to_pod(&object).await } else { Ok(vec![Bound::to(key, &object)]) }
}
