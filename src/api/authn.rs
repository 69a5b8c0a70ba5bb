//! Who asks: a client certificate or a bearer token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::host::pki::ClientVerifier;
use crate::registry::User;
use crate::schema::status::Status;

/// What the connection says of its client.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The certificates that it showed, its own first; that it has the key is proved, no more.
    pub certificates: Arc<[CertificateDer<'static>]>,
    /// Where it is.
    pub address: Option<SocketAddr>,
}

/// Says who a bearer token belongs to.
pub trait Tokens: Send + Sync {
    /// The user of a token that is genuine, in force and meant for one of `audiences` (none: for the
    /// API), and for which of them it is; else `None`.
    fn user<'a>(&'a self, token: &'a str, audiences: &'a [String]) -> BoxFuture<'a, Option<(User, Vec<String>)>>;
}

/// Makes tokens of service accounts.
pub trait Issuer: Send + Sync {
    /// Its name, which is also the audience of tokens for the API.
    fn name(&self) -> &str;

    /// Signs claims.
    ///
    /// # Errors
    /// 500 where there is no randomness.
    fn sign(&self, claims: &serde_json::Value) -> Result<String, Status>;

    /// The keys by which others check what it signs (RFC 7517).
    fn key_set(&self) -> serde_json::Value;
}

/// The ways to prove who one is.
pub struct Authenticator {
    certificates: Arc<ClientVerifier>,
    tokens: Vec<Box<dyn Tokens>>,
}

/// Name of a client without credentials.
pub const ANONYMOUS: &str = "system:anonymous";

impl Authenticator {
    /// Certificates, and tokens that one of `tokens` knows.
    #[must_use]
    pub fn new(certificates: Arc<ClientVerifier>, tokens: Vec<Box<dyn Tokens>>) -> Self {
        Self { certificates, tokens }
    }

    /// The user behind a request; anonymous where nothing is shown.
    ///
    /// # Errors
    /// 401 for credentials that are not good.
    pub async fn authenticate(&self, headers: &HeaderMap, peer: &Peer) -> Result<User, Status> {
        if !peer.certificates.is_empty() {
            return self.certified(peer);
        }
        let Some(header) = headers.get(AUTHORIZATION) else { return Ok(anonymous()) };
        let text = header.to_str().map_err(|_| Status::unauthorized())?;
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(Status::unauthorized());
        }
        self.token(token, &[]).await.map(|(user, _)| user).ok_or_else(Status::unauthorized)
    }

    /// The common name is the user, the organisations are its groups.
    fn certified(&self, peer: &Peer) -> Result<User, Status> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let identity = self
            .certificates
            .identify(&peer.certificates, UnixTime::since_unix_epoch(now))
            .map_err(|_| Status::unauthorized())?;
        let (name, groups) = (identity.subject.name, identity.subject.groups);
        let mut user = User { name, uid: identity.uid, groups, ..User::default() };
        user.extra.insert("authentication.kubernetes.io/credential-id".into(), vec![identity.credential_id]);
        add_group(&mut user, "system:authenticated");
        Ok(user)
    }

    /// The user of a token, and for which of the audiences (none: the API) it is meant.
    pub async fn token(&self, token: &str, audiences: &[String]) -> Option<(User, Vec<String>)> {
        for tokens in &self.tokens {
            if let Some((mut user, audiences)) = tokens.user(token, audiences).await {
                add_group(&mut user, "system:authenticated");
                return Some((user, audiences));
            }
        }
        None
    }
}

/// The user of a client that shows nothing.
#[must_use]
pub fn anonymous() -> User {
    User { name: ANONYMOUS.into(), groups: vec!["system:unauthenticated".into()], ..User::default() }
}

/// Adds a group that is not there yet.
pub fn add_group(user: &mut User, group: &str) {
    if !user.groups.iter().any(|name| name == group) {
        user.groups.push(group.to_owned());
    }
}
