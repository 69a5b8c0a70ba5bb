//! What a container runs after its start and before its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::events::Level;
use super::super::memory::ContainerMemory;
use super::super::{Inner, lock, volumes};
use super::View;
use super::containers::{definition, field};
use super::found::Found;
use crate::engine::ExecSpec;
use crate::schema::object::Object;

/// What tells one run of a container from another.
fn run_of(found: &Found) -> String {
    format!("{} {:?}", found.detail.id, found.detail.state.started_at)
}

impl Inner {
    /// Runs the hook after a start, once for each run.
    pub(super) fn after_start(self: &Arc<Self>, view: &View<'_>, definition: &Value, found: &Found) {
        let name = definition.text("/name").to_owned();
        let Some(hook) = definition.pointer("/lifecycle/postStart").filter(|hook| !hook.is_null()).cloned() else {
            return;
        };
        let run = run_of(found);
        {
            let mut memory = lock(&self.memory);
            let pod = memory.entry(view.key.clone()).or_default();
            let one = pod.containers.entry(name.clone()).or_default();
            if one.hooked.as_ref() == Some(&run) {
                return;
            }
            one.hooked = Some(run.clone());
            one.hooks = !self.is_hooked(view.pod, &name, &run);
            if !one.hooks {
                return;
            }
        }
        let (inner, pod, key, id) = (Arc::clone(self), view.pod.clone(), view.key.clone(), found.detail.id.clone());
        self.spawn(async move {
            let done = inner.hook(&pod, &name, &id, &hook).await;
            if let Err(cause) = &done {
                let message = format!("PostStartHook failed: {cause}");
                inner.tell(&pod, &field(&pod, &name), Level::Warning, "FailedPostStartHook", message);
            } else if let Err(error) = volumes::write_file(&inner.volumes_dir(), &inner.hook_file(&pod, &name), &run) {
                tracing::warn!(%error, "a hook that was run may be run again after a restart of k2d");
            }
            if let Some(pod) = lock(&inner.memory).get_mut(&key) {
                let one = pod.containers.entry(name.clone()).or_default();
                if one.hooked.as_ref() == Some(&run) {
                    one.hooks = false;
                    if done.is_err() {
                        one.kill = Some((id.clone(), format!("Container {name} failed postStartHook")));
                    }
                }
            }
            inner.queue.add(key);
        });
    }

    /// Whether the hook after the start is still to come or at work: the container is not ready before.
    pub(super) fn awaits_hook(&self, container: &Value, found: &Found, one: &ContainerMemory) -> bool {
        let has = container.pointer("/lifecycle/postStart").is_some_and(|hook| !hook.is_null());
        has && found.lives() && (one.hooks || one.hooked.as_ref() != Some(&run_of(found)))
    }

    /// Names the run of a container whose hook was run: it is not run again when k2d starts anew.
    fn hook_file(&self, pod: &Value, container: &str) -> PathBuf {
        self.pod_dir(pod.uid()).join(".hooked").join(container)
    }

    fn is_hooked(&self, pod: &Value, container: &str, run: &str) -> bool {
        std::fs::read_to_string(self.hook_file(pod, container)).is_ok_and(|known| known == run)
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
