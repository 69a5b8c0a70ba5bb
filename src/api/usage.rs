//! metrics.k8s.io/v1beta1: what the node and its pods use. Asked of a [`Meter`] when a client asks, so that nobody
//! asking costs nothing; how it is measured is not known here.

use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Context;
use super::body::{self, Body};
use super::negotiate::Shape;
use crate::registry::Target;
use crate::registry::filter::Filter;
use crate::registry::list::ListOptions;
use crate::schema::object::Object;
use crate::schema::quantity::{Format, Quantity};
use crate::schema::status::Status;
use crate::store::Record;

/// The group.
pub const GROUP: &str = "metrics.k8s.io";

/// What something used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The end of the time over which it was measured.
    pub time: Timestamp,
    /// How long that was.
    pub window: Duration,
    /// Processor time used per second, nanoseconds.
    pub cpu: u64,
    /// Bytes of memory, without those that can be taken back at once.
    pub memory: u64,
}

/// The containers of a pod by name, with what each used; empty where not all could be measured.
pub type PodUsage = Vec<(String, Usage)>;

/// Measures.
pub trait Meter: Send + Sync {
    /// What the containers of these pods use, in the same order.
    fn pods<'a>(&'a self, pods: &'a [Value]) -> BoxFuture<'a, Result<Vec<PodUsage>, Status>>;

    /// What the node uses.
    fn node(&self) -> BoxFuture<'_, Result<Usage, Status>>;
}

/// Answers `get` and `list`.
///
/// # Errors
/// 404 for what is not there or does not run, 503 where nothing can be measured.
pub async fn answer(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let registry = cx.api.registry();
    let kind = registry.kind("", &cx.kind.plural)?;
    if cx.info.verb == "get" {
        let found = registry.get(&Target::new(&kind, &cx.info.namespace, &cx.info.name)).await;
        let found = match found {
            Err(status) if status.code == 404 => return Err(none(cx)),
            found => found?,
        };
        let measured = measured(cx, vec![found.to_value()]).await?.pop().ok_or_else(|| none(cx))?;
        return cx.answer(200, &measured, &[]);
    }
    let namespace = Some(cx.info.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let filter = Filter::new(&kind, namespace, cx.query.text("labelSelector"), cx.query.text("fieldSelector"))?;
    let mut lister = registry.list(&kind, filter, ListOptions::default()).await?;
    let mut objects = Vec::new();
    while let Some(record) = lister.next().await? {
        objects.push(record.to_value());
    }
    list(cx, &measured(cx, objects).await?)
}

/// 404, as metrics-server says it.
fn none(cx: &Context<'_>) -> Status {
    let info = &cx.info;
    let pod = format!("{}/{}", info.namespace, info.name);
    let (resource, name) = if cx.kind.is_namespaced() { ("podmetrics", &pod) } else { ("nodemetrics", &info.name) };
    Status::not_found(GROUP, resource, name)
}

/// The measures of those objects that can be measured.
async fn measured(cx: &Context<'_>, objects: Vec<Value>) -> Result<Vec<Value>, Status> {
    let unavailable = || Status::new(503, "ServiceUnavailable", "nothing is measured here");
    let meter = cx.api.meter().ok_or_else(unavailable)?;
    if !cx.kind.is_namespaced() {
        let Some(node) = objects.first() else { return Ok(Vec::new()) };
        let usage = meter.node().await?;
        let mut object = head(cx, node, &usage);
        object["usage"] = amounts(&usage);
        return Ok(vec![object]);
    }
    let used = meter.pods(&objects).await?;
    let both = objects.iter().zip(used);
    Ok(both.filter_map(|(pod, containers)| pod_metrics(cx, pod, &containers)).collect())
}

fn pod_metrics(cx: &Context<'_>, pod: &Value, containers: &PodUsage) -> Option<Value> {
    let (_, oldest) = containers.iter().min_by_key(|(_, usage)| usage.time)?;
    let mut object = head(cx, pod, oldest);
    let containers = containers.iter().map(|(name, usage)| json!({"name": name, "usage": amounts(usage)}));
    object["containers"] = containers.collect();
    Some(object)
}

fn head(cx: &Context<'_>, of: &Value, usage: &Usage) -> Value {
    let time = usage.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), of.name().into());
    if cx.kind.is_namespaced() {
        metadata.insert("namespace".to_owned(), of.namespace().into());
    }
    metadata.insert("creationTimestamp".to_owned(), time.as_str().into());
    if let Some(labels) = of["metadata"].get("labels") {
        metadata.insert("labels".to_owned(), labels.clone());
    }
    json!({
        "apiVersion": cx.kind.api_version(),
        "kind": cx.kind.kind.as_ref(),
        "metadata": metadata,
        "timestamp": time,
        "window": window(usage.window),
    })
}

/// A duration as Go writes it, to the thousandth of a second.
fn window(time: Duration) -> String {
    let millis = time.as_millis();
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let seconds = format!("{}.{:03}", rest / 1000, rest % 1000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    if minutes == 0 { format!("{seconds}s") } else { format!("{minutes}m{seconds}s") }
}

fn amounts(usage: &Usage) -> Value {
    let cpu = Quantity::parse(&format!("{}n", usage.cpu)).unwrap_or_default().with_format(Format::DecimalSi);
    let memory = i64::try_from(usage.memory).unwrap_or(i64::MAX);
    json!({"cpu": cpu.to_string(), "memory": Quantity::from(memory).with_format(Format::BinarySi).to_string()})
}

/// A list in the shape that the client asked for.
fn list(cx: &Context<'_>, objects: &[Value]) -> Result<Response<Body>, Status> {
    let show = cx.show(&cx.kind)?;
    show.check_list()?;
    let (version, kind) = show.list_type();
    let mut items = Vec::with_capacity(objects.len());
    for object in objects {
        let target = Target::new(&cx.kind, object.namespace(), object.name());
        let mut bytes = Vec::new();
        show.item(&Record::from_value(target.key(), object), &mut bytes);
        items.push(serde_json::from_slice::<Value>(&bytes).map_err(Status::internal)?);
    }
    let list = if cx.form.shape == Shape::Table {
        let mut table = show.table_head();
        table["rows"] = items.into();
        table
    } else {
        json!({"kind": kind, "apiVersion": version, "metadata": {}, "items": items})
    };
    Ok(body::object(200, cx.form, &list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_windows_are_written_as_usual() {
        let usage = |cpu, memory| Usage { time: Timestamp::UNIX_EPOCH, window: Duration::ZERO, cpu, memory };
        assert_eq!(amounts(&usage(5_000_000, 2048)), json!({"cpu": "5m", "memory": "2Ki"}));
        assert_eq!(amounts(&usage(1_234_567, 2000)), json!({"cpu": "1234567n", "memory": "2000"}));
        let print = |millis| window(Duration::from_millis(millis));
        assert_eq!([print(1013), print(15_000), print(90_500), print(60_000)], ["1.013s", "15s", "1m30.5s", "1m0s"]);
    }
}
