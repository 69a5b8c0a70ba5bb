//! Limits of a running container that change in place (KEP-1287): as far as the node has room, without a restart
//! where the container's policy does not ask for one.

use serde_json::Value;

use super::super::schedule::{counts, lacks};
use super::super::translate::resources::limits;
use super::super::{Error, Inner, lock};
use super::View;
use super::found::Found;
use crate::engine::{Resources, Update};
use crate::schema::object::Object;

/// A resize that is not done: type, reason and message of the condition.
pub(in crate::pods) type Pending = (&'static str, &'static str, String);

/// Which limits differ: of processors, of memory.
fn differs(wanted: &Resources, have: &Resources) -> (bool, bool) {
    // An engine that does not tell a weight is not asked to change it each time.
    let shares = have.cpu_shares.is_some() && wanted.cpu_shares != have.cpu_shares;
    (shares || wanted.cpu_quota != have.cpu_quota, wanted.memory != have.memory)
}

/// Whether a change of one of these asks for a restart (`resizePolicy`).
fn restarts(definition: &Value, cpu: bool, memory: bool) -> bool {
    definition.list("/resizePolicy").iter().any(|policy| {
        let concerned = match policy.text("/resourceName") {
            "cpu" => cpu,
            "memory" => memory,
            _ => false,
        };
        concerned && policy["restartPolicy"] == "RestartContainer"
    })
}

impl Inner {
    /// Brings the limits of a container to those asked for; whether it must be started again for that.
    pub(super) async fn resize(&self, view: &View<'_>, definition: &Value, found: &Found) -> Result<bool, Error> {
        let name = definition.text("/name");
        let wanted = limits(definition);
        let (cpu, memory) = differs(&wanted, &found.detail.host.resources);
        if !cpu && !memory {
            self.note_resize(view, name, None);
            return Ok(false);
        }
        let node = self.registry.target("", "nodes", "", &self.settings.node)?;
        let node = self.registry.read(&node).await?.unwrap_or_default();
        let all = self.registry.all(&*self.registry.kind("", "pods")?, None).await?;
        let others: Vec<&Value> = all.iter().filter(|one| counts(one) && one.uid() != view.pod.uid()).collect();
        if let Some(lack) = lacks(view.pod, &node, &others).into_iter().next() {
            let (reason, message) = match lack.is_lasting() {
                true => ("Infeasible", lack.lasting_message()),
                false => ("Deferred", lack.message()),
            };
            self.note_resize(view, name, Some(("PodResizePending", reason, message)));
            return Ok(false);
        }
        if restarts(definition, cpu, memory) {
            self.note_resize(view, name, None);
            return Ok(true);
        }
        let update = Update { resources: wanted, restart: None };
        let pending = match self.engine.update_container(&found.detail.id, &update).await {
            Err(error) if error.is_unreachable() => return Err(error.into()),
            Err(error) => Some(("PodResizeInProgress", "Error", error.to_string())),
            Ok(()) => None,
        };
        if pending.is_none() {
            // Not every engine tells of an update.
            self.queue.add(view.key.clone());
        }
        self.note_resize(view, name, pending);
        Ok(false)
    }

    fn note_resize(&self, view: &View<'_>, container: &str, pending: Option<Pending>) {
        let mut memory = lock(&self.memory);
        let Some(pod) = memory.get_mut(view.key) else { return };
        match pending {
            Some(pending) => _ = pod.resizes.insert(container.to_owned(), pending),
            None => _ = pod.resizes.remove(container),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_policy_of_what_changes_decides() {
        let container = json!({"resizePolicy": [{"resourceName": "memory", "restartPolicy": "RestartContainer"},
            {"resourceName": "cpu", "restartPolicy": "NotRequired"}]});
        assert!(restarts(&container, true, true) && restarts(&container, false, true));
        assert!(!restarts(&container, true, false));
        let of = |cpu: &str| limits(&json!({"resources": {"limits": {"cpu": cpu, "memory": "64Mi"}}}));
        assert_eq!(differs(&of("1"), &of("1")), (false, false));
        assert_eq!(differs(&of("2"), &of("1")), (true, false));
        let untold = Resources { cpu_shares: None, ..of("1") };
        assert_eq!(differs(&of("1"), &untold), (false, false));
    }
}
