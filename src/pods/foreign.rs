//! Containers that k2d did not make, as pods of a namespace of their own: facts of the engine, never changed
//! from here but for a delete, which stops and removes the container as people would.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::sync::found::Found;
use super::translate::names;
use super::translate::status::{Observation, Seen, pod_status};
use super::{Error, Inner, PodKey, container_stop_grace};
use crate::engine::{ContainerDetail, ContainerSummary, Filter, RestartPolicy};
use crate::registry::Target;
use crate::registry::delete::DeleteOptions;
use crate::schema::object::Object;
use crate::store::{Record, Write};

/// The annotation that names the container of such a pod.
const CONTAINER_ID: &str = "k2d.io/container-id";

/// The engine's id of the container of a pod that k2d did not make.
pub(super) fn container_id(pod: &Value) -> Option<&str> {
    pod.annotation(CONTAINER_ID)
}

/// Whether a container belongs to no k2d.
pub(super) fn is_foreign<'a>(label: impl Fn(&str) -> Option<&'a str>) -> bool {
    label(names::INSTANCE).is_none()
}

/// A name of the engine as one of Kubernetes: small letters, digits and single dashes, 63 characters.
pub(super) fn pod_name(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' => out.push(letter),
            _ if out.is_empty() || out.ends_with('-') => {}
            _ => out.push('-'),
        }
    }
    out.truncate(63);
    let name = out.trim_end_matches('-');
    if name.is_empty() { "container".to_owned() } else { name.to_owned() }
}

impl Inner {
    /// The key of the pod that shows a container.
    pub(super) fn foreign_key(&self, name: &str) -> PodKey {
        (self.settings.foreign.clone(), pod_name(name))
    }

    /// Looks at all containers that k2d did not make, and at the pods that show some.
    pub(super) async fn foreign_keys(&self, pods: &[Value]) -> Result<Vec<PodKey>, Error> {
        let all = self.engine.containers(&Filter::default()).await?;
        let foreign = all.iter().filter(|one| is_foreign(|key| one.labels.get(key).map(String::as_str)));
        let shown = pods.iter().filter(|pod| container_id(pod).is_some());
        let mut keys: Vec<PodKey> = foreign.map(|one| self.foreign_key(one.name())).collect();
        keys.extend(shown.map(|pod| (pod.namespace().to_owned(), pod.name().to_owned())));
        Ok(keys)
    }

    /// The container that is shown under that key.
    async fn foreign_container(&self, key: &PodKey) -> Result<Option<ContainerDetail>, Error> {
        let all = self.engine.containers(&Filter::default()).await?;
        let shown = |one: &&ContainerSummary| {
            is_foreign(|label| one.labels.get(label).map(String::as_str)) && pod_name(one.name()) == key.1
        };
        // Two names may read the same: the older one keeps it.
        let Some(one) = all.iter().filter(shown).min_by_key(|one| one.created) else { return Ok(None) };
        match self.engine.inspect_container(&one.id).await {
            Ok(detail) => Ok(Some(detail)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Brings the pod that shows a container in line with it.
    pub(super) async fn show_foreign(
        self: &Arc<Self>,
        key: &PodKey,
        pod: Option<Value>,
    ) -> Result<Option<Duration>, Error> {
        if !self.is_connected() {
            return Ok(None);
        }
        let found = self.foreign_container(key).await?;
        let (pod, detail) = match (pod, found) {
            (None, None) => return Ok(None),
            (Some(pod), None) => {
                self.forget_foreign(key, &pod).await?;
                return Ok(None);
            }
            (Some(pod), Some(detail)) if container_id(&pod) == Some(&detail.id) => (pod, detail),
            (Some(pod), Some(_)) => {
                // Another container has the name now.
                self.forget_foreign(key, &pod).await?;
                return Ok(Some(Duration::from_millis(1)));
            }
            (None, Some(detail)) => (self.take_in(key, &detail).await?, detail),
        };
        if pod.is_deleting() {
            let grace = container_stop_grace(&pod);
            self.engine.stop_container(&detail.id, None, Some(grace)).await?;
            self.engine
                .remove_container(&detail.id, crate::engine::RemoveOptions { force: true, volumes: false })
                .await?;
            self.forget_foreign(key, &pod).await?;
            return Ok(None);
        }
        let status = self.foreign_status(&pod, detail);
        self.set_volatile(&pod, &status).await?;
        Ok(None)
    }

    fn foreign_status(&self, pod: &Value, detail: ContainerDetail) -> Value {
        let name = pod.text("/spec/containers/0/name").to_owned();
        let address = detail.networks.values().find_map(|endpoint| endpoint.ipv4);
        let mut seen = Observation {
            place: self.place(pod, address.map(|address| address.to_string()).as_deref()),
            network_ready: true,
            started: detail.created,
            ..Observation::default()
        };
        let one = Seen {
            restarts: detail.restart_count,
            image_id: detail.image_id.clone(),
            detail: Some(detail),
            ready: true,
            started: true,
            ..Seen::default()
        };
        seen.containers.insert(name, one);
        pod_status(pod, &seen, &pod["status"], Timestamp::now())
    }

    /// Makes the pod that shows a container.
    async fn take_in(&self, key: &PodKey, detail: &ContainerDetail) -> Result<Value, Error> {
        let namespace = self.registry.target("", "namespaces", "", &key.0)?;
        if self.registry.find(&namespace).await?.is_none() {
            let object = json!({"metadata": {"name": key.0}});
            match self.registry.create(&namespace, object, &Self::options()).await {
                Err(status) if status.reason != "AlreadyExists" => return Err(status.into()),
                _ => {}
            }
        }
        let kind = self.registry.kind("", "pods")?;
        let mut pod = describe(key, &self.settings.node, detail);
        kind.strategy.default(&mut pod);
        let target = Target::new(&kind, &key.0, &key.1);
        let record = Record::from_value(target.key(), &pod);
        match self.registry.store().commit(vec![Write::Pass { record }]).await {
            Ok(_) | Err(crate::store::Error::Exists) => Ok(self.registry.get(&target).await?.to_value()),
            Err(error) => Err(error.into()),
        }
    }

    async fn forget_foreign(&self, key: &PodKey, pod: &Value) -> Result<(), Error> {
        let delete = DeleteOptions {
            grace_period_seconds: Some(0),
            uid: Some(pod.uid().to_owned()),
            ..DeleteOptions::default()
        };
        match self.registry.delete(&self.target(key)?, &delete, &Self::options()).await {
            Err(status) if status.code != 404 && status.code != 409 => Err(status.into()),
            _ => Ok(()),
        }
    }

    /// The container of a pod that shows one.
    pub(super) async fn foreign_found(&self, pod: &Value) -> Result<Vec<Found>, Error> {
        let Some(id) = container_id(pod) else { return Ok(Vec::new()) };
        match self.engine.inspect_container(id).await {
            Ok(detail) => Ok(vec![Found::foreign(detail, pod.text("/spec/containers/0/name"))]),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A container as a pod. Its variables are left out: they may hold what nobody should read here.
fn describe(key: &PodKey, node: &str, detail: &ContainerDetail) -> Value {
    let id: String = detail.id.chars().take(32).collect();
    let uid = uuid::Uuid::parse_str(&id).unwrap_or_else(|_| uuid::Uuid::new_v4());
    let created = detail.created.unwrap_or_else(Timestamp::now).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let policy = match detail.host.restart {
        RestartPolicy::Always | RestartPolicy::UnlessStopped => "Always",
        RestartPolicy::OnFailure { .. } => "OnFailure",
        RestartPolicy::No => "Never",
    };
    let mut container = json!({
        "name": key.1,
        "image": detail.config.image,
        "imagePullPolicy": "IfNotPresent",
        "tty": detail.config.tty,
        "stdin": detail.config.stdin,
    });
    let ports: Vec<Value> = detail
        .host
        .ports
        .iter()
        .map(|port| {
            json!({"containerPort": port.container_port, "hostPort": port.host_port,
                "protocol": port.protocol.as_str().to_uppercase()})
        })
        .collect();
    if !ports.is_empty() {
        container["ports"] = ports.into();
    }
    if let Some(memory) = detail.host.resources.memory {
        container["resources"] = json!({"limits": {"memory": memory.to_string()}});
    }
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": key.1, "namespace": key.0, "uid": uid.to_string(), "creationTimestamp": created, "generation": 1,
            "annotations": {CONTAINER_ID: detail.id, "k2d.io/container-name": detail.name},
        },
        "spec": {"nodeName": node, "restartPolicy": policy, "containers": [container]},
    });
    if detail.host.network_mode == "host" {
        pod["spec"]["hostNetwork"] = true.into();
    }
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_engine_become_names_of_pods() {
        assert_eq!(pod_name("My_App.1"), "my-app-1");
        assert_eq!(pod_name("__x__"), "x");
        assert_eq!(pod_name("___"), "container");
        assert_eq!(pod_name(&"a".repeat(80)).len(), 63);
    }

    #[test]
    fn a_container_reads_as_a_pod_without_its_variables() {
        let mut detail = ContainerDetail { id: "ab".repeat(32), ..ContainerDetail::default() };
        detail.config.image = "redis:7".into();
        detail.config.env = vec!["PASSWORD=x".into()];
        let pod = describe(&("docker".into(), "db".into()), "n", &detail);
        assert_eq!(pod.uid(), "abababab-abab-abab-abab-abababababab");
        assert_eq!(container_id(&pod), Some(detail.id.as_str()));
        assert_eq!(pod["spec"]["restartPolicy"], "Never");
        assert!(!pod.to_string().contains("PASSWORD"));
    }
}
