//! Questions about names elsewhere, asked of the host's resolvers. Messages pass as they are, with
//! another number; nothing is kept.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long one resolver has. Clients themselves wait five seconds.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How often each resolver is asked.
const ROUNDS: usize = 2;

/// The resolvers of the host, as its resolv.conf names them at the moment of a question, or fixed ones.
#[derive(Debug)]
pub struct Resolvers {
    /// Where they are read; `None` when they are fixed.
    file: Option<File>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// Never asked: this server itself.
    except: IpAddr,
}

#[derive(Debug, Default)]
struct Known {
    stamp: Option<(SystemTime, u64)>,
    /// The one that answered last stands first.
    servers: Vec<SocketAddr>,
}

impl Resolvers {
    /// The resolvers in a file such as `/etc/resolv.conf`, without `except`, the address of the
    /// server that asks. Search lists do not count: clients apply their own.
    pub fn new(path: impl Into<PathBuf>, except: IpAddr) -> Self {
        Resolvers { file: Some(File { path: path.into(), except }), known: Mutex::default() }
    }

    /// These resolvers, whatever the host itself uses.
    pub fn fixed(servers: Vec<SocketAddr>) -> Self {
        Resolvers { file: None, known: Mutex::new(Known { stamp: None, servers }) }
    }

    /// Asks for the answer to a message.
    ///
    /// `limit` is how many bytes the message lets come back by datagram. An answer that was cut off
    /// to fit is asked for again by stream where it is wanted whole.
    ///
    /// # Errors
    /// When no resolver is known, or none answers in time.
    pub(super) async fn ask(&self, query: &[u8], limit: usize, whole: bool) -> io::Result<Vec<u8>> {
        let mut unwilling = None;
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no resolvers");
        for _ in 0..ROUNDS {
            for server in self.servers() {
                match timeout(PATIENCE, exchange(server, query, limit, whole)).await {
                    Ok(Ok(answer)) if is_unwilling(&answer) => unwilling = Some(answer),
                    Ok(Ok(answer)) => {
                        self.prefer(server);
                        return Ok(answer);
                    }
                    Ok(Err(error)) => failure = error,
                    Err(_) => failure = io::ErrorKind::TimedOut.into(),
                }
            }
            if unwilling.is_some() {
                break;
            }
        }
        unwilling.ok_or(failure)
    }

    /// The resolvers; the file is read again when it changed.
    fn servers(&self) -> Vec<SocketAddr> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(File { path, except }) = &self.file else { return known.servers.clone() };
        let stamp = std::fs::metadata(path).and_then(|data| Ok((data.modified()?, data.len()))).ok();
        if stamp.is_none() || known.stamp != stamp {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            *known = Known { stamp, servers: parse(&text, *except) };
        }
        known.servers.clone()
    }

    fn prefer(&self, server: SocketAddr) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place @ 1..) = known.servers.iter().position(|other| *other == server) {
            known.servers.swap(0, place);
        }
    }
}

/// The `nameserver` lines of a resolv.conf.
fn parse(text: &str, except: IpAddr) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then_some(words.next()?)
    });
    let mut servers: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        // A link-local one names its link: `fe80::1%eth0`, which the standard library reads not.
        if let Ok(address) = address.parse::<IpAddr>()
            && address != except
            && !servers.iter().any(|server| server.ip() == address)
        {
            servers.push(SocketAddr::new(address, 53));
        }
    }
    servers
}

/// Whether another resolver may do better: SERVFAIL, NOTIMP, REFUSED.
fn is_unwilling(answer: &[u8]) -> bool {
    answer.get(3).is_some_and(|flags| matches!(flags & 0x0f, 2 | 4 | 5))
}

async fn exchange(server: SocketAddr, query: &[u8], limit: usize, whole: bool) -> io::Result<Vec<u8>> {
    let mut id = [0; 2];
    SystemRandom::new().fill(&mut id).map_err(|_| io::Error::other("no randomness"))?;
    let mut message = query.to_vec();
    let own = message.first_chunk_mut::<2>().map(|first| std::mem::replace(first, id));
    let own = own.ok_or(io::ErrorKind::InvalidInput)?;
    let mut answer = by_datagram(server, &message, limit).await?;
    let cut = answer.get(2).is_some_and(|flags| flags & 0x02 != 0);
    if cut && whole {
        answer = by_stream(server, &message).await?;
    }
    if let Some(first) = answer.first_chunk_mut::<2>() {
        *first = own;
    }
    Ok(answer)
}

async fn by_datagram(server: SocketAddr, message: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut answer = vec![0; limit];
    loop {
        let length = socket.recv(&mut answer).await?;
        if answer.get(..length).is_some_and(|answer| belongs(message, answer)) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    if belongs(message, &answer) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Whether an answer is one to this query: its number, and its question where it has one.
fn belongs(query: &[u8], answer: &[u8]) -> bool {
    let (Some((head, question)), Some((answer_head, rest))) = (query.split_at_checked(12), answer.split_at_checked(12))
    else {
        return false;
    };
    let is_answer =
        answer_head.first_chunk::<2>() == head.first_chunk::<2>() && answer_head.get(2).is_some_and(|f| f & 0x80 != 0);
    let same_question = || {
        let end = question_length(question)?;
        Some(rest.get(..end)?.eq_ignore_ascii_case(question.get(..end)?))
    };
    let has_question = answer_head.get(4..6) != Some(&[0, 0]);
    is_answer && (!has_question || same_question().unwrap_or(false))
}

/// The length of a question: labels, then type and class.
fn question_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 5),
            length @ 1..64 => at += length + 1,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Resolvers, belongs, parse};

    #[tokio::test]
    async fn fixed_resolvers_are_asked_and_no_others() {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolvers = Resolvers::fixed(vec![socket.local_addr().unwrap()]);
        let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03plc\x07example\x00\x00\x01\x00\x01";
        let answering = async {
            let mut buffer = [0; 512];
            let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
            buffer[2] |= 0x80;
            socket.send_to(&buffer[..length], client).await.unwrap();
        };
        let (answer, ()) = tokio::join!(resolvers.ask(query, 512, false), answering);
        assert_eq!(answer.unwrap()[..3], [0x12, 0x34, 0x81]);
    }

    #[test]
    fn resolvers_are_read_as_the_host_reads_them() {
        let text = "# by hand\nsearch example.com\nnameserver 127.0.0.53\n;nameserver 9.9.9.9\nnameserver\n\
            nameserver 10.42.0.1\nnameserver 2001:db8::1 trailing\n nameserver 192.0.2.5\nnameserver 127.0.0.53\nnameserver x\n";
        let servers = parse(text, "10.42.0.1".parse().unwrap());
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["127.0.0.53:53", "[2001:db8::1]:53", "192.0.2.5:53"]);
    }

    #[test]
    fn only_the_answer_to_the_question_is_taken() {
        let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03plc\x07Example\x00\x00\x01\x00\x01";
        let answer = b"\x12\x34\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x03PLC\x07example\x00\x00\x01\x00\x01more";
        let with = |at: usize, byte: u8| {
            let mut changed = answer.to_vec();
            changed[at] = byte;
            changed
        };
        assert!(belongs(query, answer));
        assert!(belongs(query, b"\x12\x34\x81\x85\x00\x00\x00\x00\x00\x00\x00\x00"), "a refusal without the question");
        for (what, answer) in
            [("number", with(1, 0)), ("question", with(13, b'x')), ("type", with(26, 28)), ("query", with(2, 1))]
        {
            assert!(!belongs(query, &answer), "another {what}");
        }
        for end in 0..27 {
            assert!(!belongs(query, &answer[..end]));
        }
    }
}
