//! A WebSocket after its opening: messages in, messages out, pings answered.

use std::time::Duration;

use fastwebsockets::{FragmentCollectorRead, Frame, OpCode, Payload, Role, WebSocket, WebSocketError, WebSocketWrite};
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Largest message that is taken; upstream's clients never send more than 32 KiB.
const MAX_MESSAGE: usize = 1 << 20;
/// Messages that wait to be written.
const MESSAGES: usize = 4;
/// How long a client may take to hang up after everything was said.
pub const LINGER: Duration = Duration::from_secs(5);

/// What is sent.
pub enum Message {
    /// Bytes.
    Binary(Vec<u8>),
    /// Text.
    Text(Vec<u8>),
    /// The answer to a ping.
    Pong(Vec<u8>),
    /// The end.
    Close,
}

/// What the client sends.
pub struct Incoming<S> {
    reader: FragmentCollectorRead<ReadHalf<S>>,
    messages: mpsc::WeakSender<Message>,
}

/// Takes over a connection: what comes in, where to put what goes out, and the end of the writing.
pub fn open<S>(io: S) -> (Incoming<S>, mpsc::Sender<Message>, JoinHandle<()>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut socket = WebSocket::after_handshake(io, Role::Server);
    socket.set_max_message_size(MAX_MESSAGE);
    socket.set_auto_close(false);
    socket.set_auto_pong(false);
    let (reader, writer) = socket.split(tokio::io::split);
    let (messages, queue) = mpsc::channel(MESSAGES);
    let writing = tokio::spawn(async move {
        // The reader sees as well that the client is gone, and says so.
        let _ = write(writer, queue).await;
    });
    (Incoming { reader: FragmentCollectorRead::new(reader), messages: messages.downgrade() }, messages, writing)
}

async fn write<S>(
    mut writer: WebSocketWrite<WriteHalf<S>>,
    mut queue: mpsc::Receiver<Message>,
) -> Result<(), WebSocketError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    while let Some(message) = queue.recv().await {
        let frame = match message {
            Message::Binary(bytes) => Frame::binary(Payload::Owned(bytes)),
            Message::Text(text) => Frame::text(Payload::Owned(text)),
            Message::Pong(bytes) => Frame::pong(Payload::Owned(bytes)),
            Message::Close => Frame::close(1000, b""),
        };
        writer.write_frame(frame).await?;
        if queue.is_empty() {
            writer.flush().await?;
        }
    }
    Ok(())
}

impl<S> Incoming<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    /// The next message, or `None` once the client is gone.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        // What must be answered goes to the writer; nothing else is sent from here.
        let mut refuse = |_: Frame<'_>| std::future::ready(Ok::<(), WebSocketError>(()));
        loop {
            let frame = self.reader.read_frame(&mut refuse).await.ok()?;
            match frame.opcode {
                OpCode::Close => return None,
                OpCode::Ping => {
                    // A client that pings faster than it is answered needs no second answer.
                    if let Some(messages) = self.messages.upgrade() {
                        let _ = messages.try_send(Message::Pong(frame.payload.to_vec()));
                    }
                }
                OpCode::Binary | OpCode::Text => return Some(frame.payload.into()),
                _ => {}
            }
        }
    }
}
