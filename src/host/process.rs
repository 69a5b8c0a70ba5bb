//! What this process takes, read from `/proc/self`. Nothing is kept.

use std::fs;
use std::time::Duration;

/// Ticks in a second, as the kernel tells them to all programs (`USER_HZ`).
const TICKS: u64 = 100;

/// What this process takes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time of processors since it began.
    pub cpu: Duration,
    /// Bytes of memory in use.
    pub resident: u64,
    /// Bytes of memory that are mapped.
    pub mapped: u64,
    /// Open files.
    pub files: u64,
    /// Files that may be open.
    pub files_max: u64,
    /// When it began, in seconds since 1970.
    pub started: u64,
}

impl Usage {
    /// Reads it; `None` where there is no `/proc`.
    #[must_use]
    pub fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0);
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let mut usage = Self::parse(&stat, &status, boot)?;
        usage.files = fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        usage.files_max = limit.current.unwrap_or(u64::MAX);
        Some(usage)
    }

    /// Reads `stat` (`proc_pid_stat(5)`), whose second field may hold anything but ends with the last `)`,
    /// and `status`.
    fn parse(stat: &str, status: &str, boot: u64) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // The third field is the first here.
        let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<u64>().ok();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
                .map(|kib| kib.saturating_mul(1024))
        };
        Some(Self {
            cpu: Duration::from_millis((field(14)? + field(15)?).saturating_mul(1000) / TICKS),
            started: boot + field(22)? / TICKS,
            mapped: kib("VmSize")?,
            resident: kib("VmRSS")?,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_mislead() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 2 0 1000 8192000 300 1 1";
        let status = "Name:\ta\nVmSize:\t    8000 kB\nVmRSS:\t  1200 kB\n";
        let usage = Usage::parse(stat, status, 1_700_000_000).expect("usage");
        assert_eq!(usage.cpu, Duration::from_secs(2));
        assert_eq!((usage.started, usage.mapped, usage.resident), (1_700_000_010, 8_192_000, 1_228_800));
        assert_eq!(Usage::parse("7 (a) S 1", status, 0), None);
    }

    #[test]
    fn this_process_takes_something() {
        let usage = Usage::read().expect("usage");
        assert!(usage.resident > 0 && usage.files > 0 && usage.files_max >= usage.files && usage.started > 0);
    }
}
