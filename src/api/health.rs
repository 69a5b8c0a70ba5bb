//! `/healthz`, `/livez`, `/readyz` with their single checks, and `/version`: the paths that answer
//! without a credential.

use std::time::Duration;

use hyper::{Method, Response};
use serde_json::{Value, json};

use super::Api;
use super::body::{self, Body};
use super::negotiate::Form;
use super::request::Query;
use crate::schema::field::quote;
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

/// The paths that tell health: `healthz` all that k2d needs, `livez` whether it should be restarted,
/// `readyz` whether it takes requests.
pub const PROBES: [&str; 3] = ["healthz", "livez", "readyz"];

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A check: its name, another one that clients know, and the probes that it belongs to.
struct Check {
    name: &'static str,
    alias: &'static str,
    probes: &'static [&'static str],
}

const CHECKS: [Check; 6] = [
    Check { name: "ping", alias: "", probes: &PROBES },
    Check { name: "log", alias: "", probes: &PROBES },
    // What a kube-apiserver keeps its objects in, and what is asked for by that name.
    Check { name: "store", alias: "etcd", probes: &PROBES },
    Check { name: "poststarthook/rbac/bootstrap-roles", alias: "", probes: &PROBES },
    // Without an engine the API goes on: no reason to restart k2d or to ask somebody else.
    Check { name: "engine", alias: "", probes: &["healthz"] },
    Check { name: "shutdown", alias: "", probes: &["readyz"] },
];

/// The names of the checks of a probe, in order.
pub fn names(probe: &str) -> impl Iterator<Item = &'static str> {
    CHECKS.iter().filter(move |check| check.probes.contains(&probe)).map(|check| check.name)
}

/// Whether a path is one of these.
fn is_public(path: &str) -> bool {
    let first = path.trim_matches('/').split('/').next().unwrap_or_default();
    first == "version" || PROBES.contains(&first)
}

/// The answer, where the path is one of these.
///
/// # Errors
/// 405 for a method other than GET (and HEAD).
pub async fn answer(api: &Api, method: &Method, path: &str, query: &Query) -> Result<Option<Response<Body>>, Status> {
    if !is_public(path) {
        return Ok(None);
    }
    if *method != Method::GET && *method != Method::HEAD {
        return Err(Status::method_not_allowed());
    }
    let path = path.trim_matches('/');
    let (probe, check) = path.split_once('/').unwrap_or((path, ""));
    let response = match (probe, check) {
        ("version", "") => body::object(200, Form { pretty: true, ..Form::JSON }, &version()),
        ("version", _) => body::text(404, "404 page not found\n"),
        (probe, "") => whole(probe, &state(api).await, query),
        (probe, name) => match find(probe, name) {
            Some(check) => match state(api).await.into_iter().find(|(name, _)| *name == check.name) {
                Some((_, Err(reason))) => body::text(500, format!("internal server error: {reason}\n")),
                _ => body::text(200, "ok"),
            },
            None => body::text(404, "404 page not found\n"),
        },
    };
    Ok(Some(response))
}

/// A check of a probe by one of its names. The engine can be asked for under each.
fn find(probe: &str, name: &str) -> Option<&'static Check> {
    let fits = |check: &&Check| check.name == name || (!check.alias.is_empty() && check.alias == name);
    CHECKS.iter().find(fits).filter(|check| check.probes.contains(&probe) || check.name == "engine")
}

/// What is wrong with what is checked.
type State = Vec<(&'static str, Result<(), String>)>;

async fn state(api: &Api) -> State {
    let stopping = if *api.stopping().borrow() { Err("the server is stopping".to_owned()) } else { Ok(()) };
    let mut state = vec![("store", store(api).await), ("shutdown", stopping)];
    state.extend(api.vitals().checks());
    state
}

/// Whether the store answers.
async fn store(api: &Api) -> Result<(), String> {
    let registry = api.registry();
    let target = registry.target("", "namespaces", "", "default").map_err(|status| status.message)?;
    match tokio::time::timeout(PATIENCE, registry.find(&target)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(status.message),
        Err(_) => Err("the store does not answer".to_owned()),
    }
}

fn whole(probe: &str, state: &State, query: &Query) -> Response<Body> {
    let mut excluded: Vec<&str> = query.all("exclude").filter(|name| !name.is_empty()).collect();
    excluded.sort_unstable();
    excluded.dedup();
    let mut text = String::new();
    let mut failed = false;
    for check in CHECKS.iter().filter(|check| check.probes.contains(&probe)) {
        let name = check.name;
        let before = excluded.len();
        excluded.retain(|other| *other != name && (check.alias.is_empty() || *other != check.alias));
        let good = state.iter().find(|(other, _)| *other == name).is_none_or(|(_, state)| state.is_ok());
        if excluded.len() < before {
            text.push_str(&format!("[+]{name} excluded: ok\n"));
        } else if good {
            text.push_str(&format!("[+]{name} ok\n"));
        } else {
            failed = true;
            text.push_str(&format!("[-]{name} failed: reason withheld\n"));
        }
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|name| quote(name)).collect();
        let warning = format!("warn: some health checks cannot be excluded: no matches for {}\n", names.join(", "));
        text.push_str(&warning);
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn asked(probe: &str, query: &str, state: &State) -> (u16, String) {
        let response = whole(probe, state, &Query::parse(query));
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        (code, String::from_utf8_lossy(&bytes).into_owned())
    }

    #[tokio::test]
    async fn a_probe_tells_its_checks_and_withholds_reasons() {
        let good: State = vec![("store", Ok(())), ("engine", Err("no socket".into()))];
        assert_eq!(asked("readyz", "", &good).await, (200, "ok".into()));
        let (code, text) = asked("livez", "verbose", &good).await;
        assert_eq!(code, 200);
        let hook = "[+]poststarthook/rbac/bootstrap-roles ok\n";
        assert_eq!(text, format!("[+]ping ok\n[+]log ok\n[+]store ok\n{hook}livez check passed\n"));
        let (code, text) = asked("healthz", "", &good).await;
        assert!(code == 500 && text.contains("[-]engine failed: reason withheld\n"), "{text}");
        assert!(text.ends_with("healthz check failed\n") && !text.contains("no socket"), "{text}");
    }

    #[tokio::test]
    async fn checks_can_be_left_out_by_name() {
        let bad: State = vec![("store", Err("gone".into()))];
        assert_eq!(asked("readyz", "", &bad).await.0, 500);
        assert_eq!(asked("readyz", "exclude=store", &bad).await, (200, "ok".into()));
        let (code, text) = asked("readyz", "exclude=etcd&exclude=x&verbose", &bad).await;
        assert!(code == 200 && text.contains("[+]store excluded: ok\n"), "{text}");
        assert!(text.contains("warn: some health checks cannot be excluded: no matches for \"x\"\n"), "{text}");
    }

    #[test]
    fn a_single_check_is_found_in_its_probe() {
        assert!(find("readyz", "etcd").is_some_and(|check| check.name == "store"));
        assert!(find("livez", "engine").is_some());
        assert!(find("livez", "shutdown").is_none() && find("livez", "").is_none());
    }
}
