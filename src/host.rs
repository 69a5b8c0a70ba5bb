//! The machine below: systemd, journald, certificates, addresses, time, facts about processor and
//! memory. It does not know the Kubernetes API or the engine, and it does not read the
//! configuration: what it needs is handed to it.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

pub mod addresses;
pub mod alarm;
pub mod bearer;
pub mod dial;
pub mod facts;
pub mod files;
pub mod kubeconfig;
pub mod logs;
pub mod netns;
pub mod pki;
pub mod process;
pub mod systemd;
pub mod token;

/// Registers a descriptor with the runtime, to be told when it can be read.
#[expect(
    deprecated,
    reason = "the new function is unsafe, for types that may change their descriptor; OwnedFd never does"
)]
fn register(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}
