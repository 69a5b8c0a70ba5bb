//! The name server of the pod network: the cluster's names from a [`zone::Zone`], all others from
//! the host's resolvers. It knows the snapshot alone, not where it comes from.
//!
//! ```text
//! zone      a snapshot as a table of names
//! answer    the bytes of a query, and what to do about it (pure)
//! forward   the host's resolvers
//! ```

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

mod answer;
mod forward;
pub mod zone;

use answer::{Step, decide};
pub use forward::Resolvers;
use zone::Zone;

/// So many questions to the host's resolvers and connections at the most, each.
const MOST_AT_ONCE: usize = 64;

/// The longest query that is taken. Only options make one longer than a name is.
const MOST_QUERY_BYTES: usize = 1500;

/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(10);

/// The rest after an error of the system, which may come again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// The zone in force: set by whoever makes it, read for each query.
#[derive(Clone, Debug)]
pub struct CurrentZone(Arc<RwLock<Arc<Zone>>>);

impl CurrentZone {
    /// Begins with a zone.
    pub fn new(zone: Zone) -> Self {
        CurrentZone(Arc::new(RwLock::new(Arc::new(zone))))
    }

    /// Puts another zone in its place. Queries under way keep the one they began with.
    pub fn set(&self, zone: Zone) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(zone);
    }

    fn get(&self) -> Arc<Zone> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The sockets of the name server.
#[derive(Debug)]
pub struct NameServer {
    datagrams: UdpSocket,
    streams: TcpListener,
}

impl NameServer {
    /// Binds an address, which need not exist yet: the engine makes the bridge when it likes. To be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// When the address is in use, or the port not permitted.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let datagrams = socket(address, SocketType::DGRAM)?;
        // The same port for both, where the kernel chose it.
        let address = datagrams_address(&datagrams)?;
        let streams = socket(address, SocketType::STREAM)?;
        net::listen(&streams, 64)?;
        Ok(NameServer {
            datagrams: UdpSocket::from_std(datagrams.into())?,
            streams: TcpListener::from_std(streams.into())?,
        })
    }

    /// The address in use.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.datagrams.local_addr()
    }

    /// Answers for ever. Dropping the future ends it, with all that is under way.
    pub async fn serve(self, zone: CurrentZone, resolvers: Arc<Resolvers>) {
        let datagrams = Arc::new(self.datagrams);
        let shared = Shared { zone, resolvers, questions: Arc::new(Semaphore::new(MOST_AT_ONCE)) };
        let connections = Arc::new(Semaphore::new(MOST_AT_ONCE));
        let mut tasks = JoinSet::new();
        let mut buffer = vec![0; MOST_QUERY_BYTES];
        loop {
            tokio::select! {
                received = datagrams.recv_from(&mut buffer) => {
                    let Ok((length, client)) = received else {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    };
                    let Some(query) = buffer.get(..length) else { continue };
                    shared.datagram(&datagrams, query, client, &mut tasks);
                }
                accepted = accept(&self.streams, &connections) => {
                    if let Some((stream, permit)) = accepted {
                        tasks.spawn(shared.clone().converse(stream, permit));
                    }
                }
                Some(_) = tasks.join_next() => {}
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Shared {
    zone: CurrentZone,
    resolvers: Arc<Resolvers>,
    /// One for each question to the host's resolvers.
    questions: Arc<Semaphore>,
}

impl Shared {
    fn datagram(&self, socket: &Arc<UdpSocket>, query: &[u8], client: SocketAddr, tasks: &mut JoinSet<()>) {
        // A datagram that does not fit into the socket's buffer is lost, as any may be.
        let answer = |reply: &[u8]| _ = socket.try_send_to(reply, client);
        let step = match decide(query, &self.zone.get(), true) {
            Step::Reply(reply) => return answer(&reply),
            Step::Ignore => return,
            step => step,
        };
        let Ok(permit) = self.questions.clone().try_acquire_owned() else {
            return answer(&answer::failure(query, true));
        };
        let (shared, socket, query) = (self.clone(), socket.clone(), query.to_vec());
        tasks.spawn(async move {
            let reply = shared.elsewhere(step, &query, true).await;
            drop(permit);
            if !reply.is_empty() {
                _ = socket.send_to(&reply, client).await;
            }
        });
    }

    /// Answers the queries of a connection, one after the other.
    async fn converse(self, mut stream: TcpStream, permit: OwnedSemaphorePermit) {
        while let Ok(Ok(query)) = timeout(IDLE, read(&mut stream)).await {
            let step = decide(&query, &self.zone.get(), false);
            let reply = match step {
                Step::Reply(reply) => reply,
                Step::Ignore => break,
                step => match self.questions.acquire().await {
                    Ok(_permit) => self.elsewhere(step, &query, false).await,
                    Err(_) => break,
                },
            };
            let Ok(length) = u16::try_from(reply.len()) else { break };
            let message = [&length.to_be_bytes(), reply.as_slice()].concat();
            if !matches!(timeout(IDLE, stream.write_all(&message)).await, Ok(Ok(()))) {
                break;
            }
        }
        drop(permit);
    }

    /// Asks the host's resolvers.
    async fn elsewhere(&self, step: Step, query: &[u8], datagram: bool) -> Vec<u8> {
        if let Step::Chase(chase) = step {
            let query = chase.query();
            let answer = self.resolvers.ask(&query, answer::datagram_limit(&query), true).await;
            return chase.finish(answer.ok().as_deref());
        }
        match self.resolvers.ask(query, answer::datagram_limit(query), !datagram).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, "a name is not resolved");
                answer::failure(query, datagram)
            }
        }
    }
}

/// The next connection, as soon as there is room for one.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(_) => {
            // Out of descriptors, most likely: let some be closed.
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > MOST_QUERY_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut query = vec![0; length];
    stream.read_exact(&mut query).await?;
    Ok(query)
}

fn socket(address: SocketAddr, kind: SocketType) -> io::Result<std::os::fd::OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if kind == SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    match address {
        SocketAddr::V4(_) => sockopt::set_ip_freebind(&socket, true)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_freebind(&socket, true)?,
    }
    net::bind(&socket, &address)?;
    Ok(socket)
}

fn datagrams_address(socket: &std::os::fd::OwnedFd) -> io::Result<SocketAddr> {
    Ok(net::getsockname(socket.as_fd())?.try_into()?)
}
