//! Connections: accepted from listeners, wrapped in TLS, served with HTTP/1.1 or HTTP/2 within
//! limits, and ended in order when the server stops.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use tokio::net::{self, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::Api;
use super::authn::Peer;

/// Within which a client must have shaken hands, and sent the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long running requests may go on after the server was asked to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait after an accept that failed for want of file descriptors.
const BREATHER: Duration = Duration::from_millis(100);
/// Requests at a time on one HTTP/2 connection.
const STREAMS: u32 = 250;
/// Bytes that one HTTP/2 stream or connection may have under way.
const WINDOW: u32 = 64 * 1024;
/// Bytes of headers on a request.
const HEADERS: u32 = 64 * 1024;

/// What all connections share.
#[derive(Clone)]
pub struct Server {
    api: Api,
    tls: Arc<ServerConfig>,
    places: Arc<Semaphore>,
}

impl Server {
    /// A server with room for `connections` at a time.
    #[must_use]
    pub fn new(api: Api, tls: Arc<ServerConfig>, connections: usize) -> Self {
        Self { api, tls, places: Arc::new(Semaphore::new(connections)) }
    }

    /// Serves the listeners until `stop` becomes true, then lets running requests end.
    pub async fn run(self, listeners: Vec<TcpListener>, mut stop: watch::Receiver<bool>) {
        let graceful = Arc::new(GracefulShutdown::new());
        let mut tasks = Vec::new();
        for listener in listeners {
            let listener = match listener.set_nonblocking(true).and_then(|()| net::TcpListener::from_std(listener)) {
                Ok(listener) => listener,
                Err(error) => {
                    warn!(%error, "cannot serve a listener");
                    continue;
                }
            };
            let (server, graceful, stop) = (self.clone(), Arc::clone(&graceful), stop.clone());
            tasks.push(tokio::spawn(async move { server.accept(listener, &graceful, stop).await }));
        }
        // An error means that the sender is gone, which is a stop too.
        let _ = stop.wait_for(|stop| *stop).await;
        for task in tasks {
            let _ = task.await;
        }
        if let Some(graceful) = Arc::into_inner(graceful)
            && tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err()
        {
            warn!("some requests did not end in time and were cut off");
        }
    }

    async fn accept(&self, listener: net::TcpListener, graceful: &GracefulShutdown, mut stop: watch::Receiver<bool>) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    let server = self.clone();
                    let watcher = graceful.watcher();
                    tokio::spawn(async move {
                        if let Err(error) = server.serve(stream, address, watcher).await {
                            debug!(%error, "connection ended");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }

    async fn serve(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
    ) -> Result<(), super::body::BoxError> {
        stream.set_nodelay(true)?;
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls));
        let stream = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await??;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificates = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let peer = Peer { certificates, address: Some(address) };
        let service = service_fn(move |request| {
            let (api, peer) = (self.api.clone(), peer.clone());
            async move { Ok::<_, std::convert::Infallible>(api.handle(request, peer).await) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(HEADERS as usize)
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADERS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW * 4)
            .max_send_buf_size(WINDOW as usize)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20));
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        watcher.watch(connection).await
    }
}
