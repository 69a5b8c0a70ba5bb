//! What each test stands on: an engine, an image, names of its own, and all of it taken away at the end.

use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use k2d::engine::{
    ContainerSpec, Engine, EngineKind, Error, ExecSpec, Filter, ImageRef, RemoveOptions, Settings, Socket,
};

const LABEL: &str = "k2d.test/engine";

/// An engine under test.
pub struct Bed {
    pub engine: Engine,
    pub kind: EngineKind,
    pub socket: Socket,
    /// Begins all names.
    pub name: String,
}

/// Runs a test on the engine that the variable names.
pub fn run<T: AsyncFnOnce(&Bed)>(variable: &str, name: &str, test: T) {
    let Ok(socket) = std::env::var(variable) else {
        // Not by a macro: those are silent in a test that passes.
        let _ = writeln!(std::io::stderr(), "skipped {name}: {variable} names no engine");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = Socket::parse(&socket, None).unwrap();
        let engine = engine(socket.clone());
        let kind = engine.version().await.unwrap().kind;
        let name = format!("engine-test-{}", name.replace('_', "-"));
        let bed = Bed { engine, kind, socket, name };
        bed.clean().await;
        bed.image().await;
        let result = AssertUnwindSafe(tokio::time::timeout(Duration::from_secs(120), test(&bed))).catch_unwind().await;
        bed.clean().await;
        match result {
            Ok(in_time) => in_time.expect("the test ran for two minutes"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
}

/// A handle on the engine at a socket.
pub fn engine(socket: Socket) -> Engine {
    Engine::connect(Settings { socket, timeout: Duration::from_secs(60) })
}

/// The image that all tests use: busybox, and nothing else.
pub fn image() -> ImageRef {
    ImageRef::parse("k2d.test/busybox:engine").unwrap()
}

impl Bed {
    /// A name of this test.
    pub fn named(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    /// A container that runs a shell script.
    pub fn script(&self, part: &str, script: &str) -> ContainerSpec {
        ContainerSpec {
            name: self.named(part),
            image: image().to_string(),
            args: Some(vec!["sh".into(), "-c".into(), script.into()]),
            labels: [(LABEL.to_owned(), self.name.clone())].into(),
            ..ContainerSpec::default()
        }
    }

    /// A container that does nothing until it is told to end.
    pub fn idle(&self, part: &str) -> ContainerSpec {
        self.script(part, "trap 'exit 0' TERM; touch /tmp/ready; while :; do sleep 0.1; done")
    }

    /// Makes and starts one, and gives its id.
    pub async fn start(&self, spec: &ContainerSpec) -> String {
        let id = self.engine.create_container(spec).await.unwrap();
        self.engine.start_container(&id).await.unwrap();
        id
    }

    /// Waits until its script has made `/tmp/ready`.
    pub async fn ready(&self, id: &str) {
        until("it is ready", async || self.sh(id, "test -e /tmp/ready").await.0 == 0).await;
    }

    /// Runs a shell script in a container and gives its exit code and output.
    pub async fn sh(&self, id: &str, script: &str) -> (i64, String) {
        let spec = exec(&["sh", "-c", script]);
        let (code, out) = self.engine.run_exec(id, &spec, Duration::from_secs(30), 1 << 20).await.unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    /// Labels for networks and volumes.
    pub fn labels(&self) -> std::collections::BTreeMap<String, String> {
        [(LABEL.to_owned(), self.name.clone())].into()
    }

    /// The things of this test.
    pub fn own(&self) -> Filter {
        Filter::label_value(LABEL, self.name.clone())
    }

    /// A range for a network, another for each call; engines and other tests use other ones.
    pub fn range(&self) -> (String, [u8; 3]) {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let engine = if self.kind == EngineKind::Docker { 0 } else { 100 };
        let third = engine + u8::try_from(NEXT.fetch_add(1, Ordering::Relaxed) % 100).unwrap();
        (format!("10.199.{third}.0/24"), [10, 199, third])
    }

    async fn image(&self) {
        static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _guard = ONE_AT_A_TIME.lock().await;
        if !self.engine.image_exists(&image().to_string()).await.unwrap() {
            let made = self.engine.import_image(&image(), busybox(), &["ENV PATH=/bin", "CMD [\"sh\"]"]).await;
            made.unwrap();
        }
    }

    async fn clean(&self) {
        let mut owners = Vec::new();
        for container in self.engine.containers(&self.own()).await.unwrap() {
            let _ = self.engine.unpause_container(&container.id).await;
            let options = RemoveOptions { force: true, volumes: true };
            match self.engine.remove_container(&container.id, options).await {
                // Others live in it: they go first.
                Err(Error::Conflict(_)) => owners.push(container.id),
                other => other.unwrap(),
            }
        }
        for id in owners {
            self.engine.remove_container(&id, RemoveOptions { force: true, volumes: true }).await.unwrap();
        }
        for network in self.engine.networks(&self.own()).await.unwrap() {
            self.engine.remove_network(&network.name).await.unwrap();
        }
        for volume in self.engine.volumes(&self.own()).await.unwrap() {
            self.engine.remove_volume(&volume.name).await.unwrap();
        }
    }
}

/// A program with its output.
pub fn exec(command: &[&str]) -> ExecSpec {
    ExecSpec {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        stdout: true,
        stderr: true,
        ..ExecSpec::default()
    }
}

/// A port of this machine that nothing uses now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited 10 s in vain until {what}");
}

fn busybox() -> Bytes {
    let places = ["/bin/busybox", "/usr/bin/busybox"];
    let place = places.iter().find(|place| Path::new(place).exists());
    let program = std::fs::read(place.expect("the tests need Debian's busybox-static")).unwrap();
    let mut tar = Vec::new();
    for folder in ["bin/", "tmp/", "etc/", "data/"] {
        entry(&mut tar, folder, b'5', "", &[]);
    }
    entry(&mut tar, "data/from-image", b'0', "", b"of the image\n");
    entry(&mut tar, "bin/busybox", b'0', "", &program);
    let applets = "sh cat sleep echo ls stty id touch kill env printf head dd grep mkdir wc sha256sum seq yes test \
        true false nc ip hostname mount ps tail rm cut tr";
    for applet in applets.split_whitespace() {
        entry(&mut tar, &format!("bin/{applet}"), b'2', "busybox", &[]);
    }
    tar.resize(tar.len() + 1024, 0);
    tar.into()
}

/// Appends an entry of a tar (the POSIX ustar form): `0` is a file, `2` a symbolic link, `5` a folder.
pub fn entry(tar: &mut Vec<u8>, name: &str, kind: u8, link: &str, data: &[u8]) {
    let mut header = [0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000755\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", data.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend(header);
    tar.extend(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}
