//! `/`: the list of the paths that are served, as `kubectl get --raw /` shows it.

use serde_json::{Value, json};

use super::{health, oidc};
use crate::registry::Catalog;

/// The document.
#[must_use]
pub fn document(catalog: &Catalog) -> Value {
    let mut paths: Vec<String> = ["/api", "/apis", "/apis/", "/metrics", "/openapi/v2", "/openapi/v3", "/openapi/v3/"]
        .into_iter()
        .chain(["/version", oidc::DISCOVERY, oidc::KEYS])
        .map(ToOwned::to_owned)
        .collect();
    for (group, versions) in catalog.groups() {
        if !group.is_empty() {
            paths.push(format!("/apis/{group}"));
        }
        for version in versions {
            paths.push(match group.as_ref() {
                "" => format!("/api/{version}"),
                group => format!("/apis/{group}/{version}"),
            });
        }
    }
    for probe in health::PROBES {
        paths.push(format!("/{probe}"));
        paths.extend(health::names(probe).map(|check| format!("/{probe}/{check}")));
    }
    paths.sort();
    json!({"paths": paths})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn every_version_and_check_is_listed_in_order() {
        let document = document(&Catalog::new(kinds::all()));
        let paths: Vec<&str> = document["paths"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for path in ["/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz/ping", "/readyz/shutdown", "/metrics"] {
            assert!(paths.contains(&path), "{path}");
        }
        assert!(paths.is_sorted());
    }
}
