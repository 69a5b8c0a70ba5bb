//! Acting as somebody else: the `Impersonate-` headers, and what one must be allowed for each of them
//! (the API reference, "User impersonation").

use hyper::HeaderMap;
use hyper::header::HeaderName;

use super::{Attributes, check};
use crate::api::request::decode;
use crate::api::{Api, authn};
use crate::registry::User;
use crate::schema::status::Status;

/// The header that names the user.
pub const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";

const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// The group of the resources that stand for parts of a user which are no objects.
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Whether a request asks to be made as somebody else.
#[must_use]
pub fn impersonates(headers: &HeaderMap) -> bool {
    headers.keys().any(is_impersonation)
}

/// Whether a header is about impersonation.
#[must_use]
pub fn is_impersonation(name: &HeaderName) -> bool {
    name.as_str().starts_with("impersonate-")
}

/// The user that a request is made as: the one who is authenticated, or the one that it impersonates.
///
/// # Errors
/// 400 for headers that make no user, 403 where that is not allowed.
pub async fn impersonate(api: &Api, user: User, headers: &HeaderMap) -> Result<User, Status> {
    let Some(mut other) = wanted(headers)? else { return Ok(user) };
    allowed(api, &user, &other).await?;
    complete(&mut other);
    Ok(other)
}

/// The user that the headers name, as they name it.
fn wanted(headers: &HeaderMap) -> Result<Option<User>, Status> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut other = User { name: text(USER), uid: text(UID), ..User::default() };
    for value in headers.get_all(GROUP) {
        other.groups.push(value.to_str().unwrap_or_default().to_owned());
    }
    for (header, value) in headers {
        if let Some(key) = header.as_str().strip_prefix(EXTRA) {
            other.extra.entry(decode(key)).or_default().push(value.to_str().unwrap_or_default().to_owned());
        }
    }
    if !other.name.is_empty() {
        return Ok(Some(other));
    }
    if other.uid.is_empty() && other.groups.is_empty() && other.extra.is_empty() {
        return Ok(None);
    }
    Err(Status::bad_request("requested &user.DefaultInfo{} without impersonating a user name"))
}

/// Asks for the right to each part of the other user.
async fn allowed(api: &Api, user: &User, other: &User) -> Result<(), Status> {
    let whole = Attributes { verb: "impersonate", ..Attributes::default() };
    let who = match account(&other.name) {
        Some((namespace, name)) => Attributes { resource: "serviceaccounts", namespace, name, ..whole },
        None => Attributes { resource: "users", name: &other.name, ..whole },
    };
    check(api, user, &who).await?;
    for name in &other.groups {
        check(api, user, &Attributes { resource: "groups", name, ..whole }).await?;
    }
    for (key, values) in &other.extra {
        for name in values {
            let part = Attributes { group: AUTHENTICATION, resource: "userextras", subresource: key, name, ..whole };
            check(api, user, &part).await?;
        }
    }
    if !other.uid.is_empty() {
        let uid = Attributes { group: AUTHENTICATION, resource: "uids", name: &other.uid, ..whole };
        check(api, user, &uid).await?;
    }
    Ok(())
}

/// Namespace and name of a service account by its user name.
fn account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':').filter(|(_, name)| !name.contains(':'))
}

/// Adds the groups that such a user always has.
fn complete(other: &mut User) {
    let has = |other: &User, group: &str| other.groups.iter().any(|own| own == group);
    if other.groups.is_empty()
        && let Some((namespace, _)) = account(&other.name)
    {
        let of_namespace = format!("system:serviceaccounts:{namespace}");
        other.groups.extend(["system:serviceaccounts".to_owned(), of_namespace]);
    }
    if other.name == authn::ANONYMOUS {
        authn::add_group(other, UNAUTHENTICATED);
    } else if !has(other, UNAUTHENTICATED) {
        authn::add_group(other, AUTHENTICATED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(headers: &[(&'static str, &'static str)]) -> User {
        let mut map = HeaderMap::new();
        for (key, value) in headers {
            map.append(*key, value.parse().expect("a value"));
        }
        let mut user = wanted(&map).expect("a user").unwrap_or_default();
        complete(&mut user);
        user
    }

    #[test]
    fn a_service_account_has_its_groups() {
        let user = user(&[("impersonate-user", "system:serviceaccount:plant:robot")]);
        assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:plant", "system:authenticated"]);
    }

    #[test]
    fn the_unknown_user_is_not_authenticated() {
        assert_eq!(user(&[("impersonate-user", "system:anonymous")]).groups, ["system:unauthenticated"]);
        let groups = [("impersonate-user", "x"), ("impersonate-group", "system:unauthenticated")];
        assert_eq!(user(&groups).groups, ["system:unauthenticated"]);
    }

    #[test]
    fn extra_keys_are_decoded() {
        let user = user(&[("impersonate-user", "x"), ("impersonate-extra-plant.example%2fline", "4")]);
        assert_eq!(user.extra.get("plant.example/line"), Some(&vec!["4".to_owned()]));
    }

    #[test]
    fn parts_of_a_user_need_a_name() {
        let mut headers = HeaderMap::new();
        headers.insert("impersonate-group", "x".parse().expect("a value"));
        assert_eq!(wanted(&headers).err().map(|status| status.code), Some(400));
    }
}
