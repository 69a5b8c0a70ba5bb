//! What systemd hands to a service and wants to hear from it: sockets, readiness, state, the
//! watchdog. All of it does nothing where no systemd is.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use listenfd::ListenFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use sd_notify::NotifyState;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// A port could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What systemd handed over cannot be used.
    #[error("sockets handed over by systemd: {0}")]
    HandedOver(io::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// The listening TCP sockets: those that systemd hands over, else own ones on these addresses. They
/// do not block. An address of IPv6 that means all addresses takes IPv4 too, and becomes that of IPv4
/// where the machine has no IPv6.
///
/// Call it once, since the sockets are taken.
///
/// # Errors
/// A socket that was handed over is not a TCP listener, or an address cannot be listened on.
pub fn listeners(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Error> {
    let mut passed = ListenFd::from_env();
    let mut found = Vec::new();
    for index in 0..passed.len() {
        if let Some(listener) = passed.take_tcp_listener(index).map_err(Error::HandedOver)? {
            listener.set_nonblocking(true).map_err(Error::HandedOver)?;
            found.push(listener);
        }
    }
    if !found.is_empty() {
        let ports: Vec<u16> = found.iter().filter_map(|one| Some(one.local_addr().ok()?.port())).collect();
        if !addresses.iter().any(|address| ports.contains(&address.port())) {
            tracing::warn!("systemd hands over the ports {ports:?}; the configured {addresses:?} are not used");
        }
        return Ok(found);
    }
    addresses.iter().map(|address| listen(*address)).collect()
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    match open(address) {
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && [Some(rustix::io::Errno::AFNOSUPPORT), Some(rustix::io::Errno::ADDRNOTAVAIL)]
                    .contains(&rustix::io::Errno::from_io_error(&error)) =>
        {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            open(address).map_err(|source| Error::Listen { address, source })
        }
        other => other.map_err(|source| Error::Listen { address, source }),
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Tells systemd that the service answers, and shows `status` in `systemctl status`.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Shows a sentence in `systemctl status`.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Tells systemd that the service is ending.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Asks systemd for more time to start or stop.
pub fn extend(time: Duration) {
    tell(&[NotifyState::ExtendTimeoutUsec(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell systemd the state: {error}");
    }
}

/// Tells the watchdog that the runtime turns, at half of its interval; returns at once where no
/// watchdog was asked for. Run it on the runtime whose life it proves.
pub async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero()) else { return };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(interval / 2).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    #[test]
    fn address_of_all_takes_both_families() {
        let listeners = listeners(&["[::]:0".parse().unwrap()]).unwrap();
        let port = listeners[0].local_addr().unwrap().port();
        listeners[0].set_nonblocking(false).unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.write_all(b"x").unwrap();
        let (mut served, _) = listeners[0].accept().unwrap();
        let mut byte = [0];
        served.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn taken_port_is_named() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen(address).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
    }
}
