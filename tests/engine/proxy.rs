//! A way to the engine that can be cut.

use std::path::PathBuf;

use k2d::engine::Socket;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// A socket that leads to an engine's.
pub struct Proxy {
    path: PathBuf,
    target: PathBuf,
    task: Option<JoinHandle<()>>,
    accepted: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Proxy {
    /// A closed way.
    pub fn to(target: &Socket, name: &str) -> Proxy {
        let path = std::env::temp_dir().join(format!("{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Proxy { path, target: target.resolve(|_| true), task: None, accepted: Default::default() }
    }

    pub fn socket(&self) -> Socket {
        Socket::Path(self.path.clone())
    }

    /// How many connections were made.
    pub fn accepted(&self) -> usize {
        self.accepted.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub fn open(&mut self) {
        let listener = UnixListener::bind(&self.path).unwrap();
        let target = self.target.clone();
        let accepted = self.accepted.clone();
        self.task = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                accepted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let target = target.clone();
                connections.spawn(async move {
                    let mut far = UnixStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }));
    }

    /// Ends all connections; there is no socket any more.
    pub async fn cut(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
