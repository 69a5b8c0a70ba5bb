//! What the engine tells of itself and its machine.

use std::fmt;

/// Which engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker (moby).
    Docker,
    /// Podman.
    Podman,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineKind::Docker => "Docker",
            EngineKind::Podman => "Podman",
        })
    }
}

/// A version of the engine's API, such as 1.41.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u32,
    /// After the dot.
    pub minor: u32,
}

impl ApiVersion {
    /// The newest version whose words are known here.
    pub const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 53 };

    /// Reads `1.41`.
    pub fn parse(text: &str) -> Option<ApiVersion> {
        let (major, minor) = text.split_once('.')?;
        Some(ApiVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The engine's versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Which engine.
    pub kind: EngineKind,
    /// Its version, such as `20.10.24+dfsg1`.
    pub version: String,
    /// The version of the API that is spoken with it.
    pub api: ApiVersion,
}

/// What the engine tells of itself and its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Which engine.
    pub kind: EngineKind,
    /// Its version.
    pub version: String,
    /// The version of the API that is spoken with it.
    pub api: ApiVersion,
    /// Name of the machine.
    pub name: String,
    /// Operating system for people, such as `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// Version of the kernel.
    pub kernel: String,
    /// Architecture in the kernel's words, such as `x86_64`.
    pub architecture: String,
    /// Processors.
    pub cpus: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// 1 or 2.
    pub cgroup_version: u8,
    /// `systemd`, `cgroupfs` or `none`.
    pub cgroup_driver: String,
    /// Storage driver, such as `overlay2`.
    pub storage_driver: String,
    /// Default log driver.
    pub log_driver: String,
    /// Names of OCI runtimes.
    pub runtimes: Vec<String>,
    /// The one used by default.
    pub default_runtime: String,
    /// Names such as `seccomp`, `apparmor`, `selinux`, `rootless`, `userns`.
    pub security: Vec<String>,
    /// Where the engine keeps its data.
    pub root_dir: String,
    /// Rootless.
    pub rootless: bool,
    /// Docker keeps containers running while it restarts.
    pub live_restore: bool,
    /// Swap can be limited.
    pub swap_limit: bool,
    /// Processes can be limited.
    pub pids_limit: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let parse = |text| ApiVersion::parse(text).unwrap();
        assert!(parse("1.9") < parse("1.41"));
        assert!(parse("1.54") > ApiVersion::NEWEST);
        assert_eq!(parse("1.41").to_string(), "1.41");
        assert_eq!(ApiVersion::parse("1"), None);
        assert_eq!(ApiVersion::parse("v1.41"), None);
    }
}
