//! An engine for tests that only keeps books: containers are made, run, end and go as they are told to, and no
//! process is started. It speaks Docker's API over a socket, so that all of the node is under test.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::broadcast;

use super::{Node, Settings, lock};
use crate::engine::{Engine, Socket};
use crate::host::token::TokenKey;
use crate::network::addresses::Network;
use crate::registry::filter::Filter;
use crate::registry::{self, Catalog, Registry, WriteOptions};
use crate::schema::object::Object;
use crate::store::Store;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The engine's books.
#[derive(Default)]
pub(super) struct Books {
    /// Containers as inspect tells them, by id.
    pub(super) containers: BTreeMap<String, Value>,
    /// What a start of the container with that id is refused with.
    pub(super) refusals: BTreeMap<String, String>,
    /// Calls that change something, in their order: method and path.
    pub(super) calls: Vec<String>,
    count: u64,
}

/// A node, its store and its engine.
pub(super) struct Bed {
    pub(super) books: Arc<Mutex<Books>>,
    pub(super) registry: Registry,
    pub(super) node: Node,
    folder: PathBuf,
    events: broadcast::Sender<String>,
    /// Ended with the bed.
    _running: tokio::task::JoinSet<()>,
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

impl Bed {
    /// Starts a node on a new engine; `change` may change its settings.
    pub(super) async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = std::env::temp_dir().join(format!("k2d-fake-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a folder");
        let settings = registry::Settings { service_network: "10.43.0.0/16".into(), node_ports: (1, 2), acts: false };
        let store = Store::in_memory().expect("a store");
        let registry = Registry::new(store, Catalog::new(crate::kinds::all()), settings);
        registry.bootstrap([10, 43, 0, 1].into(), 6443).await.expect("filled in");
        let socket = folder.join("engine.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let books = Arc::new(Mutex::new(Books::default()));
        let (events, _) = broadcast::channel(64);
        let mut running = tokio::task::JoinSet::new();
        running.spawn(serve(listener, Arc::clone(&books), events.clone()));
        let engine =
            Engine::connect(crate::engine::Settings { socket: Socket::Path(socket), timeout: Duration::from_secs(10) });
        let mut settings = Settings {
            instance: "k2d".into(),
            node: "n".into(),
            data_dir: folder.clone(),
            bridge: "k2d0".into(),
            foreign: "docker".into(),
            domain: "cluster.local".into(),
            addresses: vec![[127, 0, 0, 1].into()],
            issuer: "i".into(),
            ..Settings::new(Network::new([10, 42, 0, 0].into(), 16).expect("a network"))
        };
        change(&mut settings);
        let key = Arc::new(TokenKey::open(&folder.join("key")).expect("a key"));
        let node = Node::new(settings, registry.clone(), engine, key);
        running.spawn(node.clone().run());
        let bed = Self { books, registry, node, folder, events, _running: running };
        bed.until("nodes", "", "n", |node| !node["status"]["allocatable"].is_null()).await;
        bed
    }

    /// Makes an object with defaults.
    pub(super) async fn create(&self, group: &str, plural: &str, object: Value) {
        let target = self.registry.target(group, plural, object.namespace(), object.name()).expect("a kind");
        self.registry.create(&target, object, &WriteOptions::internal("test")).await.expect("made");
    }

    /// Makes a pod of one container in the namespace `default`.
    pub(super) async fn pod(&self, name: &str, spec: Value) {
        let mut object = json!({
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "app:1"}]},
        });
        if let (Some(into), Some(from)) = (object["spec"].as_object_mut(), spec.as_object()) {
            into.extend(from.clone());
        }
        let target = self.registry.target("", "serviceaccounts", "default", "default").expect("a kind");
        if self.registry.find(&target).await.expect("asked").is_none() {
            self.create("", "serviceaccounts", json!({"metadata": {"name": "default", "namespace": "default"}})).await;
        }
        self.create("", "pods", object).await;
    }

    /// The object, once it is so.
    pub(super) async fn until(
        &self,
        plural: &str,
        namespace: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let kind = self.registry.kind("", plural).expect("a kind");
        let target = self.registry.target("", plural, namespace, name).expect("a kind");
        let mut watch = self.registry.watch(&kind, Filter::everything(None), None).expect("a watch");
        loop {
            let object = self.registry.read(&target).await.expect("asked").unwrap_or_default();
            if holds(&object) {
                return object;
            }
            let event = tokio::time::timeout(Duration::from_secs(30), watch.next()).await;
            assert!(event.is_ok(), "{name} did not become so: {object:#}\n{:#?}", lock(&self.books).calls);
        }
    }

    /// The pod, once it is so.
    pub(super) async fn until_pod(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until("pods", "default", name, holds).await
    }

    /// The event of that reason about a pod, once it is there.
    pub(super) async fn until_event(&self, pod: &str, reason: &str) -> Value {
        let kind = self.registry.kind("", "events").expect("a kind");
        let mut watch = self.registry.watch(&kind, Filter::everything(None), None).expect("a watch");
        loop {
            let all = self.registry.all(&kind, None).await.expect("asked");
            let found = all.iter().find(|one| one["reason"] == reason && one["involvedObject"]["name"] == pod);
            if let Some(found) = found {
                return found.clone();
            }
            let event = tokio::time::timeout(Duration::from_secs(30), watch.next()).await;
            assert!(event.is_ok(), "no event {reason} about {pod}: {all:#?}");
        }
    }

    /// The only container with that name.
    pub(super) fn container(&self, name: &str) -> Value {
        let books = lock(&self.books);
        let found = books.containers.values().find(|one| one["Name"] == format!("/{name}"));
        found.cloned().unwrap_or_default()
    }

    /// Ends the pause that a container has after a failure.
    pub(super) fn end_pause(&self, pod: &str) {
        let inner = &self.node.0;
        let key = ("default".to_owned(), pod.to_owned());
        if let Some(memory) = lock(&inner.memory).get_mut(&key) {
            memory.containers.values_mut().for_each(|one| one.backoff.end_pause());
        }
        inner.queue.add(key);
    }

    /// Says again what happened to a container.
    pub(super) fn tell(&self, name: &str, action: &str) {
        tell(&self.events, action, &self.container(name));
    }
}

fn ended(one: &mut Value, code: i64) {
    one["State"]["Status"] = "exited".into();
    one["State"]["ExitCode"] = code.into();
    one["State"]["FinishedAt"] = now().into();
}

fn tell(events: &broadcast::Sender<String>, action: &str, one: &Value) {
    let mut attributes = one["Config"]["Labels"].clone();
    attributes["name"] = one.text("/Name").trim_start_matches('/').into();
    attributes["exitCode"] = one["State"]["ExitCode"].to_string().into();
    let at = jiff::Timestamp::now().as_nanosecond() as i64;
    let event = json!({"Type": "container", "Action": action, "time": at / 1_000_000_000, "timeNano": at,
        "Actor": {"ID": one["Id"], "Attributes": attributes}});
    // Nobody may be listening.
    let _ = events.send(format!("{event}\n"));
}

async fn serve(listener: UnixListener, books: Arc<Mutex<Books>>, events: broadcast::Sender<String>) {
    let mut tasks = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (books, events) = (Arc::clone(&books), events.clone());
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (books, events) = (Arc::clone(&books), events.clone());
            async move { Ok::<_, Infallible>(answer(request, &books, &events).await) }
        });
        tasks.spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn say(status: u16, body: &Value) -> Response<Body> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(Bytes::from(text)).boxed_unsync()).expect("an answer")
}

async fn answer(
    request: Request<Incoming>,
    books: &Mutex<Books>,
    events: &broadcast::Sender<String>,
) -> Response<Body> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty() && !part.starts_with("v1.")).collect();
    let query = uri.query().unwrap_or_default();
    if method != Method::GET {
        lock(books).calls.push(format!("{method} /{}", path.join("/")));
    }
    match (&method, path.as_slice()) {
        (_, ["version"]) => say(200, &json!({"Version": "29.0.0", "ApiVersion": "1.51", "MinAPIVersion": "1.24"})),
        (_, ["info"]) => say(200, &json!({"Name": "fake", "ServerVersion": "29.0.0"})),
        (_, ["events"]) => {
            let follow = futures_util::stream::unfold(events.subscribe(), |mut events| async move {
                let line = events.recv().await.ok()?;
                Some((Ok(Frame::data(Bytes::from(line))), events))
            });
            Response::new(StreamBody::new(follow).boxed_unsync())
        }
        (&Method::GET, ["networks", name]) => say(200, &json!({"Id": "net", "Name": name, "Driver": "bridge"})),
        (&Method::GET, ["images", .., "json"]) => {
            let id = format!("sha256:{}", path[1..path.len() - 1].join("-"));
            say(200, &json!({"Id": id, "RepoTags": [path[1..path.len() - 1].join("/")], "Config": {}}))
        }
        (_, ["containers", rest @ ..]) => containers(&method, rest, query, body, &mut lock(books), events),
        _ => say(404, &json!({"message": format!("no such thing: {uri}")})),
    }
}

fn containers(
    method: &Method,
    path: &[&str],
    query: &str,
    body: Value,
    books: &mut Books,
    events: &broadcast::Sender<String>,
) -> Response<Body> {
    let missing = |id: &str| say(404, &json!({"message": format!("No such container: {id}")}));
    if let (&Method::GET, ["json"]) = (method, path) {
        let wanted = |one: &&Value| {
            let labels = one["Config"]["Labels"].as_object().into_iter().flatten();
            let has: Vec<String> = labels.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
            let asked = query.split('&').find_map(|part| part.strip_prefix("filters=")).unwrap_or_default();
            let asked = asked.replace("%22", "\"").replace("%7B", "{").replace("%7D", "}").replace("%3A", ":");
            let asked = asked.replace("%5B", "[").replace("%5D", "]").replace("%2C", ",").replace("%3D", "=");
            let asked: Value = serde_json::from_str(&asked.replace("%2F", "/")).unwrap_or_default();
            asked.list("/label").iter().filter_map(Value::as_str).all(|label| has.iter().any(|one| one == label))
        };
        let list: Vec<Value> = books.containers.values().filter(wanted).map(|one| {
            json!({"Id": one["Id"], "Names": [one["Name"]], "Labels": one["Config"]["Labels"], "State": one["State"]["Status"]})
        }).collect();
        return say(200, &list.into());
    }
    if let (&Method::POST, ["create"]) = (method, path) {
        let name = query.split('&').find_map(|part| part.strip_prefix("name=")).unwrap_or_default();
        books.count += 1;
        let id = format!("{:064x}", books.count);
        let container = json!({
            "Id": id, "Name": format!("/{name}"), "Created": now(), "Image": "sha256:app:1", "HostConfig": body["HostConfig"],
            "Config": {"Image": body["Image"], "Labels": body["Labels"], "Tty": false},
            "State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"},
        });
        tell(events, "create", &container);
        books.containers.insert(id.clone(), container);
        return say(201, &json!({"Id": id, "Warnings": []}));
    }
    let [id, rest @ ..] = path else { return missing("") };
    let Some(one) = books.containers.get_mut(*id) else { return missing(id) };
    match (method, rest) {
        (&Method::GET, ["json"]) => say(200, one),
        (&Method::POST, ["start"]) => {
            if let Some(refusal) = books.refusals.get(*id) {
                one["State"]["Error"] = refusal.as_str().into();
                one["State"]["ExitCode"] = 128.into();
                return say(500, &json!({ "message": refusal }));
            }
            one["State"]["Status"] = "running".into();
            one["State"]["Error"] = "".into();
            one["State"]["StartedAt"] = now().into();
            tell(events, "start", one);
            say(204, &Value::Null)
        }
        (&Method::POST, ["stop" | "kill"]) => {
            ended(one, 137);
            tell(events, "die", one);
            say(204, &Value::Null)
        }
        (&Method::POST, ["update"]) => {
            for (key, value) in body.as_object().into_iter().flatten() {
                one["HostConfig"][key] = value.clone();
            }
            tell(events, "update", one);
            say(200, &json!({"Warnings": []}))
        }
        (&Method::POST, ["rename"]) => {
            let name = query.split('&').find_map(|part| part.strip_prefix("name=")).unwrap_or_default();
            one["Name"] = format!("/{name}").into();
            say(204, &Value::Null)
        }
        (&Method::DELETE, []) => {
            if let Some(one) = books.containers.remove(*id) {
                tell(events, "destroy", &one);
            }
            say(204, &Value::Null)
        }
        _ => say(404, &json!({"message": "no such call"})),
    }
}
