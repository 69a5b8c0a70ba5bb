//! Lease: who holds something, and until when.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::Rule::{At, Given, NotNegative, Positive};
use crate::schema::rules::{Rule, check, each_map};

const SPEC: &[Rule] =
    &[At("leaseDurationSeconds", &[Given(&[Positive])]), At("leaseTransitions", &[Given(&[NotNegative])])];
const COLUMNS: &[Row] =
    &[NAME, text_column("Holder", About::Field("api.coordination.v1.LeaseSpec", "holderIdentity")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("coordination.k8s.io", "v1", "Lease", "leases", Lease)
}

struct Lease;

/// Coordinated leader election is not part of a default cluster.
fn drop_coordinated(object: &mut Value) {
    each_map(object, "spec", &mut |spec| spec.retain(|key, _| key != "strategy" && key != "preferredHolder"));
}

impl Strategy for Lease {
    fn prepare_create(&self, object: &mut Value) {
        drop_coordinated(object);
    }

    fn prepare_update(&self, object: &mut Value, _old: &Value) {
        drop_coordinated(object);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        check(SPEC, &object["spec"], &Path::new("spec"), errors);
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
