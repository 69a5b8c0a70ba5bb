//! What is asked of a container that is there: changes, programs to run in it, its log.

use super::{Resources, RestartPolicy};

/// What to change in a container without a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// New limits.
    pub resources: Resources,
    /// New restart policy. Podman before 5.1 cannot change it and says so.
    pub restart: Option<RestartPolicy>,
}

/// A program to run in a running container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecSpec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Further variables.
    pub env: Vec<(String, String)>,
    /// Working directory; default: the container's.
    pub working_dir: Option<String>,
    /// User; default: the container's.
    pub user: Option<String>,
    /// Gives it a terminal.
    pub tty: bool,
    /// Connects stdin.
    pub stdin: bool,
    /// Connects stdout.
    pub stdout: bool,
    /// Connects stderr.
    pub stderr: bool,
    /// All rights.
    pub privileged: bool,
    /// First size of the terminal: columns and rows.
    pub size: Option<(u16, u16)>,
}

/// What became of an exec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecState {
    /// Still running.
    pub running: bool,
    /// Exit code once it has ended; 128 + n after the signal n.
    pub exit_code: Option<i64>,
    /// Process id on the host, 0 when not running.
    pub pid: i64,
}

/// Which part of a container's log to read.
#[derive(Clone, Debug, PartialEq)]
pub struct LogOptions {
    /// Stays and tells what comes.
    pub follow: bool,
    /// Not what is older; Podman 4 drops what is less than a second.
    pub since: Option<jiff::Timestamp>,
    /// Not what is newer; Podman 4 drops what is less than a second.
    pub until: Option<jiff::Timestamp>,
    /// Only the last lines, so many of them.
    pub tail: Option<u64>,
    /// An RFC 3339 time with nanoseconds and a blank before each line.
    pub timestamps: bool,
    /// Output.
    pub stdout: bool,
    /// Error output.
    pub stderr: bool,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            follow: false,
            since: None,
            until: None,
            tail: None,
            timestamps: false,
            stdout: true,
            stderr: true,
        }
    }
}
