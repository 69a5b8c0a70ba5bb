//! A registry of one image on the loopback address, that wants a user `plant` with the password `secret`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::bed::entry;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The registry; it serves as long as the test runs. The image is `app:1`.
pub struct Registry {
    /// `127.0.0.1` and its port.
    pub address: String,
    /// Digest of the image.
    pub digest: String,
    down: Arc<AtomicBool>,
}

struct Content {
    manifest: Vec<u8>,
    blobs: Vec<(String, Vec<u8>)>,
}

impl Registry {
    pub fn start() -> Registry {
        let content = Arc::new(image());
        let digest = sha256(&content.manifest);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let down = Arc::new(AtomicBool::new(false));
        let flag = down.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (content, flag) = (content.clone(), flag.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &content, flag.load(Ordering::Relaxed)));
            }
        });
        Registry { address, digest, down }
    }

    /// From now on it answers 503.
    pub fn fail(&self) {
        self.down.store(true, Ordering::Relaxed);
    }
}

fn image() -> Content {
    let mut tar = Vec::new();
    entry(&mut tar, "app", b'0', "", &[7; 100_000]);
    // Another image each time: an engine keeps layers.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos().to_string();
    entry(&mut tar, "made", b'0', "", now.as_bytes());
    tar.resize(tar.len() + 1024, 0);
    let mut layer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    layer.write_all(&tar).unwrap();
    let layer = layer.finish().unwrap();
    let config = json!({
        "architecture": if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
        "os": "linux",
        "config": {"Entrypoint": ["/app"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(&tar)]},
    })
    .to_string()
    .into_bytes();
    let part = |kind: &str, data: &[u8]| json!({"mediaType": kind, "size": data.len(), "digest": sha256(data)});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": part("application/vnd.docker.container.image.v1+json", &config),
        "layers": [part("application/vnd.docker.image.rootfs.diff.tar.gzip", &layer)],
    });
    let blobs = vec![(sha256(&config), config), (sha256(&layer), layer)];
    Content { manifest: manifest.to_string().into_bytes(), blobs }
}

fn sha256(data: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, data);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn serve(stream: TcpStream, content: &Content, down: bool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap()).take(1 << 16);
    let mut request = String::new();
    let mut authorised = false;
    let wanted = format!("Basic {}", STANDARD.encode("plant:secret"));
    while let Ok(1..) = reader.read_line(&mut request) {
        let line = request.lines().last().unwrap_or_default();
        authorised |=
            line.split_once(": ").is_some_and(|(k, v)| k.eq_ignore_ascii_case("authorization") && v == wanted);
        if line.is_empty() {
            break;
        }
    }
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let digest = sha256(&content.manifest);
    let manifest = path == "/v2/app/manifests/1" || path == format!("/v2/app/manifests/{digest}");
    let blob = content.blobs.iter().find(|(digest, _)| path == format!("/v2/app/blobs/{digest}"));
    let unknown = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    let refused = br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    let (status, kind, body) = match blob {
        _ if down => ("503 Service Unavailable", "text/plain", &b"down"[..]),
        _ if !authorised => ("401 Unauthorized", "application/json", &refused[..]),
        Some((_, data)) => ("200 OK", "application/octet-stream", data.as_slice()),
        None if manifest => ("200 OK", MANIFEST, content.manifest.as_slice()),
        None if path == "/v2/" => ("200 OK", "application/json", &b"{}"[..]),
        None => ("404 Not Found", "application/json", &unknown[..]),
    };
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    head.push_str("Docker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n");
    if !authorised {
        head.push_str("WWW-Authenticate: Basic realm=\"plant\"\r\n");
    }
    if manifest {
        head.push_str(&format!("Docker-Content-Digest: {digest}\r\n"));
    }
    head.push_str("\r\n");
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes());
    if method != "HEAD" {
        let _ = stream.write_all(body);
    }
}
