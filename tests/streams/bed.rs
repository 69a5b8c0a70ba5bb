//! An API on loopback with one pod, and kubectl to ask it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::SystemTime;

use k2d::api::authn::Authenticator;
use k2d::api::server::Server;
use k2d::api::{Api, Settings, authn};
use k2d::host::kubeconfig;
use k2d::host::pki::{ADMIN_NAME, ClientVerifier, Names, Pki, server_config};
use k2d::kinds;
use k2d::registry::{self, Catalog, Changed, Part, Registry, WriteOptions};
use k2d::schema::status::Status;
use k2d::store::{Store, StoreOptions};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fake::Programs;

/// Seconds after which a kubectl that hangs is ended.
const DEADLINE: &str = "60";

/// The API, alive as long as this.
pub struct Bed {
    folder: PathBuf,
    stop: watch::Sender<bool>,
    server: Option<std::thread::JoinHandle<()>>,
}

/// A kubectl.
pub struct Kubectl {
    program: PathBuf,
    /// Whether it speaks WebSocket, else SPDY.
    pub websockets: bool,
}

/// A `kubectl port-forward` or `kubectl proxy` that runs.
pub struct Forward {
    child: Child,
    /// Where it listens.
    pub port: u16,
    errors: std::thread::JoinHandle<String>,
    /// Kept, as kubectl ends when it cannot say what it forwards.
    _said: BufReader<ChildStdout>,
}

/// What a kubectl said.
pub struct Said {
    pub ok: bool,
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

/// Runs `test` with a kubectl of that release, which speaks SPDY where it may not use WebSockets.
pub fn run(release: &str, websockets: bool, test: fn(&Bed, &Kubectl)) {
    let path = Path::new("/var/cache/k2d-test").join(format!("kubectl-{release}/kubectl"));
    if !path.exists() {
        eprintln!("skipped: no kubectl {release}; tests/testbed/clients.sh brings it");
        return;
    }
    test(&Bed::new(), &Kubectl { program: path, websockets });
}

impl Bed {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("k2d-streams-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let (stop, stopping) = watch::channel(false);
        let (ready, serving) = mpsc::channel();
        let place = folder.clone();
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (server, listener) = start(&place, stopping.clone()).await;
                ready.send(()).unwrap();
                server.run(vec![listener], stopping).await;
            });
        });
        serving.recv().expect("the API does not start");
        Self { folder, stop, server: Some(server) }
    }

    /// A path in a folder of this test.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct NoTokens;

impl authn::Issuer for NoTokens {
    fn name(&self) -> &str {
        "nobody"
    }

    fn sign(&self, _: &Value) -> Result<String, Status> {
        Err(Status::internal("no tokens here"))
    }

    fn key_set(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

async fn start(folder: &Path, stopping: watch::Receiver<bool>) -> (Server, TcpListener) {
    let network = Ipv4Addr::new(10, 43, 0, 1);
    let names = Names::of_server("cluster.local", network, &[], &[], &Default::default());
    let pki = Pki::open(folder, &names, SystemTime::now()).unwrap();
    let clients = Arc::new(ClientVerifier::new(pki.authority()).unwrap());
    let tls = server_config(pki.server().clone(), Arc::clone(&clients)).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let admin = pki.folder().admin(SystemTime::now()).unwrap();
    let config = kubeconfig::render("test", ADMIN_NAME, &format!("https://{address}"), pki.authority().pem(), &admin);
    std::fs::write(folder.join("kubeconfig"), config).unwrap();

    let store = Store::open(&folder.join("state.db"), &StoreOptions::default()).unwrap().store;
    let settings =
        registry::Settings { service_network: "10.43.0.0/16".into(), node_ports: (30000, 32767), acts: false };
    let registry = Registry::new(store, Catalog::new(kinds::all()), settings);
    registry.bootstrap(network.into(), address.port()).await.unwrap();
    pod(&registry).await;

    let settings = Settings {
        address: address.to_string(),
        max_body: 1 << 20,
        issuer: Box::new(NoTokens),
        streams: Some(Arc::new(Programs)),
        meter: None,
        audit: k2d::api::audit::Audit::Off,
        vitals: Arc::new(k2d::api::metrics::NoVitals),
    };
    let api = Api::new(registry, Authenticator::new(clients, Vec::new()), settings, stopping);
    (Server::new(api, Arc::new(tls), 64), listener)
}

/// Makes the pod `shell`, which runs.
async fn pod(registry: &Registry) {
    let options = WriteOptions::internal("test");
    let account = registry.target("", "serviceaccounts", "default", "default").unwrap();
    registry.create(&account, json!({"metadata": {"name": "default"}}), &options).await.unwrap();
    let target = registry.target("", "pods", "default", "shell").unwrap();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shell", "namespace": "default"},
        "spec": {
            "nodeName": "here",
            "automountServiceAccountToken": false,
            "containers": [{"name": "main", "image": "busybox", "stdin": true}],
        },
    });
    registry.create(&target, pod, &options).await.unwrap();
    let mut runs = |old: &Value| {
        let mut pod = old.clone();
        pod["status"] = json!({
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{
                "name": "main", "image": "busybox", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }],
        });
        Ok(Changed::new(pod))
    };
    registry.update(&target, Part::Status, &mut runs, &options).await.unwrap();
}

impl Kubectl {
    /// Runs it without input.
    pub fn run(&self, bed: &Bed, args: &[&str]) -> Said {
        self.feed(bed, args, b"")
    }

    /// Runs it with that input.
    pub fn feed(&self, bed: &Bed, args: &[&str], input: &[u8]) -> Said {
        let mut command = self.command(bed, args);
        finish(&mut command, input)
    }

    /// Runs it on a terminal of so many rows and columns.
    pub fn on_terminal(&self, bed: &Bed, (rows, columns): (u16, u16), args: &[&str]) -> Said {
        let line = format!(
            "stty rows {rows} cols {columns}; timeout --foreground {DEADLINE} {} {}",
            self.program.display(),
            args.join(" ")
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]);
        finish(self.told(bed, &mut command), b"")
    }

    /// Forwards some local port to that one of the pod.
    pub fn forward(&self, bed: &Bed, port: u16) -> Forward {
        self.listen(bed, &["port-forward", "--address=127.0.0.1", "shell", &format!(":{port}")])
    }

    /// Serves the API without TLS and credentials.
    pub fn proxy(&self, bed: &Bed) -> Forward {
        self.listen(bed, &["proxy", "--port=0"])
    }

    fn listen(&self, bed: &Bed, args: &[&str]) -> Forward {
        let mut command = self.command(bed, args);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let local = line.split(" -> ").next().and_then(|text| text.rsplit(':').next()).unwrap_or_default().trim_end();
        let port = local.parse().unwrap_or_else(|_| panic!("kubectl does not forward: {line}"));
        Forward { child, port, errors, _said: said }
    }

    /// It, as it would be run.
    fn command(&self, bed: &Bed, args: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=1", DEADLINE]).arg(&self.program).args(args);
        self.told(bed, &mut command);
        command
    }

    fn told<'a>(&self, bed: &Bed, command: &'a mut Command) -> &'a mut Command {
        for variable in ["KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS"] {
            command.env(variable, self.websockets.to_string());
        }
        command.env("KUBECONFIG", bed.path("kubeconfig")).env("HOME", &bed.folder)
    }
}

impl Forward {
    /// Ends it; what it complained of.
    pub fn end(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
        self.errors.join().unwrap()
    }
}

fn finish(command: &mut Command, input: &[u8]) -> Said {
    let pipe = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipe.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feeding = std::thread::spawn(move || {
        // A client that ends early has read what it wanted.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    Said { ok: output.status.success(), code: output.status.code(), out: output.stdout, err }
}

impl Said {
    /// Itself, if it went well.
    pub fn success(self) -> Self {
        assert!(self.ok, "code {:?}: {}{}", self.code, self.err, self.text());
        self
    }

    /// What it wrote.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}
