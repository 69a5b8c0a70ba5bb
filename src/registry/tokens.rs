//! What tokens of service accounts say (KEP-1205, the API reference of TokenRequest).

use serde_json::{Value, json};

use crate::schema::object::Object;

/// The issuer of the tokens, and the audience of those for the API itself.
#[must_use]
pub fn issuer(domain: &str) -> String {
    format!("https://kubernetes.default.svc.{domain}")
}

/// The claims of a token for a service account (KEP-1205): `bound` is the kind in lower case, name
/// and uid of what it lives and dies with.
#[must_use]
pub fn claims(
    issuer: &str,
    account: &Value,
    bound: Option<(&str, &str, &str)>,
    audiences: &[String],
    now: u64,
    seconds: u64,
) -> Value {
    let mut of = json!({
        "namespace": account.namespace(),
        "serviceaccount": {"name": account.name(), "uid": account.uid()},
    });
    if let Some((kind, name, uid)) = bound {
        of[kind] = json!({"name": name, "uid": uid});
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
