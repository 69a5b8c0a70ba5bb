//! Calls about images.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use super::containers::pending;
use super::{Credentials, Engine, Filter, ImageDetail, ImageSummary, PullProgress, Result};

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
        let _ = filter;
        Err(pending())
    }

    /// Tells all of an image, by reference or id; [`Error::ImageNotFound`](super::Error::ImageNotFound)
    /// if it is not present.
    pub async fn inspect_image(&self, image: &str) -> Result<ImageDetail> {
        let _ = image;
        Err(pending())
    }

    /// Whether an image is present.
    pub async fn image_exists(&self, image: &str) -> Result<bool> {
        let _ = image;
        Err(pending())
    }

    /// Pulls an image. `image` names a tag or a digest (without one, `latest`).
    pub fn pull_image(&self, image: &str, credentials: Option<Credentials>) -> Pull {
        let _ = (image, credentials);
        Pull { steps: Box::pin(futures_util::stream::once(async { Err(pending()) })) }
    }

    /// Makes an image `reference` of one layer from a tar of a root file system, and gives its id.
    /// `changes` are lines as in a Dockerfile, such as `ENTRYPOINT ["/pause"]`.
    pub async fn import_image(&self, reference: &str, tar: Bytes, changes: &[&str]) -> Result<String> {
        let _ = (reference, tar, changes);
        Err(pending())
    }

    /// Gives an image another name.
    pub async fn tag_image(&self, image: &str, reference: &str) -> Result<()> {
        let _ = (image, reference);
        Err(pending())
    }

    /// Removes a name of an image, and the image with its last name. One in use is a
    /// [`Error::Conflict`](super::Error::Conflict).
    pub async fn remove_image(&self, image: &str) -> Result<()> {
        let _ = image;
        Err(pending())
    }
}
