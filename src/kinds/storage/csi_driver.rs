//! CSIDriver: what a storage driver can do.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::parts::volume;
use crate::kinds::{Column, Kind, NameRule, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::Fill::{Flag, TextPointer};
use crate::schema::rules::{Fill, Fills, fill, items, text};

const FILLS: Fills = &[
    ("", &[("spec", Fill::Map)]),
    (
        "spec",
        &[
            ("attachRequired", Flag(true)),
            ("podInfoOnMount", Flag(false)),
            ("storageCapacity", Flag(false)),
            ("fsGroupPolicy", TextPointer("ReadWriteOnceWithFSType")),
            ("requiresRepublish", Flag(false)),
            ("seLinuxMount", Flag(false)),
            ("preventPodSchedulingIfMissing", Flag(false)),
        ],
    ),
];
const GROUP_POLICIES: &[&str] = &["File", "None", "ReadWriteOnceWithFSType"];
const EXPIRATION_MIN: i64 = 600;
const EXPIRATION_MAX: i64 = 1 << 32;
const OF_SPEC: &str = "api.storage.v1.CSIDriverSpec";
const COLUMNS: &[Row] = &[
    NAME,
    flag("AttachRequired", "attachRequired"),
    flag("PodInfoOnMount", "podInfoOnMount"),
    flag("StorageCapacity", "storageCapacity"),
    text_column("TokenRequests", About::Field(OF_SPEC, "tokenRequests")),
    flag("RequiresRepublish", "requiresRepublish"),
    text_column("Modes", About::Field(OF_SPEC, "volumeLifecycleModes")),
    AGE,
];

const fn flag(name: &'static str, field: &'static str) -> Row {
    (name, "boolean", "", 0, About::Field(OF_SPEC, field))
}

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("storage.k8s.io", "v1", "CSIDriver", "csidrivers", CsiDriver).cluster().names(NameRule::PathSegment)
}

struct CsiDriver;

impl Strategy for CsiDriver {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        let spec = object.section_mut("spec");
        if spec.get("volumeLifecycleModes").is_none_or(|modes| items(modes).is_empty()) {
            spec.insert("volumeLifecycleModes".to_owned(), json!(["Persistent"]));
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        volume::driver_name(&object["metadata"]["name"], &Path::new("name"), errors);
        let (spec, path) = (&object["spec"], Path::new("spec"));
        if let Some(policy) = spec["fsGroupPolicy"].as_str()
            && !GROUP_POLICIES.contains(&policy)
        {
            errors.not_supported(&path.child("fsGroupPolicy"), &policy.into(), GROUP_POLICIES);
        }
        token_requests(&spec["tokenRequests"], &path.child("tokenRequests"), errors);
        for mode in items(&spec["volumeLifecycleModes"]) {
            if !matches!(text(mode), "Persistent" | "Ephemeral") {
                errors.not_supported(&path.child("volumeLifecycleModes"), mode, &["Persistent", "Ephemeral"]);
            }
        }
        update_period(spec, &path, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        for (field, shown) in [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
        {
            if spec[field] != old["spec"][field] {
                errors.invalid(&path.child(shown), &spec[field], "field is immutable");
            }
        }
        token_requests(&spec["tokenRequests"], &path.child("tokenRequests"), errors);
        update_period(spec, &path, errors);
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        let spec = &object["spec"];
        if items(&spec["tokenRequests"]).is_empty() || !spec["serviceAccountTokenInSecrets"].is_null() {
            return Vec::new();
        }
        vec![
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent \
             possible logging of tokens in volume attributes"
                .to_owned(),
        ]
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let audiences: Vec<&str> = items(&spec["tokenRequests"]).iter().map(|one| text(&one["audience"])).collect();
        let modes: Vec<&str> = items(&spec["volumeLifecycleModes"]).iter().map(text).collect();
        vec![
            object["metadata"]["name"].clone(),
            (spec["attachRequired"] != false).into(),
            (spec["podInfoOnMount"] == true).into(),
            (spec["storageCapacity"] == true).into(),
            if audiences.is_empty() { "<unset>".into() } else { audiences.join(",").into() },
            (spec["requiresRepublish"] == true).into(),
            if modes.is_empty() { "<none>".into() } else { modes.join(",").into() },
            table::age(object, now),
        ]
    }
}

fn token_requests(list: &Value, path: &Path, errors: &mut Errors) {
    let list = items(list);
    for (index, one) in list.iter().enumerate() {
        let (audience, at) = (text(&one["audience"]), path.index(index));
        if list.iter().take(index).any(|other| text(&other["audience"]) == audience) {
            errors.duplicate(&at.child("audience"), &audience.into());
        }
        let Some(seconds) = one["expirationSeconds"].as_i64() else { continue };
        let at = at.child("expirationSeconds");
        if seconds < EXPIRATION_MIN {
            errors.invalid(&at, &seconds.into(), "may not specify a duration less than 10 minutes");
        }
        if seconds > EXPIRATION_MAX {
            errors.invalid(&at, &seconds.into(), "may not specify a duration larger than 2^32 seconds");
        }
    }
}

fn update_period(spec: &Value, path: &Path, errors: &mut Errors) {
    if let Some(seconds) = spec["nodeAllocatableUpdatePeriodSeconds"].as_i64().filter(|seconds| *seconds < 10) {
        let at = path.child("nodeAllocatableUpdatePeriodSeconds");
        errors.invalid(&at, &seconds.into(), "must be greater than or equal to 10 seconds");
    }
}
