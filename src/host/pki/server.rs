//! The server's certificate, which can be replaced while connections are served, and the TLS
//! settings that go with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::authority::Authority;
use super::certificate::{Due, Facts, Pair};
use super::client::ClientVerifier;
use super::usage::Usage;
use super::{Error, LEAF_LIFE, Names, Subject};
use crate::host::files;

/// The certificate that is shown to clients now.
pub struct ServerCertificate {
    path: PathBuf,
    current: RwLock<(Arc<CertifiedKey>, Facts)>,
}

impl ServerCertificate {
    pub(super) fn open(path: PathBuf, authority: &Authority, names: &Names, now: SystemTime) -> Result<Self, Error> {
        let pair = current(&path, authority, names, now)?;
        let current = (Arc::new(certified(&pair)?), pair.facts);
        Ok(Self { path, current: RwLock::new(current) })
    }

    /// Reads the file again, which somebody may have changed, and shows what it holds to all that
    /// connect from now on; makes it anew if it is due.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn reload(&self, authority: &Authority, names: &Names, now: SystemTime) -> Result<(), Error> {
        let pair = current(&self.path, authority, names, now)?;
        self.show(pair)
    }

    /// Makes the certificate anew if it is due, and shows it to all that connect from now on.
    /// Answers why, or `None` if it is right as it is.
    ///
    /// # Errors
    /// The file cannot be written; the new certificate is in use all the same, since the old one is
    /// known to be wrong.
    pub fn renew(&self, authority: &Authority, names: &Names, now: SystemTime) -> Result<Option<Due>, Error> {
        let Some(due) = self.facts().due(authority, names, now) else { return Ok(None) };
        let pair = issue(authority, names, now)?;
        let text = pair.text();
        self.show(pair)?;
        files::write_private(&self.path, text.as_bytes())?;
        Ok(Some(due))
    }

    fn show(&self, pair: Pair) -> Result<(), Error> {
        let key = Arc::new(certified(&pair)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (key, pair.facts);
        Ok(())
    }

    /// What the present certificate says.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.current.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ServerCertificate").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).0.clone())
    }
}

/// The pair in the file, or a new one in its place where it is due.
fn current(path: &Path, authority: &Authority, names: &Names, now: SystemTime) -> Result<Pair, Error> {
    let due = match Pair::read(path)? {
        Some(pair) => match pair.facts.due(authority, names, now) {
            None => return Ok(pair),
            Some(due) => due,
        },
        None => Due::Missing,
    };
    let pair = write_new(path, authority, names, now)?;
    tracing::info!("made the server's certificate: {due}");
    Ok(pair)
}

/// Makes a pair and writes it.
pub(super) fn write_new(path: &Path, authority: &Authority, names: &Names, now: SystemTime) -> Result<Pair, Error> {
    let pair = issue(authority, names, now)?;
    files::write_private(path, pair.text().as_bytes())?;
    Ok(pair)
}

fn issue(authority: &Authority, names: &Names, now: SystemTime) -> Result<Pair, Error> {
    let subject = Subject { name: "k2d".into(), groups: Vec::new() };
    authority.issue(&subject, names, &[Usage::ServerAuth], LEAF_LIFE, now)
}

fn certified(pair: &Pair) -> Result<CertifiedKey, Error> {
    let key = rustls::crypto::ring::sign::any_supported_type(&pair.key()?)?;
    Ok(CertifiedKey::new(vec![pair.certificate.clone()], key))
}

/// TLS 1.2 and 1.3 for HTTP/2 and HTTP/1.1, with client certificates asked for and checked by
/// `clients` later. Sessions are not resumed, so none is kept in memory.
///
/// # Errors
/// None but a defect of the library.
pub fn server_config(server: Arc<ServerCertificate>, clients: Arc<ClientVerifier>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(server);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
