//! Measures of the API, from those of the node.

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::api::usage::{Meter, PodUsage, Usage};
use crate::pods::{self, Node};
use crate::schema::status::Status;

/// The node as the API asks it.
pub struct NodeMeter(pub Node);

fn told(usage: pods::usage::Usage) -> Usage {
    let pods::usage::Usage { time, window, cpu, memory } = usage;
    Usage { time, window, cpu, memory }
}

impl Meter for NodeMeter {
    fn pods<'a>(&'a self, pods: &'a [Value]) -> BoxFuture<'a, Result<Vec<PodUsage>, Status>> {
        Box::pin(async move {
            let used = self.0.pod_usage(pods).await;
            let of_pod = |pod: Vec<(String, pods::usage::Usage)>| {
                pod.into_iter().map(|(name, usage)| (name, told(usage))).collect()
            };
            Ok(used.into_iter().map(of_pod).collect())
        })
    }

    fn node(&self) -> BoxFuture<'_, Result<Usage, Status>> {
        Box::pin(async move {
            let unknown = || Status::new(503, "ServiceUnavailable", "the kernel does not tell what this machine uses");
            self.0.usage().await.map(told).ok_or_else(unknown)
        })
    }
}
