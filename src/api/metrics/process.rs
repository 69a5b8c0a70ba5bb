//! What this process takes, in the names that all clients of Prometheus use.

use super::text::Text;
use crate::host::process::Usage;

/// Writes what can be read.
pub fn write(out: &mut Text) {
    let Some(usage) = Usage::read() else { return };
    out.counter("process_cpu_seconds_total", "Time of processors, in seconds.");
    out.sample("process_cpu_seconds_total", &[], usage.cpu.as_secs_f64());
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory that is in use.", usage.resident),
        ("process_virtual_memory_bytes", "Memory that is mapped.", usage.mapped),
        ("process_open_fds", "Open files.", usage.files),
        ("process_max_fds", "Files that may be open.", usage.files_max),
        ("process_start_time_seconds", "When it began, in seconds since 1970.", usage.started),
    ] {
        out.gauge(name, help);
        out.sample(name, &[], value);
    }
}
