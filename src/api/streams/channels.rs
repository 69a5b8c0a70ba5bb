//! exec and attach over a WebSocket: each message begins with the number of its channel (KEP-4006):
//! 0 stdin, 1 stdout, 2 stderr, 3 the outcome, 4 the size of the terminal; in version 5 255 closes
//! the channel whose number follows. In the base64 form the number is a digit and the rest base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use super::session::{Resize, Running, Size, Wire, run, started};
use super::socket::{self, Incoming, LINGER, Message};
use super::spdy::Closed;
use super::{ExecOptions, Output, Process};
use crate::schema::status::Status;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const OUTCOME: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// The subprotocols, the best first.
pub const PROTOCOLS: [&str; 4] =
    ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "base64.channel.k8s.io"];
/// Pieces of input that wait for the program.
const PIECES: usize = 4;

/// How channels are written.
#[derive(Clone, Copy)]
struct Form {
    base64: bool,
    closes: bool,
}

impl Form {
    fn of(protocol: &str) -> Self {
        Self { base64: protocol.contains("base64"), closes: protocol.starts_with("v5.") }
    }

    fn seal(self, channel: u8, bytes: &[u8]) -> Message {
        if self.base64 {
            let mut text = String::with_capacity(1 + bytes.len().div_ceil(3) * 4);
            text.push(char::from(b'0' + channel));
            STANDARD.encode_string(bytes, &mut text);
            return Message::Text(text.into_bytes());
        }
        let mut message = Vec::with_capacity(bytes.len() + 1);
        message.push(channel);
        message.extend_from_slice(bytes);
        Message::Binary(message)
    }

    /// Channel and content; `None` for what is neither.
    fn open(self, message: Vec<u8>) -> Option<(u8, Bytes)> {
        let mut message = Bytes::from(message);
        let channel = *message.first()?;
        let content = message.split_off(1);
        if self.base64 {
            return Some((channel.checked_sub(b'0')?, STANDARD.decode(&content).ok()?.into()));
        }
        Some((channel, content))
    }
}

struct Channels {
    messages: mpsc::Sender<Message>,
    form: Form,
}

impl Channels {
    async fn put(&self, channel: u8, bytes: &[u8]) -> Result<(), Closed> {
        self.messages.send(self.form.seal(channel, bytes)).await.map_err(|_| Closed)
    }
}

impl Wire for Channels {
    async fn send(&self, output: Output, bytes: &[u8]) -> Result<(), Closed> {
        let channel = if output == Output::Stdout { STDOUT } else { STDERR };
        self.put(channel, bytes).await
    }

    async fn finish(&self, verdict: &[u8]) -> Result<(), Closed> {
        self.put(OUTCOME, verdict).await?;
        self.messages.send(Message::Close).await.map_err(|_| Closed)
    }
}

/// Serves a session to its end.
pub async fn serve<S>(
    io: S,
    start: BoxFuture<'_, Result<Process, Status>>,
    options: &ExecOptions,
    protocol: &str,
) -> Result<(), Closed>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let form = Form::of(protocol);
    let (incoming, messages, writing) = socket::open(io);
    let wire = Channels { messages, form };
    // Clients wait for a first message to know that the channels are there.
    wire.put(if options.stdout { STDOUT } else { STDERR }, b"").await?;
    let Process { output, stdin, resize, exit } = started(start).await;
    let (sender, receiver) = mpsc::channel(PIECES);
    let (leaving, gone) = oneshot::channel();
    let mut reading = tokio::spawn(async move {
        read(incoming, sender, resize, form).await;
        // The session may have ended before its client.
        let _ = leaving.send(());
    });
    let running = Running { output, stdin, exit, input: received(receiver) };
    let gone = async {
        // Either way the reading has ended.
        let _ = gone.await;
    };
    let ended = run(&wire, running, options, gone).await;
    drop(wire);
    // Closing with something unread would take from the client what it has not yet read.
    let _ = tokio::time::timeout(LINGER, &mut reading).await;
    reading.abort();
    writing.abort();
    ended
}

fn received(receiver: mpsc::Receiver<Bytes>) -> BoxStream<'static, Bytes> {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|bytes| (bytes, receiver)) }).boxed()
}

/// Reads messages until the client is gone.
async fn read<S>(mut incoming: Incoming<S>, input: mpsc::Sender<Bytes>, resize: Resize, form: Form)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut input = Some(input);
    while let Some(message) = incoming.next().await {
        match form.open(message) {
            Some((STDIN, data)) if !data.is_empty() => {
                if let Some(input) = &input {
                    // A program that has ended reads nothing more.
                    let _ = input.send(data).await;
                }
            }
            Some((RESIZE, data)) => {
                if let Ok(size) = serde_json::from_slice::<Size>(&data) {
                    resize(size.width, size.height).await;
                }
            }
            Some((CLOSE, data)) if form.closes && data.first() == Some(&STDIN) => input = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_carry_the_same() {
        for protocol in PROTOCOLS {
            let form = Form::of(protocol);
            let (Message::Binary(bytes) | Message::Text(bytes)) = form.seal(STDOUT, b"a\0b") else {
                panic!("{protocol}: neither bytes nor text");
            };
            assert_eq!(form.open(bytes), Some((STDOUT, Bytes::from_static(b"a\0b"))), "{protocol}");
        }
        let Message::Text(text) = Form::of("base64.channel.k8s.io").seal(OUTCOME, b"ok") else { panic!("not text") };
        assert_eq!(text, b"3b2s=");
        assert_eq!(Form::of("base64.channel.k8s.io").open(b"0!".to_vec()), None);
    }
}
