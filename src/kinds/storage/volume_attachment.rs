//! VolumeAttachment: that a volume is to be attached to a node.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::parts::{show, volume};
use crate::kinds::{Column, Kind, STATUS, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{formatted, text};

const OF_SPEC: &str = "api.storage.v1.VolumeAttachmentSpec";
const COLUMNS: &[Row] = &[
    NAME,
    ("Attacher", "string", "name", 0, About::Field(OF_SPEC, "attacher")),
    text_column("PV", About::Field("api.storage.v1.VolumeAttachmentSource", "persistentVolumeName")),
    text_column("Node", About::Field(OF_SPEC, "nodeName")),
    ("Attached", "boolean", "", 0, About::Field("api.storage.v1.VolumeAttachmentStatus", "attached")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", VolumeAttachment)
        .cluster()
        .subresources(&[STATUS])
}

struct VolumeAttachment;

impl Strategy for VolumeAttachment {
    fn prepare_create(&self, object: &mut Value) {
        object["status"] = serde_json::json!({"attached": false});
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let (source, at) = (&spec["source"], path.child("source"));
        let one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
        match (source["inlineVolumeSpec"].is_null(), source["persistentVolumeName"].as_str()) {
            (true, None) => errors.required(&at, one),
            (false, Some(_)) => errors.forbidden(&at, one),
            (true, Some("")) => {
                errors.required(&at.child("persistentVolumeName"), "must specify non empty persistentVolumeName");
            }
            (true, Some(name)) => {
                formatted(name, names::dns1123_subdomain, &at.child("persistentVolumeName"), errors);
            }
            (false, None) => volume::persistent(&source["inlineVolumeSpec"], &at.child("inlineVolumeSpec"), errors),
        }
        formatted(text(&spec["nodeName"]), names::dns1123_subdomain, &path.child("nodeName"), errors);
        volume::driver_name(&spec["attacher"], &path.child("attacher"), errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        if object["spec"] != old["spec"] {
            let shown = show::line(&object["spec"], "storage.v1.VolumeAttachmentSpec");
            errors.invalid_raw(&Path::new("spec"), &shown, "field is immutable");
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        vec![
            object["metadata"]["name"].clone(),
            table::string(&spec["attacher"]),
            table::string(&spec["source"]["persistentVolumeName"]),
            table::string(&spec["nodeName"]),
            (object["status"]["attached"] == true).into(),
            table::age(object, now),
        ]
    }
}
