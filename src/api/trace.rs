//! What is known of a request while it is answered: for its line in the log of writes and for its
//! figures. It changes nothing.

use std::net::SocketAddr;

use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{HeaderMap, Method};

use super::request::{Query, RequestInfo};
use crate::kinds::Kind;

/// Subresources whose requests last as long as somebody wants; all but the last change what no verb tells.
const CONNECTING: [&str; 4] = ["exec", "attach", "portforward", "proxy"];

/// What is known of a request so far.
#[derive(Debug, Default)]
pub struct Trace {
    /// The method.
    pub method: Method,
    /// What is asked.
    pub info: RequestInfo,
    /// Where it comes from.
    pub source: Option<SocketAddr>,
    /// What the client calls itself.
    pub agent: String,
    /// Who has been authenticated; empty before.
    pub user: String,
    /// As whom the request is made, where that is somebody else.
    pub impersonated: Option<String>,
    /// The name of what was made, which no path tells.
    pub made: Option<String>,
    /// Whether the path is that of a kind that is served.
    pub known: bool,
    /// Whether the kind is a question, which is answered and not stored.
    pub question: bool,
    /// Whether it is a server-side apply.
    pub apply: bool,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
}

impl Trace {
    /// Of a request that has just come.
    #[must_use]
    pub fn new(
        method: &Method,
        info: &RequestInfo,
        query: &Query,
        headers: &HeaderMap,
        source: Option<SocketAddr>,
    ) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            method: method.clone(),
            info: info.clone(),
            source,
            agent: text(USER_AGENT).to_owned(),
            apply: info.verb == "patch" && text(CONTENT_TYPE).starts_with("application/apply-patch"),
            dry_run: query.get("dryRun").is_some(),
            ..Self::default()
        }
    }

    /// Says which kind the path names.
    pub fn set_kind(&mut self, kind: &Kind) {
        self.known = self.info.subresource.is_empty() || kind.subresource(&self.info.subresource).is_some();
        let group = kind.group.as_ref();
        self.question = matches!(group, "authentication.k8s.io" | "authorization.k8s.io");
    }

    /// Whether the request goes on until somebody ends it.
    #[must_use]
    pub fn is_connecting(&self) -> bool {
        self.info.is_resource && CONNECTING.contains(&self.info.subresource.as_str())
    }

    /// Whether the request changes something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let verb = self.info.verb.as_str();
        let changes = matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection");
        let enters = self.is_connecting() && self.info.subresource != "proxy";
        self.info.is_resource && (enters || (changes && !self.question))
    }

    /// The verb in the words of upstream's figures.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        if self.is_connecting() {
            return "CONNECT";
        }
        match self.info.verb.as_str() {
            "list" => "LIST",
            "watch" => "WATCH",
            "create" | "post" => "POST",
            "update" | "put" => "PUT",
            "patch" if self.apply => "APPLY",
            "patch" => "PATCH",
            "delete" => "DELETE",
            "deletecollection" => "DELETECOLLECTION",
            "get" | "head" => "GET",
            _ => "other",
        }
    }

    /// Whether the request is about one object, a namespace's or the cluster's.
    #[must_use]
    pub fn scope(&self) -> &'static str {
        if !self.known {
            ""
        } else if !self.info.name.is_empty() || self.info.verb == "create" {
            "resource"
        } else if self.info.namespace.is_empty() {
            "cluster"
        } else {
            "namespace"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(method: Method, path: &str) -> Trace {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = Query::parse(query);
        Trace::new(&method, &RequestInfo::new(&method, path, &query), &query, &HeaderMap::new(), None)
    }

    #[test]
    fn writes_are_told_from_reads() {
        for (method, path) in [
            (Method::POST, "/api/v1/namespaces/a/pods"),
            (Method::DELETE, "/api/v1/namespaces/a/pods"),
            (Method::PATCH, "/api/v1/nodes/a/status"),
            (Method::GET, "/api/v1/namespaces/a/pods/p/exec?command=sh"),
            (Method::POST, "/api/v1/namespaces/a/services/s/proxy/order"),
        ] {
            assert!(trace(method, path).is_write(), "{path}");
        }
        for (method, path) in [
            (Method::GET, "/api/v1/namespaces/a/pods"),
            (Method::GET, "/api/v1/namespaces/a/pods/p/log"),
            (Method::GET, "/api/v1/namespaces/a/services/s/proxy/page"),
            (Method::POST, "/healthz"),
        ] {
            assert!(!trace(method, path).is_write(), "{path}");
        }
    }

    #[test]
    fn verbs_are_those_of_the_figures() {
        assert_eq!(trace(Method::GET, "/api/v1/pods?watch=1").verb(), "WATCH");
        assert_eq!(trace(Method::GET, "/healthz").verb(), "GET");
        assert_eq!(trace(Method::POST, "/api/v1/namespaces/a/pods/p/attach").verb(), "CONNECT");
    }
}
