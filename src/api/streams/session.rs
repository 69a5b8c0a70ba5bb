//! exec and attach over a WebSocket: each message begins with the number of its channel
//! (KEP-4006): 0 stdin, 1 stdout, 2 stderr, 3 the outcome, 4 the size of the terminal; in version 5
//! 255 closes the channel whose number follows.

use bytes::Bytes;
use fastwebsockets::{FragmentCollectorRead, Frame, OpCode, Payload, Role, WebSocket, WebSocketError, WebSocketWrite};
use futures_util::StreamExt;
use hyper::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tracing::debug;

use super::super::body::Body;
use super::websocket;
use super::{Context, ExecOptions, Output, Process, container, no_host, pod, streams};
use crate::schema::object::Object;
use crate::schema::status::Status;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const OUTCOME: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// Largest message that is taken, as upstream's clients never send more than 32 KiB.
const MAX_MESSAGE: usize = 1 << 20;

type Reader = FragmentCollectorRead<ReadHalf<TokioIo<Upgraded>>>;
type Writer = WebSocketWrite<WriteHalf<TokioIo<Upgraded>>>;

/// Runs a program in a container.
pub async fn exec(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let pod = pod(cx).await?;
    let container = container(cx, &pod)?;
    if pod.text("/spec/nodeName").is_empty() {
        return Err(no_host(&pod));
    }
    let options = options(cx);
    if options.command.is_empty() {
        return Err(Status::bad_request("you must specify at least one command for the container"));
    }
    open(cx, |options| streams(cx, &pod).map(|streams| streams.exec(&pod, &container, options)), options).await
}

/// Connects to the program that a container runs.
pub async fn attach(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let pod = pod(cx).await?;
    let container = container(cx, &pod)?;
    if pod.text("/spec/nodeName").is_empty() {
        return Err(no_host(&pod));
    }
    let mut options = options(cx);
    options.command.clear();
    open(cx, |options| streams(cx, &pod).map(|streams| streams.attach(&pod, &container, options)), options).await
}

fn options(cx: &Context<'_>) -> ExecOptions {
    let query = &cx.query;
    let tty = query.flag("tty");
    ExecOptions {
        command: query.all("command").map(ToOwned::to_owned).collect(),
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        // A terminal has one output.
        stderr: query.flag("stderr") && !tty,
        tty,
    }
}

async fn open<F>(
    cx: &Context<'_>,
    start: impl FnOnce(ExecOptions) -> Result<F, Status>,
    options: ExecOptions,
) -> Result<Response<Body>, Status>
where
    F: Future<Output = Result<Process, Status>>,
{
    if !options.stdin && !options.stdout && !options.stderr {
        return Err(Status::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    if !websocket::is_wanted(&cx.headers) {
        return Err(Status::bad_request("Upgrade request required"));
    }
    let agreed = websocket::agree(&cx.headers)?;
    let upgrade = cx.take_upgrade().ok_or_else(|| Status::bad_request("Upgrade request required"))?;
    let process = start(options.clone())?.await?;
    let version5 = agreed.protocol.starts_with("v5.");
    tokio::spawn(async move {
        if let Err(error) = serve(upgrade, process, options, version5).await {
            debug!(%error, "a session ended early");
        }
    });
    Ok(agreed.response)
}

/// What comes in from the client.
enum Input {
    Data(Bytes),
    End,
}

#[derive(Deserialize)]
struct Size {
    #[serde(rename = "Width")]
    width: u16,
    #[serde(rename = "Height")]
    height: u16,
}

async fn serve(
    upgrade: OnUpgrade,
    process: Process,
    options: ExecOptions,
    version5: bool,
) -> Result<(), WebSocketError> {
    let upgraded = upgrade.await.map_err(|_| WebSocketError::ConnectionClosed)?;
    let mut socket = WebSocket::after_handshake(TokioIo::new(upgraded), Role::Server);
    socket.set_max_message_size(MAX_MESSAGE);
    socket.set_auto_close(false);
    socket.set_auto_pong(false);
    let (reader, mut writer) = socket.split(tokio::io::split);
    let reader = FragmentCollectorRead::new(reader);
    let Process { mut output, stdin, resize, exit } = process;
    // Small queues, so that a program that does not read holds its client back.
    let (input, inputs) = mpsc::channel(4);
    let (pong, mut pongs) = mpsc::channel::<Vec<u8>>(1);
    let feeding = tokio::spawn(feed(inputs, stdin));
    let mut reading = tokio::spawn(read(reader, input, pong, resize, version5));

    let first = if options.stdout {
        STDOUT
    } else if options.stderr {
        STDERR
    } else {
        OUTCOME
    };
    send(&mut writer, first, b"").await?;
    let outcome = loop {
        tokio::select! {
            piece = output.next() => match piece {
                Some(Ok((Output::Stdout, bytes))) if options.stdout => send(&mut writer, STDOUT, &bytes).await?,
                Some(Ok((Output::Stderr, bytes))) if options.stderr => send(&mut writer, STDERR, &bytes).await?,
                Some(Ok(_)) => {}
                Some(Err(error)) => break Err(Status::internal(error)),
                None => break exit.await,
            },
            Some(payload) = pongs.recv() => writer.write_frame(Frame::pong(Payload::Owned(payload))).await?,
            _ = &mut reading => break Ok(None),
        }
    };
    reading.abort();
    feeding.abort();
    send(&mut writer, OUTCOME, verdict(outcome).to_string().as_bytes()).await?;
    writer.write_frame(Frame::close(1000, b"")).await
}

async fn send(writer: &mut Writer, channel: u8, bytes: &[u8]) -> Result<(), WebSocketError> {
    let mut message = Vec::with_capacity(bytes.len() + 1);
    message.push(channel);
    message.extend_from_slice(bytes);
    writer.write_frame(Frame::binary(Payload::Owned(message))).await
}

/// The outcome as clients read it.
fn verdict(outcome: Result<Option<i64>, Status>) -> Value {
    match outcome {
        Ok(None | Some(0)) => json!({"metadata": {}, "status": "Success"}),
        Ok(Some(code)) => json!({
            "metadata": {},
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Err(status) => status.to_value(),
    }
}

/// Reads messages until the client is gone.
async fn read(
    mut reader: Reader,
    input: mpsc::Sender<Input>,
    pong: mpsc::Sender<Vec<u8>>,
    resize: Box<dyn Fn(u16, u16) -> futures_util::future::BoxFuture<'static, ()> + Send + Sync>,
    version5: bool,
) {
    // What must be answered goes to the writer; nothing else is sent from here.
    let mut refuse = |_: Frame<'_>| std::future::ready(Ok::<(), WebSocketError>(()));
    while let Ok(frame) = reader.read_frame(&mut refuse).await {
        match frame.opcode {
            OpCode::Close => return,
            OpCode::Ping => {
                // A client that pings faster than it is answered needs no second answer.
                let _ = pong.try_send(frame.payload.to_vec());
            }
            OpCode::Binary | OpCode::Text => {
                let Some((channel, data)) = frame.payload.split_first() else { continue };
                match *channel {
                    STDIN if !data.is_empty() => {
                        // A program that has ended reads nothing more.
                        let _ = input.send(Input::Data(Bytes::copy_from_slice(data))).await;
                    }
                    RESIZE => {
                        if let Ok(size) = serde_json::from_slice::<Size>(data) {
                            resize(size.width, size.height).await;
                        }
                    }
                    CLOSE if version5 && data.first() == Some(&STDIN) => {
                        let _ = input.send(Input::End).await;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// Writes to the program until the client says that this is all.
async fn feed(mut inputs: mpsc::Receiver<Input>, stdin: Option<Box<dyn tokio::io::AsyncWrite + Send + Unpin>>) {
    let Some(mut stdin) = stdin else {
        while inputs.recv().await.is_some() {}
        return;
    };
    while let Some(input) = inputs.recv().await {
        match input {
            Input::Data(bytes) => {
                if stdin.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            Input::End => break,
        }
    }
    // A program that is gone has had its end of input.
    let _ = stdin.shutdown().await;
    while inputs.recv().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_tells_its_code() {
        let verdict = verdict(Ok(Some(3)));
        assert_eq!(verdict["details"]["causes"][0], json!({"reason": "ExitCode", "message": "3"}));
        assert_eq!(super::verdict(Ok(Some(0)))["status"], "Success");
    }
}
