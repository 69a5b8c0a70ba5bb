//! Who may do what: cluster administrators everything, everybody who is known the discovery paths,
//! and the rest as RBAC says.

use hyper::HeaderMap;

use super::request::RequestInfo;
use super::{Api, authn, health};
use crate::registry::User;
use crate::schema::status::{Details, Status};

/// The group whose members may do everything.
pub const MASTERS: &str = "system:masters";

/// What is to be done to what, as authorisation sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// `get`, `list`, …
    pub verb: &'a str,
    /// Group.
    pub group: &'a str,
    /// Resource.
    pub resource: &'a str,
    /// Subresource.
    pub subresource: &'a str,
    /// Namespace; empty for the cluster or all namespaces.
    pub namespace: &'a str,
    /// Name; empty for all.
    pub name: &'a str,
    /// The path, where it is about no resource.
    pub path: Option<&'a str>,
}

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

/// Whether `user` may do that.
///
/// # Errors
/// 500 where the rules cannot be read.
pub async fn allowed(_api: &Api, user: &User, what: &Attributes<'_>) -> Result<bool, Status> {
    if user.groups.iter().any(|group| group == MASTERS) {
        return Ok(true);
    }
    if let Some(path) = what.path {
        let known = user.groups.iter().any(|group| group == "system:authenticated");
        return Ok(what.verb == "get" && (health::is_public(path) || (known && is_discovery(path))));
    }
    Ok(false)
}

fn is_discovery(path: &str) -> bool {
    let first = path.trim_matches('/').split('/').next().unwrap_or_default();
    matches!(first, "api" | "apis" | "openapi")
}

/// Refuses what is not allowed.
///
/// # Errors
/// 401 for somebody unknown, 403 for somebody known.
pub async fn authorize(api: &Api, user: &User, info: &RequestInfo) -> Result<(), Status> {
    let what = Attributes::from(info);
    if what.path.is_some_and(health::is_public) {
        return Ok(());
    }
    if allowed(api, user, &what).await? {
        return Ok(());
    }
    if user.name == authn::ANONYMOUS && !user.extra.contains_key(IMPERSONATED) {
        return Err(Status::unauthorized());
    }
    Err(forbidden(user, &what))
}

/// Marks a user that somebody known has taken the name of, so that 403 is told and not 401.
const IMPERSONATED: &str = "k2d.io/impersonated";

/// 403, as upstream says it.
#[must_use]
pub fn forbidden(user: &User, what: &Attributes<'_>) -> Status {
    if let Some(path) = what.path {
        let message = format!("forbidden: User {:?} cannot {} path {path:?}", user.name, what.verb);
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
        format!("in the namespace {:?}", what.namespace)
    };
    let detail = format!(
        "User {:?} cannot {} resource {resource:?} in API group {:?} {place}",
        user.name, what.verb, what.group
    );
    Status::forbidden(what.group, what.resource, what.name, &detail)
}

/// The user that a request is made as: the one who is authenticated, or the one that it impersonates.
///
/// # Errors
/// 400 for headers that make no user, 403 where that is not allowed.
pub async fn impersonate(api: &Api, user: User, headers: &HeaderMap) -> Result<User, Status> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let name = text("impersonate-user");
    let uid = text("impersonate-uid");
    let mut other = User { name: name.clone(), uid, ..User::default() };
    for value in headers.get_all("impersonate-group") {
        other.groups.push(value.to_str().unwrap_or_default().to_owned());
    }
    for (header, value) in headers {
        if let Some(key) = header.as_str().strip_prefix("impersonate-extra-") {
            other.extra.entry(key.to_owned()).or_default().push(value.to_str().unwrap_or_default().to_owned());
        }
    }
    if name.is_empty() {
        if other.uid.is_empty() && other.groups.is_empty() && other.extra.is_empty() {
            return Ok(user);
        }
        return Err(Status::bad_request("requested &user.DefaultInfo{} without impersonating a user name"));
    }
    let what = Attributes { verb: "impersonate", resource: "users", name: &name, ..Attributes::default() };
    if !allowed(api, &user, &what).await? {
        return Err(forbidden(&user, &what));
    }
    let groups: Vec<String> = other.groups.clone();
    for group in &groups {
        let what = Attributes { verb: "impersonate", resource: "groups", name: group, ..Attributes::default() };
        if !allowed(api, &user, &what).await? {
            return Err(forbidden(&user, &what));
        }
    }
    if other.name == authn::ANONYMOUS {
        other.extra.insert(IMPERSONATED.into(), Vec::new());
        if groups.is_empty() {
            other.groups.push("system:unauthenticated".into());
        }
        return Ok(other);
    }
    if let Some(account) = other.name.strip_prefix("system:serviceaccount:")
        && groups.is_empty()
        && let Some((namespace, _)) = account.split_once(':')
    {
        other.groups.push("system:serviceaccounts".into());
        other.groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    authn::add_group(&mut other, "system:authenticated");
    Ok(other)
}
