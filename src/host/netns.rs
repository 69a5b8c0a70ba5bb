//! Network namespaces of processes (network_namespaces(7)): a socket keeps the namespace that it was made in, so a
//! thread that lives for that moment is all that has to enter one. It does not know whose process it is.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// Bytes of the stack of the thread, which makes a few calls of the kernel.
const STACK: usize = 64 * 1024;

/// Connects to the first of `addresses` that takes it, as the process `pid` would; else the failure with each.
///
/// # Errors
/// The namespace cannot be entered: the process is gone, or the right is missing.
pub async fn connect(
    pid: u32,
    addresses: &[SocketAddr],
) -> io::Result<Result<TcpStream, Vec<(SocketAddr, io::Error)>>> {
    let families =
        addresses.iter().map(|address| if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 });
    let sockets = sockets(pid, families.collect()).await?;
    let mut failures = Vec::new();
    for (address, socket) in addresses.iter().zip(sockets) {
        let connected = match socket {
            Ok(socket) => TcpSocket::from_std_stream(socket.into()).connect(*address).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(stream) => {
                // Whoever types waits for each byte.
                let _ = stream.set_nodelay(true);
                return Ok(Ok(stream));
            }
            Err(error) => failures.push((*address, error)),
        }
    }
    Ok(Err(failures))
}

/// Sockets of the network namespace of a process.
async fn sockets(pid: u32, families: Vec<AddressFamily>) -> io::Result<Vec<io::Result<OwnedFd>>> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    let (done, made) = oneshot::channel();
    std::thread::Builder::new().name("netns".to_owned()).stack_size(STACK).spawn(move || {
        let entered = move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network));
        let make = |family| {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP)).map_err(io::Error::from)
        };
        let sockets = entered.map(|()| families.into_iter().map(make).collect()).map_err(io::Error::from);
        // A client that is gone needs none.
        let _ = done.send(sockets);
    })?;
    made.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_address_that_answers_is_taken() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let myself = std::process::id();
        match connect(myself, &[closed, open]).await {
            // Entering even one's own namespace takes a right that tests need not have.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
            Ok(connected) => assert_eq!(connected.unwrap().peer_addr().unwrap(), open),
        }
        if let Ok(connected) = connect(myself, &[closed]).await {
            let failures = connected.expect_err("nobody listens there");
            assert_eq!(failures.first().map(|(_, error)| error.kind()), Some(io::ErrorKind::ConnectionRefused));
        }
    }

    #[tokio::test]
    async fn a_process_that_is_gone_is_told() {
        assert_eq!(connect(u32::MAX, &[]).await.map(drop).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
