//! The figures of `/metrics`: requests as they were answered, in upstream's names (`apiserver_…`), what
//! the process takes, and what the parts below say of themselves (`k2d_…`).
//!
//! Labels are those of kinds that are served, and series are counted: a client that asks for what is not
//! there makes none. A series takes about 400 bytes, so all together at most 100 KiB; a cluster in use has
//! some dozens.

mod process;
mod requests;
pub mod text;

use std::sync::Arc;

use hyper::{Method, Response};

use super::Api;
use super::body::{self, Body};
use super::health::git_version;
use crate::schema::status::Status;

pub use requests::{Requests, Running};
use text::Text;

/// What the parts beside the API say of themselves.
pub trait Vitals: Send + Sync {
    /// Names of checks, and what is wrong where something is.
    fn checks(&self) -> Vec<(&'static str, Result<(), String>)>;

    /// Adds figures.
    fn figures(&self, out: &mut Text);
}

/// Nothing beside the API.
pub struct NoVitals;

impl Vitals for NoVitals {
    fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        Vec::new()
    }

    fn figures(&self, _out: &mut Text) {}
}

/// The answer to `GET /metrics`.
///
/// # Errors
/// 405 for another method, 500 where the store fails.
pub async fn answer(api: &Api, method: &Method) -> Result<Response<Body>, Status> {
    if *method != Method::GET && *method != Method::HEAD {
        return Err(Status::method_not_allowed());
    }
    let mut out = Text::default();
    api.requests().write(&mut out);
    store(api, &mut out).await?;
    process::write(&mut out);
    out.gauge("kubernetes_build_info", "What this server is.");
    out.sample("kubernetes_build_info", &[("git_version", &git_version()), ("platform", std::env::consts::ARCH)], 1);
    api.vitals().figures(&mut out);
    Ok(body::response(200, "text/plain; version=0.0.4; charset=utf-8", body::full(out.finish())))
}

async fn store(api: &Api, out: &mut Text) -> Result<(), Status> {
    let store = api.registry().store();
    let totals = store.totals().await.map_err(Status::internal)?;
    let history = store.history();
    out.gauge("apiserver_storage_objects", "Stored objects by kind.");
    for (resource, count) in &totals.objects {
        out.sample("apiserver_storage_objects", &[("resource", resource)], *count);
    }
    out.gauge("k2d_store_revision", "Revision of the latest change.");
    out.sample("k2d_store_revision", &[], store.revision());
    out.gauge("k2d_store_bytes", "Size of the database.");
    out.sample("k2d_store_bytes", &[], totals.bytes);
    out.gauge("k2d_store_history_bytes", "Past changes that are kept in memory.");
    out.sample("k2d_store_history_bytes", &[], history.bytes as u64);
    out.gauge("k2d_store_history_events", "Number of past changes that are kept in memory.");
    out.sample("k2d_store_history_events", &[], history.events as u64);
    out.gauge("k2d_store_watchers", "Watches of the store by kind, those of k2d itself among them.");
    for (resource, watches) in &history.watches {
        out.sample("k2d_store_watchers", &[("resource", resource)], *watches as u64);
    }
    Ok(())
}

/// Where requests are counted; shared by all connections.
#[derive(Clone, Default)]
pub struct Counters(Arc<Requests>);

impl std::ops::Deref for Counters {
    type Target = Arc<Requests>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
