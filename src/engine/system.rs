//! Calls about the engine itself, and what all calls share.

use std::future::Future;
use std::time::Duration;

use bollard::Docker;
use hyper::Method;
use serde::de::DeserializeOwned;

use super::transport::{plain, read_json};
use super::wire::InfoBody;
use super::{Engine, Error, Filter, Info, Result, Version};

impl Engine {
    /// Which engine it is and which API is spoken with it. Asked once, and anew after the engine went away.
    pub async fn version(&self) -> Result<Version> {
        let version = self.limited(self.transport.timeout(), self.transport.version()).await?;
        Ok((*version).clone())
    }

    /// What the engine tells of itself and its machine.
    pub async fn info(&self) -> Result<Info> {
        let info: InfoBody = self.get("/info").await?;
        Ok(info.into_info(&self.version().await?))
    }

    /// A bollard client over our own connections: it leaves opening, versions and limits of time to them.
    pub(super) fn docker(&self) -> Result<Docker> {
        let transport = self.transport.clone();
        let send = move |request| {
            let transport = transport.clone();
            async move {
                let sent = transport.send(request).await;
                sent.map_err(|error| bollard::errors::Error::IOError { err: std::io::Error::other(error) })
            }
        };
        // The longest time of bollard's own limit; each call has its own here.
        let forever = u64::from(u32::MAX);
        Docker::connect_with_custom_transport(send, Some("http://engine"), forever, bollard::API_DEFAULT_VERSION)
            .map_err(|error| self.convert(error))
    }

    /// Waits for a call by bollard, as long as a usual call may take.
    pub(super) async fn call<T>(&self, call: impl Future<Output = BollardResult<T>>) -> Result<T> {
        self.call_within(self.transport.timeout(), call).await
    }

    /// Waits for a call by bollard.
    pub(super) async fn call_within<T>(
        &self,
        time: Duration,
        call: impl Future<Output = BollardResult<T>>,
    ) -> Result<T> {
        self.limited(time, async { call.await.map_err(|error| self.convert(error)) }).await
    }

    /// Waits for any call.
    pub(super) async fn limited<T>(&self, time: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(time, call).await {
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut { seconds: time.as_secs() }),
        }
    }

    /// Reads a JSON answer.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let call = async { read_json(self.transport.send(plain(Method::GET, path)).await?).await };
        self.limited(self.transport.timeout(), call).await
    }

    fn convert(&self, error: bollard::errors::Error) -> Error {
        use bollard::errors::Error as Bollard;
        match error {
            Bollard::DockerResponseServerError { status_code, message } => Error::classify(status_code, &message),
            Bollard::DockerStreamError { error } => Error::classify(0, &error),
            Bollard::IOError { err } => match err.downcast::<Error>() {
                Ok(error) => error,
                Err(other) => self.transport.unreachable(&other),
            },
            Bollard::HyperResponseError { err } => self.transport.unreachable(&err),
            other => Error::Protocol(other.to_string()),
        }
    }
}

pub(super) type BollardResult<T> = std::result::Result<T, bollard::errors::Error>;

/// Checks a name or id that becomes one part of a path, and escapes it.
pub(super) fn segment(name: &str) -> Result<String> {
    match name {
        "" | "." | ".." => Err(Error::InvalidArgument(format!("{name:?} is not a name"))),
        _ => Ok(escape(name, b"-_.~:@")),
    }
}

/// Checks an image reference in a path, whose slashes stay as they are, and escapes it.
pub(super) fn image_segment(image: &str) -> Result<String> {
    match image.split('/').any(|part| matches!(part, "" | "." | "..")) {
        true => Err(Error::InvalidArgument(format!("{image:?} is not the name of an image"))),
        false => Ok(escape(image, b"-_.~:@/")),
    }
}

/// Puts a query together.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={}", escape(value, b"-_.~"))).collect();
    pairs.join("&")
}

/// The engine's form of a filter.
pub(super) fn filters(filter: &Filter) -> String {
    let mut all = serde_json::Map::new();
    let mut add = |key: &str, values: Vec<String>| {
        if !values.is_empty() {
            all.insert(key.to_owned(), values.into());
        }
    };
    let labels = filter.labels.iter().map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    });
    add("label", labels.collect());
    add("name", filter.names.clone());
    add("id", filter.ids.clone());
    serde_json::Value::Object(all).to_string()
}

fn escape(text: &str, plain: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(segment("a/../b").unwrap(), "a%2F..%2Fb");
        assert_eq!(segment("a?b#c d").unwrap(), "a%3Fb%23c%20d");
        assert!(segment("..").is_err() && segment("").is_err());
        assert_eq!(image_segment("quay.io/a/b:1@sha256:0").unwrap(), "quay.io/a/b:1@sha256:0");
        assert!(image_segment("a/../b").is_err());
    }

    #[test]
    fn filters_name_labels_with_and_without_values() {
        let mut filter = Filter::label("a");
        filter.labels.push(("b".into(), Some("c=d".into())));
        assert_eq!(filters(&filter), r#"{"label":["a","b=c=d"]}"#);
        assert_eq!(filters(&Filter::default()), "{}");
        assert_eq!(query(&[("a", "x y&z"), ("b", "1")]), "a=x%20y%26z&b=1");
    }
}
