//! Programs, kernel settings, clock and memory.

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Finding;
use crate::host::facts::{Facts, Memory};

/// 2026-01-01: no true clock is before it.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);
/// Bytes that k2d should find available.
const ROOM: u64 = 32 << 20;
/// Where administrators' programs are, which a user's PATH may lack.
const SYSTEM: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// The program that writes packet rules.
pub(super) fn programs(path: Option<&OsStr>) -> Option<Finding> {
    let folders = path.map(std::env::split_paths).into_iter().flatten();
    let mut places = folders.chain(SYSTEM.map(Into::into));
    Some(match places.find(|folder| folder.join("nft").is_file()) {
        Some(folder) => Finding::good("nft", format!("{} is there", folder.join("nft").display())),
        None => {
            Finding::wrong("nft", "the program is missing: services get no addresses", "install the package nftables")
        }
    })
}

pub(super) fn forwarding(setting: &str) -> Option<Finding> {
    (setting.trim() == "0").then(|| {
        Finding::note(
            "forwarding",
            "the kernel forwards no packets of IPv4: pods reach nothing outside",
            "start the engine, which mostly turns it on, or: sysctl -w net.ipv4.ip_forward=1",
        )
    })
}

/// Boards with little memory often start with the memory controller turned off.
pub(super) fn cgroup(controllers: &str, table: &str) -> Option<Finding> {
    let unified = controllers.split_whitespace().any(|name| name == "memory");
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let legacy = controllers.is_empty() && rows.any(|row| row.first() == Some(&"memory") && row.last() == Some(&"1"));
    Some(if unified || legacy {
        Finding::good("cgroups", "limits of memory can be set")
    } else {
        Finding::note(
            "cgroups",
            "the kernel's memory controller is off: limits of memory do not hold",
            "add `cgroup_enable=memory cgroup_memory=1` to the kernel's command line",
        )
    })
}

pub(super) fn clock(now: SystemTime, timesync: &Path) -> Option<Finding> {
    if now < SystemTime::UNIX_EPOCH + EPOCH {
        let text = "the clock is before 2026: certificates do not hold, and logs mislead";
        return Some(Finding::wrong("clock", text, "set it (`date -s`), or let systemd-timesyncd or chrony do it"));
    }
    (timesync.exists() && !timesync.join("synchronized").exists()).then(|| {
        Finding::note(
            "clock",
            "it was not synchronised since this boot",
            "see `timedatectl`; certificates need a true clock",
        )
    })
}

pub(super) fn memory(memory: Memory) -> Option<Finding> {
    let (available, total) = (memory.available >> 20, memory.total >> 20);
    Some(if memory.available < ROOM {
        Finding::note(
            "memory",
            format!("{available} of {total} MiB are available: workloads may be killed"),
            "stop what is not needed, or give workloads limits",
        )
    } else {
        Finding::good("memory", format!("{available} of {total} MiB are available"))
    })
}

pub(super) fn system(facts: &Facts) -> Finding {
    let Facts { os_image, kernel, architecture, cpus, .. } = facts;
    Finding::good("system", format!("{os_image}, Linux {kernel}, {architecture}, {cpus} processors"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Dir;

    #[test]
    fn missing_program_is_wrong() {
        let dir = Dir::new();
        std::fs::write(dir.0.join("nft"), "").unwrap();
        assert!(matches!(programs(Some(dir.0.as_os_str())), Some(Finding::Good(..))));
    }

    #[test]
    fn memory_controller_is_looked_for_in_both_places() {
        assert!(matches!(cgroup("cpu io memory pids\n", ""), Some(Finding::Good(..))));
        assert!(matches!(cgroup("cpu io pids\n", "memory 0 1 1\n"), Some(Finding::Note(..))));
        assert!(matches!(cgroup("", "#name\ncpu 1 1 1\nmemory 9 1 1\n"), Some(Finding::Good(..))));
        assert!(matches!(cgroup("", "memory 9 1 0\n"), Some(Finding::Note(..))));
    }

    #[test]
    fn clock_of_a_board_without_battery_is_wrong() {
        let dir = Dir::new();
        let early = SystemTime::UNIX_EPOCH + Duration::from_secs(3600);
        assert!(matches!(clock(early, &dir.0), Some(Finding::Wrong(..))));
        let true_time = SystemTime::UNIX_EPOCH + EPOCH + Duration::from_secs(1);
        assert!(matches!(clock(true_time, &dir.0), Some(Finding::Note(..))));
        std::fs::write(dir.0.join("synchronized"), "").unwrap();
        assert_eq!(clock(true_time, &dir.0), None);
    }

    #[test]
    fn little_memory_and_no_forwarding_are_noted() {
        let little = Memory { total: 64 << 20, available: 1 << 20, swap: 0 };
        assert!(matches!(memory(little), Some(Finding::Note(_, text, _)) if text.starts_with("1 of 64 MiB")));
        assert!(forwarding("0\n").is_some());
        assert_eq!(forwarding("1\n"), None);
    }
}
