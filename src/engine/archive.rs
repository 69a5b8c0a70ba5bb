//! Files of a container as tar.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::system::{query, segment};
use super::transport::{check, plain, read_body, with_body};
use super::{Engine, Error, Result};

impl Engine {
    /// Gives the tar of a path in a container, running or not, cut off after `limit` bytes of tar.
    /// A path that is not there is [`Error::NotFound`].
    pub async fn read_archive(&self, container: &str, path: &str, limit: usize) -> Result<Vec<u8>> {
        let path = format!("/containers/{}/archive?{}", segment(container)?, query(&[("path", path)]));
        let read = async {
            let mut body = check(self.transport.send_alone(plain(Method::GET, &path)).await?).await?.into_body();
            let mut tar = Vec::new();
            while let Some(frame) = body.frame().await {
                let data = frame.map_err(|cause| Error::Broken(cause.to_string()))?.into_data().unwrap_or_default();
                let room = limit.saturating_sub(tar.len());
                tar.extend(data.iter().take(room));
                if tar.len() >= limit {
                    break;
                }
            }
            Ok(tar)
        };
        self.limited(self.transport.timeout(), read).await
    }

    /// Unpacks a tar into a directory of a container, running or not.
    pub async fn write_archive(&self, container: &str, path: &str, tar: Bytes) -> Result<()> {
        let path = format!("/containers/{}/archive?{}", segment(container)?, query(&[("path", path)]));
        let mut request = with_body(Method::PUT, &path, tar);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        let write = async { read_body(self.transport.send(request).await?).await };
        self.limited(self.transport.timeout(), write).await.map(drop)
    }
}
