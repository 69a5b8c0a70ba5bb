//! The volumes of pods: files that k2d writes, folders, engine volumes and places of the host. Projected
//! files live in `<data>/volumes/<uid>/<volume>` and change all at once, by a swapped link.

mod disk;
mod payload;

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::translate::mounts::{Place as Where, Places};
use super::translate::{Place, Sources, names};
use super::{Error, Inner, images};
use crate::engine::VolumeSpec;
use crate::registry::tokens::claims;
use crate::registry::{Changed, Part};
use crate::schema::object::Object;
use crate::schema::quantity::Quantity;

use disk::Medium;
pub(super) use disk::{inside, make_file, remove, write_file};
use payload::{Files, Owner};

/// Why a volume is not there yet; the message is that of the event `FailedMount`.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: String,
    /// Nothing is wrong: it is still being made.
    pub(super) pending: bool,
    /// Reason and message of containers that wait for it, and when to look again.
    pub(super) waits: Option<(&'static str, String, Option<Duration>)>,
}

/// The volumes of a pod, and when they must be looked at again.
pub(super) struct Prepared {
    pub(super) places: Places,
    pub(super) again: Option<Duration>,
}

fn failed(volume: &str, cause: impl std::fmt::Display) -> Failure {
    Failure {
        message: format!("MountVolume.SetUp failed for volume \"{volume}\" : {cause}"),
        pending: false,
        waits: None,
    }
}

impl Inner {
    pub(super) fn volumes_dir(&self) -> PathBuf {
        self.settings.data_dir.join("volumes")
    }

    pub(super) fn pod_dir(&self, uid: &str) -> PathBuf {
        self.volumes_dir().join(uid)
    }

    /// Makes the volumes of a pod, or brings their files up to date.
    ///
    /// `fresh` says that none of its containers was made yet: only then what was in a volume before is given to the
    /// pod's group.
    pub(super) async fn volumes(
        self: &Arc<Self>,
        pod: &Value,
        sources: &Sources,
        place: &Place,
        fresh: bool,
    ) -> Result<Result<Prepared, Failure>, Error> {
        let root = self.pod_dir(pod.uid());
        let mut prepared = Prepared { places: BTreeMap::new(), again: None };
        for volume in pod.list("/spec/volumes") {
            let name = volume.text("/name");
            match self.volume(pod, volume, &root.join(name), sources, place, &mut prepared.again).await? {
                Ok(place) => {
                    if fresh && let Err(error) = give_to_group(pod, volume, &place).await {
                        return Ok(Err(failed(name, error)));
                    }
                    prepared.places.insert(name.to_owned(), place);
                }
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(prepared))
    }

    /// One volume. What the disk refuses is told as an event of the pod, and what runs goes on.
    async fn volume(
        self: &Arc<Self>,
        pod: &Value,
        volume: &Value,
        path: &Path,
        sources: &Sources,
        place: &Place,
        again: &mut Option<Duration>,
    ) -> Result<Result<Where, Failure>, Error> {
        match self.make_volume(pod, volume, path, sources, place, again).await {
            Err(error @ Error::File { .. }) => {
                // An event may find no room either.
                tracing::warn!(namespace = pod.namespace(), pod = pod.name(), %error, "a volume cannot be written");
                Ok(Err(failed(volume.text("/name"), error)))
            }
            made => made,
        }
    }

    async fn make_volume(
        self: &Arc<Self>,
        pod: &Value,
        volume: &Value,
        path: &Path,
        sources: &Sources,
        place: &Place,
        again: &mut Option<Duration>,
    ) -> Result<Result<Where, Failure>, Error> {
        let name = volume.text("/name");
        let host = |path: &Path, read_only| Where::Host { path: path.to_string_lossy().into_owned(), read_only };
        let projects =
            ["configMap", "secret", "downwardAPI", "projected"].iter().any(|kind| volume.get(kind).is_some());
        if projects {
            let tokens = match self.tokens(pod, volume, path, again).await? {
                Ok(tokens) => tokens,
                Err(message) => return Ok(Err(failed(name, message))),
            };
            let files = match payload::files(pod, volume, sources, place, &tokens) {
                Ok(files) => files,
                Err(message) => return Ok(Err(failed(name, message))),
            };
            return Ok(self
                .project(path, &files, &Owner::of(pod))
                .map(|()| host(path, true))
                .map_err(|e| failed(name, e)));
        }
        if let Some(empty) = volume.get("emptyDir") {
            let size = empty.get("sizeLimit").and_then(|size| Quantity::of(size).ok()).map(|size| size.value());
            let medium = match empty.text("/medium") {
                "" => Medium::Disk,
                "Memory" => Medium::Memory(size),
                huge => {
                    let page = huge.strip_prefix("HugePages-").and_then(|page| Quantity::parse(page).ok());
                    Medium::Huge(page.map(|page| page.value()), size)
                }
            };
            let made = disk::empty(&self.volumes_dir(), path, &medium, Owner::of(pod).group);
            return Ok(made.map(|path| host(&path, false)).map_err(|error| failed(name, error)));
        }
        if let Some(wanted) = volume.get("hostPath") {
            let path = Path::new(wanted.text("/path"));
            return Ok(host_path(path, wanted.text("/type")).map(|()| host(path, false)).map_err(|e| failed(name, e)));
        }
        if let Some(claim) = volume.get("persistentVolumeClaim") {
            return self.claim(pod, name, claim.text("/claimName"), claim["readOnly"] == true).await;
        }
        if volume.get("ephemeral").is_some() {
            return self.claim(pod, name, &format!("{}-{name}", pod.name()), false).await;
        }
        if let Some(image) = volume.get("image") {
            return self.image_volume(pod, name, image).await;
        }
        if let Some(share) = volume.get("nfs") {
            return self.network_share(pod, name, share).await;
        }
        Ok(Err(failed(name, "this node has no driver for volumes of this kind")))
    }

    /// The files of an image, which is fetched as that of a container is.
    async fn image_volume(
        self: &Arc<Self>,
        pod: &Value,
        name: &str,
        image: &Value,
    ) -> Result<Result<Where, Failure>, Error> {
        let reference = image.text("/reference");
        let wanted =
            json!({"name": format!("volume/{name}"), "image": reference, "imagePullPolicy": image["pullPolicy"]});
        Ok(match self.image(pod, &wanted, &format!("spec.volumes{{{name}}}")).await? {
            images::Found::Present(_) => Ok(Where::Image { image: reference.to_owned() }),
            images::Found::Waits(reason, message, again) => {
                Err(Failure { message: String::new(), pending: true, waits: Some((reason, message, again)) })
            }
        })
    }

    fn project(&self, path: &Path, files: &Files, owner: &Owner) -> Result<(), Error> {
        disk::project(&self.volumes_dir(), path, files, owner)
    }

    /// Tokens for the sources of a projected volume, by audience and path; those that are there and young
    /// are kept.
    async fn tokens(
        &self,
        pod: &Value,
        volume: &Value,
        path: &Path,
        again: &mut Option<Duration>,
    ) -> Result<Result<BTreeMap<String, String>, String>, Error> {
        let mut tokens = BTreeMap::new();
        for source in volume.list("/projected/sources") {
            let Some(wanted) = source.get("serviceAccountToken") else { continue };
            let file = wanted.text("/path");
            let seconds = u64::try_from(wanted.int("/expirationSeconds").unwrap_or(3600)).unwrap_or(3600);
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            let present = std::fs::read_to_string(path.join(file)).ok();
            let present = present.and_then(|text| payload::token_times(&text).map(|times| (text, times)));
            let token = match present {
                Some((text, (issued, ends))) if payload::is_young(issued, ends, now) => {
                    sooner(again, payload::rotate_at(issued, ends).saturating_sub(now));
                    text
                }
                _ => {
                    let account = Some(pod.text("/spec/serviceAccountName")).filter(|name| !name.is_empty());
                    let account = account.unwrap_or("default");
                    let target = self.registry.target("", "serviceaccounts", pod.namespace(), account)?;
                    let Some(account_object) = self.registry.read(&target).await? else {
                        return Ok(Err(format!("failed to fetch token: serviceaccounts \"{account}\" not found")));
                    };
                    let audience = Some(wanted.text("/audience")).filter(|name| !name.is_empty());
                    let audience = audience.unwrap_or(&self.settings.issuer).to_owned();
                    let bound = self.registry.bound_to_pod(pod).await?;
                    let issuer = &self.settings.issuer;
                    let body = claims(issuer, &account_object, &bound, &[audience], now, seconds);
                    sooner(again, payload::rotate_at(now, now + seconds).saturating_sub(now));
                    match self.key.sign(&body) {
                        Ok(token) => token,
                        Err(error) => return Ok(Err(format!("failed to fetch token: {error}"))),
                    }
                }
            };
            tokens.insert(file.to_owned(), token);
        }
        Ok(Ok(tokens))
    }

    /// Where the volume of a claim is.
    async fn claim(
        &self,
        pod: &Value,
        volume: &str,
        claim: &str,
        read_only: bool,
    ) -> Result<Result<Where, Failure>, Error> {
        let target = self.registry.target("", "persistentvolumeclaims", pod.namespace(), claim)?;
        let Some(object) = self.registry.read(&target).await? else {
            return Ok(Err(failed(volume, format!("persistentvolumeclaim \"{claim}\" not found"))));
        };
        let bound = object.text("/spec/volumeName");
        if object.text("/status/phase") != "Bound" || bound.is_empty() {
            let message = format!("PVC {}/{claim} is not bound yet", pod.namespace());
            return Ok(Err(Failure { message, pending: true, waits: None }));
        }
        let target = self.registry.target("", "persistentvolumes", "", bound)?;
        let Some(found) = self.registry.read(&target).await? else {
            return Ok(Err(failed(volume, format!("persistentvolume \"{bound}\" not found"))));
        };
        let path = [found.text("/spec/hostPath/path"), found.text("/spec/local/path")];
        if let Some(path) = path.into_iter().find(|path| !path.is_empty()) {
            let place = Path::new(path);
            let made = host_path(place, found.text("/spec/hostPath/type"));
            let place = Where::Host { path: path.to_owned(), read_only };
            return Ok(made.map(|()| place).map_err(|error| failed(volume, error)));
        }
        if let Some(share) = found.pointer("/spec/nfs") {
            return self.network_share(pod, volume, share).await;
        }
        let handle = found.text("/spec/csi/volumeHandle");
        let name = if handle.is_empty() { format!("{}.{claim}", pod.namespace()) } else { handle.to_owned() };
        let labels = BTreeMap::from([
            (names::INSTANCE.to_owned(), self.settings.instance.clone()),
            ("io.kubernetes.pvc.name".to_owned(), claim.to_owned()),
            ("io.kubernetes.pvc.namespace".to_owned(), pod.namespace().to_owned()),
        ]);
        self.engine_volume(volume, VolumeSpec { name, labels, ..VolumeSpec::default() }, read_only).await
    }

    async fn network_share(&self, pod: &Value, volume: &str, share: &Value) -> Result<Result<Where, Failure>, Error> {
        let read_only = share["readOnly"] == true;
        let mode = if read_only { "ro" } else { "rw" };
        let options = BTreeMap::from([
            ("type".to_owned(), "nfs".to_owned()),
            ("o".to_owned(), format!("addr={},{mode}", share.text("/server"))),
            ("device".to_owned(), format!(":{}", share.text("/path"))),
        ]);
        let labels = BTreeMap::from([(names::INSTANCE.to_owned(), self.settings.instance.clone())]);
        let name = format!("{}.{}.{volume}", pod.namespace(), pod.name());
        self.engine_volume(volume, VolumeSpec { name, options, labels, ..VolumeSpec::default() }, read_only).await
    }

    async fn engine_volume(
        &self,
        volume: &str,
        spec: VolumeSpec,
        read_only: bool,
    ) -> Result<Result<Where, Failure>, Error> {
        let detail = match self.engine.inspect_volume(&spec.name).await {
            Ok(detail) => Ok(detail),
            Err(error) if error.is_not_found() => self.engine.create_volume(&spec).await,
            Err(error) => Err(error),
        };
        match detail {
            Ok(detail) => Ok(Ok(Where::Engine { name: detail.name, path: detail.mountpoint, read_only })),
            Err(error) if error.is_unreachable() => Err(error.into()),
            Err(error) => Ok(Err(failed(volume, error))),
        }
    }

    /// Says that a pod waits for a claim, so that its volume is made on this node.
    pub(super) async fn select_node_for_claim(&self, namespace: &str, claim: &str) -> Result<(), Error> {
        const SELECTED: &str = "volume.kubernetes.io/selected-node";
        let target = self.registry.target("", "persistentvolumeclaims", namespace, claim)?;
        let node = self.settings.node.clone();
        let mut change = |old: &Value| {
            let mut object = old.clone();
            let annotations = object.metadata_mut().entry("annotations").or_insert_with(|| json!({}));
            annotations[SELECTED] = node.as_str().into();
            Ok(Changed { object, managed: false, uid: None })
        };
        let options = crate::registry::WriteOptions::internal("kube-scheduler");
        self.registry.update(&target, Part::Main, &mut change, &options).await?;
        Ok(())
    }
}

/// Gives what is in the volume of a claim to the pod's group (API reference of `fsGroup` and
/// `fsGroupChangePolicy`). Places of the host and shares of others keep their owners, as with a kubelet.
async fn give_to_group(pod: &Value, volume: &Value, place: &Where) -> Result<(), Error> {
    let claimed = volume.get("persistentVolumeClaim").is_some() || volume.get("ephemeral").is_some();
    let Where::Engine { path, read_only: false, .. } = place else { return Ok(()) };
    match Owner::of(pod).group {
        Some(group) if claimed && !path.is_empty() => {
            let always = pod.text("/spec/securityContext/fsGroupChangePolicy") != "OnRootMismatch";
            disk::give(Path::new(path), group, always).await
        }
        _ => Ok(()),
    }
}

fn sooner(again: &mut Option<Duration>, seconds: u64) {
    let pause = Duration::from_secs(seconds.max(1));
    *again = Some(again.map_or(pause, |known| known.min(pause)));
}

/// Checks a place of the host, and makes it where its type says so (API reference of `HostPathVolumeSource`).
fn host_path(path: &Path, kind: &str) -> Result<(), String> {
    let found = std::fs::metadata(path).ok().map(|found| found.file_type());
    let shown = path.display();
    let must = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(format!("hostPath type check failed: {shown} is not a {what}")) }
    };
    let made = |result: std::io::Result<()>| result.map_err(|error| format!("cannot make {shown}: {error}"));
    match (kind, found) {
        ("" | "DirectoryOrCreate", None) => made(std::fs::create_dir_all(path)),
        ("", Some(_)) => Ok(()),
        ("FileOrCreate", None) => made(std::fs::OpenOptions::new().create(true).append(true).open(path).map(drop)),
        ("Directory" | "DirectoryOrCreate", found) => must(found.is_some_and(|kind| kind.is_dir()), "directory"),
        ("File" | "FileOrCreate", found) => must(found.is_some_and(|kind| kind.is_file()), "file"),
        ("Socket", found) => must(found.is_some_and(|kind| kind.is_socket()), "socket file"),
        ("CharDevice", found) => must(found.is_some_and(|kind| kind.is_char_device()), "character device"),
        ("BlockDevice", found) => must(found.is_some_and(|kind| kind.is_block_device()), "block device"),
        (other, _) => Err(format!("hostPath type {other} is not known")),
    }
}
