//! Exec and attach: a connection of their own that carries the streams both ways.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::unix::OwnedWriteHalf;

use super::containers::pending;
use super::{Engine, ExecSpec, ExecState, Frames, Result};

/// Both directions of an exec or attach. The halves are independent; dropping both closes the connection.
pub struct Duplex {
    /// What comes out.
    pub output: Frames,
    /// What goes in.
    pub stdin: Stdin,
}

/// The way into a program. `shutdown` tells it the end of its input and leaves its output open.
pub struct Stdin {
    half: OwnedWriteHalf,
}

impl AsyncWrite for Stdin {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.half).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(context)
    }
}

impl Engine {
    /// Prepares a program to run in a running container, and gives the id of the exec.
    pub async fn create_exec(&self, container: &str, spec: &ExecSpec) -> Result<String> {
        let _ = (container, spec);
        Err(pending())
    }

    /// Runs a prepared program with its streams connected. Its output ends when it does.
    pub async fn start_exec(&self, exec: &str, spec: &ExecSpec) -> Result<Duplex> {
        let _ = (exec, spec);
        Err(pending())
    }

    /// Tells what became of an exec.
    pub async fn inspect_exec(&self, exec: &str) -> Result<ExecState> {
        let _ = exec;
        Err(pending())
    }

    /// Sets the size of the terminal of an exec.
    pub async fn resize_exec(&self, exec: &str, columns: u16, rows: u16) -> Result<()> {
        let _ = (exec, columns, rows);
        Err(pending())
    }

    /// Runs a program to its end and gives its exit code and the first `limit` bytes of its output, both
    /// streams as they come. [`Error::TimedOut`](super::Error::TimedOut) after `timeout`: the program then goes on.
    pub async fn run_exec(
        &self,
        container: &str,
        spec: &ExecSpec,
        timeout: Duration,
        limit: usize,
    ) -> Result<(i64, Vec<u8>)> {
        let _ = (container, spec, timeout, limit);
        Err(pending())
    }

    /// Connects to the streams of a container's own program, from now on. `stdin` needs a container with its
    /// stdin open.
    pub async fn attach(&self, container: &str, stdin: bool, stdout: bool, stderr: bool) -> Result<Duplex> {
        let _ = (container, stdin, stdout, stderr);
        Err(pending())
    }

    /// Sets the size of the terminal of a container.
    pub async fn resize_container(&self, container: &str, columns: u16, rows: u16) -> Result<()> {
        let _ = (container, columns, rows);
        Err(pending())
    }
}
