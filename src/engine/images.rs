//! Calls about images.

use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bollard::query_parameters as q;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request};
use serde::Deserialize;

use super::lines::Lines;
use super::system::{filters, image_segment, query};
use super::transport::{Body, check, plain, with_body};
use super::wire::{ImageBody, ImageListBody, nullable};
use super::{Credentials, Engine, Error, Filter, ImageDetail, ImageRef, ImageSummary, PullProgress, Result};

/// A pull on its way: a stream of its steps that ends when the image is there, or with the error that stopped it.
/// Dropping it gives the pull up.
pub struct Pull {
    steps: Pin<Box<dyn Stream<Item = Result<PullProgress>> + Send>>,
}

impl Stream for Pull {
    type Item = Result<PullProgress>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.steps.as_mut().poll_next(context)
    }
}

impl Engine {
    /// Lists images.
    pub async fn images(&self, filter: &Filter) -> Result<Vec<ImageSummary>> {
        let query = query(&[("filters", &filters(filter))]);
        let list: Vec<ImageListBody> = self.get(&format!("/images/json?{query}")).await?;
        Ok(list.into_iter().map(ImageListBody::into_summary).collect())
    }

    /// Tells all of an image, by reference or id; [`Error::ImageNotFound`] if it is not present.
    pub async fn inspect_image(&self, image: &str) -> Result<ImageDetail> {
        let found: Result<ImageBody> = self.get(&format!("/images/{}/json", image_segment(image)?)).await;
        match found {
            Ok(body) => Ok(body.into_detail()),
            Err(Error::NotFound(message)) => Err(Error::ImageNotFound(message)),
            Err(other) => Err(other),
        }
    }

    /// Whether an image is present.
    pub async fn image_exists(&self, image: &str) -> Result<bool> {
        match self.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(Error::ImageNotFound(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Pulls an image. Without a tag or a digest it is `latest`. It takes as long as it takes: drop it to give it up.
    pub fn pull_image(&self, image: &ImageRef, credentials: Option<Credentials>) -> Pull {
        let name = image.name();
        let version = image.digest.as_deref().or(image.effective_tag()).unwrap_or("latest");
        let path = format!("/images/create?{}", query(&[("fromImage", &name), ("tag", version)]));
        let mut request = plain(Method::POST, &path);
        if let Some(header) = credentials.as_ref().and_then(auth_header) {
            request.headers_mut().insert("X-Registry-Auth", header);
        }
        Pull { steps: self.clone().steps(request) }
    }

    /// Pulls an image to the end, and tells all of it.
    pub async fn pull_whole_image(&self, image: &ImageRef, credentials: Option<Credentials>) -> Result<ImageDetail> {
        self.pull_image(image, credentials).try_for_each(|_| async { Ok(()) }).await?;
        self.inspect_image(&image.pull_reference()).await
    }

    /// Makes an image `reference` of one layer from a tar of a root file system, and tells all of it.
    /// `changes` are lines as in a Dockerfile, such as `ENTRYPOINT ["/pause"]`.
    pub async fn import_image(&self, reference: &ImageRef, tar: Bytes, changes: &[&str]) -> Result<ImageDetail> {
        // Both engines take the tag with the name; Podman leaves one out that is given apart.
        let name = format!("{}:{}", reference.name(), reference.effective_tag().unwrap_or("latest"));
        let mut pairs = vec![("fromSrc", "-"), ("repo", name.as_str())];
        pairs.extend(changes.iter().map(|change| ("changes", *change)));
        let path = format!("/images/create?{}", query(&pairs));
        let mut request = with_body(Method::POST, &path, tar);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        self.clone().steps(request).try_for_each(|_| async { Ok(()) }).await?;
        self.inspect_image(&name).await
    }

    /// Gives an image another name.
    pub async fn tag_image(&self, image: &str, reference: &ImageRef) -> Result<()> {
        let options = q::TagImageOptions {
            repo: Some(reference.name()),
            tag: Some(reference.effective_tag().unwrap_or("latest").to_owned()),
        };
        self.call(self.docker()?.tag_image(&image_segment(image)?, Some(options))).await
    }

    /// Removes a name of an image, and the image with its last name. One in use is a [`Error::Conflict`].
    pub async fn remove_image(&self, image: &str) -> Result<()> {
        match self.call(self.docker()?.remove_image(&image_segment(image)?, None::<q::RemoveImageOptions>, None)).await
        {
            Ok(_) => Ok(()),
            Err(Error::NotFound(message)) => Err(Error::ImageNotFound(message)),
            Err(other) => Err(other),
        }
    }

    fn steps(self, request: Request<Body>) -> Pin<Box<dyn Stream<Item = Result<PullProgress>> + Send>> {
        let open = async move {
            let response = check(self.transport.send_alone(request).await?).await?;
            Ok::<_, Error>(Lines::new(response.into_body()).map(|line| read_step(&line?)))
        };
        Box::pin(futures_util::stream::once(open).try_flatten())
    }
}

/// A step of a pull as the engines write it; an error comes as a step too, with status 200.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StepBody {
    id: String,
    status: String,
    #[serde(deserialize_with = "nullable", rename = "progressDetail")]
    progress: ProgressBody,
    #[serde(deserialize_with = "nullable")]
    error: String,
    #[serde(deserialize_with = "nullable", rename = "errorDetail")]
    detail: DetailBody,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ProgressBody {
    current: Option<u64>,
    total: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DetailBody {
    message: String,
}

fn read_step(line: &[u8]) -> Result<PullProgress> {
    let step: StepBody = serde_json::from_slice(line).map_err(|cause| Error::Protocol(cause.to_string()))?;
    for message in [step.detail.message, step.error] {
        if !message.is_empty() {
            return Err(Error::classify(0, &message));
        }
    }
    let (current, total) = (step.progress.current, step.progress.total);
    Ok(PullProgress { id: step.id, status: step.status, current, total })
}

/// The header that carries credentials: JSON in base64 for URLs.
fn auth_header(credentials: &Credentials) -> Option<HeaderValue> {
    let mut all = serde_json::Map::new();
    for (key, value) in [
        ("username", &credentials.username),
        ("password", &credentials.password),
        ("identitytoken", &credentials.identity_token),
        ("registrytoken", &credentials.registry_token),
        ("serveraddress", &credentials.server),
    ] {
        if !value.is_empty() {
            all.insert(key.to_owned(), value.as_str().into());
        }
    }
    let mut header = HeaderValue::try_from(URL_SAFE.encode(serde_json::Value::Object(all).to_string())).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_among_the_steps_of_a_pull_is_an_error() {
        let docker = br#"{"errorDetail":{"message":"manifest for a:b not found: manifest unknown"},"error":"x"}"#;
        assert!(matches!(read_step(docker), Err(Error::ImageNotFound(_))));
        let podman = br#"{"error":"initializing source docker://r/a:1: unauthorized: authentication required"}"#;
        assert!(matches!(read_step(podman), Err(Error::RegistryRefused(_))));
    }

    #[test]
    fn steps_tell_how_far_they_are() {
        let line = br#"{"id":"abc","status":"Downloading","progressDetail":{"current":5,"total":10}}"#;
        let step = read_step(line).unwrap();
        assert_eq!((step.current, step.total), (Some(5), Some(10)));
        assert_eq!(read_step(br#"{"status":"Done","progressDetail":{}}"#).unwrap().current, None);
    }

    #[test]
    fn credentials_are_not_printed() {
        let credentials = Credentials {
            username: "u".into(),
            password: "secret".into(),
            server: "r".into(),
            ..Credentials::default()
        };
        assert_eq!(format!("{credentials:?}"), "Credentials(u@r)");
        let header = auth_header(&credentials).unwrap();
        assert!(header.is_sensitive());
        let json = URL_SAFE.decode(header.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), r#"{"password":"secret","serveraddress":"r","username":"u"}"#);
    }
}
