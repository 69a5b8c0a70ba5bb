//! ServiceAccount: every pod has one, and a projected volume with its token, the cluster's CA and the
//! namespace where it does not opt out.

use serde_json::{Value, json};

use super::super::{Registry, meta};
use super::refuse_pod;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Where containers find the token.
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Seconds that a token in a pod is valid; odd on purpose, as upstream has it.
const TOKEN_SECONDS: u32 = 3607;

/// A pod with this annotation mirrors a static one and gets nothing.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Sets the service account of a pod, its pull secrets and the volume of its token.
pub async fn admit(registry: &Registry, pod: &mut Value) -> Result<(), Status> {
    if pod.annotation(MIRROR).is_some() {
        return Ok(());
    }
    let mut name = pod.text("/spec/serviceAccountName").to_owned();
    if name.is_empty() {
        name = "default".into();
        let spec = pod.section_mut("spec");
        spec.insert("serviceAccountName".into(), name.clone().into());
        spec.insert("serviceAccount".into(), name.clone().into());
    }
    let namespace = pod.namespace().to_owned();
    let target = registry.target("", "serviceaccounts", &namespace, &name)?;
    let Some(account) = registry.read(&target).await? else {
        let detail = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        return Err(refuse_pod(pod, &detail));
    };
    if mounts_token(pod, &account) {
        mount_token(pod);
    }
    if pod.list("/spec/imagePullSecrets").is_empty()
        && let Some(secrets) = account.get("imagePullSecrets").filter(|list| list.is_array())
    {
        pod.section_mut("spec").insert("imagePullSecrets".into(), secrets.clone());
    }
    Ok(())
}

/// The pod decides, then the account, then the default, which is yes.
fn mounts_token(pod: &Value, account: &Value) -> bool {
    let said = pod.pointer("/spec/automountServiceAccountToken").and_then(Value::as_bool);
    said.or_else(|| account.get("automountServiceAccountToken").and_then(Value::as_bool)).unwrap_or(true)
}

fn mount_token(pod: &mut Value) {
    let existing = pod
        .list("/spec/volumes")
        .iter()
        .map(|volume| volume.text("/name"))
        .find(|name| name.starts_with("kube-api-access-"))
        .map(ToOwned::to_owned);
    let volume = existing.clone().unwrap_or_else(|| format!("kube-api-access-{}", meta::random_suffix(5)));
    let spec = pod.section_mut("spec");
    let mut needed = false;
    for key in ["initContainers", "containers"] {
        let Some(containers) = spec.get_mut(key).and_then(Value::as_array_mut) else { continue };
        for container in containers {
            if container.list("/volumeMounts").iter().any(|mount| mount["mountPath"] == MOUNT) {
                continue;
            }
            needed = true;
            let mount = json!({"name": volume, "readOnly": true, "mountPath": MOUNT});
            push(container, "volumeMounts", mount);
        }
    }
    if !needed || existing.is_some() {
        return;
    }
    let projected = json!({
        "name": volume,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                ]}},
            ],
        },
    });
    if let Some(spec) = pod.get_mut("spec") {
        push(spec, "volumes", projected);
    }
}

/// Appends to a list of a map; the list is made where it is absent.
fn push(map: &mut Value, key: &str, item: Value) {
    if let Some(map) = map.as_object_mut()
        && let Some(list) = map.entry(key).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()
    {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_mounted_once_in_every_container_that_has_none() {
        let mut pod = json!({"spec": {"containers": [
            {"name": "a"},
            {"name": "b", "volumeMounts": [{"name": "own", "mountPath": MOUNT}]},
        ]}});
        mount_token(&mut pod);
        let name = pod.text("/spec/volumes/0/name").to_owned();
        assert_eq!(pod.text("/spec/containers/0/volumeMounts/0/name"), name);
        assert_eq!(pod.list("/spec/containers/1/volumeMounts").len(), 1);
        let before = pod.clone();
        mount_token(&mut pod);
        assert_eq!(pod, before);
    }

    #[test]
    fn the_pod_has_the_last_word_on_its_token() {
        let account = json!({"automountServiceAccountToken": false});
        assert!(!mounts_token(&json!({}), &account));
        assert!(mounts_token(&json!({"spec": {"automountServiceAccountToken": true}}), &account));
    }
}
