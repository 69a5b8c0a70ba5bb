//! Reviews: who one is, whose a token is, and what somebody may do. Nothing is stored.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::Response;
use serde_json::{Map, Value, json};

use super::super::authz::Attributes;
use super::super::body::{self, Body};
use super::super::{Context, decode, warn};
use super::write::{Options, check_namespace};
use crate::kinds::review::{AUTHENTICATION, AUTHORIZATION};
use crate::registry::{User, fields, timestamp};
use crate::schema::field::Errors;
use crate::schema::object::Object;
use crate::schema::rules::{items, text};
use crate::schema::status::Status;

/// Answers a review.
///
/// # Errors
/// 400 and 422 for a question that is none.
pub async fn create(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    let options = Options::read(cx, "CreateOptions", None)?;
    let mut warnings = Vec::new();
    let mut review = decode::object(cx, &bytes, options.validation, &mut warnings)?;
    check_namespace(cx, &review)?;
    prepare(cx, &mut review, options.dry_run);
    let mut errors = Errors::new();
    cx.kind.strategy.validate(&review, &mut errors);
    if !errors.is_empty() {
        // Upstream names no kind here.
        return Err(Status::invalid(AUTHORIZATION, "", "", &errors));
    }
    let answer = match cx.kind.kind.as_ref() {
        "SelfSubjectReview" => self_subject(cx),
        "SelfSubjectRulesReview" => self_rules(cx, &review).await?,
        "TokenReview" => {
            let status = token(cx, &review).await?;
            with_status(review, status)
        }
        "SelfSubjectAccessReview" => {
            let status = access(cx, &review["spec"], &cx.user).await?;
            with_status(review, status)
        }
        _ => {
            let status = access(cx, &review["spec"], &subject(&review["spec"])).await?;
            with_status(review, status)
        }
    };
    let mut response = body::object(201, cx.form.whole(), &answer);
    warn(&mut response, &warnings);
    Ok(response)
}

/// Sets what the server decides of every object; what the client says of the answer is not kept.
fn prepare(cx: &Context<'_>, review: &mut Value, dry_run: bool) {
    if review["status"] == json!({"allowed": false}) || review["status"] == json!({}) {
        review.as_object_mut().map(|map| map.remove("status"));
    }
    fields::of_request(review, &cx.kind.kind, "", &cx.write_options(dry_run));
    review.metadata_mut().remove("creationTimestamp");
    if cx.kind.is_namespaced() {
        review.metadata_mut().insert("namespace".into(), cx.info.namespace.clone().into());
    }
}

fn with_status(mut review: Value, status: Value) -> Value {
    review["status"] = status;
    review
}

/// Who asks.
fn self_subject(cx: &Context<'_>) -> Value {
    json!({
        "apiVersion": format!("{AUTHENTICATION}/v1"),
        "kind": "SelfSubjectReview",
        "metadata": {"creationTimestamp": timestamp()},
        "status": {"userInfo": shown(&cx.user)},
    })
}

/// A user as reviews show it.
fn shown(user: &User) -> Value {
    let mut out = Map::new();
    for (key, text) in [("username", &user.name), ("uid", &user.uid)] {
        if !text.is_empty() {
            out.insert(key.into(), text.as_str().into());
        }
    }
    if !user.groups.is_empty() {
        out.insert("groups".into(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        out.insert("extra".into(), json!(user.extra));
    }
    Value::Object(out)
}

/// Whose a token is, for one of the audiences that are asked for.
async fn token(cx: &Context<'_>, review: &Value) -> Result<Value, Status> {
    let token = review.text("/spec/token");
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let mut audiences: Vec<String> = strings(&review["spec"]["audiences"]);
    if audiences.is_empty() {
        audiences.push(cx.api.issuer().name().to_owned());
    }
    Ok(match cx.api.authenticator().token(token, &audiences).await {
        Some((user, audiences)) => json!({"authenticated": true, "user": shown(&user), "audiences": audiences}),
        None => json!({"user": {}, "error": "invalid bearer token"}),
    })
}

/// Whether a user may do what the question is about.
async fn access(cx: &Context<'_>, spec: &Value, user: &User) -> Result<Value, Status> {
    let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let what = if resource.is_null() {
        Attributes { verb: text(&other["verb"]), path: Some(text(&other["path"])), ..Attributes::default() }
    } else {
        Attributes {
            verb: text(&resource["verb"]),
            group: text(&resource["group"]),
            resource: text(&resource["resource"]),
            subresource: text(&resource["subresource"]),
            namespace: text(&resource["namespace"]),
            name: text(&resource["name"]),
            path: None,
        }
    };
    let verdict = cx.api.registry().authorize(user, &what).await?;
    let mut status = json!({"allowed": verdict.allowed});
    if !verdict.reason.is_empty() {
        status["reason"] = verdict.reason.into();
    }
    Ok(status)
}

/// The user that a question is about.
fn subject(spec: &Value) -> User {
    let extra: BTreeMap<String, Vec<String>> =
        spec.map("/extra").into_iter().flatten().map(|(key, values)| (key.to_lowercase(), strings(values))).collect();
    User { name: text(&spec["user"]).into(), uid: text(&spec["uid"]).into(), groups: strings(&spec["groups"]), extra }
}

fn strings(list: &Value) -> Vec<String> {
    items(list).iter().map(|item| text(item).to_owned()).collect()
}

/// What the one who asks may do in a namespace.
async fn self_rules(cx: &Context<'_>, review: &Value) -> Result<Value, Status> {
    let namespace = review.text("/spec/namespace");
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let rules = cx.api.registry().rules_of(&cx.user, namespace).await?;
    let mut status = json!({"resourceRules": rules.resources, "nonResourceRules": rules.paths, "incomplete": false});
    if !rules.error.is_empty() {
        status["evaluationError"] = rules.error.into();
    }
    Ok(json!({
        "apiVersion": format!("{AUTHORIZATION}/v1"),
        "kind": "SelfSubjectRulesReview",
        "metadata": {},
        "spec": {},
        "status": status,
    }))
}
