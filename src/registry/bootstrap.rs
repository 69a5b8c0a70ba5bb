//! What a cluster has from its first moment: its namespaces, the Service by which pods find the API,
//! the usual roles and priority classes.

mod objects;
mod policy;

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{Registry, WriteOptions};
use crate::schema::status::Status;

/// Namespaces that are there from the start.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

impl Registry {
    /// Makes what is missing. `api` is the first address of the service range. The history of a new
    /// cluster begins after that.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn bootstrap(&self, api: IpAddr, port: u16) -> Result<(), Status> {
        let options = WriteOptions::internal("kube-apiserver");
        let new = self.find(&self.target("", "namespaces", "", "default")?).await?.is_none();
        for name in NAMESPACES {
            let object = json!({"metadata": {"name": name}});
            self.ensure("", "namespaces", "", name, object, &options).await?;
        }
        let service = json!({
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {
                "component": "apiserver", "provider": "kubernetes",
            }},
            "spec": {
                "clusterIP": api.to_string(),
                "clusterIPs": [api.to_string()],
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
                "sessionAffinity": "None",
                "type": "ClusterIP",
            },
        });
        self.ensure("", "services", "default", "kubernetes", service, &options).await?;
        self.bootstrap_objects(&options).await?;
        if self.catalog().has_version("metrics.k8s.io", "v1beta1") {
            // As metrics-server brings it: who may look at pods may see what they use.
            let into = |role: &str| (format!("rbac.authorization.k8s.io/aggregate-to-{role}"), Value::from("true"));
            let labels: Map<String, Value> = ["admin", "edit", "view"].into_iter().map(into).collect();
            let reader = json!({
                "metadata": {"name": "system:aggregated-metrics-reader", "labels": labels},
                "rules": [{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}],
            });
            let name = "system:aggregated-metrics-reader";
            self.ensure("rbac.authorization.k8s.io", "clusterroles", "", name, reader, &options).await?;
        }
        if new {
            self.store().begin_history();
        }
        Ok(())
    }

    /// Makes an object unless it is there.
    async fn ensure(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
        object: Value,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        let target = self.target(group, plural, namespace, name)?;
        if self.find(&target).await?.is_some() {
            return Ok(());
        }
        match self.create(&target, object, options).await {
            Err(status) if status.reason != "AlreadyExists" => Err(status),
            _ => Ok(()),
        }
    }
}
