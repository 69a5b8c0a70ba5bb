//! Who may do what: what the roles say of each request, and as whom it is made.

use hyper::HeaderMap;

use super::request::RequestInfo;
use super::{Api, authn};
use crate::registry::User;
use crate::schema::field::quote;
use crate::schema::status::{Details, Status};

mod impersonate;

pub use crate::registry::rbac::{Attributes, Verdict};
pub use impersonate::{impersonate, impersonates, is_impersonation};

/// The paths that answer without a credential, whatever the roles say: what is asked before anybody
/// can be known, and by what has no credential.
const PUBLIC: [&str; 5] = ["/healthz", "/livez", "/readyz", "/version", "/version/"];

impl<'a> From<&'a RequestInfo> for Attributes<'a> {
    fn from(info: &'a RequestInfo) -> Self {
        Self {
            verb: &info.verb,
            group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            path: (!info.is_resource).then_some(info.path.as_str()),
        }
    }
}

/// Refuses what is not allowed.
///
/// # Errors
/// 401 for somebody unknown, 403 for somebody known, 500 where the roles cannot be read.
pub async fn authorize(api: &Api, user: &User, info: &RequestInfo, headers: &HeaderMap) -> Result<(), Status> {
    let what = Attributes::from(info);
    if matches!(what.verb, "get" | "head") && what.path.is_some_and(|path| PUBLIC.contains(&path)) {
        return Ok(());
    }
    let refused = match check(api, user, &what).await {
        Err(refused) if refused.code == 403 => refused,
        other => return other,
    };
    // Whoever takes the name of the unknown is known.
    if user.name == authn::ANONYMOUS && !headers.contains_key(impersonate::USER) {
        return Err(Status::unauthorized());
    }
    Err(refused)
}

/// Refuses what the roles of a user do not allow.
///
/// # Errors
/// 403; 500 where the roles cannot be read.
pub async fn check(api: &Api, user: &User, what: &Attributes<'_>) -> Result<(), Status> {
    let verdict = api.registry().authorize(user, what).await?;
    if verdict.allowed { Ok(()) } else { Err(forbidden(user, what, &verdict.reason)) }
}

/// 403, as upstream says it, with the reason where there is one.
#[must_use]
pub fn forbidden(user: &User, what: &Attributes<'_>, reason: &str) -> Status {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let name = quote(&user.name);
    if let Some(path) = what.path {
        let message = format!("forbidden: User {name} cannot {} path {}{reason}", what.verb, quote(path));
        return Status::new(403, "Forbidden", message).with_details(Details::default());
    }
    let resource = if what.subresource.is_empty() {
        what.resource.to_owned()
    } else {
        format!("{}/{}", what.resource, what.subresource)
    };
    let place = if what.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {}", quote(what.namespace))
    };
    let detail = format!(
        "User {name} cannot {} resource {} in API group {} {place}{reason}",
        what.verb,
        quote(&resource),
        quote(what.group)
    );
    Status::forbidden(what.group, what.resource, what.name, &detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_was_asked_for_and_why_not() {
        let user = User { name: "olga".into(), ..User::default() };
        let what = Attributes {
            verb: "create",
            resource: "pods",
            subresource: "exec",
            namespace: "plant",
            name: "a",
            ..Attributes::default()
        };
        assert_eq!(
            forbidden(&user, &what, "RBAC: x").message,
            "pods \"a\" is forbidden: User \"olga\" cannot create resource \"pods/exec\" in API group \"\" in the \
             namespace \"plant\": RBAC: x"
        );
        let what = Attributes { verb: "get", path: Some("/api"), ..Attributes::default() };
        assert_eq!(forbidden(&user, &what, "").message, "forbidden: User \"olga\" cannot get path \"/api\"");
    }
}
