//! Secrets of the type `kubernetes.io/service-account-token`: filled in with a token that does not end,
//! and deleted with their account. Upstream: tokens-controller.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{Controller, ObjectKey, Source};
use crate::registry::Registry;
use crate::registry::tokens::legacy_claims;
use crate::schema::object::Object;
use crate::schema::status::Status;

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";
/// Begins the name of a key that stands for an account and not for a secret; no name holds a `/`.
const OF_ACCOUNT: &str = "account/";

/// Signs the claims of a token; the error is in words.
pub type SignClaims = Box<dyn Fn(&Value) -> Result<String, String> + Send + Sync>;

/// The controller; its keys are secrets, and accounts.
pub struct TokenSecretController {
    cluster: Cluster,
    authority: String,
    sign: SignClaims,
}

impl TokenSecretController {
    /// For the certificates `authority` (PEM) and tokens that `sign` makes.
    #[must_use]
    pub fn new(registry: &Registry, authority: &str, sign: SignClaims) -> Self {
        Self { cluster: Cluster::new(registry, "tokens-controller"), authority: authority.to_owned(), sign }
    }

    /// All secrets of an account.
    async fn sync_account(&self, namespace: &str, account: &str) -> Result<Option<Duration>, Status> {
        for secret in self.cluster.all("", "secrets", Some(namespace)).await? {
            if secret["type"] == TYPE && secret.annotation(ACCOUNT) == Some(account) {
                self.settle(secret).await?;
            }
        }
        Ok(None)
    }

    async fn sync_secret(&self, key: &ObjectKey) -> Result<Option<Duration>, Status> {
        if let Some(secret) = self.cluster.get("", "secrets", (&key.namespace, &key.name)).await?
            && secret["type"] == TYPE
        {
            self.settle(secret).await?;
        }
        Ok(None)
    }

    async fn settle(&self, mut secret: Value) -> Result<(), Status> {
        if secret.is_deleting() {
            return Ok(());
        }
        let account = secret.annotation(ACCOUNT).unwrap_or_default();
        let account = self.cluster.get("", "serviceaccounts", (secret.namespace(), account)).await?;
        let uid = secret.annotation(UID).unwrap_or_default();
        let Some(account) = account.filter(|account| uid.is_empty() || account.uid() == uid) else {
            let target = self.cluster.registry.target("", "secrets", secret.namespace(), secret.name())?;
            self.cluster.delete(&target, secret.uid(), None).await?;
            return Ok(());
        };
        if fill(&mut secret, &account, &self.authority, &self.sign).map_err(Status::internal)? {
            self.cluster.update("", "secrets", &secret).await?;
        }
        Ok(())
    }
}

/// Puts in what is missing; whether there was something.
fn fill(secret: &mut Value, account: &Value, authority: &str, sign: &SignClaims) -> Result<bool, String> {
    let before = secret.clone();
    let authority = STANDARD.encode(authority);
    if secret["data"]["ca.crt"] != authority.as_str() {
        secret["data"]["ca.crt"] = authority.into();
    }
    if secret.text("/data/namespace").is_empty() {
        secret["data"]["namespace"] = STANDARD.encode(account.namespace()).into();
    }
    if secret.text("/data/token").is_empty() {
        secret["data"]["token"] = STANDARD.encode(sign(&legacy_claims(account, secret.name()))?).into();
    }
    let annotations = secret.metadata_mut().entry("annotations").or_insert_with(|| json!({}));
    annotations[ACCOUNT] = account.name().into();
    annotations[UID] = account.uid().into();
    Ok(*secret != before)
}

impl Controller for TokenSecretController {
    fn name(&self) -> &'static str {
        "tokens-controller"
    }

    fn sources(&self) -> Vec<Source> {
        let secrets = Source::new("", "secrets", |secret| {
            (secret["type"] == TYPE).then(|| ObjectKey::of(secret)).into_iter().collect()
        });
        let accounts = Source::new("", "serviceaccounts", |account| {
            vec![ObjectKey::new(account.namespace(), format!("{OF_ACCOUNT}{}", account.name()))]
        });
        vec![secrets, accounts]
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        match key.name.strip_prefix(OF_ACCOUNT) {
            Some(account) => Box::pin(self.sync_account(&key.namespace, account)),
            None => Box::pin(self.sync_secret(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_filled_in_once_and_mended() {
        let sign: SignClaims = Box::new(|claims| Ok(claims["sub"].to_string()));
        let account = json!({"metadata": {"name": "robot", "namespace": "plant", "uid": "7"}});
        let mut secret = json!({"metadata": {"name": "s", "namespace": "plant", "annotations": {ACCOUNT: "robot"}}});
        assert_eq!(fill(&mut secret, &account, "pem", &sign), Ok(true));
        assert_eq!(secret["data"]["token"], STANDARD.encode("\"system:serviceaccount:plant:robot\""));
        assert_eq!((secret.annotation(UID), secret.text("/data/namespace")), (Some("7"), "cGxhbnQ="));
        assert_eq!(fill(&mut secret, &account, "pem", &sign), Ok(false));
        secret["data"]["ca.crt"] = "eA==".into();
        assert_eq!(fill(&mut secret, &account, "pem", &sign), Ok(true));
        assert_eq!(secret["data"]["ca.crt"], STANDARD.encode("pem"));
    }
}
