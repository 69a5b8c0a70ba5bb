//! PersistentVolume: storage that a claim can be bound to.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::claim::access_mode_rules;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, wide};
use crate::kinds::parts::volume as source;
use crate::kinds::parts::{affinity, amount, pod_defaults, resources, show};
use crate::kinds::{Column, Kind, STATUS, Strategy};
use crate::schema::field::{Errors, Path, Reason, show as show_json};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Fill::{Text, TextPointer};
use crate::schema::rules::Rule::{At, Filled, Format, Given, OneOf};
use crate::schema::rules::{Fills, Rule, check, each_map, entries, fill, formatted, items, text};

const FILLS: Fills = &[
    ("", &[("status", crate::schema::rules::Fill::Map)]),
    ("status", &[("phase", Text("Pending"))]),
    ("spec", &[("persistentVolumeReclaimPolicy", Text("Retain")), ("volumeMode", TextPointer("Filesystem"))]),
];
const CLASS: &[Rule] = &[
    At("storageClassName", &[Filled(&[Format(names::dns1123_subdomain)])]),
    At("volumeMode", &[Given(&[OneOf(&["Block", "Filesystem"])])]),
];
const RECLAIM: &[Rule] = &[At("persistentVolumeReclaimPolicy", &[Filled(&[OneOf(&["Delete", "Recycle", "Retain"])])])];
const SPEC: &str = "api.core.v1.PersistentVolumeSpec";
const VOLUME_STATUS: &str = "api.core.v1.PersistentVolumeStatus";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Capacity", About::Field(SPEC, "capacity")),
    text_column("Access Modes", About::Field(SPEC, "accessModes")),
    text_column("Reclaim Policy", About::Field(SPEC, "persistentVolumeReclaimPolicy")),
    text_column("Status", About::Field(VOLUME_STATUS, "phase")),
    text_column("Claim", About::Field(SPEC, "claimRef")),
    text_column("StorageClass", About::Text("StorageClass of the pv")),
    text_column("VolumeAttributesClass", About::Text("VolumeAttributesClass of the pv")),
    text_column("Reason", About::Field(VOLUME_STATUS, "reason")),
    AGE,
    wide("VolumeMode", About::Field(SPEC, "volumeMode")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "PersistentVolume", "persistentvolumes", Volume)
        .cluster()
        .short(&["pv"])
        .subresources(&[STATUS])
}

struct Volume;

impl Strategy for Volume {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        if let Some(spec) = object.get_mut("spec") {
            fill(spec, pod_defaults::PERSISTENT);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        object["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": now});
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        spec(&object["spec"], &Path::new("spec"), errors);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        object["status"] = old["status"].clone();
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        let of = |volume: &Value| {
            let mut map = serde_json::Map::new();
            for field in source::persistent_fields() {
                if !volume["spec"][field].is_null() {
                    map.insert(field.to_owned(), volume["spec"][field].clone());
                }
            }
            Value::Object(map)
        };
        let (mut new_source, old_source) = (of(object), of(old));
        if old_source["csi"].is_object() && old_source["csi"]["controllerExpandSecretRef"].is_null() {
            each_map(&mut new_source, "csi", &mut |csi| {
                csi.remove("controllerExpandSecretRef");
            });
        }
        if new_source != old_source {
            errors.forbidden(
                &Path::new("spec").child("persistentvolumesource"),
                &format!(
                    "spec.persistentvolumesource is immutable after creation\n{}",
                    show::difference(&old_source, &new_source, "core.v1.PersistentVolumeSource")
                ),
            );
        }
        if object["spec"]["volumeMode"] != old["spec"]["volumeMode"] {
            errors.invalid(&Path::new("volumeMode"), &object["spec"]["volumeMode"], "field is immutable");
        }
        let (new_place, old_place) = (&object["spec"]["nodeAffinity"], &old["spec"]["nodeAffinity"]);
        if !old_place.is_null() && new_place != old_place {
            errors.invalid_raw(
                &Path::new("nodeAffinity"),
                &show::line(new_place, "core.v1.VolumeNodeAffinity"),
                "field is immutable, except for updating from beta label to GA",
            );
        }
    }

    fn prepare_status(&self, object: &mut Value, old: &Value) {
        crate::kinds::keep_all_but_status(object, old);
        let status = object.section_mut("status");
        let same = status.get("phase") == old["status"].get("phase");
        if same {
            if let Some(time) = old["status"].get("lastPhaseTransitionTime") {
                status.entry("lastPhaseTransitionTime").or_insert(time.clone());
            }
        } else if status.get("lastPhaseTransitionTime") == old["status"].get("lastPhaseTransitionTime") {
            let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            status.insert("lastPhaseTransitionTime".to_owned(), now.into());
        }
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        let mut out = Vec::new();
        let spec = &object["spec"];
        if object.annotation("volume.beta.kubernetes.io/storage-class").is_some() {
            out.push(
                "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \
                 \"storageClassName\" attribute instead"
                    .to_owned(),
            );
        }
        if spec["persistentVolumeReclaimPolicy"] == "Recycle" {
            out.push(
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the \
                 recommended approach is to use dynamic provisioning."
                    .to_owned(),
            );
        }
        let place = &spec["nodeAffinity"]["required"]["nodeSelectorTerms"];
        for (term, one) in items(place).iter().enumerate() {
            for (index, expression) in items(&one["matchExpressions"]).iter().enumerate() {
                let key = text(&expression["key"]);
                if let Some(words) = crate::kinds::parts::warnings::deprecated_label(key) {
                    out.push(format!(
                        "spec.nodeAffinity.required.nodeSelectorTerms[{term}].matchExpressions[{index}].key: {key} is \
                         {words}"
                    ));
                }
            }
        }
        for (field, shown, words) in crate::kinds::parts::warnings::VOLUMES {
            if !spec[*field].is_null() {
                out.push(format!("spec.{shown}: {words}"));
            }
        }
        out
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let claim = &spec["claimRef"];
        let claim = match claim {
            Value::Null => String::new(),
            claim => format!("{}/{}", text(&claim["namespace"]), text(&claim["name"])),
        };
        let phase = if object.is_deleting() { "Terminating".into() } else { table::string(&status["phase"]) };
        vec![
            object["metadata"]["name"].clone(),
            amount::show(&spec["capacity"]["storage"]).into(),
            access_modes(&spec["accessModes"]).into(),
            table::string(&spec["persistentVolumeReclaimPolicy"]),
            phase,
            claim.into(),
            class_annotation(object).into(),
            table::or(&spec["volumeAttributesClassName"], "<unset>"),
            table::string(&status["reason"]),
            table::age(object, now),
            table::or(&spec["volumeMode"], "<unset>"),
        ]
    }
}

/// The name of the storage class: the field, or the annotation that older versions had.
#[must_use]
pub fn class_annotation(object: &Value) -> String {
    let annotation = object.annotation("volume.beta.kubernetes.io/storage-class");
    annotation.unwrap_or_else(|| object.text("/spec/storageClassName")).to_owned()
}

/// Access modes as a table shows them: `RWO,ROX,RWX,RWOP`.
#[must_use]
pub fn access_modes(list: &Value) -> String {
    let short =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let given: Vec<&str> =
        short.iter().filter(|(mode, _)| items(list).iter().any(|one| one == mode)).map(|(_, short)| *short).collect();
    given.join(",")
}

fn spec(spec: &Value, path: &Path, errors: &mut Errors) {
    if items(&spec["accessModes"]).is_empty() {
        errors.required(&path.child("accessModes"), "");
    }
    access_mode_rules(&spec["accessModes"], &path.child("accessModes"), errors);
    let (capacity, at) = (&spec["capacity"], path.child("capacity"));
    let count = entries(capacity).count();
    if count == 0 {
        errors.required(&at, "");
    }
    if capacity["storage"].is_null() || count > 1 {
        let message = format!("Unsupported value: {}: supported values: \"storage\"", show_json(capacity));
        errors.push(Reason::NotSupported, &at, message);
    }
    for (name, value) in entries(capacity) {
        if amount::nano(value) < 0 {
            let units = i64::try_from(amount::units(value)).unwrap_or(i64::MIN);
            errors.invalid(&at.key(name), &units.into(), "must be a valid resource quantity");
        }
        resources::positive(value, &at.key(name), errors);
    }
    check(RECLAIM, spec, path, errors);
    let place = &spec["nodeAffinity"];
    if !place.is_null() {
        let at = path.child("nodeAffinity").child("required");
        if place["required"].is_null() {
            errors.required(&at, "must specify required node constraints");
        } else {
            affinity::node_selector(&place["required"], &at, errors);
        }
    }
    source::persistent(spec, path, errors);
    if !spec["local"].is_null() && place.is_null() {
        errors.required(&path.child("nodeAffinity"), "Local volume requires node affinity");
    }
    let host = text(&spec["hostPath"]["path"]);
    if host.starts_with('/')
        && host.split('/').all(|part| matches!(part, "" | "." | ".."))
        && spec["persistentVolumeReclaimPolicy"] == "Recycle"
    {
        let at = path.child("persistentVolumeReclaimPolicy");
        errors.forbidden(&at, "may not be 'recycle' for a hostPath mount of '/'");
    }
    check(CLASS, spec, path, errors);
    if let Some(class) = spec["volumeAttributesClassName"].as_str() {
        let at = path.child("volumeAttributesClassName");
        if class.is_empty() {
            errors.required(&at, "an empty string is disallowed");
        } else {
            formatted(class, names::dns1123_subdomain, &at, errors);
        }
        if spec["csi"].is_null() {
            errors.required(&path.child("csi"), "has to be specified when using volumeAttributesClassName");
        }
    }
}
