//! Event: something that happened to an object, in its two versions of the API (`v1` and
//! `events.k8s.io/v1`), which are one kind of object under two spellings.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, About, Row, text_column, wide};
use crate::kinds::{Column, Kind, SelectorWords, Strategy, field_text};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Rule::{At, Between, Filled, Format, Given, OneOf, Required};
use crate::schema::rules::{Rule, check, formatted, number, text};

const SELECTABLE: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];
const EVENT: &str = "api.core.v1.Event";
const COLUMNS: &[Row] = &[
    text_column("Last Seen", About::Field(EVENT, "lastTimestamp")),
    text_column("Type", About::Field(EVENT, "type")),
    text_column("Reason", About::Field(EVENT, "reason")),
    text_column("Object", About::Field(EVENT, "involvedObject")),
    wide("Subobject", About::Field("api.core.v1.ObjectReference", "fieldPath")),
    wide("Source", About::Field(EVENT, "source")),
    text_column("Message", About::Field(EVENT, "message")),
    wide("First Seen", About::Field(EVENT, "firstTimestamp")),
    wide("Count", About::Field(EVENT, "count")),
    ("Name", "string", "name", 1, About::Field("apimachinery.pkg.apis.meta.v1.ObjectMeta", "name")),
];
const NEW_RULES: &[Rule] = &[
    At("reportingController", &[Required(""), Format(names::qualified_name)]),
    At("reportingInstance", &[Required("")]),
    At("action", &[Required("")]),
    At("reason", &[Required("")]),
    At("type", &[OneOf(&["Normal", "Warning"])]),
    At("series", &[Given(&[At("count", &[Between(2, i64::MAX)])])]),
];

/// The kind in the core group.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "Event", "events", Event { core: true })
        .short(&["ev"])
        .selectable(SELECTABLE)
        .selector_words(SelectorWords::Label)
}

/// The kind in the group `events.k8s.io`.
#[must_use]
pub fn new_kind() -> Kind {
    Kind::new("events.k8s.io", "v1", "Event", "events", Event { core: false })
        .short(&["ev"])
        .selectable(SELECTABLE)
        .selector_words(SelectorWords::Label)
}

struct Event {
    core: bool,
}

impl Event {
    /// The field of the core version, or the one that the newer version has for it.
    fn get<'e>(&self, event: &'e Value, core: &str) -> &'e Value {
        let newer = match core {
            "involvedObject" => "regarding",
            "message" => "note",
            "source" => "deprecatedSource",
            "count" => "deprecatedCount",
            "firstTimestamp" => "deprecatedFirstTimestamp",
            "lastTimestamp" => "deprecatedLastTimestamp",
            "reportingComponent" => "reportingController",
            other => other,
        };
        &event[if self.core { core } else { newer }]
    }
}

impl Strategy for Event {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        let about = self.get(object, "involvedObject");
        let (namespace, at) = (text(&about["namespace"]), Path::new("involvedObject").child("namespace"));
        let own = object.namespace();
        if namespace.is_empty() {
            if own != "default" && !own.is_empty() && !self.core {
                errors.invalid_text(&at, namespace, "not allowed on this type");
            } else if own != "default" && !own.is_empty() {
                errors.invalid_text(&at, namespace, "does not match event.namespace");
            }
        } else if namespace != own {
            errors.invalid_text(&at, namespace, "does not match event.namespace");
        }
        if !self.core {
            check(NEW_RULES, object, &Path::root(), errors);
            if object["eventTime"].is_null() {
                errors.required(&Path::new("eventTime"), "");
            }
            if text(&object["note"]).len() > 1024 {
                errors.invalid_text(&Path::new("message"), "", "can have at most 1024 characters");
            }
        } else if !object["eventTime"].is_null() {
            check(
                &[At("reportingComponent", &[Filled(&[Format(names::qualified_name)])])],
                object,
                &Path::root(),
                errors,
            );
        }
        formatted(own, names::dns1123_subdomain, &Path::new("namespace"), errors);
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn field(&self, object: &Value, name: &str) -> String {
        if let Some(rest) = name.strip_prefix("involvedObject.") {
            return text(&self.get(object, "involvedObject")[rest]).to_owned();
        }
        match name {
            "source" => {
                let source = text(&self.get(object, "source")["component"]);
                let reporting = text(self.get(object, "reportingComponent"));
                (if source.is_empty() { reporting } else { source }).to_owned()
            }
            "reportingComponent" => text(self.get(object, name)).to_owned(),
            _ => field_text(object, name),
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let about = self.get(object, "involvedObject");
        let (series, at) = (&object["series"], text(&object["eventTime"]));
        let time = |field: &str| text(self.get(object, field));
        let first = if time("firstTimestamp").is_empty() { at } else { time("firstTimestamp") };
        let mut last = if time("lastTimestamp").is_empty() { first } else { time("lastTimestamp") };
        let mut count = number(self.get(object, "count"));
        if !series.is_null() {
            last = text(&series["lastObservedTime"]);
            count = number(&series["count"]);
        } else if count == 0 {
            count = 1;
        }
        let kind = text(&about["kind"]).to_lowercase();
        let target =
            if kind.is_empty() { text(&about["name"]).to_owned() } else { format!("{kind}/{}", text(&about["name"])) };
        vec![
            table::since(last, now),
            table::string(&object["type"]),
            table::string(&object["reason"]),
            target.into(),
            table::string(&about["fieldPath"]),
            self.source(object).into(),
            text(self.get(object, "message")).trim().into(),
            table::since(first, now),
            count.into(),
            object["metadata"]["name"].clone(),
        ]
    }
}

impl Event {
    /// Who says so, and where.
    fn source(&self, object: &Value) -> String {
        let source = self.get(object, "source");
        let (mut component, mut host) = (text(&source["component"]), text(&source["host"]));
        if component.is_empty() {
            component = text(self.get(object, "reportingComponent"));
        }
        if host.is_empty() {
            host = text(&object["reportingInstance"]);
        }
        if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") }
    }
}
