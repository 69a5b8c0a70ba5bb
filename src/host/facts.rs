//! Facts about this machine: its names, system, processor and memory, read from `/proc`, `/sys` and
//! `/etc`. Nothing is kept: what can change is read when it is asked for.

use std::path::Path;

/// What does not change while the machine runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The host's name as the kernel has it.
    pub host_name: String,
    /// `/etc/machine-id`; empty where there is none.
    pub machine_id: String,
    /// Identifier of this boot.
    pub boot_id: String,
    /// The board's own identifier (DMI or device tree); the machine identifier where there is none.
    pub system_uuid: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Name of the distribution with its version.
    pub os_image: String,
    /// Architecture in the words of Go and of images: `amd64`, `arm64`, `arm`, …
    pub architecture: String,
    /// Processors that are online.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of swap.
    pub swap: u64,
}

impl Facts {
    /// Reads them. What cannot be read is empty.
    #[must_use]
    pub fn read() -> Self {
        let uname = rustix::system::uname();
        let machine_id = first_line("/etc/machine-id");
        let board = ["/sys/class/dmi/id/product_uuid", "/sys/firmware/devicetree/base/serial-number"];
        let system_uuid = board.into_iter().map(first_line).find(|id| !id.is_empty());
        let memory = Memory::read();
        Self {
            host_name: host_name(),
            boot_id: first_line("/proc/sys/kernel/random/boot_id"),
            system_uuid: system_uuid.unwrap_or_else(|| machine_id.clone()),
            machine_id,
            kernel: uname.release().to_string_lossy().into_owned(),
            os_image: ["/etc/os-release", "/usr/lib/os-release"]
                .into_iter()
                .find_map(|path| std::fs::read_to_string(path).ok())
                .map_or_else(String::new, |text| os_image(&text)),
            architecture: architecture(&uname.machine().to_string_lossy()).to_owned(),
            cpus: processors(&text("/proc/stat")),
            memory: memory.total,
            swap: memory.swap,
        }
    }
}

/// Memory of the machine, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What could be had without swapping.
    pub available: u64,
    /// Swap space.
    pub swap: u64,
}

impl Memory {
    /// Reads it; zeros where it cannot be read.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(&text("/proc/meminfo"))
    }

    fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|value| value.parse::<u64>().ok());
            kib.unwrap_or_default().saturating_mul(1024)
        };
        Self { total: field("MemTotal"), available: field("MemAvailable"), swap: field("SwapTotal") }
    }
}

/// What the machine uses, of all its control groups together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Processor time since it was started, nanoseconds, of all processors.
    pub cpu: u64,
    /// Bytes of memory in use, without pages of files that were not used of late.
    pub memory: u64,
}

/// Nanoseconds of a tick in which the kernel tells processor times: the hundredth of a second on each machine that
/// it tells them to (proc_stat(5), USER_HZ).
const TICK: u64 = 10_000_000;

impl Load {
    /// Reads it; `None` where the kernel does not tell.
    #[must_use]
    pub fn read() -> Option<Self> {
        Self::parse(&text("/proc/stat"), &text("/proc/meminfo"))
    }

    fn parse(stat: &str, memory: &str) -> Option<Self> {
        let times = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let times: Vec<u64> = times.split_whitespace().map_while(|time| time.parse().ok()).collect();
        // user nice system (idle iowait) irq softirq steal; guests are within user and nice.
        let ticks: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|at| times.get(*at)).sum();
        let kib = |name: &str| {
            let line = memory.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let used = kib("MemTotal")?.saturating_sub(kib("MemFree")?);
        let memory = used.saturating_sub(kib("Inactive(file)")?).saturating_mul(1024);
        Some(Self { cpu: ticks.saturating_mul(TICK), memory })
    }
}

/// Room in a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Bytes of all of it.
    pub total: u64,
    /// Bytes that are free for programs without privileges.
    pub available: u64,
    /// Files that can be made still.
    pub inodes_free: u64,
}

impl Disk {
    /// Room in the file system of a folder; `None` if the folder is not there.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let stat = rustix::fs::statvfs(path).ok()?;
        Some(Self {
            total: stat.f_frsize.saturating_mul(stat.f_blocks),
            available: stat.f_frsize.saturating_mul(stat.f_bavail),
            inodes_free: stat.f_favail,
        })
    }
}

/// Memory that is kept for huge pages of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HugePages {
    /// Bytes of a page.
    pub size: u64,
    /// Pages that are kept.
    pub count: u64,
}

impl HugePages {
    /// Those that the machine keeps, by size.
    #[must_use]
    pub fn read() -> Vec<Self> {
        let entries = std::fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten();
        let mut all: Vec<Self> = entries
            .filter_map(|entry| {
                let name = entry.file_name();
                let kib: u64 = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
                let count = std::fs::read_to_string(entry.path().join("nr_hugepages")).ok()?.trim().parse().ok()?;
                Some(Self { size: kib.saturating_mul(1024), count })
            })
            .filter(|pages| pages.count > 0)
            .collect();
        all.sort_by_key(|pages| pages.size);
        all
    }

    /// The name of the resource, such as `hugepages-2Mi`.
    #[must_use]
    pub fn resource(&self) -> String {
        match (self.size >> 30, self.size >> 20) {
            (0, 0) => format!("hugepages-{}Ki", self.size >> 10),
            (0, mib) => format!("hugepages-{mib}Mi"),
            (gib, _) => format!("hugepages-{gib}Gi"),
        }
    }
}

/// The host's name as the kernel has it.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The host's names: the kernel's, and those that `/etc/hosts` gives beside it (the full name with
/// its domain mostly stands there).
#[must_use]
pub fn host_names() -> Vec<String> {
    names_of(&host_name(), &text("/etc/hosts"))
}

fn names_of(name: &str, hosts: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    for line in hosts.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let beside: Vec<&str> = line.split_whitespace().skip(1).collect();
        if beside.contains(&name) {
            names.extend(beside.into_iter().map(str::to_owned));
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Architecture in the words of Go, from those of the kernel.
fn architecture(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" => "386",
        "loongarch64" => "loong64",
        arm if arm.starts_with("arm") => "arm",
        other => other,
    }
}

fn os_image(release: &str) -> String {
    let value = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
    value.trim_matches(['"', '\'']).to_owned()
}

fn processors(stat: &str) -> usize {
    let numbered =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    stat.lines().filter(numbered).count().max(1)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn first_line(path: &str) -> String {
    text(path).lines().next().unwrap_or_default().trim_matches(['\0', ' ', '\t']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_the_facts_that_all_have() {
        let facts = Facts::read();
        assert!(!facts.kernel.is_empty() && !facts.host_name.is_empty() && !facts.architecture.is_empty());
        assert!(facts.cpus >= 1 && facts.memory > 1 << 20);
        assert!(Disk::of(Path::new("/")).is_some_and(|disk| disk.total >= disk.available));
        assert_eq!(Disk::of(Path::new("/no such folder")), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:         504012 kB\nMemFree: 1 kB\nMemAvailable:   204800 kB\nSwapTotal: 0 kB\n";
        assert_eq!(Memory::parse(text), Memory { total: 516_108_288, available: 209_715_200, swap: 0 });
        assert_eq!(Memory::parse("MemTotal: lots\n"), Memory::default());
    }

    #[test]
    fn load_is_what_is_busy_and_held() {
        let stat = "cpu  10 1 5 1000 50 2 1 3 7 0\ncpu0 1 1 1 1\n";
        let memory = "MemTotal: 1000 kB\nMemFree: 300 kB\nInactive(file): 200 kB\n";
        assert_eq!(Load::parse(stat, memory), Some(Load { cpu: 220_000_000, memory: 512_000 }));
        assert_eq!(Load::parse("", memory), None);
    }

    #[test]
    fn full_name_is_found_in_hosts() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 gw.plant.example gw # gw2\n#192.0.2.1 other gw\n";
        assert_eq!(names_of("gw", hosts), ["gw", "gw.plant.example"]);
        assert_eq!(names_of("x", hosts), ["x"]);
    }

    #[test]
    fn boards_are_named_as_images_name_them() {
        assert_eq!(["armv7l", "aarch64", "x86_64", "riscv64"].map(architecture), ["arm", "arm64", "amd64", "riscv64"]);
        assert_eq!(os_image("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"), "Debian GNU/Linux 12");
        assert_eq!(processors("cpu  1 2\ncpu0 1\ncpu1 1\nintr 5\n"), 2);
    }
}
