//! What a client may leave out of a pod's `spec`, in a pod and in a template.

use serde_json::{Map, Value, json};

use super::amount;
use crate::schema::rules::Fill::{self, Flag, Number, NumberPointer, Text, TextPointer};
use crate::schema::rules::{Fills, each_map, entries, fill, items, text};

const SPEC: Fills = &[
    (
        "",
        &[
            ("dnsPolicy", Text("ClusterFirst")),
            ("restartPolicy", Text("Always")),
            ("securityContext", Fill::Map),
            ("terminationGracePeriodSeconds", NumberPointer(30)),
            ("schedulerName", Text("default-scheduler")),
        ],
    ),
    ("volumes.*.secret", MODE),
    ("volumes.*.configMap", MODE),
    ("volumes.*.downwardAPI", MODE),
    ("volumes.*.projected", MODE),
    ("volumes.*.projected.sources.*.serviceAccountToken", &[("expirationSeconds", NumberPointer(3600))]),
    ("volumes.*.downwardAPI.items.*.fieldRef", VERSION),
    ("volumes.*.projected.sources.*.downwardAPI.items.*.fieldRef", VERSION),
    ("volumes.*.hostPath", &[("type", TextPointer(""))]),
    ("volumes.*.iscsi", &[("iscsiInterface", Text("default"))]),
    ("volumes.*.rbd", RBD),
    ("volumes.*.azureDisk", AZURE_DISK),
    ("volumes.*.scaleIO", SCALE_IO),
    ("volumes.*.ephemeral.volumeClaimTemplate.spec", &[("volumeMode", TextPointer("Filesystem"))]),
];
const MODE: &[(&str, Fill)] = &[("defaultMode", NumberPointer(420))];
const VERSION: &[(&str, Fill)] = &[("apiVersion", Text("v1"))];
const RBD: &[(&str, Fill)] = &[("pool", Text("rbd")), ("user", Text("admin")), ("keyring", Text("/etc/ceph/keyring"))];
const AZURE_DISK: &[(&str, Fill)] = &[
    ("cachingMode", TextPointer("ReadWrite")),
    ("kind", TextPointer("Shared")),
    ("fsType", TextPointer("ext4")),
    ("readOnly", Flag(false)),
];
const SCALE_IO: &[(&str, Fill)] = &[("storageMode", Text("ThinProvisioned")), ("fsType", Text("xfs"))];
const PROBE: &[(&str, Fill)] = &[
    ("timeoutSeconds", Number(1)),
    ("periodSeconds", Number(10)),
    ("successThreshold", Number(1)),
    ("failureThreshold", Number(3)),
];
const HTTP: &[(&str, Fill)] = &[("path", Text("/")), ("scheme", Text("HTTP"))];
const GRPC: &[(&str, Fill)] = &[("service", TextPointer(""))];
const CONTAINER: Fills = &[
    (
        "*",
        &[
            ("terminationMessagePath", Text("/dev/termination-log")),
            ("terminationMessagePolicy", Text("File")),
            ("resources", Fill::Map),
        ],
    ),
    ("*.ports.*", &[("protocol", Text("TCP"))]),
    ("*.livenessProbe", PROBE),
    ("*.livenessProbe.httpGet", HTTP),
    ("*.livenessProbe.grpc", GRPC),
    ("*.readinessProbe", PROBE),
    ("*.readinessProbe.httpGet", HTTP),
    ("*.readinessProbe.grpc", GRPC),
    ("*.startupProbe", PROBE),
    ("*.startupProbe.httpGet", HTTP),
    ("*.startupProbe.grpc", GRPC),
    ("*.lifecycle.postStart.httpGet", HTTP),
    ("*.lifecycle.preStop.httpGet", HTTP),
    ("*.env.*.valueFrom.fieldRef", VERSION),
    ("*.env.*.valueFrom.fileKeyRef", &[("optional", Flag(false))]),
];
/// Defaults of the sources of persistent volumes that pods have too.
pub const PERSISTENT: Fills = &[
    ("hostPath", &[("type", TextPointer(""))]),
    ("iscsi", &[("iscsiInterface", Text("default"))]),
    ("rbd", RBD),
    ("azureDisk", AZURE_DISK),
    ("scaleIO", SCALE_IO),
];
const LISTS: &[&str] = &["containers", "initContainers", "ephemeralContainers"];

/// Fills in a pod's `spec`.
pub fn spec(spec: &mut Value) {
    fill(spec, SPEC);
    each_map(spec, "volumes.*", &mut |volume| {
        if !volume.iter().any(|(key, value)| key != "name" && !value.is_null()) {
            volume.insert("emptyDir".to_owned(), json!({}));
        }
        if let Some(Value::Object(image)) = volume.get_mut("image") {
            pull_policy(image, "reference", "pullPolicy");
        }
    });
    for list in LISTS {
        if let Some(containers) = spec.get_mut(list) {
            fill(containers, CONTAINER);
            each_map(containers, "*", &mut |container| pull_policy(container, "image", "imagePullPolicy"));
        }
    }
    account(spec);
}

/// A template that is not given is one with nothing but defaults.
pub fn template(template: &mut Value) {
    if !template.is_object() {
        *template = json!({});
    }
    for field in ["metadata", "spec"] {
        if !template[field].is_object() {
            template[field] = json!({});
        }
    }
    if let Some(inner) = template.get_mut("spec") {
        spec(inner);
    }
}

/// What is filled in for a pod but not for a template.
pub fn pod(spec: &mut Value) {
    each_map(spec, "", &mut |map| Flag(true).apply(map, "enableServiceLinks"));
    let host = spec["hostNetwork"] == true;
    for list in ["containers", "initContainers"] {
        each_map(spec, &format!("{list}.*.resources"), &mut requests_from_limits);
        if host {
            each_map(spec, &format!("{list}.*.ports.*"), &mut |port| {
                let inner = port.get("containerPort").cloned().unwrap_or_default();
                if port.get("hostPort").is_none_or(|host| *host == 0 || host.is_null()) {
                    port.insert("hostPort".to_owned(), inner);
                }
            });
        }
    }
    pod_requests(spec);
}

/// What is limited is also asked for, where the client does not say.
fn requests_from_limits(resources: &mut Map<String, Value>) {
    let Some(limits) = resources.get("limits").and_then(Value::as_object).filter(|map| !map.is_empty()).cloned() else {
        return;
    };
    let requests = resources.entry("requests").or_insert(Value::Null);
    if !requests.is_object() {
        *requests = json!({});
    }
    for (name, limit) in limits {
        if requests[name.as_str()].is_null() {
            requests[name.as_str()] = limit;
        }
    }
}

/// Requests of the pod as a whole, where it has limits: those of its containers, else the limits.
fn pod_requests(spec: &mut Value) {
    let limits = spec["resources"]["limits"].clone();
    if entries(&limits).next().is_none() {
        return;
    }
    for (name, limit) in entries(&limits) {
        if !matches!(name.as_str(), "cpu" | "memory") && !name.starts_with("hugepages-") {
            continue;
        }
        if !spec["resources"]["requests"][name.as_str()].is_null() {
            continue;
        }
        let asked: Vec<&Value> = items(&spec["containers"])
            .iter()
            .map(|container| &container["resources"]["requests"][name.as_str()])
            .filter(|asked| !asked.is_null())
            .collect();
        let request = match asked.as_slice() {
            _ if name.starts_with("hugepages-") => limit.clone(),
            [] => limit.clone(),
            [first, rest @ ..] => {
                Value::from(rest.iter().fold(amount::show(first), |sum, more| amount::add(&sum, more)))
            }
        };
        each_map(spec, "resources", &mut |map| {
            let requests = map.entry("requests").or_insert_with(|| json!({}));
            if requests.is_object() {
                requests[name.as_str()] = request.clone();
            }
        });
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are kept the same.
fn account(spec: &mut Value) {
    each_map(spec, "", &mut |map| {
        let given = |name: &str| map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(name) = given("serviceAccountName").or_else(|| given("serviceAccount")).map(ToOwned::to_owned) {
            map.insert("serviceAccountName".to_owned(), name.as_str().into());
            map.insert("serviceAccount".to_owned(), name.into());
        }
    });
}

/// An image that may move (`latest`, or without a tag) is pulled each time.
fn pull_policy(map: &mut Map<String, Value>, image: &str, policy: &str) {
    let moves = moves(map.get(image).map_or("", text));
    Text(if moves { "Always" } else { "IfNotPresent" }).apply(map, policy);
}

/// Whether a reference to an image has the tag `latest`, or neither tag nor digest. Text that is no
/// reference does not.
fn moves(image: &str) -> bool {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    let (path, tag) = match last.split_once(':') {
        Some((_, tag)) => (name.strip_suffix(tag).and_then(|head| head.strip_suffix(':')).unwrap_or(name), Some(tag)),
        None => (name, None),
    };
    is_path(path)
        && match tag {
            Some(tag) => tag == "latest",
            None => digest.is_none(),
        }
}

/// Whether a repository name is well formed: a domain, then parts of lower case letters and digits
/// with single separators.
fn is_path(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    if let [first, rest @ ..] = parts.as_slice()
        && !rest.is_empty()
        && (first.contains(['.', ':']) || *first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase()))
    {
        parts.remove(0);
    }
    parts.iter().all(|part| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().is_some_and(|b| plain(*b))
            && bytes.last().is_some_and(|b| plain(*b))
            && bytes.iter().all(|b| plain(*b) || matches!(b, b'.' | b'_' | b'-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_decides_about_pulling() {
        let cases = [
            ("influxdb:2.7", false),
            ("influxdb:latest", true),
            ("registry.plant.example:5000/influxdb", true),
            ("grafana/grafana@sha256:00", false),
            ("grafana/grafana:latest@sha256:00", true),
            ("UPPER", false),
            ("", false),
        ];
        for (image, always) in cases {
            assert_eq!(moves(image), always, "{image}");
        }
    }

    #[test]
    fn a_volume_without_a_source_is_an_empty_directory() {
        let mut given = json!({"volumes": [{"name": "a"}], "containers": [{"name": "a", "image": "a"}]});
        spec(&mut given);
        assert_eq!(given["volumes"], json!([{"name": "a", "emptyDir": {}}]));
        assert_eq!(given["containers"][0]["imagePullPolicy"], "Always");
        assert_eq!(given["enableServiceLinks"], Value::Null);
    }

    #[test]
    fn limits_are_requests_in_a_pod() {
        let mut given = json!({"containers": [{"resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Mi"}}}]});
        pod(&mut given);
        assert_eq!(given["containers"][0]["resources"]["requests"], json!({"cpu": "1", "memory": "1Mi"}));
        assert_eq!(given["enableServiceLinks"], true);
    }
}
