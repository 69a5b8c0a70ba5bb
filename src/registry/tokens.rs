//! What tokens of service accounts say (KEP-1205, the API reference of TokenRequest).

use serde_json::{Value, json};

use super::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// The issuer of the tokens, and the audience of those for the API itself.
#[must_use]
pub fn issuer(domain: &str) -> String {
    format!("https://kubernetes.default.svc.{domain}")
}

/// An object that a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its kind in lower case.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its identity; empty where it is not there.
    pub uid: String,
}

impl Bound {
    /// To an object of that kind.
    #[must_use]
    pub fn to(kind: &'static str, object: &Value) -> Self {
        Self { kind, name: object.name().to_owned(), uid: object.uid().to_owned() }
    }
}

impl Registry {
    /// What a token names that is bound to a pod: the pod, and the node on which it is.
    ///
    /// # Errors
    /// 500 where the store fails.
    pub async fn bound_to_pod(&self, pod: &Value) -> Result<Vec<Bound>, Status> {
        let mut bound = vec![Bound::to("pod", pod)];
        let name = pod.text("/spec/nodeName");
        if !name.is_empty() {
            let node = self.read(&self.target("", "nodes", "", name)?).await?;
            let uid = node.map_or_else(String::new, |node| node.uid().to_owned());
            bound.push(Bound { kind: "node", name: name.to_owned(), uid });
        }
        Ok(bound)
    }
}

/// The claims of a token for a service account (KEP-1205, KEP-4193) that names the objects `bound` and
/// lives and dies with the first.
#[must_use]
pub fn claims(issuer: &str, account: &Value, bound: &[Bound], audiences: &[String], now: u64, seconds: u64) -> Value {
    let mut of = json!({
        "namespace": account.namespace(),
        "serviceaccount": {"name": account.name(), "uid": account.uid()},
    });
    for Bound { kind, name, uid } in bound {
        of[*kind] = json!({"name": name});
        if !uid.is_empty() {
            of[*kind]["uid"] = uid.as_str().into();
        }
    }
    json!({
        "iss": issuer,
        "sub": format!("system:serviceaccount:{}:{}", account.namespace(), account.name()),
        "aud": audiences,
        "iat": now,
        "nbf": now,
        "exp": now.saturating_add(seconds),
        "jti": uuid::Uuid::new_v4().to_string(),
        "kubernetes.io": of,
    })
}

/// The issuer of tokens that are kept in Secrets.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";

/// The claims of a token that is kept in the Secret of that name, and does not end.
#[must_use]
pub fn legacy_claims(account: &Value, secret: &str) -> Value {
    json!({
        "iss": LEGACY_ISSUER,
        "sub": format!("system:serviceaccount:{}:{}", account.namespace(), account.name()),
        "kubernetes.io/serviceaccount/namespace": account.namespace(),
        "kubernetes.io/serviceaccount/secret.name": secret,
        "kubernetes.io/serviceaccount/service-account.name": account.name(),
        "kubernetes.io/serviceaccount/service-account.uid": account.uid(),
    })
}
