//! What a request is about: verb, group, version, resource, name, read off its method and path.
//!
//! Source of the rules: the paths of the API reference and the `RequestInfo` that authorisation and
//! audit of kube-apiserver are written in.

use hyper::Method;

/// The parsed place of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether it is about a resource; else only `verb` and `path` say something.
    pub is_resource: bool,
    /// `get`, `list`, `watch`, `create`, …; the method in lower case for other paths.
    pub verb: String,
    /// The path without query.
    pub path: String,
    /// Group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Namespace; empty for the cluster or all namespaces.
    pub namespace: String,
    /// Resource in the plural.
    pub resource: String,
    /// Subresource.
    pub subresource: String,
    /// Name of the object.
    pub name: String,
    /// What stands behind the subresource (`proxy`).
    pub rest: Vec<String>,
    /// Whether the name stands in the path (and not only in a field selector).
    pub named: bool,
    /// Whether the path begins with the old `watch/`.
    pub legacy_watch: bool,
}

/// The subresources of a namespace that are not resources in it.
const NAMESPACE_PARTS: [&str; 2] = ["status", "finalize"];

impl RequestInfo {
    /// Reads method, path and query.
    #[must_use]
    pub fn new(method: &Method, path: &str, query: &Query) -> Self {
        let mut info = Self { verb: method.as_str().to_lowercase(), path: path.to_owned(), ..Self::default() };
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.first().copied() {
            Some("api") if parts.len() >= 3 => {
                info.version = parts[1].into();
                parts.drain(..2);
            }
            Some("apis") if parts.len() >= 4 => {
                info.group = parts[1].into();
                info.version = parts[2].into();
                parts.drain(..3);
            }
            _ => return info,
        }
        info.is_resource = true;
        info.verb = match method.as_str() {
            "POST" => "create",
            "GET" | "HEAD" => "get",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "",
        }
        .into();
        if parts.len() > 1 && parts[0] == "watch" {
            info.legacy_watch = true;
            info.verb = "watch".into();
            parts.remove(0);
        }
        if parts[0] == "namespaces" && parts.len() > 1 {
            info.namespace = decode(parts[1]);
            if parts.len() > 2 && !NAMESPACE_PARTS.contains(&parts[2]) {
                parts.drain(..2);
            }
        }
        info.resource = parts[0].into();
        if let Some(name) = parts.get(1) {
            info.name = decode(name);
            info.named = true;
        }
        info.subresource = parts.get(2).copied().unwrap_or_default().into();
        info.rest = parts.iter().skip(3).map(|part| decode(part)).collect();
        if info.resource == "namespaces" {
            info.namespace = info.name.clone();
        }
        if info.name.is_empty() && info.verb == "get" {
            info.verb = if query.flag("watch") { "watch" } else { "list" }.into();
        }
        if info.name.is_empty() && info.verb == "delete" {
            info.verb = "deletecollection".into();
        }
        if !info.named
            && matches!(info.verb.as_str(), "list" | "watch" | "deletecollection")
            && let Some(name) = query.get("fieldSelector").and_then(exact_name)
        {
            info.name = name;
        }
        info
    }
}

/// The name in a field selector of just `metadata.name=…`; authorisation may then be for one name.
fn exact_name(selector: &str) -> Option<String> {
    let selector = crate::schema::selector::field::FieldSelector::parse(selector).ok()?;
    selector.exact("metadata.name").filter(|name| !name.is_empty()).map(ToOwned::to_owned)
}

/// The parameters behind the `?`, decoded, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|part| !part.is_empty()).map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decode_form(key), decode_form(value))
        });
        Self(pairs.collect())
    }

    /// The first value of a parameter.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter; empty where it is absent.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or_default()
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A switch: present and neither `false` nor `0`, as the API converts query strings to booleans.
    #[must_use]
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !matches!(value.to_lowercase().as_str(), "false" | "0"))
    }
}

/// Undoes percent encoding of a path segment.
#[must_use]
pub fn decode(text: &str) -> String {
    decode_with(text, false)
}

/// Undoes percent encoding and `+` of a form.
fn decode_form(text: &str) -> String {
    decode_with(text, true)
}

fn decode_with(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                at += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(method: &str, path: &str) -> RequestInfo {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        RequestInfo::new(&method, path, &Query::parse(query))
    }

    #[test]
    fn a_namespaced_object_is_read_off_its_path() {
        let info = info("PATCH", "/apis/apps/v1/namespaces/plant/deployments/mqtt/scale");
        assert_eq!((info.verb.as_str(), info.group.as_str(), info.namespace.as_str()), ("patch", "apps", "plant"));
        assert_eq!((info.resource.as_str(), info.name.as_str()), ("deployments", "mqtt"));
        assert_eq!(info.subresource, "scale");
    }

    #[test]
    fn namespaces_are_resources_and_places() {
        let finalize = info("PUT", "/api/v1/namespaces/plant/finalize");
        assert_eq!((finalize.resource.as_str(), finalize.subresource.as_str()), ("namespaces", "finalize"));
        assert_eq!(finalize.name, "plant");
        assert_eq!(info("GET", "/api/v1/namespaces/plant/pods").resource, "pods");
    }

    #[test]
    fn verbs_follow_from_name_and_watch() {
        assert_eq!(info("GET", "/api/v1/pods").verb, "list");
        assert_eq!(info("GET", "/api/v1/pods?watch=true").verb, "watch");
        assert_eq!(info("GET", "/api/v1/watch/namespaces/a/pods").verb, "watch");
        assert_eq!(info("DELETE", "/api/v1/namespaces/a/pods").verb, "deletecollection");
        let named = info("GET", "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Dx");
        assert_eq!((named.verb.as_str(), named.name.as_str(), named.named), ("list", "x", false));
    }

    #[test]
    fn other_paths_keep_their_method() {
        let info = info("GET", "/healthz");
        assert!(!info.is_resource);
        assert_eq!(info.verb, "get");
    }
}
