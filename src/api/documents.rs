//! The paths that are no resources, each handed to the module that knows it; the rest of them is no page.

use hyper::{HeaderMap, Method, Response};

use super::body::{self, Body};
use super::negotiate::{self, Form};
use super::request::Query;
use super::{Api, discovery, health, index, metrics, no_page, oidc, openapi};
use crate::registry::Catalog;
use crate::schema::status::Status;

impl Api {
    /// Paths that are no resources: discovery, OpenAPI, health, version.
    pub(super) async fn document(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        query: &Query,
    ) -> Result<Response<Body>, Status> {
        if let Some(response) = health::answer(self, method, path, query).await? {
            return Ok(response);
        }
        if path == "/metrics" {
            return metrics::answer(self, method).await;
        }
        if let Some(response) = oidc::answer(self, method, path, &self.0.settings.address)? {
            return Ok(response);
        }
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let catalog = self.registry().catalog();
        if let Some(response) = openapi::answer(&catalog, method, path, headers, query)? {
            return Ok(response);
        }
        if path == "/" {
            if *method != Method::GET && *method != Method::HEAD {
                return Err(Status::method_not_allowed());
            }
            return Ok(body::object(200, Form { pretty: true, ..Form::JSON }, &index::document(&catalog)));
        }
        let known = match parts.as_slice() {
            ["api"] | ["apis"] => true,
            ["api", "v1"] => true,
            ["api", ..] => return Err(Status::unknown_resource()),
            ["apis", group] => catalog.groups().iter().any(|(name, _)| name == group),
            ["apis", group, version] => {
                if catalog.groups().iter().any(|(name, _)| name == group) && !catalog.has_version(group, version) {
                    return Err(Status::unknown_resource());
                }
                catalog.has_version(group, version)
            }
            _ => false,
        };
        if !known {
            return Ok(no_page());
        }
        let group_document = matches!(parts.as_slice(), ["apis", _]);
        if *method != Method::GET && !group_document {
            return Err(Status::method_not_allowed());
        }
        self.discovery(&parts, headers, query, &catalog)
    }

    fn discovery(
        &self,
        parts: &[&str],
        headers: &HeaderMap,
        query: &Query,
        catalog: &Catalog,
    ) -> Result<Response<Body>, Status> {
        if let [only] = parts
            && let Some(media) = discovery::wants_aggregated(headers)
        {
            let document = discovery::aggregated(catalog, *only == "api");
            let bytes = serde_json::to_vec(&document).map_err(Status::internal)?;
            return Ok(body::response(200, media, body::full(bytes)));
        }
        let document = match parts {
            ["api"] => discovery::core_versions(&self.0.settings.address),
            ["apis"] => discovery::groups(catalog),
            ["apis", group] => discovery::group(catalog, group).ok_or_else(Status::unknown_resource)?,
            ["apis", group, version] => discovery::resources(catalog, group, version),
            _ => discovery::resources(catalog, "", "v1"),
        };
        let form = negotiate::negotiate(headers, false, false).unwrap_or(Form::JSON);
        let form = Form { pretty: form.pretty || query.flag("pretty"), ..form };
        Ok(body::object(200, form, &document))
    }
}
