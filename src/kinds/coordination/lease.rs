//! Lease: who holds something, and until when.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::Rule::{At, Given, NotNegative, Positive, Required};
use crate::schema::rules::{Rule, check, text};

const SPEC: &[Rule] = &[
    At("leaseDurationSeconds", &[Given(&[Positive])]),
    At("leaseTransitions", &[Given(&[NotNegative])]),
    At("strategy", &[Given(&[Required("")])]),
];
const COLUMNS: &[Row] =
    &[NAME, text_column("Holder", About::Field("api.coordination.v1.LeaseSpec", "holderIdentity")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("coordination.k8s.io", "v1", "Lease", "leases", Lease)
}

struct Lease;

impl Strategy for Lease {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        check(SPEC, spec, &path, errors);
        if !spec["preferredHolder"].is_null()
            && !text(&spec["preferredHolder"]).is_empty()
            && text(&spec["strategy"]).is_empty()
        {
            let detail = "may only be specified when `strategy` is defined";
            errors.forbidden(&path.child("preferredHolder"), detail);
        }
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let holder = table::string(&object["spec"]["holderIdentity"]);
        vec![object["metadata"]["name"].clone(), holder, table::age(object, now)]
    }
}
