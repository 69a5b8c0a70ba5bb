//! `/healthz`, `/livez`, `/readyz` with their single checks, and `/version`: the paths that answer
//! without a credential.

use hyper::{Method, Response};
use serde_json::{Value, json};

use super::Api;
use super::body::{self, Body};
use super::negotiate::Form;
use super::request::Query;
use crate::schema::status::Status;

/// The Kubernetes version that is presented.
pub const MAJOR: &str = "1";
/// The minor version that is presented.
pub const MINOR: &str = "37";

/// `v1.37.0+k2d-0.1.0`, as clients show it.
#[must_use]
pub fn git_version() -> String {
    format!("v{MAJOR}.{MINOR}.0+k2d-{}", env!("CARGO_PKG_VERSION"))
}

/// Whether a path may be asked without a credential.
#[must_use]
pub fn is_public(path: &str) -> bool {
    let first = path.trim_matches('/').split('/').next().unwrap_or_default();
    matches!(first, "healthz" | "livez" | "readyz" | "version")
}

/// The answer, where the path is one of these.
///
/// # Errors
/// 405 for a method other than GET (and HEAD).
pub fn answer(api: &Api, method: &Method, path: &str, query: &Query) -> Result<Option<Response<Body>>, Status> {
    if !is_public(path) {
        return Ok(None);
    }
    if *method != Method::GET && *method != Method::HEAD {
        return Err(Status::method_not_allowed());
    }
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let response = match parts.as_slice() {
        ["version"] => body::object(200, Form { pretty: true, ..Form::JSON }, &version()),
        [probe] => whole(api, probe, query),
        [_, check] => match checks(api).into_iter().find(|(name, _)| name == check) {
            Some((_, Ok(()))) => body::text(200, "ok"),
            Some((_, Err(reason))) => body::text(500, format!("internal server error: {reason}\n")),
            None => body::text(404, "404 page not found\n"),
        },
        _ => body::text(404, "404 page not found\n"),
    };
    Ok(Some(response))
}

/// The checks behind the probes, in order.
fn checks(api: &Api) -> Vec<(&'static str, Result<(), String>)> {
    let stopping = if *api.stopping().borrow() { Err("the server is stopping".to_owned()) } else { Ok(()) };
    vec![("ping", Ok(())), ("log", Ok(())), ("store", Ok(())), ("shutdown", stopping)]
}

fn whole(api: &Api, probe: &str, query: &Query) -> Response<Body> {
    let excluded: Vec<&str> = query.all("exclude").collect();
    let mut text = String::new();
    let mut failed = false;
    for (name, outcome) in checks(api) {
        // A server that is stopping is still alive.
        let counts = !excluded.contains(&name) && (name != "shutdown" || probe == "readyz");
        match outcome {
            Ok(()) => text.push_str(&format!("[+]{name} ok\n")),
            Err(_) if !counts => text.push_str(&format!("[+]{name} excluded: ok\n")),
            Err(_) => {
                failed = true;
                text.push_str(&format!("[-]{name} failed: reason withheld\n"));
            }
        }
    }
    if failed {
        text.push_str(&format!("{probe} check failed\n"));
        return body::text(500, text);
    }
    if query.get("verbose").is_some() {
        text.push_str(&format!("{probe} check passed\n"));
        return body::text(200, text);
    }
    body::text(200, "ok")
}

fn version() -> Value {
    let platform = match std::env::consts::ARCH {
        "x86_64" => "linux/amd64",
        "aarch64" => "linux/arm64",
        "arm" => "linux/arm",
        other => other,
    };
    json!({
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "36",
        "gitVersion": git_version(),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": platform,
    })
}
