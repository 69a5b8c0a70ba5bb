//! Devices of the host as extended resources: each is given to one container at a time. Who has which is read
//! from the labels of containers after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::inotify;
use serde_json::Value;

use super::translate::Refusal;
use super::translate::container::is_sidecar;
use super::translate::names;
use super::{Inner, lock};
use crate::config::Device;
use crate::engine::{ContainerSpec, DeviceMapping};
use crate::schema::object::Object;
use crate::schema::quantity::Quantity;

/// All of them, and who holds which.
pub(super) struct Devices {
    all: Vec<Device>,
    /// Uid of the pod and name of the container, by the name of the device.
    held: Mutex<BTreeMap<String, (String, String)>>,
}

impl Devices {
    pub(super) fn new(all: Vec<Device>) -> Self {
        Self { all, held: Mutex::default() }
    }

    /// How many there are by resource: configured, and present now.
    pub(super) fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for device in &self.all {
            let entry = counts.entry(device.resource.clone()).or_default();
            entry.0 += 1;
            entry.1 += u64::from(is_present(device));
        }
        counts
    }

    /// Notes what a container has by its label.
    pub(super) fn hold(&self, uid: &str, container: &str, label: &str) {
        let mut held = lock(&self.held);
        for name in label.split(',').filter(|name| !name.is_empty()) {
            held.insert(name.to_owned(), (uid.to_owned(), container.to_owned()));
        }
    }

    /// Takes back what a pod has.
    pub(super) fn release(&self, uid: &str) {
        lock(&self.held).retain(|_, (of, _)| of != uid);
    }

    /// Gives a container so many of each resource: those that it has, those that an init container of its pod had
    /// (`over`), then free ones.
    fn give(
        &self,
        uid: &str,
        container: &str,
        wanted: &BTreeMap<String, usize>,
        over: &[&str],
    ) -> Result<Vec<Device>, String> {
        let mut held = lock(&self.held);
        let mut given = Vec::new();
        for (resource, number) in wanted {
            let rank = |device: &&Device| match held.get(&device.name) {
                Some((of, by)) if of == uid && by == container => Some(0),
                Some((of, by)) if of == uid && over.contains(&by.as_str()) => Some(1),
                Some(_) => None,
                None => Some(2),
            };
            let mut free: Vec<(i32, &Device)> = self
                .all
                .iter()
                .filter(|device| device.resource == *resource && is_present(device))
                .filter_map(|device| Some((rank(&device)?, device)))
                .collect();
            free.sort_by_key(|(rank, _)| *rank);
            if free.len() < *number {
                let have = free.len();
                return Err(format!(
                    "requested number of devices unavailable for {resource}. Requested: {number}, Available: {have}"
                ));
            }
            given.extend(free.into_iter().take(*number).map(|(_, device)| device.clone()));
        }
        for device in &given {
            held.insert(device.name.clone(), (uid.to_owned(), container.to_owned()));
        }
        Ok(given)
    }
}

/// Devices of the Container Device Interface are the engine's to find.
fn is_present(device: &Device) -> bool {
    device.nodes.iter().all(|node| Path::new(&node.host).exists())
}

impl Inner {
    /// Puts the devices that a container asks for into what is asked of the engine.
    pub(super) fn give_devices(
        &self,
        pod: &Value,
        definition: &Value,
        spec: &mut ContainerSpec,
    ) -> Result<(), Refusal> {
        let resources: BTreeSet<&str> = self.devices.all.iter().map(|device| device.resource.as_str()).collect();
        let limits = &definition["resources"]["limits"];
        let wanted: BTreeMap<String, usize> = resources
            .into_iter()
            .filter_map(|name| {
                let number = Quantity::of(limits.get(name)?).ok()?.value();
                Some((name.to_owned(), usize::try_from(number).ok().filter(|number| *number > 0)?))
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let init = pod.list("/spec/initContainers").iter().filter(|one| !is_sidecar(one));
        let over: Vec<&str> = init.map(|one| one.text("/name")).collect();
        let given = self.devices.give(pod.uid(), definition.text("/name"), &wanted, &over);
        let given = given.map_err(Refusal::container)?;
        let names: Vec<&str> = given.iter().map(|device| device.name.as_str()).collect();
        spec.labels.insert(names::DEVICES.to_owned(), names.join(","));
        spec.cdi_devices.extend(given.iter().filter_map(|device| device.cdi.clone()));
        spec.devices.extend(given.into_iter().flat_map(|device| device.nodes).map(|node| DeviceMapping {
            host: node.host,
            container: node.container,
            permissions: node.permissions,
        }));
        Ok(())
    }
}

/// Shows on the Node when a device comes or goes. Nothing runs where none is configured.
pub(super) async fn follow(inner: Arc<Inner>) {
    let nodes = inner.devices.all.iter().flat_map(|device| &device.nodes);
    let mut folders: BTreeSet<&Path> = nodes.filter_map(|node| Path::new(&node.host).parent()).collect();
    if folders.is_empty() {
        return std::future::pending().await;
    }
    // A folder such as /dev/serial comes with its first device.
    folders.insert(Path::new("/dev"));
    if let Err(error) = watch(&inner, &folders).await {
        tracing::warn!(%error, "cannot watch for devices");
    }
    std::future::pending().await
}

async fn watch(inner: &Inner, folders: &BTreeSet<&Path>) -> std::io::Result<()> {
    let queue = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    let flags = inotify::WatchFlags::CREATE | inotify::WatchFlags::DELETE | inotify::WatchFlags::MOVE;
    let queue = crate::host::register(queue)?;
    let mut shown = inner.devices.counts();
    loop {
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            inotify::add_watch(queue.get_ref(), *folder, flags)?;
        }
        let mut ready = queue.readable().await?;
        let mut buffer = [0u8; 1024];
        while rustix::io::read(queue.get_ref(), &mut buffer).is_ok_and(|count| count > 0) {}
        ready.clear_ready();
        drop(ready);
        // Links and permissions come a moment after the device.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let counts = inner.devices.counts();
        if counts != shown {
            shown = counts;
            inner.node_changed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_one_holder() {
        let parse = |text: &str| Device::parse(text).expect("a device");
        let all = vec![parse("a.b/null=/dev/null"), parse("a.b/null=/dev/zero"), parse("a.b/null=/dev/none-such")];
        let devices = Devices::new(all);
        assert_eq!(devices.counts()["a.b/null"], (3, 2));
        let wanted = |number| BTreeMap::from([("a.b/null".to_owned(), number)]);
        let names = |list: Vec<Device>| list.into_iter().map(|one| one.name).collect::<Vec<_>>();
        let first = names(devices.give("1", "init", &wanted(1), &[]).expect("free"));
        assert_eq!(names(devices.give("1", "init", &wanted(1), &[]).expect("its own")), first);
        assert_eq!(names(devices.give("1", "main", &wanted(1), &["init"]).expect("handed on")), first);
        assert_eq!(names(devices.give("2", "main", &wanted(1), &[]).expect("the other")).len(), 1);
        let none = devices.give("3", "main", &wanted(1), &[]).expect_err("none is left");
        assert_eq!(none, "requested number of devices unavailable for a.b/null. Requested: 1, Available: 0");
        devices.release("2");
        devices.hold("4", "c", &first.join(","));
        assert!(devices.give("3", "main", &wanted(1), &[]).is_ok());
    }
}
