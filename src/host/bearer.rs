//! Bearer tokens that the administrator hands out (`k2d token create`): a file with their hashes, which
//! the verb writes and the server reads again whenever it has changed. What a user may do is not known
//! here.
//!
//! A token is `k2d_<id>_<secret>` with 256 random bits, so that a plain hash keeps it: the file is of no
//! use to whoever reads it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use ring::digest;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::files;
use super::token::{KeyError, random_hex};

/// Name of the file in the folder of certificates and keys.
pub const FILE: &str = "tokens.json";
/// How every token begins.
const PREFIX: &str = "k2d_";
/// Bytes of an identifier; a token is named by it where it may be seen.
const ID: usize = 5;
/// Bytes of a secret.
const SECRET: usize = 32;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] files::Error),
    /// It cannot be kept from others who write it.
    #[error("cannot lock {}: {source}", path.display())]
    Lock {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{}: {what}; bring it back from a copy, or remove it, and no such token holds any more", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The system gives no random bytes.
    #[error(transparent)]
    Random(#[from] KeyError),
}

/// What is kept of one token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Names the token.
    pub id: String,
    /// The user who shows it.
    pub user: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// SHA-256 of the whole token, in hexadecimal digits.
    sha256: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it does not hold; `None` is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl Entry {
    /// Whether it has ended.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }
}

/// The whole file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    tokens: Vec<Entry>,
}

/// What tells two states of a file apart: place, size and time.
type Stamp = (u64, u64, u64, i64, i64);

/// The tokens, as the file has them now.
pub struct BearerTokens {
    path: PathBuf,
    known: Mutex<(Option<Stamp>, Vec<Entry>)>,
}

impl BearerTokens {
    /// Those of the folder of certificates and keys. Nothing is read yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join(FILE), known: Mutex::default() }
    }

    /// Whose a token is, while it holds. The file is read only when it has changed since; one that
    /// cannot be read lets nobody in.
    pub fn identify(&self, token: &str, now: SystemTime) -> Option<Entry> {
        let id = token.strip_prefix(PREFIX)?.split('_').next()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = fs::metadata(&self.path)
            .ok()
            .map(|file| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()));
        if known.0 != stamp {
            let entries = self.read().unwrap_or_else(|error| {
                tracing::error!("no bearer token holds: {error}");
                Vec::new()
            });
            *known = (stamp, entries);
        }
        let now = Timestamp::try_from(now).ok()?;
        let entry = known.1.iter().find(|entry| entry.id == id && entry.sha256 == hash(token))?;
        (!entry.has_expired(now)).then(|| entry.clone())
    }

    /// All that are kept, also those that have ended.
    ///
    /// # Errors
    /// The file cannot be read or is broken.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        self.read()
    }

    /// Makes a token and keeps its hash; the token is told here and never again. Those that have ended
    /// are forgotten.
    ///
    /// # Errors
    /// The file cannot be written, or there is no randomness.
    pub fn create(
        &self,
        user: &str,
        groups: &[String],
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(String, Entry), Error> {
        let id = random_hex::<ID>()?;
        let token = format!("{PREFIX}{id}_{}", random_hex::<SECRET>()?);
        let created = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let (user, groups, sha256) = (user.to_owned(), groups.to_vec(), hash(&token));
        let entry = Entry { id, user, groups, sha256, created, expires };
        self.change(|entries| {
            entries.retain(|entry| !entry.has_expired(now));
            entries.push(entry.clone());
        })?;
        Ok((token, entry))
    }

    /// Lets a token end now; whether there was one of that identifier.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn revoke(&self, id: &str) -> Result<bool, Error> {
        let mut found = false;
        self.change(|entries| {
            entries.retain(|entry| {
                found |= entry.id == id;
                entry.id != id
            });
        })?;
        Ok(found)
    }

    fn read(&self) -> Result<Vec<Entry>, Error> {
        let Some(text) = files::read_private(&self.path)? else { return Ok(Vec::new()) };
        let document: Document = serde_json::from_str(&text)
            .map_err(|error| Error::Broken { path: self.path.clone(), what: error.to_string() })?;
        Ok(document.tokens)
    }

    /// Changes the file while nobody else does.
    fn change(&self, edit: impl FnOnce(&mut Vec<Entry>)) -> Result<(), Error> {
        let folder = self.path.parent().unwrap_or(&self.path);
        let failed = |source| Error::Lock { path: folder.to_owned(), source };
        let lock = File::open(folder).map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        let mut tokens = self.read()?;
        edit(&mut tokens);
        let text = serde_json::to_string_pretty(&Document { tokens })
            .map_err(|error| Error::Broken { path: self.path.clone(), what: error.to_string() })?;
        files::write_private(&self.path, text.as_bytes())?;
        Ok(())
    }
}

fn hash(token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Dir;
    use std::time::Duration;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_holds_at_once_until_it_is_revoked() {
        let dir = Dir::new();
        let (server, verb) = (BearerTokens::new(&dir.0), BearerTokens::new(&dir.0));
        assert_eq!(server.identify("k2d_0_0", at(1_800_000_000)), None);
        let (token, entry) = verb.create("olga", &["ops".into()], None, now()).unwrap();
        let found = server.identify(&token, at(1_800_000_000)).unwrap();
        assert_eq!((found.user.as_str(), found.groups.as_slice()), ("olga", &["ops".to_owned()][..]));
        let (other, _) = verb.create("ivan", &[], None, now()).unwrap();
        assert!(verb.revoke(&entry.id).unwrap());
        assert!(!verb.revoke(&entry.id).unwrap());
        assert_eq!(server.identify(&token, at(1_800_000_000)), None);
        assert!(server.identify(&other, at(1_800_000_000)).is_some());
    }

    #[test]
    fn a_token_ends_when_it_should_and_is_forgotten() {
        let dir = Dir::new();
        let tokens = BearerTokens::new(&dir.0);
        let end = Timestamp::from_second(1_800_000_100).unwrap();
        let (token, _) = tokens.create("olga", &[], Some(end), now()).unwrap();
        assert!(tokens.identify(&token, at(1_800_000_099)).is_some());
        assert_eq!(tokens.identify(&token, at(1_800_000_100)), None);
        tokens.create("ivan", &[], None, end).unwrap();
        assert_eq!(tokens.list().unwrap().len(), 1);
    }

    #[test]
    fn the_file_is_private_and_tells_no_token() {
        let dir = Dir::new();
        let tokens = BearerTokens::new(&dir.0);
        let (token, entry) = tokens.create("olga", &[], None, now()).unwrap();
        let path = dir.0.join(FILE);
        assert_eq!(files::mode(&path), Some(0o600));
        let secret = token.rsplit('_').next().unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(secret));
        for wrong in [format!("{token}0"), format!("k2d_{}_", entry.id), "k2d_".into(), secret.to_owned()] {
            assert_eq!(tokens.identify(&wrong, at(1_800_000_000)), None, "{wrong}");
        }
    }

    #[test]
    fn a_broken_file_lets_nobody_in_and_is_never_written_over() {
        let dir = Dir::new();
        let tokens = BearerTokens::new(&dir.0);
        let (token, _) = tokens.create("olga", &[], None, now()).unwrap();
        std::fs::write(dir.0.join(FILE), "half").unwrap();
        assert_eq!(tokens.identify(&token, at(1_800_000_000)), None);
        assert!(tokens.create("ivan", &[], None, now()).is_err());
        assert_eq!(std::fs::read_to_string(dir.0.join(FILE)).unwrap(), "half");
    }
}
