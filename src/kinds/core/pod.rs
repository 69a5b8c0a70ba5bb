//! Pod: containers that run together on one node.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::{pod_defaults, warnings};
use crate::kinds::{
    Column, Kind, STATUS, SelectorWords, Strategy, Subresource, field_text, keep_all_but_status, spec_changed,
};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::{items, text};

mod print;
pub mod quality;
mod resize;
mod rules;
mod update;

const fn sub(name: &'static str, verbs: &'static [&'static str], kind: &'static str) -> Subresource {
    Subresource { name, verbs, group: "", version: "", kind }
}

const READ_WRITE: &[&str] = &["get", "patch", "update"];
const STREAM: &[&str] = &["create", "get"];
const SUBRESOURCES: &[Subresource] = &[
    sub("attach", STREAM, "PodAttachOptions"),
    sub("binding", &["create"], "Binding"),
    sub("ephemeralcontainers", READ_WRITE, ""),
    Subresource { name: "eviction", verbs: &["create"], group: "policy", version: "v1", kind: "Eviction" },
    sub("exec", STREAM, "PodExecOptions"),
    sub("log", &["get"], ""),
    sub("portforward", STREAM, "PodPortForwardOptions"),
    sub("proxy", &["create", "delete", "get", "patch", "update"], "PodProxyOptions"),
    sub("resize", READ_WRITE, ""),
    STATUS,
];
const SELECTABLE: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "Pod", "pods", Pod)
        .short(&["po"])
        .categories(&["all"])
        .subresources(SUBRESOURCES)
        .selectable(SELECTABLE)
        .selector_words(SelectorWords::Label)
}

struct Pod;

impl Strategy for Pod {
    fn default(&self, object: &mut Value) {
        let spec = Value::Object(std::mem::take(object.section_mut("spec")));
        let mut spec = spec;
        pod_defaults::spec(&mut spec);
        pod_defaults::pod(&mut spec);
        object["spec"] = spec;
        addresses(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        app_armor(object);
        if object.int("/spec/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
            object["spec"]["terminationGracePeriodSeconds"] = 1.into();
        }
        object["status"] = json!({"phase": "Pending", "qosClass": quality::class(object)});
        if !items(&object["spec"]["schedulingGates"]).is_empty() {
            let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            object["status"]["conditions"] = json!([{
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": null,
                "lastTransitionTime": now,
            }]);
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        rules::pod(object, errors);
        rules::create(object, errors);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        object["status"] = old["status"].clone();
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        rules::pod(object, errors);
        update::annotations(object, old, errors);
        update::spec(object, old, errors);
    }

    fn prepare_status(&self, object: &mut Value, old: &Value) {
        keep_all_but_status(object, old);
        let owners = old["metadata"].get("ownerReferences").cloned();
        let metadata = object.metadata_mut();
        match owners {
            Some(owners) => metadata.insert("ownerReferences".to_owned(), owners),
            None => metadata.remove("ownerReferences"),
        };
        let status = object.section_mut("status");
        if let Some(class) = old["status"].get("qosClass") {
            status.entry("qosClass").or_insert(class.clone());
        }
    }

    fn validate_status(&self, object: &Value, old: &Value, errors: &mut Errors) {
        update::annotations(object, old, errors);
        rules::status(object, old, errors);
    }

    fn prepare_subresource(&self, subresource: &str, object: &mut Value, old: &Value) {
        match subresource {
            "ephemeralcontainers" => {
                let given = object["spec"].get("ephemeralContainers").cloned();
                keep_spec(object, old);
                if let Some(given) = given {
                    object["spec"]["ephemeralContainers"] = given;
                } else {
                    object.section_mut("spec").remove("ephemeralContainers");
                }
            }
            "resize" => resize::prepare(object, old),
            _ => {}
        }
    }

    fn validate_subresource(&self, subresource: &str, object: &Value, old: &Value, errors: &mut Errors) {
        match subresource {
            "ephemeralcontainers" => {
                rules::pod(object, errors);
                update::annotations(object, old, errors);
                update::ephemeral(object, old, errors);
            }
            "resize" => {
                rules::pod(object, errors);
                resize::validate(object, old, errors);
            }
            _ => {}
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn grace(&self, object: &Value, requested: Option<i64>) -> Option<i64> {
        let given = requested.or_else(|| object.int("/spec/terminationGracePeriodSeconds")).unwrap_or(0);
        let ended = matches!(object.text("/status/phase"), "Failed" | "Succeeded");
        Some(match given {
            _ if ended || object.text("/spec/nodeName").is_empty() => 0,
            ..0 => 1,
            given => given,
        })
    }

    fn returns_deleted(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        if old.is_some() {
            return Vec::new();
        }
        let mut out = warnings::pod_name(object, old);
        out.extend(warnings::pod(&object["metadata"], &object["spec"], &Path::root()));
        out
    }

    fn field(&self, object: &Value, name: &str) -> String {
        match name {
            "spec.hostNetwork" => (object["spec"]["hostNetwork"] == true).to_string(),
            "status.podIP" | "status.podIPs" => {
                let list = object.list("/status/podIPs");
                if name == "status.podIP" {
                    let first = list.first().map_or_else(|| object.text("/status/podIP"), |one| text(&one["ip"]));
                    return first.to_owned();
                }
                let all: Vec<&str> = list.iter().map(|one| text(&one["ip"])).collect();
                all.join(",")
            }
            _ => field_text(object, name),
        }
    }

    fn columns(&self) -> Vec<Column> {
        print::columns()
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        print::cells(object, now)
    }

    fn unshown(&self) -> &'static [&'static str] {
        print::UNSHOWN
    }

    fn row_conditions(&self, object: &Value) -> Vec<Value> {
        print::conditions(object)
    }
}

/// Puts back the spec and the status of the old pod.
fn keep_spec(object: &mut Value, old: &Value) {
    object["spec"] = old["spec"].clone();
    object["status"] = old["status"].clone();
}

/// `podIP` and the first of `podIPs` are the same; where they differ, `podIP` counts.
fn addresses(object: &mut Value) {
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else { return };
    let one = status.get("podIP").and_then(Value::as_str).unwrap_or_default().to_owned();
    let first = status
        .get("podIPs")
        .and_then(|list| items(list).first())
        .map(|first| text(&first["ip"]).to_owned())
        .unwrap_or_default();
    if !one.is_empty() && one != first {
        status.insert("podIPs".to_owned(), json!([{ "ip": one }]));
    } else if one.is_empty() && !first.is_empty() {
        status.insert("podIP".to_owned(), first.into());
    }
}

/// The annotation that older versions had for AppArmor sets the field where that is not given.
fn app_armor(object: &mut Value) {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let pod_profile = object["spec"]["securityContext"]["appArmorProfile"].clone();
    let annotations = object["metadata"]["annotations"].clone();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let Some(containers) = object["spec"].get_mut(list).and_then(Value::as_array_mut) else { continue };
        for container in containers {
            let profile = match annotations[format!("{PREFIX}{}", text(&container["name"]))].as_str() {
                Some("unconfined") => json!({"type": "Unconfined"}),
                Some("runtime/default") => json!({"type": "RuntimeDefault"}),
                Some(given) => match given.strip_prefix("localhost/").filter(|name| !name.is_empty()) {
                    Some(name) => json!({"type": "Localhost", "localhostProfile": name}),
                    None => continue,
                },
                None => continue,
            };
            if container["securityContext"]["appArmorProfile"].is_null() && profile != pod_profile {
                container.section_mut("securityContext").insert("appArmorProfile".to_owned(), profile);
            }
        }
    }
}
