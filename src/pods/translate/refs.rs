//! What a pod refers to by name.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::schema::object::Object;

/// The objects of a pod's namespace that it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Names of ConfigMaps.
    pub config_maps: BTreeSet<String>,
    /// Names of Secrets, pull secrets not among them.
    pub secrets: BTreeSet<String>,
    /// Names of claims.
    pub claims: BTreeSet<String>,
}

impl References {
    /// Those of a pod.
    pub fn of(pod: &Value) -> Self {
        let mut found = Self::default();
        for list in ["/spec/initContainers", "/spec/containers", "/spec/ephemeralContainers"] {
            for container in pod.list(list) {
                found.add_container(container);
            }
        }
        for volume in pod.list("/spec/volumes") {
            add(&mut found.config_maps, volume.text("/configMap/name"));
            add(&mut found.secrets, volume.text("/secret/secretName"));
            add(&mut found.claims, volume.text("/persistentVolumeClaim/claimName"));
            if volume.get("ephemeral").is_some() {
                add(&mut found.claims, &format!("{}-{}", pod.name(), volume.text("/name")));
            }
            for source in volume.list("/projected/sources") {
                add(&mut found.config_maps, source.text("/configMap/name"));
                add(&mut found.secrets, source.text("/secret/name"));
            }
        }
        found
    }

    fn add_container(&mut self, container: &Value) {
        for from in container.list("/envFrom") {
            add(&mut self.config_maps, from.text("/configMapRef/name"));
            add(&mut self.secrets, from.text("/secretRef/name"));
        }
        for variable in container.list("/env") {
            add(&mut self.config_maps, variable.text("/valueFrom/configMapKeyRef/name"));
            add(&mut self.secrets, variable.text("/valueFrom/secretKeyRef/name"));
        }
    }
}

fn add(set: &mut BTreeSet<String>, name: &str) {
    if !name.is_empty() {
        set.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_place_that_names_an_object_is_found() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "s1"}}]}],
            "containers": [{"env": [
                {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "b", "key": "k"}}},
                {"name": "Y", "valueFrom": {"secretKeyRef": {"name": "s2", "key": "k"}}},
            ]}],
            "volumes": [
                {"name": "v", "configMap": {"name": "c"}}, {"name": "w", "secret": {"secretName": "s3"}},
                {"name": "x", "projected": {"sources": [{"configMap": {"name": "d"}}, {"secret": {"name": "s4"}}]}},
                {"name": "y", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "z", "ephemeral": {"volumeClaimTemplate": {}}},
            ],
        }});
        let found = References::of(&pod);
        let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
        assert_eq!(names(&found.config_maps), "a,b,c,d");
        assert_eq!(names(&found.secrets), "s1,s2,s3,s4");
        assert_eq!(names(&found.claims), "data,p-z");
    }
}
