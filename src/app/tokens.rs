//! Tokens of service accounts: made for pods and for TokenRequests, and told apart from bad ones.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::api::authn::{Issuer, Tokens};
use crate::host::token::TokenKey;
use crate::registry::{Registry, User};
use crate::schema::object::Object;
use crate::schema::status::Status;

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

    /// The user of a token whose account (and pod or secret that it is bound to) is still there, and
    /// for which of the audiences (none: the API) it is.
    async fn check(&self, token: &str, audiences: &[String]) -> Option<(User, Vec<String>)> {
        let claims = self.key.verify(token, SystemTime::now()).ok()?;
        let own = std::slice::from_ref(&self.issuer);
        let audiences = if audiences.is_empty() { own } else { audiences };
        let meant: Vec<String> = audiences.iter().filter(|one| for_audience(&claims, one)).cloned().collect();
        if claims["iss"] != self.issuer.as_str() || meant.is_empty() {
            return None;
        }
        let of = claims.get("kubernetes.io")?;
        let namespace = of["namespace"].as_str()?;
        let (name, uid) = (of.text("/serviceaccount/name"), of.text("/serviceaccount/uid"));
        self.exists("serviceaccounts", namespace, name, uid).await?;
        let mut user = User {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: uid.to_owned(),
            groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")],
            ..User::default()
        };
        if let Some(id) = claims["jti"].as_str() {
            user.extra.insert("authentication.kubernetes.io/credential-id".into(), vec![format!("JTI={id}")]);
        }
        for (key, plural) in [("pod", "pods"), ("secret", "secrets")] {
            let Some(bound) = of.get(key) else { continue };
            let (name, uid) = (bound.text("/name"), bound.text("/uid"));
            self.exists(plural, namespace, name, uid).await?;
            if key == "pod" {
                let extra = &mut user.extra;
                extra.insert("authentication.kubernetes.io/pod-name".into(), vec![name.to_owned()]);
                extra.insert("authentication.kubernetes.io/pod-uid".into(), vec![uid.to_owned()]);
            }
        }
        Some((user, meant))
    }

    async fn exists(&self, plural: &str, namespace: &str, name: &str, uid: &str) -> Option<()> {
        let target = self.registry.target("", plural, namespace, name).ok()?;
        let object = self.registry.read(&target).await.ok()??;
        (object.uid() == uid).then_some(())
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
}
