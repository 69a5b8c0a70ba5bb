//! Event: something that happened to an object, in its two versions of the API (`v1` and
//! `events.k8s.io/v1`), which are one kind of object under two spellings.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::conversion::{Conversion, rename};
use crate::kinds::parts::table::{self, About, Row, text_column, wide};
use crate::kinds::{Column, Kind, SelectorWords, Strategy, field_text};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::{formatted, number, text};

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
/// Where each core field of the newer version is named otherwise: core, newer.
const NAMES: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("reportingComponent", "reportingController"),
];
/// Selectable fields of the newer version.
const NEW_SELECTABLE: &[&str] = &[
    "reason",
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "regarding.apiVersion",
    "regarding.resourceVersion",
    "regarding.fieldPath",
    "reportingController",
    "type",
];
/// What may not change by the newer version.
const FIXED: &[&str] = &[
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reason",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingController",
    "reportingInstance",
];
const WORD_MAX: usize = 128;
const NOTE_MAX: usize = 1024;

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
        .selectable(NEW_SELECTABLE)
        .selector_words(SelectorWords::Label)
        .converted(&Renamed)
}

/// The newer version, which has other names for some fields of the core one.
struct Renamed;

impl Conversion for Renamed {
    fn group(&self) -> &'static str {
        ""
    }

    fn version(&self) -> &'static str {
        "v1"
    }

    fn store(&self, object: &mut Value) {
        if let Some(map) = object.as_object_mut() {
            rename(map, NAMES.iter().map(|(core, newer)| (*newer, *core)));
        }
    }

    fn show(&self, object: &mut Value) {
        if let Some(map) = object.as_object_mut() {
            rename(map, NAMES.iter().copied());
        }
    }
}

struct Event {
    core: bool,
}

/// The rules of both versions; `controller` is what this one calls the reporting component.
fn common(event: &Value, controller: &str, errors: &mut Errors) {
    let (own, about) = (event.namespace(), text(&event["involvedObject"]["namespace"]));
    let at = Path::new("involvedObject").child("namespace");
    let foreign = "does not match event.namespace";
    if is_zero(&event["eventTime"]) {
        let fits = if about.is_empty() { matches!(own, "" | "default") } else { own == about };
        if !fits {
            errors.invalid_text(&at, about, foreign);
        }
    } else {
        if about.is_empty() && !matches!(own, "default" | "kube-system") {
            errors.invalid_text(&at, about, foreign);
        }
        let reporter = text(&event["reportingComponent"]);
        let at = Path::new(controller);
        if reporter.is_empty() {
            errors.required(&at, "");
        }
        formatted(reporter, names::qualified_name, &at, errors);
        for field in ["reportingInstance", "action", "reason"] {
            if text(&event[field]).is_empty() {
                errors.required(&Path::new(field), "");
            }
            at_most(event, field, WORD_MAX, errors);
        }
        at_most(event, "message", NOTE_MAX, errors);
    }
    formatted(own, names::dns1123_subdomain, &Path::new("namespace"), errors);
}

fn at_most(event: &Value, field: &str, most: usize, errors: &mut Errors) {
    if text(&event[field]).len() > most {
        errors.invalid_text(&Path::new(field), "", &format!("can have at most {most} characters"));
    }
}

/// The rules of a series in the newer version.
fn series(event: &Value, errors: &mut Errors) {
    let series = &event["series"];
    if series.is_null() {
        return;
    }
    if number(&series["count"]) < 2 {
        errors.invalid_text(&Path::new("series.count"), "", "should be at least 2");
    }
    if is_zero(&series["lastObservedTime"]) {
        errors.required(&Path::new("series.lastObservedTime"), "");
    }
}

/// Whether a time is not said.
fn is_zero(time: &Value) -> bool {
    text(time).is_empty()
}

/// A field by the name that errors give it.
fn part<'e>(event: &'e Value, name: &str) -> &'e Value {
    &event[if name == "reportingController" { "reportingComponent" } else { name }]
}

impl Strategy for Event {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        if self.core {
            return common(object, "reportingComponent", errors);
        }
        common(object, "reportingController", errors);
        series(object, errors);
        if is_zero(&object["eventTime"]) {
            errors.required(&Path::new("eventTime"), "");
        }
        let said = text(&object["type"]);
        if !matches!(said, "Normal" | "Warning") {
            errors.invalid_text(&Path::new("type"), "", &format!("has invalid value: {said}"));
        }
        let source = &object["source"];
        let given = [
            ("firstTimestamp", !is_zero(&object["firstTimestamp"])),
            ("lastTimestamp", !is_zero(&object["lastTimestamp"])),
            ("count", number(&object["count"]) != 0),
            ("source", !text(&source["component"]).is_empty() || !text(&source["host"]).is_empty()),
        ];
        for (field, _) in given.iter().filter(|(_, given)| *given) {
            errors.invalid_text(&Path::new(*field), "", "needs to be unset");
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        if self.core {
            return common(object, "reportingComponent", errors);
        }
        common(object, "reportingController", errors);
        if object["series"] != old["series"] {
            series(object, errors);
        }
        for field in FIXED {
            let (new, old) = (part(object, field), part(old, field));
            if new != old {
                errors.invalid(&Path::new(*field), new, "field is immutable");
            }
        }
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn field(&self, object: &Value, name: &str) -> String {
        if let Some(rest) = name.strip_prefix("involvedObject.").or_else(|| name.strip_prefix("regarding.")) {
            return text(&object["involvedObject"][rest]).to_owned();
        }
        match name {
            "source" => {
                let source = text(&object["source"]["component"]);
                let reporting = text(&object["reportingComponent"]);
                (if source.is_empty() { reporting } else { source }).to_owned()
            }
            "reportingController" => text(&object["reportingComponent"]).to_owned(),
            _ => field_text(object, name),
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let about = &object["involvedObject"];
        let (series, at) = (&object["series"], text(&object["eventTime"]));
        let time = |field: &str| text(&object[field]);
        let first = if time("firstTimestamp").is_empty() { at } else { time("firstTimestamp") };
        let mut last = if time("lastTimestamp").is_empty() { first } else { time("lastTimestamp") };
        let mut count = number(&object["count"]);
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
            source(object).into(),
            text(&object["message"]).trim().into(),
            table::since(first, now),
            count.into(),
            object["metadata"]["name"].clone(),
        ]
    }
}

/// Who says so, and where.
fn source(event: &Value) -> String {
    let source = &event["source"];
    let (mut component, mut host) = (text(&source["component"]), text(&source["host"]));
    if component.is_empty() {
        component = text(&event["reportingComponent"]);
    }
    if host.is_empty() {
        host = text(&event["reportingInstance"]);
    }
    if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(kind: &Kind, event: &Value, old: Option<&Value>) -> Vec<String> {
        let mut errors = Errors::new();
        match old {
            None => kind.strategy.validate(event, &mut errors),
            Some(old) => kind.strategy.validate_update(event, old, &mut errors),
        }
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_event_goes_both_ways_between_its_versions() {
        let newer = json!({"regarding": {"name": "gw"}, "note": "n", "reportingController": "k2d", "reason": "R",
            "deprecatedCount": 2});
        let mut event = newer.clone();
        Renamed.store(&mut event);
        assert_eq!(
            event,
            json!({"involvedObject": {"name": "gw"}, "message": "n", "reportingComponent": "k2d",
            "reason": "R", "count": 2})
        );
        Renamed.show(&mut event);
        assert_eq!(event, newer);
    }

    #[test]
    fn the_newer_version_is_strict_where_the_core_one_is_not() {
        let event = json!({"metadata": {"namespace": "a"}, "involvedObject": {"namespace": "a"}, "type": "Odd",
            "series": {"count": 1}, "source": {"component": "c"}, "count": 1});
        assert_eq!(said(&kind(), &event, None), [""; 0]);
        assert_eq!(
            said(&new_kind(), &event, None),
            [
                "series.count: Invalid value: \"\": should be at least 2",
                "series.lastObservedTime: Required value",
                "eventTime: Required value",
                "type: Invalid value: \"\": has invalid value: Odd",
                "count: Invalid value: \"\": needs to be unset",
                "source: Invalid value: \"\": needs to be unset",
            ]
        );
    }

    #[test]
    fn only_the_series_of_an_event_goes_on() {
        let old = json!({"metadata": {"namespace": "a"}, "involvedObject": {"namespace": "a"}, "reason": "R"});
        let mut event = old.clone();
        event["series"] = json!({"count": 2, "lastObservedTime": "2024-01-01T00:00:00.000000Z"});
        assert_eq!(said(&new_kind(), &event, Some(&old)), [""; 0]);
        event["reason"] = "Other".into();
        assert_eq!(said(&new_kind(), &event, Some(&old)), ["reason: Invalid value: \"Other\": field is immutable"]);
    }
}
