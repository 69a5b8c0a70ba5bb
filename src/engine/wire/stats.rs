//! What a container uses.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{nullable, time};
use crate::engine::Stats;

/// Answer of `GET /containers/ID/stats`.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(in crate::engine) struct StatsBody {
    read: String,
    #[serde(deserialize_with = "nullable")]
    cpu_stats: CpuBody,
    #[serde(deserialize_with = "nullable")]
    memory_stats: MemoryBody,
    #[serde(deserialize_with = "nullable")]
    pids_stats: PidsBody,
    #[serde(deserialize_with = "nullable")]
    networks: BTreeMap<String, InterfaceBody>,
    #[serde(deserialize_with = "nullable")]
    blkio_stats: BlkioBody,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CpuBody {
    cpu_usage: UsageBody,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageBody {
    total_usage: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MemoryBody {
    usage: u64,
    limit: u64,
    #[serde(deserialize_with = "nullable")]
    stats: BTreeMap<String, u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PidsBody {
    current: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InterfaceBody {
    rx_bytes: u64,
    tx_bytes: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BlkioBody {
    #[serde(deserialize_with = "nullable")]
    io_service_bytes_recursive: Vec<BlkioEntry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BlkioEntry {
    op: String,
    value: u64,
}

impl StatsBody {
    pub(in crate::engine) fn into_stats(self) -> Stats {
        let memory = self.memory_stats;
        // Control groups of version 1 tell the sum over the tree with `total_`.
        let inactive = memory.stats.get("total_inactive_file").or_else(|| memory.stats.get("inactive_file"));
        let disk = |word: &str| {
            let entries = self.blkio_stats.io_service_bytes_recursive.iter();
            entries.filter(|entry| entry.op.eq_ignore_ascii_case(word)).map(|entry| entry.value).sum()
        };
        Stats {
            read: time(&self.read),
            cpu_ns: self.cpu_stats.cpu_usage.total_usage,
            memory: memory.usage,
            memory_working_set: memory.usage.saturating_sub(inactive.copied().unwrap_or_default()),
            memory_limit: memory.limit,
            pids: self.pids_stats.current,
            rx_bytes: self.networks.values().map(|i| i.rx_bytes).sum(),
            tx_bytes: self.networks.values().map(|i| i.tx_bytes).sum(),
            read_bytes: disk("read"),
            written_bytes: disk("write"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_set_leaves_out_pages_that_can_go() {
        let read = |stats: &str| {
            let text = format!(r#"{{"memory_stats":{{"usage":100,"limit":1000,"stats":{stats}}},"networks":null}}"#);
            serde_json::from_str::<StatsBody>(&text).unwrap().into_stats()
        };
        assert_eq!(read(r#"{"inactive_file":30}"#).memory_working_set, 70);
        assert_eq!(read(r#"{"inactive_file":1,"total_inactive_file":40}"#).memory_working_set, 60);
        assert_eq!(read("null").memory_working_set, 100);
        assert_eq!(read(r#"{"inactive_file":300}"#).memory_working_set, 0);
    }
}
