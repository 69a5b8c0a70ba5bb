//! Exec and attach: a connection of their own that carries the streams both ways. It is taken over from HTTP
//! here, since only the container's own facts tell whether its stream has frames or is raw.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::models::ExecConfig;
use bollard::query_parameters as q;
use bytes::Bytes;
use futures_util::StreamExt;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::AsyncWrite;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;

use super::system::{query, segment};
use super::transport::{check, with_body};
use super::wire::ExecBody;
use super::{Engine, Error, ExecSpec, ExecState, Frames, Result};

/// Keys on which the engine lets go of a terminal. It holds the first of them back to see what follows; with its
/// own choice, Ctrl-P Ctrl-Q, no shell would go back in its history. These hold back a NUL.
const DETACH_KEYS: &str = "ctrl-@,ctrl-^,ctrl-@,ctrl-^";

/// Both directions of an exec or attach. The halves are independent; dropping both closes the connection.
pub struct Duplex {
    /// What comes out.
    pub output: Frames,
    /// What goes in.
    pub stdin: Stdin,
}

/// The way into a program. `shutdown`, or dropping it, tells the program the end of its input and leaves its
/// output open.
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
        let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let config = ExecConfig {
            attach_stdin: Some(spec.stdin),
            attach_stdout: Some(spec.stdout),
            attach_stderr: Some(spec.stderr),
            tty: Some(spec.tty),
            env: (!env.is_empty()).then_some(env),
            cmd: Some(spec.command.clone()),
            detach_keys: Some(DETACH_KEYS.to_owned()),
            privileged: Some(spec.privileged),
            user: spec.user.clone(),
            working_dir: spec.working_dir.clone(),
            ..ExecConfig::default()
        };
        let created = self.call(self.docker()?.create_exec(&segment(container)?, config)).await?;
        Ok(created.id)
    }

    /// Runs a prepared program with its streams connected. Its output ends when it does. `spec` is the one it was
    /// prepared with.
    pub async fn start_exec(&self, exec: &str, spec: &ExecSpec) -> Result<Duplex> {
        let path = format!("/exec/{}/start", segment(exec)?);
        let body = json!({"Detach": false, "Tty": spec.tty});
        let duplex = self.hijack(&path, Bytes::from(body.to_string()), spec.tty).await?;
        if let (true, Some((columns, rows))) = (spec.tty, spec.size) {
            // A program that has ended by now needs no size.
            if let Err(error) = self.resize_exec(exec, columns, rows).await {
                tracing::debug!(%error, "first size of a terminal");
            }
        }
        Ok(duplex)
    }

    /// Tells what became of an exec.
    pub async fn inspect_exec(&self, exec: &str) -> Result<ExecState> {
        let body: ExecBody = self.get(&format!("/exec/{}/json", segment(exec)?)).await?;
        Ok(body.into_state())
    }

    /// Waits for the exit code of an exec whose output has ended; the engine learns of it a moment later.
    pub async fn exec_exit_code(&self, exec: &str) -> Result<i64> {
        let mut pause = Duration::from_millis(2);
        loop {
            let state = self.inspect_exec(exec).await?;
            if let (false, Some(code)) = (state.running, state.exit_code) {
                return Ok(code);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Sets the size of the terminal of an exec.
    pub async fn resize_exec(&self, exec: &str, columns: u16, rows: u16) -> Result<()> {
        let options = q::ResizeExecOptions { h: i32::from(rows), w: i32::from(columns) };
        self.call(self.docker()?.resize_exec(&segment(exec)?, options)).await
    }

    /// Runs a program to its end and gives its exit code and the first `limit` bytes of its output, both
    /// streams as they come. [`Error::TimedOut`] after `timeout`: the program then goes on.
    pub async fn run_exec(
        &self,
        container: &str,
        spec: &ExecSpec,
        timeout: Duration,
        limit: usize,
    ) -> Result<(i64, Vec<u8>)> {
        let run = async {
            let exec = self.create_exec(container, spec).await?;
            let Duplex { mut output, stdin } = self.start_exec(&exec, spec).await?;
            let mut gathered = Vec::new();
            while let Some(frame) = output.next().await {
                let frame = frame.map_err(|cause| Error::Broken(cause.to_string()))?;
                let room = limit.saturating_sub(gathered.len());
                gathered.extend(frame.data.iter().take(room));
            }
            drop(stdin);
            Ok((self.exec_exit_code(&exec).await?, gathered))
        };
        self.limited(timeout, run).await
    }

    /// Connects to the streams of a container's own program, from now on. `stdin` needs a container with its
    /// stdin open.
    pub async fn attach(&self, container: &str, stdin: bool, stdout: bool, stderr: bool) -> Result<Duplex> {
        let raw = self.inspect_container(container).await?.config.tty;
        let flag = |on: bool| if on { "1" } else { "0" };
        let pairs = [
            ("stream", "1"),
            ("stdin", flag(stdin)),
            ("stdout", flag(stdout)),
            ("stderr", flag(stderr)),
            ("detachKeys", DETACH_KEYS),
        ];
        let path = format!("/containers/{}/attach?{}", segment(container)?, query(&pairs));
        self.hijack(&path, Bytes::new(), raw).await
    }

    /// Sets the size of the terminal of a container.
    pub async fn resize_container(&self, container: &str, columns: u16, rows: u16) -> Result<()> {
        let options = q::ResizeContainerTTYOptions { h: i32::from(rows), w: i32::from(columns) };
        self.call(self.docker()?.resize_container_tty(&segment(container)?, options)).await
    }

    async fn hijack(&self, path: &str, body: Bytes, raw: bool) -> Result<Duplex> {
        let mut request = with_body(Method::POST, path, body);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
        let open = async {
            let response = check(self.transport.send_alone(request).await?).await?;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Err(Error::Protocol(format!("{} to a request for a stream", response.status())));
            }
            hyper::upgrade::on(response).await.map_err(|cause| self.transport.unreachable(&cause))
        };
        let upgraded = self.limited(self.transport.timeout(), open).await?;
        let parts = upgraded
            .downcast::<TokioIo<UnixStream>>()
            .map_err(|_| Error::Protocol("a stream over something else than the socket".to_owned()))?;
        let (read, write) = parts.io.into_inner().into_split();
        Ok(Duplex { output: Frames::from_socket(read, parts.read_buf, raw), stdin: Stdin { half: write } })
    }
}
