//! ServiceCIDR: a range from which services get their addresses.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::conditions::conditions;
use crate::kinds::parts::ip;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::{items, text};

const COLUMNS: &[Row] = &[NAME, text_column("CIDRs", About::Field("api.networking.v1.ServiceCIDRSpec", "cidrs")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", ServiceRange).cluster().subresources(&[STATUS])
}

struct ServiceRange;

impl Strategy for ServiceRange {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (given, path) = (&object["spec"]["cidrs"], Path::new("spec").child("cidrs"));
        let ranges = items(given);
        if ranges.is_empty() {
            errors.required(&path, "at least one CIDR required");
            return;
        }
        if ranges.len() > 2 {
            errors.invalid(&path, given, "may only hold up to 2 values");
        }
        let families: Vec<bool> = ranges.iter().map(|range| text(range).contains(':')).collect();
        if families.windows(2).any(|pair| pair[0] == pair[1]) {
            let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
            errors.invalid(&path, given, detail);
        }
        for (index, range) in ranges.iter().enumerate() {
            ip::range(text(range), &path.index(index), errors);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        let ranges = &object["spec"]["cidrs"];
        if ranges != &old["spec"]["cidrs"] {
            errors.invalid(&Path::new("spec").child("cidrs"), ranges, "field is immutable");
        }
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        conditions(&object["status"]["conditions"], &Path::new("status").child("conditions"), errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let ranges: Vec<&str> = items(&object["spec"]["cidrs"]).iter().map(text).collect();
        vec![object["metadata"]["name"].clone(), ranges.join(",").into(), table::age(object, now)]
    }
}
