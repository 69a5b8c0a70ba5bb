//! Probes and lifecycle hooks of containers: what is called and how often.

use serde_json::Value;

use super::intstr;
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{Rule, check, items, number, text};

/// Which probe of a container it is; two of the three must succeed just once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `livenessProbe`.
    Liveness,
    /// `readinessProbe`.
    Readiness,
    /// `startupProbe`.
    Startup,
}

const NUMBERS: &[Rule] = &[
    Rule::At("initialDelaySeconds", &[Rule::NotNegative]),
    Rule::At("timeoutSeconds", &[Rule::NotNegative]),
    Rule::At("periodSeconds", &[Rule::NotNegative]),
    Rule::At("successThreshold", &[Rule::NotNegative]),
    Rule::At("failureThreshold", &[Rule::NotNegative]),
    Rule::At("terminationGracePeriodSeconds", &[Rule::Given(&[Rule::Positive])]),
];

/// The rules of one probe; an absent one is right.
pub fn probe(probe: &Value, which: Probe, path: &Path, errors: &mut Errors) {
    if probe.is_null() {
        return;
    }
    handler(probe, &["exec", "httpGet", "tcpSocket", "grpc"], None, path, errors);
    check(NUMBERS, probe, path, errors);
    let grace = &probe["terminationGracePeriodSeconds"];
    if which == Probe::Readiness {
        if !grace.is_null() {
            let at = path.child("terminationGracePeriodSeconds");
            errors.invalid(&at, grace, "must not be set for readinessProbes");
        }
    } else if number(&probe["successThreshold"]) != 1 {
        let successes = number(&probe["successThreshold"]);
        errors.invalid(&path.child("successThreshold"), &successes.into(), "must be 1");
    }
}

/// The rules of `lifecycle`; an absent one is right. `grace` is the grace period of the pod.
pub fn lifecycle(lifecycle: &Value, grace: Option<i64>, path: &Path, errors: &mut Errors) {
    for hook in ["postStart", "preStop"] {
        if !lifecycle[hook].is_null() {
            let handlers = &["exec", "httpGet", "tcpSocket", "sleep"];
            handler(&lifecycle[hook], handlers, grace, &path.child(hook), errors);
        }
    }
}

fn handler(value: &Value, handlers: &[&str], grace: Option<i64>, path: &Path, errors: &mut Errors) {
    let mut found = false;
    for name in handlers {
        let (action, at) = (&value[*name], path.child(name));
        if action.is_null() {
            continue;
        }
        if found {
            errors.forbidden(&at, "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        match *name {
            "exec" => {
                if items(&action["command"]).is_empty() {
                    errors.required(&at.child("command"), "");
                }
            }
            "httpGet" => http_get(action, &at, errors),
            "tcpSocket" => intstr::port(&action["port"], &at.child("port"), errors),
            "grpc" => intstr::port_number(number(&action["port"]), &at.child("port"), errors),
            _ => {
                let seconds = number(&action["seconds"]);
                if let Some(grace) = grace.filter(|grace| seconds < 0 || seconds > *grace) {
                    let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                    errors.invalid(&at, &seconds.into(), &detail);
                }
            }
        }
    }
    if !found {
        errors.required(path, "must specify a handler type");
    }
}

fn http_get(action: &Value, path: &Path, errors: &mut Errors) {
    if text(&action["path"]).is_empty() {
        errors.required(&path.child("path"), "");
    }
    intstr::port(&action["port"], &path.child("port"), errors);
    check(&[Rule::At("scheme", &[Rule::OneOf(&["HTTP", "HTTPS"])])], action, path, errors);
    for header in items(&action["httpHeaders"]) {
        for fault in names::http_header(text(&header["name"])) {
            errors.invalid_text(&path.child("httpHeaders"), text(&header["name"]), &fault);
        }
    }
}
