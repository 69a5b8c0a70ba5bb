//! The certificates under `<data>/pki`: an authority of its own, the server's certificate, which
//! renews itself, the administrator's, and the signing of requests. It knows no configuration and
//! no API: names and times come from the caller.
//!
//! ```text
//! ca.crt, ca.key   the authority: made once, kept
//! server.pem       key and certificate of the server: made anew whenever due
//! admin.pem        key and certificate of the administrator: made anew when due
//! sa.key           signs the tokens of service accounts (see `token`)
//! tokens.json      hashes of bearer tokens (see `bearer`)
//! ```
//!
//! A key and its certificate share one file so that they can never be of two ages.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::files;

mod authority;
mod certificate;
mod client;
mod names;
mod renewal;
mod request;
mod server;
mod usage;

#[cfg(test)]
mod tests;

pub use authority::Authority;
pub use certificate::{Due, Facts, Pair, Subject};
pub use client::{ClientIdentity, ClientVerifier};
pub use names::Names;
pub use renewal::keep_renewed;
pub use server::{ServerCertificate, server_config};
pub use usage::Usage;

/// The files in the folder.
pub const FILES: [&str; 6] = ["ca.key", "ca.crt", "server.pem", "admin.pem", "sa.key", super::bearer::FILE];
/// Life of the server's and the administrator's certificates.
pub const LEAF_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);
/// Name of the administrator.
pub const ADMIN_NAME: &str = "kubernetes-admin";
/// Name of the administrator of an API that is served alone, for tests.
pub const TEST_ADMIN_NAME: &str = "admin";
/// Group of the administrator: may do everything.
pub const ADMIN_GROUP: &str = "system:masters";

/// What can be wrong with certificates and keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] files::Error),
    /// A file that cannot be made anew without harm is broken.
    #[error("{}: {what}; {advice}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What can be done.
        advice: &'static str,
    },
    /// Making a key or a certificate failed.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A certificate signing request cannot be signed.
    #[error("certificate request: {0}")]
    Request(String),
    /// TLS refuses the key or the certificate.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The machine's addresses or its clock cannot be watched.
    #[error("cannot watch addresses and time: {0}")]
    Watch(std::io::Error),
}

/// The folder of certificates with its authority.
pub struct Folder {
    path: PathBuf,
    authority: Arc<Authority>,
}

impl Folder {
    /// Opens the folder `<data>/pki`, or makes it, with the authority.
    ///
    /// # Errors
    /// The folder cannot be used, or the authority's files are broken.
    pub fn open(data_dir: &Path, now: SystemTime) -> Result<Self, Error> {
        files::private_dir(data_dir)?;
        let path = folder(data_dir);
        files::private_dir(&path)?;
        let authority = Arc::new(Authority::open(&path, now)?);
        Ok(Self { path, authority })
    }

    /// The authority.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// The administrator's key and certificate, made anew when a third of its life or less is left.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn admin(&self, now: SystemTime) -> Result<Pair, Error> {
        match self.kept_admin(now)? {
            Some(pair) => Ok(pair),
            None => self.renew_admin(now),
        }
    }

    /// Gives the administrator this name: a certificate with another is made anew.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn name_admin(&self, name: &str, now: SystemTime) -> Result<Pair, Error> {
        match self.kept_admin(now)? {
            Some(pair) if pair.facts.subject.name == name => Ok(pair),
            _ => self.issue_admin(name, now),
        }
    }

    /// Makes the administrator's key and certificate anew, whatever their age, under the same name.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn renew_admin(&self, now: SystemTime) -> Result<Pair, Error> {
        let kept = Pair::read(&self.admin_path())?.map(|pair| pair.facts.subject.name);
        self.issue_admin(kept.as_deref().unwrap_or(ADMIN_NAME), now)
    }

    /// The pair in the folder, if it need not be made anew.
    fn kept_admin(&self, now: SystemTime) -> Result<Option<Pair>, Error> {
        let pair = Pair::read(&self.admin_path())?;
        Ok(pair.filter(|pair| pair.facts.due(&self.authority, &Names::default(), now).is_none()))
    }

    fn issue_admin(&self, name: &str, now: SystemTime) -> Result<Pair, Error> {
        let subject = Subject { name: name.into(), groups: vec![ADMIN_GROUP.into()] };
        let pair = self.authority.issue(&subject, &Names::default(), &[Usage::ClientAuth], LEAF_LIFE, now)?;
        files::write_private(&self.admin_path(), pair.text().as_bytes())?;
        Ok(pair)
    }

    /// What the server's certificate in the folder says; `None` if there is none that can be used.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn server_facts(&self) -> Result<Option<Facts>, Error> {
        Ok(Pair::read(&self.server_path())?.map(|pair| pair.facts))
    }

    /// Makes the server's certificate in the folder anew, whatever its age. A server that runs shows
    /// it after [`ServerCertificate::reload`].
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn renew_server(&self, names: &Names, now: SystemTime) -> Result<Facts, Error> {
        server::write_new(&self.server_path(), &self.authority, names, now).map(|pair| pair.facts)
    }

    /// Path of the key that signs tokens of service accounts.
    #[must_use]
    pub fn token_key(&self) -> PathBuf {
        self.path.join("sa.key")
    }

    fn admin_path(&self) -> PathBuf {
        self.path.join("admin.pem")
    }

    fn server_path(&self) -> PathBuf {
        self.path.join("server.pem")
    }
}

/// The certificates of a server that runs.
pub struct Pki {
    folder: Folder,
    server: Arc<ServerCertificate>,
}

impl Pki {
    /// Opens the folder `<data>/pki`, or makes it, and brings the server's certificate up to date for
    /// these names.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open(data_dir: &Path, names: &Names, now: SystemTime) -> Result<Self, Error> {
        let folder = Folder::open(data_dir, now)?;
        let server = ServerCertificate::open(folder.server_path(), &folder.authority, names, now)?;
        Ok(Self { folder, server: Arc::new(server) })
    }

    /// The folder with the authority and the administrator.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The authority.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.folder.authority
    }

    /// The server's certificate.
    #[must_use]
    pub fn server(&self) -> &Arc<ServerCertificate> {
        &self.server
    }
}

/// The folder of certificates in a data folder.
#[must_use]
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("pki")
}
