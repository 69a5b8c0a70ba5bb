//! Who asks: a client certificate or a bearer token.

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::registry::User;
use crate::schema::status::Status;

/// What the connection says of its client.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The certificate (DER) that it showed, already checked against the CA and the time.
    pub certificate: Option<Arc<[u8]>>,
}

/// Says who a bearer token belongs to.
pub trait Tokens: Send + Sync {
    /// The user of a token that is genuine and in force, else `None`.
    fn user<'a>(&'a self, token: &'a str) -> futures_util::future::BoxFuture<'a, Option<User>>;
}

/// The ways to prove who one is.
pub struct Authenticator {
    tokens: Vec<Box<dyn Tokens>>,
}

/// Name of a client without credentials.
pub const ANONYMOUS: &str = "system:anonymous";

impl Authenticator {
    /// Certificates, and tokens that one of `tokens` knows.
    #[must_use]
    pub fn new(tokens: Vec<Box<dyn Tokens>>) -> Self {
        Self { tokens }
    }

    /// The user behind a request; anonymous where nothing is shown.
    ///
    /// # Errors
    /// 401 for credentials that are not good.
    pub async fn authenticate(&self, headers: &HeaderMap, peer: &Peer) -> Result<User, Status> {
        if let Some(certificate) = &peer.certificate {
            return from_certificate(certificate).ok_or_else(Status::unauthorized);
        }
        let Some(header) = headers.get(AUTHORIZATION) else { return Ok(anonymous()) };
        let text = header.to_str().map_err(|_| Status::unauthorized())?;
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(Status::unauthorized());
        }
        for tokens in &self.tokens {
            if let Some(mut user) = tokens.user(token).await {
                add_group(&mut user, "system:authenticated");
                return Ok(user);
            }
        }
        Err(Status::unauthorized())
    }

    /// The user of a token alone, for reviews.
    pub async fn token(&self, token: &str) -> Option<User> {
        for tokens in &self.tokens {
            if let Some(mut user) = tokens.user(token).await {
                add_group(&mut user, "system:authenticated");
                return Some(user);
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

/// The common name is the user, the organisations are its groups.
fn from_certificate(der: &[u8]) -> Option<User> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let groups = subject.iter_organization().filter_map(|part| part.as_str().ok()).map(ToOwned::to_owned);
    let mut user = User { name, groups: groups.collect(), ..User::default() };
    add_group(&mut user, "system:authenticated");
    Some(user)
}
