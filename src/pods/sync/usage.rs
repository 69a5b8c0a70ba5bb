//! What a pod takes of the disk, and what it may: folders of `emptyDir`, and what its containers write and log.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::super::translate::names::Role;
use super::super::{Error, Inner};
use super::View;
use crate::engine::ContainerDetail;
use crate::schema::object::Object;
use crate::schema::quantity::{Format, Quantity};

/// How often a pod with a limit is measured at the most.
pub(super) const PERIOD: Duration = Duration::from_secs(10);
/// Entries that are read before others have their turn.
const TURN: u32 = 256;

/// Limits of a pod, each as it is written and in bytes.
#[derive(Debug, Default)]
pub(super) struct Limits {
    volumes: Vec<(String, String, u64)>,
    containers: Vec<(String, String, u64)>,
    /// The sum of the containers, where each has one.
    whole: Option<u64>,
}

/// Bytes that a pod takes.
#[derive(Debug, Default)]
pub(super) struct Used {
    volumes: BTreeMap<String, u64>,
    containers: BTreeMap<String, u64>,
}

impl Limits {
    pub(super) fn of(pod: &Value) -> Self {
        let amount = |value: &Value| {
            let bytes = u64::try_from(Quantity::of(value).ok()?.value()).ok()?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (bytes > 0).then_some((text, bytes))
        };
        let on_disk = |volume: &&Value| volume.pointer("/emptyDir").is_some_and(|one| one.text("/medium").is_empty());
        let volumes = pod.list("/spec/volumes").iter().filter(on_disk).filter_map(|volume| {
            let (text, bytes) = amount(volume.pointer("/emptyDir/sizeLimit")?)?;
            Some((volume.text("/name").to_owned(), text, bytes))
        });
        let main = pod.list("/spec/containers");
        let containers = main.iter().chain(pod.list("/spec/initContainers")).filter_map(|one| {
            let (text, bytes) = amount(one.pointer("/resources/limits/ephemeral-storage")?)?;
            Some((one.text("/name").to_owned(), text, bytes))
        });
        let (volumes, containers): (Vec<_>, Vec<_>) = (volumes.collect(), containers.collect());
        let of_main = |name: &str| containers.iter().find(|(one, _, _)| one == name).map(|(_, _, bytes)| *bytes);
        let whole: Option<Vec<u64>> = main.iter().map(|one| of_main(one.text("/name"))).collect();
        Self { whole: whole.map(|all| all.iter().sum()), volumes, containers }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.volumes.is_empty() && self.containers.is_empty()
    }

    /// The message of the eviction, if a limit is exceeded.
    pub(super) fn exceeded(&self, used: &Used) -> Option<String> {
        let over =
            |list: &BTreeMap<String, u64>, name: &str, limit: u64| list.get(name).is_some_and(|used| *used > limit);
        for (name, text, limit) in &self.volumes {
            if over(&used.volumes, name, *limit) {
                return Some(format!("Usage of EmptyDir volume \"{name}\" exceeds the limit \"{text}\". "));
            }
        }
        let sum: u64 = used.volumes.values().chain(used.containers.values()).sum();
        if let Some(whole) = self.whole.filter(|whole| sum > *whole) {
            let shown = Quantity::parse(&whole.to_string()).unwrap_or_default().with_format(Format::BinarySi);
            return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {shown}. "));
        }
        for (name, text, limit) in &self.containers {
            if over(&used.containers, name, *limit) {
                return Some(format!("Container {name} exceeded its local ephemeral storage limit \"{text}\". "));
            }
        }
        None
    }
}

impl Inner {
    /// Measures what is limited.
    pub(super) async fn used(&self, view: &View<'_>, limits: &Limits) -> Result<Used, Error> {
        let mut used = Used::default();
        let root = self.pod_dir(view.pod.uid());
        for volume in view.pod.list("/spec/volumes") {
            let (name, empty) = (volume.text("/name"), volume.get("emptyDir"));
            let limited = limits.volumes.iter().any(|(one, _, _)| one == name) || limits.whole.is_some();
            if limited && empty.is_some_and(|empty| empty.text("/medium").is_empty()) {
                used.volumes.insert(name.to_owned(), size_of(&root.join(name)).await);
            }
        }
        if limits.containers.is_empty() {
            return Ok(used);
        }
        for found in view.own.iter().filter(|found| !found.is(Role::Pause) && !found.earlier) {
            let written = match self.engine.container_size(&found.detail.id).await {
                Ok(bytes) => bytes,
                Err(error) if error.is_not_found() => 0,
                Err(error) => return Err(error.into()),
            };
            used.containers.insert(found.container().to_owned(), written.saturating_add(log_size(&found.detail)));
        }
        Ok(used)
    }
}

fn log_size(detail: &ContainerDetail) -> u64 {
    std::fs::metadata(&detail.log_path).map_or(0, |log| log.len())
}

/// Bytes on disk of all below a folder, links not followed.
async fn size_of(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let (mut sum, mut count, mut folders) = (0u64, 0u32, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            sum = sum.saturating_add(found.blocks().saturating_mul(512));
            if found.is_dir() {
                folders.push(entry.path());
            }
            count += 1;
            if count % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_limit_has_its_words() {
        let pod = json!({"spec": {
            "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}, {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
            "containers": [{"name": "c", "resources": {"limits": {"ephemeral-storage": "2Mi"}}}]}});
        let limits = Limits::of(&pod);
        assert_eq!((limits.volumes.len(), limits.containers.len(), limits.whole), (1, 1, Some(2 << 20)));
        let of = |volume: u64, container: u64| {
            limits.exceeded(&Used {
                volumes: [("v".to_owned(), volume)].into(),
                containers: [("c".to_owned(), container)].into(),
            })
        };
        assert_eq!(of(1 << 20, 1 << 20), None);
        assert_eq!(of((1 << 20) + 1, 0), Some("Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ".into()));
        assert_eq!(
            of(1 << 20, (1 << 20) + 1),
            Some("Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ".into())
        );
        assert!(Limits::of(&json!({"spec": {"containers": [{"name": "c"}]}})).is_empty());
    }

    #[tokio::test]
    async fn a_folder_is_as_large_as_what_is_in_it() {
        let folder = std::env::temp_dir().join(format!("k2d-usage-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(folder.join("deep")).expect("made");
        std::fs::write(folder.join("deep/file"), vec![1; 300_000]).expect("written");
        let size = size_of(&folder).await;
        std::fs::remove_dir_all(&folder).expect("removed");
        assert!((300_000..400_000).contains(&size), "{size}");
    }
}
