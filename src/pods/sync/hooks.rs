//! What a container runs after its start and before its end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::events::Level;
use super::super::{Inner, lock};
use super::View;
use super::containers::{definition, field};
use super::found::Found;
use crate::engine::ExecSpec;
use crate::schema::object::Object;

impl Inner {
    /// Runs the hook after a start, once for each run.
    pub(super) fn after_start(self: &Arc<Self>, view: &View<'_>, definition: &Value, found: &Found) {
        let name = definition.text("/name").to_owned();
        let Some(hook) = definition.pointer("/lifecycle/postStart").filter(|hook| !hook.is_null()).cloned() else {
            return;
        };
        let run = format!("{}{:?}", found.detail.id, found.detail.state.started_at);
        {
            let mut memory = lock(&self.memory);
            let pod = memory.entry(view.key.clone()).or_default();
            let one = pod.containers.entry(name.clone()).or_default();
            if one.hooked.as_ref() == Some(&run) {
                return;
            }
            one.hooked = Some(run);
        }
        let (inner, pod, key, id) = (Arc::clone(self), view.pod.clone(), view.key.clone(), found.detail.id.clone());
        self.spawn(async move {
            if let Err(cause) = inner.hook(&pod, &name, &id, &hook).await {
                let message = format!("PostStartHook failed: {cause}");
                inner.tell(&pod, &field(&pod, &name), Level::Warning, "FailedPostStartHook", message);
                if let Some(pod) = lock(&inner.memory).get_mut(&key) {
                    let one = pod.containers.entry(name.clone()).or_default();
                    one.kill = Some(format!("Container {name} failed postStartHook"));
                }
                inner.queue.add(key);
            }
        });
    }

    /// Runs a hook of a container; the error is for people.
    pub(super) async fn hook(&self, pod: &Value, name: &str, id: &str, hook: &Value) -> Result<(), String> {
        if let Some(seconds) = hook.pointer("/sleep/seconds").and_then(Value::as_u64) {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            return Ok(());
        }
        if let Some(exec) = hook.get("exec") {
            let command = exec.list("/command").iter().filter_map(Value::as_str).map(str::to_owned).collect();
            let spec = ExecSpec { command, stdout: true, stderr: true, ..ExecSpec::default() };
            let day = Duration::from_secs(24 * 3600);
            return match self.engine.run_exec(id, &spec, day, 1024).await {
                Ok((0, _)) => Ok(()),
                Ok((code, output)) => {
                    let output = String::from_utf8_lossy(&output).into_owned();
                    Err(format!("command exited with {code}: {output}"))
                }
                Err(error) => Err(error.to_string()),
            };
        }
        if let Some(get) = hook.get("httpGet") {
            let address = self.pod_address(pod);
            let definition = definition(pod, name).unwrap_or(&Value::Null);
            let time = Duration::from_secs(30);
            return super::super::probes::http_get(get, definition, &address, time).await.map(drop);
        }
        Ok(())
    }

    /// Where probes and hooks reach a pod.
    pub(in crate::pods) fn pod_address(&self, pod: &Value) -> String {
        if pod["spec"]["hostNetwork"] == true {
            return "127.0.0.1".to_owned();
        }
        let key = (pod.namespace().to_owned(), pod.name().to_owned());
        let memory = lock(&self.memory);
        let address = memory.get(&key).and_then(|pod| pod.address);
        address.map(|address| address.to_string()).unwrap_or_default()
    }
}
