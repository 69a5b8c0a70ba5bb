//! A request to the server on this machine, in the name of the administrator: for verbs that need a
//! server that runs. One connection, one request, no runtime.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use serde_json::Value;

use crate::host::pki::Pair;

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest answer that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// A server that listens at an address.
pub(super) struct Client {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// For the server at `address` whose certificate `authority` signed; with a pair the requests are
    /// in the name of its subject.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub(super) fn new(
        address: SocketAddr,
        authority: &CertificateDer<'static>,
        pair: Option<&Pair>,
    ) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let tls = match pair {
            Some(pair) => builder.with_client_auth_cert(vec![pair.certificate.clone()], pair.key()?)?,
            None => builder.with_no_client_auth(),
        };
        Ok(Self { address, tls: Arc::new(tls) })
    }

    /// Sends a request and reads the answer: its status and its body.
    ///
    /// # Errors
    /// Nobody answers, or not as a server of this authority.
    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)
            .with_context(|| format!("nobody answers on {}; start k2d: systemctl start k2d", self.address))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut session = ClientConnection::new(Arc::clone(&self.tls), ServerName::from(self.address.ip()))?;
        let mut tls = Stream::new(&mut session, &mut stream);

        // The old version of HTTP, so that the body ends where the connection does.
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        tls.write_all(head.as_bytes())?;
        tls.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        match tls.take(LONGEST).read_to_end(&mut answer) {
            // A connection that ends without the farewell of TLS.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && !answer.is_empty() => {}
            other => drop(other?),
        }
        split(&answer).with_context(|| format!("{} does not answer in HTTP", self.address))
    }

    /// The object in the answer to a request.
    ///
    /// # Errors
    /// As [`Client::ask`], and what the server says where it refuses.
    pub(super) fn object(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, body) = self.ask(method, path, body)?;
        let object: Value = serde_json::from_slice(&body).with_context(|| format!("status {status}"))?;
        if !(200..300).contains(&status) {
            bail!("{}", object["message"].as_str().unwrap_or("the server refuses"));
        }
        Ok(object)
    }
}

/// Status and body of an answer.
fn split(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = answer.split_at_checked(end)?;
    let status = std::str::from_utf8(head).ok()?.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.get(4..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_split_into_status_and_body() {
        assert_eq!(split(b"HTTP/1.0 201 Created\r\nA: b\r\n\r\n{}"), Some((201, b"{}".to_vec())));
        for broken in [&b""[..], b"HTTP/1.0 200 OK\r\n", b"nonsense\r\n\r\n", b"\xff 200\r\n\r\n"] {
            assert_eq!(split(broken), None);
        }
    }
}
