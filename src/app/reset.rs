//! Taking away all that this instance of k2d has made: containers, networks, packet rules, state and,
//! only when asked for, the data of claims. What belongs to others is not touched.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::mount::{UnmountFlags, unmount};

use super::STATE;
use crate::config::{Config, EngineSocket};
use crate::engine::{self, Engine, Filter, RemoveOptions, Socket};
use crate::network::apply::Applier;
use crate::network::rules;
use crate::pods::translate::names::INSTANCE;
use crate::store::{self, Store, StoreOptions};

/// How long one call to the engine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the engine holds of this instance.
#[derive(Debug, Default)]
pub struct Made {
    /// Containers: id and name.
    pub containers: Vec<(String, String)>,
    /// Networks, by name.
    pub networks: Vec<String>,
    /// Volumes of claims.
    pub volumes: Vec<String>,
}

/// Fails while another process has the store of this data folder open.
///
/// # Errors
/// It says so.
pub async fn must_not_run(data_dir: &Path) -> anyhow::Result<()> {
    let path = data_dir.join(STATE);
    if !path.exists() {
        return Ok(());
    }
    match Store::open(&path, &StoreOptions::default()) {
        Err(store::Error::InUse) => bail!("k2d runs: systemctl stop k2d.socket k2d.service"),
        // One that cannot be opened is in nobody's use.
        Err(_) => Ok(()),
        Ok(opened) => Ok(opened.store.close().await?),
    }
}

/// What the engine holds of this instance; nothing where no engine is configured.
///
/// # Errors
/// The engine does not answer.
pub async fn find(config: &Config) -> anyhow::Result<Made> {
    let Some(engine) = connect(config) else { return Ok(Made::default()) };
    let ours = Filter::label_value(INSTANCE, &config.instance);
    let list = engine.containers(&ours).await.context("the engine does not list its containers")?;
    let named = |one: engine::ContainerSummary| (one.id, one.names.into_iter().next().unwrap_or_default());
    Ok(Made {
        containers: list.into_iter().map(named).collect(),
        networks: engine.networks(&ours).await?.into_iter().map(|one| one.name).collect(),
        volumes: engine.volumes(&ours).await?.into_iter().map(|one| one.name).collect(),
    })
}

/// Takes it away, with the packet rules and the content of the data folder; the volumes only if
/// `volumes` is set. Goes on after a failure, and gives all of them.
pub async fn remove(config: &Config, made: &Made, volumes: bool) -> Vec<String> {
    let mut failures = Vec::new();
    if let Some(engine) = connect(config) {
        let force = RemoveOptions { force: true, volumes: true };
        for (id, name) in &made.containers {
            note(&mut failures, name, engine.remove_container(id, force).await);
        }
        for name in &made.networks {
            note(&mut failures, name, engine.remove_network(name).await);
        }
        for name in made.volumes.iter().filter(|_| volumes) {
            note(&mut failures, name, engine.remove_volume(name).await);
        }
    }
    if !config.api_only {
        let settings = rules::Settings {
            table: config.instance.clone(),
            pod_networks: Vec::new(),
            service_ranges: Vec::new(),
            bridge: None,
            bridge_filtered: false,
        };
        note(&mut failures, "packet rules", Applier::new(settings).reset().await);
    }
    note(&mut failures, "state", empty(&config.data_dir));
    failures
}

fn note<E: std::fmt::Display>(failures: &mut Vec<String>, what: &str, result: Result<(), E>) {
    if let Err(error) = result {
        failures.push(format!("{what}: {error}"));
    }
}

fn connect(config: &Config) -> Option<Engine> {
    let socket = match &config.engine.socket {
        _ if config.api_only => return None,
        EngineSocket::None => return None,
        EngineSocket::Auto => Socket::Auto { docker_host: std::env::var("DOCKER_HOST").ok() },
        EngineSocket::Path(path) => Socket::Path(path.clone()),
    };
    Some(Engine::connect(engine::Settings { socket, timeout: PATIENCE }))
}

/// Empties a folder, and unmounts what is mounted in it first; the folder itself stays.
fn empty(folder: &Path) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for place in mounted_below(&mounts, folder) {
        unmount(&place, UnmountFlags::DETACH).with_context(|| place.display().to_string())?;
    }
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        let removed =
            if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The places below a folder at which something is mounted, deepest first.
fn mounted_below(mounts: &str, folder: &Path) -> Vec<PathBuf> {
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(|place| PathBuf::from(unescape(place)));
    let mut below: Vec<PathBuf> = places.filter(|place| place.starts_with(folder) && place != folder).collect();
    below.sort();
    below.reverse();
    below
}

/// Blanks and backslashes in a path stand as octal numbers in the kernel's list (proc(5)).
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Dir;

    #[test]
    fn mounts_of_the_folder_alone_come_deepest_first() {
        let mounts = "tmpfs /data tmpfs rw 0 0\ntmpfs /data/volumes/a tmpfs rw 0 0\nx /data/volumes/a/b\\040c tmpfs rw 0 0\n\
                      tmpfs /database tmpfs rw 0 0\n";
        let below = mounted_below(mounts, Path::new("/data"));
        assert_eq!(below, [PathBuf::from("/data/volumes/a/b c"), "/data/volumes/a".into()]);
    }

    #[test]
    fn folder_is_emptied_and_links_are_not_followed() {
        let dir = Dir::new();
        let (data, other) = (dir.0.join("data"), dir.0.join("other"));
        fs::create_dir_all(data.join("volumes/a")).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(other.join("kept"), "").unwrap();
        std::os::unix::fs::symlink(&other, data.join("volumes/a/link")).unwrap();
        std::os::unix::fs::symlink(&other, data.join("link")).unwrap();
        empty(&data).unwrap();
        assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
        assert!(other.join("kept").exists());
        empty(&dir.0.join("missing")).unwrap();
    }

    #[tokio::test]
    async fn running_k2d_is_not_reset() {
        let dir = Dir::new();
        must_not_run(&dir.0).await.unwrap();
        let store = Store::open(&dir.0.join(STATE), &StoreOptions::default()).unwrap().store;
        assert!(must_not_run(&dir.0).await.unwrap_err().to_string().contains("systemctl stop"));
        store.close().await.unwrap();
        must_not_run(&dir.0).await.unwrap();
    }
}
