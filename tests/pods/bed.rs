//! What each test stands on: a store, a node, an engine, and all of it taken away at the end.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use k2d::engine::{ContainerSummary, Engine, ExecSpec, Filter, LogOptions, RemoveOptions, Settings, Socket};
use k2d::host::token::TokenKey;
use k2d::kinds;
use k2d::network::addresses::Network;
use k2d::pods::{self, Node};
use k2d::registry::delete::DeleteOptions;
use k2d::registry::filter::Filter as ObjectFilter;
use k2d::registry::{self, Catalog, Changed, Part, Registry, Target, WriteOptions};
use k2d::store::Store;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const LONG: Duration = Duration::from_secs(60);

/// A node under test.
pub struct Bed {
    pub engine: Engine,
    pub registry: Registry,
    /// Where pods are looked for.
    pub namespace: String,
    /// What the node has.
    pub devices: Vec<k2d::config::Device>,
    number: u8,
    instance: String,
    folder: PathBuf,
    key: Arc<TokenKey>,
    node: Option<(Node, JoinHandle<()>)>,
}

/// Runs a test on the engine that `K2D_TEST_DOCKER` names. `number` tells its names and its network apart.
pub fn with_bed<T: AsyncFnOnce(&mut Bed)>(number: u8, test: T) {
    let Ok(socket) = std::env::var("K2D_TEST_DOCKER") else {
        eprintln!("skipped: K2D_TEST_DOCKER names no engine");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = Socket::parse(&socket, None).unwrap();
        let engine = Engine::connect(Settings { socket, timeout: LONG });
        let instance = format!("pods-test{number}");
        let folder = place().join(format!("k2d-{instance}-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let key = Arc::new(TokenKey::open(&folder.join("key")).unwrap());
        let registry = store().await;
        let mut bed = Bed {
            engine,
            registry,
            namespace: "default".into(),
            devices: Vec::new(),
            number,
            instance,
            folder,
            key,
            node: None,
        };
        bed.clean().await;
        let result = AssertUnwindSafe(tokio::time::timeout(3 * LONG, test(&mut bed))).catch_unwind().await;
        bed.stop();
        bed.clean().await;
        let _ = std::fs::remove_dir_all(&bed.folder);
        match result {
            Ok(in_time) => in_time.expect("the test ran for too long"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
}

/// Where an engine in a mount namespace of its own sees what is mounted later (tests/testbed/host.sh), else anywhere.
fn place() -> PathBuf {
    let socket = std::env::var("K2D_TEST_DOCKER").unwrap_or_default();
    let name = socket.strip_prefix("unix:///run/k2d-test/").and_then(|rest| rest.split('/').next());
    let shared = name.map(|name| PathBuf::from("/var/lib/k2d-test").join(name)).filter(|path| path.is_dir());
    shared.unwrap_or_else(std::env::temp_dir)
}

async fn store() -> Registry {
    let settings =
        registry::Settings { service_network: "10.43.0.0/16".into(), node_ports: (30000, 32767), acts: false };
    let registry = Registry::new(Store::in_memory().unwrap(), Catalog::new(kinds::all()), settings);
    registry.bootstrap(IpAddr::from([10, 43, 0, 1]), 6443).await.unwrap();
    let target = registry.target("", "serviceaccounts", "default", "default").unwrap();
    let account = json!({"metadata": {"name": "default", "namespace": "default"}});
    registry.create(&target, account, &WriteOptions::internal("test")).await.unwrap();
    registry
}

impl Bed {
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Starts the node.
    pub fn start(&mut self) {
        let settings = pods::Settings {
            instance: self.instance.clone(),
            node: "test-node".into(),
            data_dir: self.folder.clone(),
            bridge: pods::bridge_name(&format!("podt{}", self.number)),
            foreign: format!("docker{}", self.number),
            addresses: vec![IpAddr::from([127, 0, 0, 1])],
            issuer: "https://kubernetes.default.svc.cluster.local".into(),
            pull_stall: LONG,
            devices: self.devices.clone(),
            ..pods::Settings::new(Network::new(Ipv4Addr::new(10, 77, self.number * 8, 0).into(), 21).unwrap())
        };
        let node = Node::new(settings, self.registry.clone(), self.engine.clone(), Arc::clone(&self.key));
        let task = tokio::spawn(node.clone().run());
        self.node = Some((node, task));
    }

    /// Ends the node in the middle of whatever it does, as a kill would.
    pub fn stop(&mut self) {
        if let Some((_, task)) = self.node.take() {
            task.abort();
        }
    }

    /// The state of the node.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Where the engine's own containerd keeps what belongs to a container that runs.
    pub fn bundles(&self) -> Option<PathBuf> {
        let socket = std::env::var("K2D_TEST_DOCKER").ok()?;
        let folder = PathBuf::from(socket.strip_prefix("unix://")?).parent()?.join("docker");
        Some(folder.join("containerd/daemon/io.containerd.runtime.v2.task/moby")).filter(|path| path.is_dir())
    }

    /// Another, empty store.
    pub async fn lose_store(&mut self) {
        self.registry = store().await;
    }

    fn target(&self, plural: &str, name: &str) -> Target {
        let namespace = if plural == "nodes" { "" } else { self.namespace.as_str() };
        self.registry.target("", plural, namespace, name).unwrap()
    }

    pub async fn create(&self, plural: &str, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let options = WriteOptions::internal("test");
        self.registry.create(&self.target(plural, &name), object, &options).await.unwrap();
    }

    pub async fn change(&self, plural: &str, name: &str, change: impl Fn(&mut Value) + Send + Sync) {
        let mut change = |old: &Value| {
            let mut object = old.clone();
            change(&mut object);
            Ok(Changed { object, managed: true, uid: None })
        };
        let options = WriteOptions::internal("test");
        self.registry.update(&self.target(plural, name), Part::Main, &mut change, &options).await.unwrap();
    }

    /// Changes a pod by a subresource.
    pub async fn change_by(&self, sub: &'static str, name: &str, change: impl Fn(&mut Value) + Send + Sync) {
        let mut change = |old: &Value| {
            let mut object = old.clone();
            change(&mut object);
            Ok(Changed { object, managed: true, uid: None })
        };
        let options = WriteOptions::internal("test");
        self.registry.update(&self.target("pods", name), Part::Sub(sub), &mut change, &options).await.unwrap();
    }

    pub async fn delete(&self, name: &str) {
        let options = WriteOptions::internal("test");
        self.registry.delete(&self.target("pods", name), &DeleteOptions::default(), &options).await.unwrap();
    }

    /// The pod, once it is so.
    pub async fn until(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until_object("pods", name, holds).await
    }

    pub async fn until_node_ready(&self) {
        let ready = |node: &Value| {
            let conditions = node["status"]["conditions"].as_array();
            conditions.is_some_and(|list| list.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
        };
        self.until_object("nodes", "test-node", ready).await;
    }

    async fn until_object(&self, plural: &str, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let kind = self.registry.kind("", plural).unwrap();
        let mut watch = self.registry.watch(&kind, ObjectFilter::everything(None), None).unwrap();
        let mut latest = self.registry.read(&self.target(plural, name)).await.unwrap().unwrap_or_default();
        while !holds(&latest) {
            let event = tokio::time::timeout(LONG, watch.next()).await;
            let Ok(event) = event else { panic!("{name} did not become so: {:#}", latest["status"]) };
            let record = event.unwrap().unwrap().record.clone();
            if record.key.name == name {
                latest = record.to_value();
            }
        }
        latest
    }

    pub async fn until_gone(&self, name: &str) {
        let kind = self.registry.kind("", "pods").unwrap();
        let mut watch = self.registry.watch(&kind, ObjectFilter::everything(None), None).unwrap();
        while let Some(pod) = self.registry.read(&self.target("pods", name)).await.unwrap() {
            let event = tokio::time::timeout(LONG, watch.next()).await;
            assert!(event.is_ok(), "{name} stays: {pod:#}");
        }
    }

    pub async fn containers(&self) -> Vec<ContainerSummary> {
        self.engine.containers(&Filter::label_value("k2d.io/instance", self.instance.as_str())).await.unwrap()
    }

    pub async fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.containers().await.into_iter().map(|one| one.id).collect();
        ids.sort();
        ids
    }

    pub fn volume_folders(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.join("volumes")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    pub async fn log(&self, pod: &str, container: &str) -> String {
        let (node, _) = self.node.as_ref().unwrap();
        let mut frames = node.logs(&self.namespace, pod, container, false, &LogOptions::default()).await.unwrap();
        let mut text = String::new();
        while let Some(frame) = frames.next().await {
            text.push_str(&String::from_utf8_lossy(&frame.unwrap().data));
        }
        text
    }

    pub async fn exec(&self, pod: &str, command: &[&str]) -> (i64, String) {
        self.exec_in(pod, "", command).await
    }

    pub async fn exec_in(&self, pod: &str, container: &str, command: &[&str]) -> (i64, String) {
        let (node, _) = self.node.as_ref().unwrap();
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let spec = ExecSpec { command, stdout: true, stderr: true, ..ExecSpec::default() };
        let mut process = node.exec(&self.namespace, pod, container, &spec).await.unwrap();
        let mut text = String::new();
        while let Some(frame) = process.streams.output.next().await {
            text.push_str(&String::from_utf8_lossy(&frame.unwrap().data));
        }
        (node.exit_code(process.exec.as_deref().unwrap()).await.unwrap(), text)
    }

    /// Runs a command until it says what is wanted, for a second.
    pub async fn until_exec(&self, pod: &str, command: &[&str], wanted: &str) {
        let asking = async { while self.exec(pod, command).await.1 != wanted {} };
        tokio::time::timeout(Duration::from_secs(5), asking).await.expect("the file changes soon");
    }

    pub async fn event_reasons(&self, pod: &str) -> Vec<String> {
        let kind = self.registry.kind("", "events").unwrap();
        let all = self.registry.all(&kind, Some("default")).await.unwrap();
        let about = all.iter().filter(|event| event["involvedObject"]["name"] == pod);
        about.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    async fn clean(&self) {
        for container in self.containers().await {
            let _ = self.engine.remove_container(&container.id, RemoveOptions { force: true, volumes: true }).await;
        }
        let foreign = RemoveOptions { force: true, volumes: true };
        if self.number == 8 {
            let _ = self.engine.remove_container("Pods_Test.foreign", foreign).await;
        }
        let _ = self.engine.remove_network(&self.instance).await;
        let folders = std::fs::read_dir(self.folder.join("volumes")).into_iter().flatten().flatten();
        folders.for_each(|folder| _ = std::fs::remove_dir_all(folder.path()));
    }
}
