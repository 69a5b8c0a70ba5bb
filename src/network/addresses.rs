//! Which cluster IP, pod address or node port is free. Pure bookkeeping: the owner fills a pool with
//! what is in use when it starts, and decides when something is given back.
//!
//! As upstream, a range has a lower band for addresses that people choose and an upper one from
//! which addresses are given out; the lower band is used only when the upper one is full
//! (KEP-3070, KEP-3668).

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network in CIDR notation. The host bits of the address are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// A text that is no network in CIDR notation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a network in CIDR notation, such as 10.42.0.0/16")]
pub struct BadNetwork(String);

impl Network {
    /// The network of `address` with a prefix of so many bits; none when there are too many.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let host_bits = width(address).checked_sub(prefix.into())?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Network { base: with_number(address, number(address) & mask), prefix })
    }

    /// The address with all host bits zero.
    pub fn base(&self) -> IpAddr {
        self.base
    }

    /// The number of network bits, 0 to 32 or 128.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether an address lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        Network::new(address, self.prefix) == Some(*self) && address.is_ipv4() == self.base.is_ipv4()
    }

    /// The address at `offset` from the base (1 is the first usable one); none beyond the end.
    pub fn nth(&self, offset: u32) -> Option<IpAddr> {
        let address = with_number(self.base, number(self.base).checked_add(offset.into())?);
        self.contains(address).then_some(address)
    }

    /// How far an address is from the base; none outside, or further than 32 bits hold.
    pub fn offset(&self, address: IpAddr) -> Option<u32> {
        if !self.contains(address) {
            return None;
        }
        (number(address) - number(self.base)).try_into().ok()
    }

    /// How many host addresses there are without the base and, for IPv4, the broadcast address;
    /// for larger IPv6 networks the first 65 536 count, as upstream.
    fn hosts(&self) -> u32 {
        let host_bits = width(self.base) - u32::from(self.prefix);
        let all = 1u32.checked_shl(host_bits.min(31)).unwrap_or(u32::MAX);
        if self.base.is_ipv4() { all.saturating_sub(2) } else { all.min(1 << 16).saturating_sub(1) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
        let network = Network::new(address.parse().map_err(|_| bad())?, prefix.parse().map_err(|_| bad())?);
        network.ok_or_else(bad)
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// An address of the family of `like`; bits that do not fit are cut off.
fn with_number(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from(number as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from(number).into(),
    }
}

/// Why an address or port was not given, in the words of the Kubernetes API.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AllocationError {
    /// The address belongs to another object.
    #[error("provided IP is already allocated")]
    AddressTaken,
    /// The address is outside the range, or is its base or broadcast address.
    #[error("provided IP is not in the valid range. The range of valid IPs is {0}")]
    AddressOutside(Network),
    /// The port belongs to another service.
    #[error("provided port is already allocated")]
    PortTaken,
    /// The port is outside the range.
    #[error("provided port is not in the valid range. The range of valid ports is {0}-{1}")]
    PortOutside(u16, u16),
    /// Nothing is left.
    #[error("range is full")]
    Full,
}

/// Numbered places, 0 up to a size: the part that addresses and ports have in common.
#[derive(Debug)]
struct Slots {
    size: u32,
    /// Where the upper band begins.
    upper: u32,
    /// Where the next search begins, in the upper band.
    cursor: u32,
    used: BTreeSet<u32>,
}

impl Slots {
    /// Places with a lower band of a `step`th of the size, at least 16 and at most `most`, none
    /// when the range is as small as that. `seed` chooses where the search begins.
    fn new(size: u32, step: u32, most: u32, seed: u32) -> Self {
        let upper = if size <= 16 { 0 } else { (size / step).clamp(16, most) };
        let cursor = upper + seed.checked_rem(size - upper).unwrap_or(0);
        Slots { size, upper, cursor, used: BTreeSet::new() }
    }

    fn take_next(&mut self) -> Option<u32> {
        let candidates = (self.cursor..self.size).chain(self.upper..self.cursor).chain(0..self.upper);
        let slot = candidates.into_iter().find(|slot| !self.used.contains(slot))?;
        self.used.insert(slot);
        // What was just given back is the last to be given out again.
        if slot >= self.upper {
            self.cursor = slot + 1;
        }
        Some(slot)
    }
}

/// The addresses of a network that objects may have.
#[derive(Debug)]
pub struct AddressPool {
    network: Network,
    /// Addresses that are never given out by themselves, only when asked for.
    kept: BTreeSet<u32>,
    slots: Slots,
}

impl AddressPool {
    /// The cluster IPs of a service range. The first address (of the service `kubernetes`) and the
    /// tenth (by custom that of DNS) must be asked for.
    pub fn services(network: Network, seed: u32) -> Self {
        AddressPool::new(network, &[1, 10], seed)
    }

    /// The pod addresses of the pod network. The first one is the gateway and is taken; the lower
    /// band is left to the engine, which gives its lowest free address to containers that people
    /// start in this network themselves.
    pub fn pods(network: Network, seed: u32) -> Self {
        let mut pool = AddressPool::new(network, &[], seed);
        pool.slots.used.insert(0);
        pool
    }

    fn new(network: Network, kept: &[u32], seed: u32) -> Self {
        let kept = kept.iter().filter_map(|offset| offset.checked_sub(1)).collect();
        AddressPool { network, kept, slots: Slots::new(network.hosts(), 16, 256, seed) }
    }

    /// The network that this pool gives out.
    pub fn network(&self) -> Network {
        self.network
    }

    /// Gives out a free address.
    ///
    /// # Errors
    /// [`AllocationError::Full`].
    pub fn take_next(&mut self) -> Result<IpAddr, AllocationError> {
        let held: Vec<u32> = self.kept.iter().copied().filter(|slot| self.slots.used.insert(*slot)).collect();
        let slot = self.slots.take_next();
        held.iter().for_each(|slot| _ = self.slots.used.remove(slot));
        slot.and_then(|slot| self.network.nth(slot + 1)).ok_or(AllocationError::Full)
    }

    /// Gives out this very address.
    ///
    /// # Errors
    /// [`AllocationError::AddressTaken`], [`AllocationError::AddressOutside`].
    pub fn take(&mut self, address: IpAddr) -> Result<(), AllocationError> {
        let slot = self.slot(address).ok_or(AllocationError::AddressOutside(self.network))?;
        if self.slots.used.insert(slot) { Ok(()) } else { Err(AllocationError::AddressTaken) }
    }

    /// Takes an address back. One that was not given out is left as it is.
    pub fn release(&mut self, address: IpAddr) {
        if let Some(slot) = self.slot(address) {
            self.slots.used.remove(&slot);
        }
    }

    /// Whether an address of this network is given out.
    pub fn is_taken(&self, address: IpAddr) -> bool {
        self.slot(address).is_some_and(|slot| self.slots.used.contains(&slot))
    }

    fn slot(&self, address: IpAddr) -> Option<u32> {
        self.network.offset(address)?.checked_sub(1).filter(|slot| *slot < self.slots.size)
    }
}

/// The node ports. One number serves both TCP and UDP, as upstream counts.
#[derive(Debug)]
pub struct PortPool {
    first: u16,
    last: u16,
    slots: Slots,
}

impl PortPool {
    /// The ports from `first` to `last`, both included.
    pub fn new(first: u16, last: u16, seed: u32) -> Self {
        let size = (u32::from(last) + 1).saturating_sub(first.into());
        PortPool { first, last, slots: Slots::new(size, 32, 128, seed) }
    }

    /// Gives out a free port.
    ///
    /// # Errors
    /// [`AllocationError::Full`].
    pub fn take_next(&mut self) -> Result<u16, AllocationError> {
        let slot = self.slots.take_next().and_then(|slot| u16::try_from(slot).ok());
        slot.and_then(|slot| self.first.checked_add(slot)).ok_or(AllocationError::Full)
    }

    /// Gives out this very port.
    ///
    /// # Errors
    /// [`AllocationError::PortTaken`], [`AllocationError::PortOutside`].
    pub fn take(&mut self, port: u16) -> Result<(), AllocationError> {
        let slot = self.slot(port).ok_or(AllocationError::PortOutside(self.first, self.last))?;
        if self.slots.used.insert(slot) { Ok(()) } else { Err(AllocationError::PortTaken) }
    }

    /// Takes a port back. One that was not given out is left as it is.
    pub fn release(&mut self, port: u16) {
        if let Some(slot) = self.slot(port) {
            self.slots.used.remove(&slot);
        }
    }

    fn slot(&self, port: u16) -> Option<u32> {
        port.checked_sub(self.first).map(u32::from).filter(|slot| *slot < self.slots.size)
    }
}

#[cfg(test)]
mod tests;
