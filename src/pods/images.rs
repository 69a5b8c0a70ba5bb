//! Images of containers: present, being pulled, or not to be had for the time being. A pull runs beside
//! everything else and brings its pod back into the queue when it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::events::Level;
use super::{Error, Inner, PodKey, lock};
use crate::engine::{self, Credentials, ImageDetail, ImageRef};
use crate::host::addresses::Changes;
use crate::schema::object::Object;

/// Pulls by uid of the pod and name of the container.
#[derive(Default)]
pub(super) struct Pulls(Mutex<HashMap<(String, String), Pull>>);

#[derive(Default)]
struct Pull {
    image: String,
    /// On its way; dropping it gives it up.
    task: Option<tokio::task::AbortHandle>,
    /// It has ended well, and no container was made of it yet.
    done: bool,
    backoff: Backoff,
    /// Reason and message of the latest failure.
    failure: Option<(&'static str, String)>,
    /// The pod, where the registry could not be reached.
    away: Option<PodKey>,
}

impl Pull {
    fn of(image: &str) -> Self {
        let mut pull = Self::default();
        image.clone_into(&mut pull.image);
        pull
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What there is of an image.
pub(super) enum Found {
    /// It can be used.
    Present(Box<ImageDetail>),
    /// Reason and message; an event or the time will tell more.
    Waits(&'static str, String, Option<Duration>),
}

impl Inner {
    /// Sees to the image of a container that is to be made.
    pub(super) async fn image(self: &Arc<Self>, pod: &Value, container: &Value, field: &str) -> Result<Found, Error> {
        let asked = container.text("/image");
        let Ok(reference) = ImageRef::parse(asked) else {
            let message = format!(
                "Failed to apply default image tag \"{asked}\": couldn't parse image name \"{asked}\": invalid \
                 reference format"
            );
            self.tell(pod, field, Level::Warning, "InspectFailed", message.clone());
            self.tell(pod, field, Level::Warning, "Failed", "Error: InvalidImageName".to_owned());
            return Ok(Found::Waits("InvalidImageName", message, Some(Duration::from_secs(60))));
        };
        let place = (pod.uid().to_owned(), container.text("/name").to_owned());
        let present = match self.engine.inspect_image(asked).await {
            Ok(image) => Some(image),
            Err(engine::Error::ImageNotFound(_) | engine::Error::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let policy = container.text("/imagePullPolicy");
        let pulled = lock(&self.pulls.0).get(&place).is_some_and(|pull| pull.done && pull.image == asked);
        if let Some(image) = present {
            if policy != "Always" || pulled {
                if !pulled {
                    self.tell_present(pod, field, asked);
                }
                return Ok(Found::Present(Box::new(image)));
            }
        } else if policy == "Never" {
            let message = format!("Container image \"{asked}\" is not present with pull policy of Never");
            self.tell(pod, field, Level::Warning, "ErrImageNeverPull", message.clone());
            self.tell(pod, field, Level::Warning, "Failed", "Error: ErrImageNeverPull".to_owned());
            return Ok(Found::Waits("ErrImageNeverPull", message, Some(Duration::from_secs(10))));
        }
        self.pull(pod, place, reference, asked, field).await
    }

    async fn pull(
        self: &Arc<Self>,
        pod: &Value,
        place: (String, String),
        reference: ImageRef,
        asked: &str,
        field: &str,
    ) -> Result<Found, Error> {
        {
            let mut pulls = lock(&self.pulls.0);
            let pull = pulls.entry(place.clone()).or_default();
            if pull.image != asked {
                *pull = Pull::of(asked);
            }
            if pull.task.is_some() {
                return Ok(match &pull.failure {
                    Some((_, message)) => Found::Waits("ImagePullBackOff", back_off(asked, message), None),
                    None => Found::Waits("ContainerCreating", String::new(), None),
                });
            }
            if let (Some((reason, message)), Some(left)) = (&pull.failure, pull.backoff.remaining()) {
                let (reason, message) = (*reason, message.clone());
                drop(pulls);
                return Ok(self.still_waits(pod, &place, asked, field, reason, message, left));
            }
        }
        let credentials = self.credentials(pod, &reference).await?;
        self.tell(pod, field, Level::Normal, "Pulling", format!("Pulling image \"{asked}\""));
        let inner = Arc::clone(self);
        let (pod, field, image) = (pod.clone(), field.to_owned(), asked.to_owned());
        let key = (pod.namespace().to_owned(), pod.name().to_owned());
        let of = place.clone();
        let task = tokio::spawn(async move {
            let begun = Instant::now();
            let result = inner.pull_one_of(&reference, credentials).await;
            let away = matches!(result, Err(engine::Error::RegistryUnreachable(_)));
            let present = away && inner.engine.image_exists(&image).await.unwrap_or(false);
            inner.pulled(&pod, key, &of, &image, &field, begun.elapsed(), present, result);
        });
        let mut pulls = lock(&self.pulls.0);
        let waits = match pulls.get_mut(&place) {
            Some(pull) => {
                pull.task = Some(task.abort_handle());
                match &pull.failure {
                    Some((_, message)) => Found::Waits("ImagePullBackOff", back_off(asked, message), None),
                    None => Found::Waits("ContainerCreating", String::new(), None),
                }
            }
            None => Found::Waits("ContainerCreating", String::new(), None),
        };
        Ok(waits)
    }

    #[allow(clippy::too_many_arguments)]
    fn still_waits(
        &self,
        pod: &Value,
        place: &(String, String),
        asked: &str,
        field: &str,
        reason: &'static str,
        message: String,
        left: Duration,
    ) -> Found {
        let first = {
            let mut pulls = lock(&self.pulls.0);
            let pull = pulls.get_mut(place).and_then(|pull| pull.failure.as_mut());
            pull.is_some_and(|failure| std::mem::replace(&mut failure.0, "ImagePullBackOff") != "ImagePullBackOff")
        };
        if reason == "ImagePullBackOff" {
            self.tell(pod, field, Level::Normal, "BackOff", format!("Back-off pulling image \"{asked}\""));
            self.tell(pod, field, Level::Warning, "Failed", "Error: ImagePullBackOff".to_owned());
        }
        if first {
            // The error itself is shown for a moment, then the pause.
            return Found::Waits("ErrImagePull", message, Some(left.min(Duration::from_secs(2))));
        }
        Found::Waits("ImagePullBackOff", back_off(asked, &message), Some(left))
    }

    /// Tries the credentials in their order, as those of a pod and of its account may name one registry twice.
    async fn pull_one_of(&self, image: &ImageRef, credentials: Vec<Credentials>) -> Result<ImageDetail, engine::Error> {
        let mut all: Vec<Option<Credentials>> = credentials.into_iter().map(Some).collect();
        if all.is_empty() {
            all.push(None);
        }
        let mut latest = engine::Error::RegistryRefused("no credentials were accepted".to_owned());
        for one in all {
            let mut steps = self.engine.pull_image(image, one);
            let result = loop {
                match tokio::time::timeout(self.settings.pull_stall, steps.next()).await {
                    Ok(Some(Ok(_))) => {}
                    Ok(Some(Err(error))) => break Err(error),
                    Ok(None) => break Ok(()),
                    Err(_) => {
                        let seconds = self.settings.pull_stall.as_secs();
                        break Err(engine::Error::RegistryUnreachable(format!("nothing came for {seconds} s")));
                    }
                }
            };
            match result {
                Ok(()) => return self.engine.inspect_image(&image.pull_reference()).await,
                Err(error @ engine::Error::RegistryRefused(_)) => latest = error,
                Err(error) => return Err(error),
            }
        }
        Err(latest)
    }

    #[allow(clippy::too_many_arguments)]
    fn pulled(
        &self,
        pod: &Value,
        key: PodKey,
        place: &(String, String),
        image: &str,
        field: &str,
        took: Duration,
        present: bool,
        result: Result<ImageDetail, engine::Error>,
    ) {
        let mut pulls = lock(&self.pulls.0);
        let Some(pull) = pulls.get_mut(place) else { return };
        pull.task = None;
        match result {
            Ok(detail) => {
                *pull = Pull::of(image);
                pull.done = true;
                drop(pulls);
                let took = super::backoff::go_duration(took);
                let message = format!(
                    "Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: {} bytes.",
                    detail.size
                );
                self.tell(pod, field, Level::Normal, "Pulled", message);
            }
            Err(engine::Error::RegistryUnreachable(cause)) if self.settings.use_present && present => {
                pull.done = true;
                drop(pulls);
                let message = format!("The registry cannot be reached ({cause}); a present image \"{image}\" is used");
                self.tell(pod, field, Level::Warning, "RegistryUnavailable", message);
            }
            Err(error) => {
                let message = format!("failed to pull and unpack image \"{image}\": {error}");
                pull.backoff.fail();
                pull.away = matches!(error, engine::Error::RegistryUnreachable(_)).then(|| key.clone());
                pull.failure = Some(("ErrImagePull", message.clone()));
                drop(pulls);
                let told = format!("Failed to pull image \"{image}\": {message}");
                self.tell(pod, field, Level::Warning, "Failed", told);
                self.tell(pod, field, Level::Warning, "Failed", "Error: ErrImagePull".to_owned());
            }
        }
        self.queue.add(key);
    }

    /// Tries the pulls again whose registry could not be reached, whenever the machine's way to the network changes.
    pub(super) async fn follow_network(self: Arc<Self>) {
        let routes = match Changes::subscribe_routes() {
            Ok(routes) => routes,
            Err(error) => {
                tracing::warn!(%error, "pulls are not tried again at once when the network returns");
                return std::future::pending().await;
            }
        };
        while routes.next().await.is_ok() {
            // Name servers come a moment after a route.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut pulls = lock(&self.pulls.0);
            for pull in pulls.values_mut() {
                if let (Some(key), None) = (pull.away.take(), &pull.task) {
                    pull.backoff.end_pause();
                    self.queue.add(key);
                }
            }
        }
        std::future::pending().await
    }

    /// A container was made of the image: the next one asks anew where the policy is `Always`.
    pub(super) fn image_used(&self, uid: &str, container: &str) {
        lock(&self.pulls.0).remove(&(uid.to_owned(), container.to_owned()));
    }

    /// Gives up the pulls of a pod that is gone.
    pub(super) fn forget_pulls(&self, uid: &str) {
        lock(&self.pulls.0).retain(|(of, _), _| of != uid);
    }

    fn tell_present(&self, pod: &Value, field: &str, image: &str) {
        let message = format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
        self.tell(pod, field, Level::Normal, "Pulled", message);
    }

    /// Tells something of a container.
    pub(super) fn tell(&self, pod: &Value, field: &str, level: Level, reason: &'static str, message: String) {
        self.recorder.pod(pod, Some(field), level, reason, message);
    }

    /// The credentials of the pod's pull secrets, and of its account's, for the registry of an image.
    async fn credentials(&self, pod: &Value, image: &ImageRef) -> Result<Vec<Credentials>, Error> {
        let namespace = pod.namespace();
        let mut names: Vec<String> =
            pod.list("/spec/imagePullSecrets").iter().map(|one| one.text("/name").to_owned()).collect();
        let account = pod.text("/spec/serviceAccountName");
        if names.is_empty() && !account.is_empty() {
            let target = self.registry.target("", "serviceaccounts", namespace, account)?;
            if let Some(account) = self.registry.read(&target).await? {
                names = account.list("/imagePullSecrets").iter().map(|one| one.text("/name").to_owned()).collect();
            }
        }
        let mut found = Vec::new();
        for name in names {
            let target = self.registry.target("", "secrets", namespace, &name)?;
            match self.registry.read(&target).await? {
                Some(secret) => found.extend(matching(&secret, &image.name())),
                None => {
                    let message = format!(
                        "Unable to retrieve some image pull secrets ({name}); attempting to pull the image may not \
                         succeed."
                    );
                    self.recorder.pod(pod, None, Level::Warning, "FailedToRetrieveImagePullSecret", message);
                }
            }
        }
        Ok(found)
    }
}

fn back_off(image: &str, message: &str) -> String {
    format!("Back-off pulling image \"{image}\": ErrImagePull: {message}")
}

/// The credentials of a secret that fit an image, the longest address first.
fn matching(secret: &Value, image: &str) -> Vec<Credentials> {
    let part = |key: &str| {
        let text = secret.pointer("/data").and_then(|data| data.get(key)).and_then(Value::as_str)?;
        serde_json::from_slice::<Value>(&STANDARD.decode(text).ok()?).ok()
    };
    let servers = match part(".dockerconfigjson") {
        Some(config) => config["auths"].clone(),
        None => part(".dockercfg").unwrap_or_default(),
    };
    let mut found: Vec<(usize, Credentials)> = Vec::new();
    for (address, one) in servers.as_object().into_iter().flatten() {
        let Some(length) = fits(address, image) else { continue };
        let pair = STANDARD.decode(one.text("/auth").trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = pair.as_deref().and_then(|pair| pair.split_once(':'));
        let given = |key: &str, other: Option<&str>| match one[key].as_str() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => other.unwrap_or_default().to_owned(),
        };
        found.push((
            length,
            Credentials {
                username: given("username", pair.map(|(user, _)| user)),
                password: given("password", pair.map(|(_, password)| password)),
                identity_token: one.text("/identitytoken").to_owned(),
                registry_token: one.text("/registrytoken").to_owned(),
                server: address.clone(),
            },
        ));
    }
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found.into_iter().map(|(_, one)| one).collect()
}

/// Whether the address in a secret covers an image: its host (with `*` for parts of it), and its path as the
/// beginning of the image's. Gives how long it is.
fn fits(address: &str, image: &str) -> Option<usize> {
    let address = address.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let address = match address {
        "index.docker.io/v1" | "index.docker.io" | "docker.io" | "registry-1.docker.io" => "docker.io",
        other => other.trim_end_matches("/v1").trim_end_matches("/v2"),
    };
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let (image_host, image_path) = image.split_once('/')?;
    let (wanted, given): (Vec<&str>, Vec<&str>) = (host.split('.').collect(), image_host.split('.').collect());
    let same = wanted.len() == given.len()
        && wanted.iter().zip(&given).all(|(want, have)| *want == "*" || want == have || glob(want, have));
    let below = path.is_empty() || image_path == path || image_path.starts_with(&format!("{path}/"));
    (same && below).then_some(address.len())
}

/// One part of a host's name against a pattern with one `*`.
fn glob(pattern: &str, text: &str) -> bool {
    pattern.split_once('*').is_some_and(|(before, after)| {
        text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_longest_address_that_fits_comes_first() {
        let config = json!({"auths": {
            "reg.example.com": {"auth": STANDARD.encode("a:1")},
            "https://reg.example.com/team": {"username": "b", "password": "2:3"},
            "other.example.com": {"auth": STANDARD.encode("c:3")},
            "*.example.com": {"auth": STANDARD.encode("d:4")},
        }});
        let secret = json!({"data": {".dockerconfigjson": STANDARD.encode(config.to_string())}});
        let users = |image: &str| -> Vec<String> {
            matching(&secret, image).into_iter().map(|one| format!("{}:{}", one.username, one.password)).collect()
        };
        assert_eq!(users("reg.example.com/team/app"), ["b:2:3", "a:1", "d:4"]);
        assert_eq!(users("reg.example.com/teams/app"), ["a:1", "d:4"]);
        assert_eq!(users("example.com/app"), Vec::<String>::new());
    }

    #[test]
    fn docker_hub_has_several_names() {
        assert!(fits("https://index.docker.io/v1/", "docker.io/library/redis").is_some());
        assert!(fits("quay.io", "docker.io/library/redis").is_none());
    }
}
