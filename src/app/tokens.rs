//! Tokens of service accounts: made for pods and for TokenRequests, and told apart from bad ones.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::api::authn::{Issuer, Tokens};
use crate::host::bearer::BearerTokens;
use crate::host::token::TokenKey;
use crate::registry::tokens::LEGACY_ISSUER;
use crate::registry::{Registry, User};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// How long what is being deleted still counts, as upstream has it.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// Knows the tokens of service accounts.
pub struct ServiceAccountTokens {
    key: Arc<TokenKey>,
    registry: Registry,
    issuer: String,
}

impl ServiceAccountTokens {
    /// For tokens signed by `key`.
    #[must_use]
    pub fn new(key: Arc<TokenKey>, registry: Registry, issuer: String) -> Self {
        Self { key, registry, issuer }
    }

    /// The user of a token whose account (and what it is bound to) is still there, and for which of the
    /// audiences (none: the API) it is.
    async fn check(&self, token: &str, audiences: &[String]) -> Option<(User, Vec<String>)> {
        let claims = self.key.verify(token, SystemTime::now()).ok()?;
        let legacy = claims["iss"] == LEGACY_ISSUER;
        let own = std::slice::from_ref(&self.issuer);
        let audiences = if audiences.is_empty() { own } else { audiences };
        let meant = |one: &&String| if legacy { own.contains(one) } else { for_audience(&claims, one) };
        let meant: Vec<String> = audiences.iter().filter(meant).cloned().collect();
        if meant.is_empty() {
            return None;
        }
        let user = match legacy {
            true => self.kept(&claims, token).await?,
            false if claims["iss"] == self.issuer.as_str() => self.bound(&claims).await?,
            false => return None,
        };
        Some((user, meant))
    }

    /// The user of a token that lives and dies with what it is bound to.
    async fn bound(&self, claims: &Value) -> Option<User> {
        let of = claims.get("kubernetes.io")?;
        let namespace = of["namespace"].as_str()?;
        let (name, uid) = (of.text("/serviceaccount/name"), of.text("/serviceaccount/uid"));
        self.exists("serviceaccounts", namespace, name, uid).await?;
        let mut user = account(namespace, name, uid);
        if let Some(id) = claims["jti"].as_str() {
            user.extra.insert("authentication.kubernetes.io/credential-id".into(), vec![format!("JTI={id}")]);
        }
        for (key, plural) in [("pod", "pods"), ("secret", "secrets"), ("node", "nodes")] {
            let Some(bound) = of.get(key) else { continue };
            let (name, uid) = (bound.text("/name"), bound.text("/uid"));
            let place = if key == "node" { "" } else { namespace };
            // The node of a pod is told, and may be another one by now.
            if key != "node" || of.get("pod").is_none() {
                self.exists(plural, place, name, uid).await?;
            }
            if key != "secret" {
                for (part, value) in [("name", name), ("uid", uid)].into_iter().filter(|(_, value)| !value.is_empty()) {
                    let part = format!("authentication.kubernetes.io/{key}-{part}");
                    user.extra.insert(part, vec![value.to_owned()]);
                }
            }
        }
        Some(user)
    }

    /// The user of a token that a Secret keeps.
    async fn kept(&self, claims: &Value, token: &str) -> Option<User> {
        let claim = |key: &str| claims[format!("kubernetes.io/serviceaccount/{key}")].as_str();
        let (namespace, name) = (claim("namespace")?, claim("service-account.name")?);
        let uid = claim("service-account.uid")?;
        let target = self.registry.target("", "secrets", namespace, claim("secret.name")?).ok()?;
        let secret = self.registry.read(&target).await.ok()??;
        let invalid = secret.label("kubernetes.io/legacy-token-invalid-since").is_some();
        if invalid || is_over(&secret) || secret.text("/data/token") != STANDARD.encode(token) {
            return None;
        }
        self.exists("serviceaccounts", namespace, name, uid).await?;
        Some(account(namespace, name, uid))
    }

    async fn exists(&self, plural: &str, namespace: &str, name: &str, uid: &str) -> Option<()> {
        let target = self.registry.target("", plural, namespace, name).ok()?;
        let object = self.registry.read(&target).await.ok()??;
        (object.uid() == uid && !is_over(&object)).then_some(())
    }
}

/// Whether an object was to be gone a while ago.
fn is_over(object: &Value) -> bool {
    let deleted = object.text("/metadata/deletionTimestamp").parse::<Timestamp>().ok();
    deleted.and_then(|at| at.checked_add(LEEWAY).ok()).is_some_and(|end| Timestamp::now() > end)
}

/// The user that a service account is.
fn account(namespace: &str, name: &str, uid: &str) -> User {
    User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: uid.to_owned(),
        groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")],
        ..User::default()
    }
}

/// Whether a token is meant for that audience.
fn for_audience(claims: &Value, audience: &str) -> bool {
    match &claims["aud"] {
        Value::String(one) => one == audience,
        Value::Array(list) => list.iter().any(|one| one == audience),
        _ => false,
    }
}

impl Tokens for ServiceAccountTokens {
    fn user<'a>(&'a self, token: &'a str, audiences: &'a [String]) -> BoxFuture<'a, Option<(User, Vec<String>)>> {
        Box::pin(self.check(token, audiences))
    }
}

/// Knows the bearer tokens that people made; they are for the API alone.
pub struct KeptTokens {
    tokens: BearerTokens,
    issuer: String,
}

impl KeptTokens {
    /// Those tokens, for the audience `issuer`.
    #[must_use]
    pub fn new(tokens: BearerTokens, issuer: String) -> Self {
        Self { tokens, issuer }
    }

    fn check(&self, token: &str, audiences: &[String]) -> Option<(User, Vec<String>)> {
        if !audiences.is_empty() && !audiences.contains(&self.issuer) {
            return None;
        }
        let entry = self.tokens.identify(token, SystemTime::now())?;
        let mut user = User { name: entry.user, groups: entry.groups, ..User::default() };
        let id = format!("K2D={}", entry.id);
        user.extra.insert("authentication.kubernetes.io/credential-id".into(), vec![id]);
        Some((user, vec![self.issuer.clone()]))
    }
}

impl Tokens for KeptTokens {
    fn user<'a>(&'a self, token: &'a str, audiences: &'a [String]) -> BoxFuture<'a, Option<(User, Vec<String>)>> {
        Box::pin(std::future::ready(self.check(token, audiences)))
    }
}

/// Signs tokens for TokenRequests.
pub struct Signer {
    key: Arc<TokenKey>,
    issuer: String,
}

impl Signer {
    /// Signs with `key` in the name of `issuer`.
    #[must_use]
    pub fn new(key: Arc<TokenKey>, issuer: String) -> Self {
        Self { key, issuer }
    }
}

impl Issuer for Signer {
    fn name(&self) -> &str {
        &self.issuer
    }

    fn sign(&self, claims: &Value) -> Result<String, Status> {
        self.key.sign(claims).map_err(Status::internal)
    }

    fn key_set(&self) -> Value {
        self.key.key_set()
    }
}
