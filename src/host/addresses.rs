//! The addresses of this machine, and being told when they change, by the kernel's route socket
//! (`rtnetlink(7)`). It decides nothing about them.

mod bridges;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use tokio::io::unix::AsyncFd;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
/// A privacy address of IPv6 that lives a day or so.
const IFA_F_TEMPORARY: u32 = 0x01;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
/// RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;
const HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;

/// The addresses of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Those at which it can be reached, loopback ones among them.
    pub own: BTreeSet<IpAddr>,
    /// Those of bridges that connect containers of this machine and nothing else. They come and go with
    /// the engine's networks.
    pub bridges: BTreeSet<IpAddr>,
}

/// The addresses of this machine. Addresses of one link (fe80::/10), temporary ones and ones that are
/// not settled yet are left out.
///
/// # Errors
/// The kernel gives no route socket or refuses the question.
pub fn list() -> io::Result<Addresses> {
    let found = all()?;
    let bridges = bridges::of_containers(Path::new(bridges::INTERFACES));
    let (bridged, own): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, index)| bridges.contains(index));
    let ips = |list: Vec<(IpAddr, u32)>| list.into_iter().map(|(ip, _)| ip).collect();
    Ok(Addresses { own: ips(own), bridges: ips(bridged) })
}

/// Each address with the number of its interface.
fn all() -> io::Result<BTreeMap<IpAddr, u32>> {
    let socket = open(SocketFlags::CLOEXEC, 0)?;
    let mut request = Vec::with_capacity(HEADER + ADDRESS_HEADER);
    request.extend_from_slice(&((HEADER + ADDRESS_HEADER) as u32).to_ne_bytes());
    request.extend_from_slice(&RTM_GETADDR.to_ne_bytes());
    request.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.extend_from_slice(&[0; 8 + ADDRESS_HEADER]);
    rustix::net::sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;

    let mut found = BTreeMap::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        let (length, _) = rustix::net::recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        if length == 0 {
            return Ok(found);
        }
        let part = buffer.get(..length).unwrap_or_default();
        if collect(part, &mut found)? {
            return Ok(found);
        }
    }
}

/// Reads the messages of one datagram; true when the list is complete.
fn collect(mut bytes: &[u8], found: &mut BTreeMap<IpAddr, u32>) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = length as usize;
        let Some(body) = bytes.get(HEADER..length) else { break };
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = u32_at(body, 0).unwrap_or_default() as i32;
                return Err(io::Error::from_raw_os_error(-code));
            }
            RTM_NEWADDR => found.extend(address(body).zip(u32_at(body, 4))),
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// The address of an `ifaddrmsg` with its attributes, unless it is one to leave out.
fn address(body: &[u8]) -> Option<IpAddr> {
    let mut flags = u32::from(*body.get(2)?);
    let (mut local, mut peer) = (None, None);
    let mut rest = body.get(ADDRESS_HEADER..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let Some(value) = rest.get(4..usize::from(length)) else { break };
        match kind {
            IFA_LOCAL => local = ip(value),
            IFA_ADDRESS => peer = ip(value),
            IFA_FLAGS => flags = u32_at(value, 0).unwrap_or(flags),
            _ => {}
        }
        rest = rest.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    match local.or(peer)? {
        IpAddr::V6(_) if flags & (IFA_F_TEMPORARY | IFA_F_DADFAILED | IFA_F_TENTATIVE) != 0 => None,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => None,
        ip => Some(ip),
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn open(flags: SocketFlags, groups: u32) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Being told when an address comes or goes.
#[derive(Debug)]
pub struct Changes(AsyncFd<OwnedFd>);

impl Changes {
    /// Subscribes; what changes from now on is told. Needs a tokio runtime with its driver of events.
    ///
    /// # Errors
    /// The kernel gives no route socket.
    pub fn subscribe() -> io::Result<Self> {
        let socket = open(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, ADDRESS_GROUPS)?;
        Ok(Self(super::register(socket)?))
    }

    /// Waits until addresses have changed. What happened is not said: ask [`list`]. May be dropped.
    ///
    /// # Errors
    /// The socket fails.
    pub async fn next(&self) -> io::Result<()> {
        let mut told = false;
        loop {
            let mut ready = self.0.readable().await?;
            // Only that something came counts, so a short buffer that cuts messages is enough.
            let mut buffer = [0; 256];
            match rustix::net::recv(self.0.get_ref(), buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok(_) | Err(Errno::NOBUFS) => told = true,
                Err(Errno::AGAIN) => {
                    ready.clear_ready();
                    if told {
                        return Ok(());
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The address with which this machine speaks to the world: the source address of the default route,
/// of IPv4 if there is one. Nothing is sent.
#[must_use]
pub fn outward() -> Option<IpAddr> {
    // Addresses for documentation (RFC 5737, RFC 3849): a route is looked up, nobody is there.
    let probes = [
        (SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9))),
        (
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9)),
        ),
    ];
    probes.into_iter().find_map(|(from, to)| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_unspecified() && !address.is_loopback()).then_some(address)
    })
}

/// The address to tell others where none is configured: [`outward`], else any that is neither loopback
/// nor that of a bridge, else loopback.
#[must_use]
pub fn best() -> IpAddr {
    outward().unwrap_or_else(|| {
        let all = list().unwrap_or_default();
        all.own.into_iter().find(|address| !address.is_loopback()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
        out.extend_from_slice(&kind.to_ne_bytes());
        out.extend_from_slice(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn message(kind: u16, flags: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![0, 0, flags, 0];
        body.extend_from_slice(&7_u32.to_ne_bytes());
        body.extend(attributes.concat());
        let mut out = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        out.extend_from_slice(&kind.to_ne_bytes());
        out.extend_from_slice(&[0; 10]);
        out.extend(body);
        out
    }

    #[test]
    fn loopback_is_listed() {
        assert!(list().unwrap().own.contains(&IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn local_address_wins_over_that_of_the_peer() {
        let mut found = BTreeMap::new();
        let point =
            message(RTM_NEWADDR, 0, &[attribute(IFA_ADDRESS, &[10, 0, 0, 2]), attribute(IFA_LOCAL, &[10, 0, 0, 1])]);
        assert!(!collect(&point, &mut found).unwrap());
        assert_eq!(found, BTreeMap::from([(IpAddr::from([10, 0, 0, 1]), 7)]));
    }

    #[test]
    fn addresses_that_do_not_last_are_left_out() {
        let mut found = BTreeMap::new();
        let global = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets();
        let link = "fe80::7".parse::<Ipv6Addr>().unwrap().octets();
        let mut bytes = message(RTM_NEWADDR, 1, &[attribute(IFA_ADDRESS, &global)]);
        bytes.extend(message(
            RTM_NEWADDR,
            0,
            &[attribute(IFA_ADDRESS, &global), attribute(IFA_FLAGS, &IFA_F_TENTATIVE.to_ne_bytes())],
        ));
        bytes.extend(message(RTM_NEWADDR, 0, &[attribute(IFA_ADDRESS, &link)]));
        bytes.extend(message(NLMSG_DONE, 0, &[]));
        assert!(collect(&bytes, &mut found).unwrap());
        assert!(found.is_empty(), "{found:?}");
        collect(&message(RTM_NEWADDR, 0, &[attribute(IFA_ADDRESS, &global)]), &mut found).unwrap();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn cut_messages_are_no_harm() {
        let whole = message(RTM_NEWADDR, 0, &[attribute(IFA_ADDRESS, &[10, 0, 0, 2])]);
        for length in 0..whole.len() {
            assert!(!collect(&whole[..length], &mut BTreeMap::new()).unwrap());
        }
    }

    #[test]
    fn refusal_of_the_kernel_is_an_error() {
        let mut bytes = message(NLMSG_ERROR, 0, &[]);
        bytes[HEADER..HEADER + 4].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(collect(&bytes, &mut BTreeMap::new()).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
