//! IPAddress: an address of the service range that is in use.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, NameRule, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::{formatted, text};

const COLUMNS: &[Row] =
    &[NAME, text_column("ParentRef", About::Field("api.networking.v1.IPAddressSpec", "parentRef")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("networking.k8s.io", "v1", "IPAddress", "ipaddresses", IpAddress)
        .cluster()
        .short(&["ip"])
        .names(NameRule::Own)
}

struct IpAddress;

impl Strategy for IpAddress {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        let name = object.name();
        let canonical = name.parse::<std::net::IpAddr>().map(|address| address.to_string());
        if !name.is_empty() && canonical.as_deref() != Ok(name) {
            let detail = match canonical {
                Ok(canonical) => format!("must be in canonical form ({canonical:?})"),
                Err(_) => "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned(),
            };
            errors.invalid_text(&Path::new("metadata").child("name"), name, &detail);
        }
        let (parent, path) = (&object["spec"]["parentRef"], Path::new("spec").child("parentRef"));
        if parent.is_null() {
            errors.required(&path, "");
            return;
        }
        match text(&parent["resource"]) {
            "" => errors.required(&path.child("resource"), ""),
            resource => formatted(resource, names::path_segment, &path.child("resource"), errors),
        }
        match text(&parent["name"]) {
            "" => errors.required(&path.child("name"), ""),
            name => formatted(name, names::path_segment, &path.child("name"), errors),
        }
        for (field, format) in
            [("group", names::dns1123_subdomain as fn(&str) -> names::Faults), ("namespace", names::path_segment)]
        {
            let given = text(&parent[field]);
            if !given.is_empty() {
                formatted(given, format, &path.child(field), errors);
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        let parent = &object["spec"]["parentRef"];
        if parent != &old["spec"]["parentRef"] {
            errors.invalid(&Path::new("spec").child("parentRef"), parent, "field is immutable");
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let parent = &object["spec"]["parentRef"];
        let (group, resource) = (text(&parent["group"]), text(&parent["resource"]));
        let resource = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        let parts = [resource.as_str(), text(&parent["namespace"]), text(&parent["name"])];
        let shown: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        vec![object["metadata"]["name"].clone(), shown.join("/").into(), table::age(object, now)]
    }
}
