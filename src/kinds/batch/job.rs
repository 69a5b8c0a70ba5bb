//! Job: pods that run until enough of them have succeeded.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::apps::replica_set::template_warnings;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, wide};
use crate::kinds::parts::{pod_defaults, selector, show, template, warnings};
use crate::kinds::{Column, Kind, Propagation, STATUS, SelectorWords, Strategy, field_text, spec_changed};
use crate::schema::age;
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Rule::{At, Given, NotNegative};
use crate::schema::rules::{Fill, Fills, Rule, check, each_map, fill, formatted, items, number, text};

mod policy;
mod status;

pub use policy::prefixed_path;

const CONTROLLER: &str = "batch.kubernetes.io/controller-uid";
const NAME_LABEL: &str = "batch.kubernetes.io/job-name";
const OLD_CONTROLLER: &str = "controller-uid";
const OLD_NAME_LABEL: &str = "job-name";
const INDEXED_MAX: i64 = 100_000;
const INDEXED_LARGE_MAX: i64 = 10_000;
const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    (
        "spec",
        &[
            ("completionMode", Fill::TextPointer("NonIndexed")),
            ("suspend", Fill::Flag(false)),
            ("manualSelector", Fill::Flag(false)),
            ("parallelism", Fill::NumberPointer(1)),
        ],
    ),
    ("spec.podFailurePolicy.rules.*.onPodConditions.*", &[("status", Fill::Text("True"))]),
];
const NUMBERS: &[Rule] = &[
    At("parallelism", &[Given(&[NotNegative])]),
    At("completions", &[Given(&[NotNegative])]),
    At("activeDeadlineSeconds", &[Given(&[NotNegative])]),
    At("backoffLimit", &[Given(&[NotNegative])]),
    At("ttlSecondsAfterFinished", &[Given(&[NotNegative])]),
    At("backoffLimitPerIndex", &[Given(&[NotNegative])]),
    At("maxFailedIndexes", &[Given(&[NotNegative])]),
];
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Status", About::Text("Status of the job.")),
    text_column("Completions", About::Field("api.batch.v1.JobStatus", "succeeded")),
    text_column("Duration", About::Text("Time required to complete the job.")),
    AGE,
    wide("Containers", About::Text(table::CONTAINERS)),
    wide("Images", About::Text(table::IMAGES)),
    wide("Selector", About::Field("api.batch.v1.JobSpec", "selector")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("batch", "v1", "Job", "jobs", Job)
        .categories(&["all"])
        .subresources(&[STATUS])
        .selectable(&["status.successful"])
        .selector_words(SelectorWords::ForKind)
}

struct Job;

impl Strategy for Job {
    fn default(&self, object: &mut Value) {
        let spec = object.section_mut("spec");
        if ["completions", "parallelism"].iter().all(|field| spec.get(*field).is_none_or(Value::is_null)) {
            spec.insert("completions".to_owned(), 1.into());
        }
        let per_index = spec.get("backoffLimitPerIndex").is_some_and(|limit| !limit.is_null());
        Fill::NumberPointer(if per_index { i64::from(i32::MAX) } else { 6 }).apply(spec, "backoffLimit");
        let failure = spec.get("podFailurePolicy").is_some_and(|policy| !policy.is_null());
        let replacement = if failure { "Failed" } else { "TerminatingOrFailed" };
        Fill::TextPointer(replacement).apply(spec, "podReplacementPolicy");
        pod_defaults::template(spec.entry("template").or_insert(Value::Null));
        fill(object, FILLS);
        take_labels(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({});
        if object["spec"]["manualSelector"] == true {
            return;
        }
        let (name, uid) = (object.name().to_owned(), object.text("/metadata/uid").to_owned());
        let labels = &mut object["spec"]["template"]["metadata"]["labels"];
        if !labels.is_object() {
            *labels = json!({});
        }
        for (key, value) in [(OLD_NAME_LABEL, &name), (NAME_LABEL, &name), (OLD_CONTROLLER, &uid), (CONTROLLER, &uid)] {
            if labels[key].is_null() {
                labels[key] = value.as_str().into();
            }
        }
        let selector = &mut object["spec"]["selector"];
        if !selector.is_object() {
            *selector = json!({});
        }
        if !selector["matchLabels"].is_object() {
            selector["matchLabels"] = json!({});
        }
        if selector["matchLabels"][CONTROLLER].is_null() {
            selector["matchLabels"][CONTROLLER] = uid.into();
        }
        if name.len() <= names::LABEL_MAX {
            take_labels(object);
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        generated(object, errors);
        self::spec(spec, &path, errors);
        let at = path.child("selector");
        if spec["selector"].is_null() {
            errors.required(&at, "");
        } else {
            selector::validate(&spec["selector"], &at, errors);
        }
        template::labels_match(&spec["selector"], &spec["template"], &path.child("template"), errors);
        if let Some(completions) = spec["completions"].as_i64().filter(|_| indexed(spec)).filter(|count| *count > 0) {
            let longest = format!("{}-{}", object.name(), completions - 1);
            if !names::dns1123_label(&longest).is_empty() {
                let detail = format!("will not able to create pod with invalid DNS label: {longest}");
                errors.invalid_text(&Path::new("metadata").child("name"), object.name(), &detail);
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        let (new, was, path) = (&object["spec"], &old["spec"], Path::new("spec"));
        let completions = &new["completions"];
        if completions != &was["completions"] {
            let at = path.child("completions");
            if !indexed(new) {
                errors.invalid(&at, completions, "field is immutable");
            } else if !completions.is_null() && completions != &new["parallelism"] {
                errors.invalid(&at, completions, "can only be modified in tandem with spec.parallelism");
            }
        }
        template::selector_stays(object, old, errors);
        let mut before = was["template"].clone();
        if new["suspend"] == true && old["status"]["startTime"].is_null() {
            let now = &new["template"];
            for pointer in ["/spec/nodeSelector", "/spec/tolerations", "/spec/schedulingGates", "/metadata/annotations"]
            {
                keep_new(&mut before, now, pointer);
            }
            keep_new(&mut before, now, "/metadata/labels");
            keep_new(&mut before, now, "/spec/affinity");
            resources(&mut before, now);
        }
        if without_empty(before) != without_empty(new["template"].clone()) {
            let shown = show::line(&new["template"], "core.v1.PodTemplateSpec");
            errors.invalid_raw(&path.child("template"), &shown, "field is immutable");
        }
        for (field, of) in [
            ("completionMode", ""),
            ("podFailurePolicy", "batch.v1.PodFailurePolicy"),
            ("backoffLimitPerIndex", ""),
            ("managedBy", ""),
            ("successPolicy", "batch.v1.SuccessPolicy"),
        ] {
            if new[field] != was[field] {
                let shown = if of.is_empty() { new[field].to_string() } else { show::line(&new[field], of) };
                errors.invalid_raw(&path.child(field), &shown, "field is immutable");
            }
        }
    }

    fn validate_status(&self, object: &Value, old: &Value, errors: &mut Errors) {
        status::validate(object, old, errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn default_propagation(&self) -> Propagation {
        Propagation::Orphan
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let mut out = warnings::pod_name(object, old);
        let spec = &object["spec"];
        if indexed(spec)
            && number(&spec["completions"]) > INDEXED_MAX
            && number(&spec["parallelism"]) > INDEXED_LARGE_MAX
        {
            out.push(
                "spec: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, \
                 Kubernetes might not be able to track completedIndexes and failedIndexes when a big number of indexes \
                 fail"
                    .to_owned(),
            );
        }
        out.extend(template_warnings(object, old));
        out
    }

    fn field(&self, object: &Value, name: &str) -> String {
        match name {
            "status.successful" => number(&object["status"]["succeeded"]).to_string(),
            _ => field_text(object, name),
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let (containers, images) = table::containers(&spec["template"]);
        let done = number(&status["succeeded"]);
        let completions = match (spec["completions"].as_i64(), number(&spec["parallelism"])) {
            (Some(wanted), _) => format!("{done}/{wanted}"),
            (None, parallelism) if parallelism > 1 => format!("{done}/1 of {parallelism}"),
            (None, _) => format!("{done}/1"),
        };
        vec![
            object["metadata"]["name"].clone(),
            state(object).into(),
            completions.into(),
            duration(status, now).into(),
            table::age(object, now),
            containers,
            images,
            selector::cell(&spec["selector"]).into(),
        ]
    }
}

/// The rules of the spec of a job, in a job and in the template of one.
pub fn spec(spec: &Value, path: &Path, errors: &mut Errors) {
    check(NUMBERS, spec, path, errors);
    if !spec["maxFailedIndexes"].is_null() && spec["backoffLimitPerIndex"].is_null() {
        errors.required(&path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let Some(manager) = spec["managedBy"].as_str() {
        let at = path.child("managedBy");
        policy::prefixed_path(manager, &at, errors);
        if manager.len() > 63 {
            errors.too_long(&at, 63);
        }
    }
    if let Some(mode) = spec["completionMode"].as_str()
        && !matches!(mode, "NonIndexed" | "Indexed")
    {
        errors.not_supported(&path.child("completionMode"), &mode.into(), &["NonIndexed", "Indexed"]);
    }
    if indexed(spec) {
        of_indexed(spec, path, errors);
    } else {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if !spec[field].is_null() && matches!(text(&spec["completionMode"]), "" | "NonIndexed") {
                errors.invalid(&path.child(field), &spec[field], "requires indexed completion mode");
            }
        }
    }
    if !spec["podFailurePolicy"].is_null() {
        policy::failure(spec, &path.child("podFailurePolicy"), errors);
    }
    if !spec["successPolicy"].is_null() {
        let at = path.child("successPolicy");
        if indexed(spec) {
            policy::success(spec, &at, errors);
        } else {
            let shown = show::line(&spec["successPolicy"], "batch.v1.SuccessPolicy");
            errors.invalid_raw(&at, &shown, "requires indexed completion mode");
        }
    }
    if let Some(replacement) = spec["podReplacementPolicy"].as_str() {
        let supported: &[&str] =
            if spec["podFailurePolicy"].is_null() { &["Failed", "TerminatingOrFailed"] } else { &["Failed"] };
        if !supported.contains(&replacement) {
            errors.not_supported(&path.child("podReplacementPolicy"), &replacement.into(), supported);
        }
    }
    let at = path.child("template");
    template::validate(&spec["template"], &at, errors);
    let at = at.child("spec").child("restartPolicy");
    match text(&spec["template"]["spec"]["restartPolicy"]) {
        "" | "Always" => errors.required(&at, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        "OnFailure" if spec["podFailurePolicy"].is_null() => {}
        "OnFailure" => {
            errors.invalid_text(&at, "OnFailure", "only \"Never\" is supported when podFailurePolicy is specified");
        }
        other => errors.not_supported(&at, &other.into(), &["OnFailure", "Never"]),
    }
}

fn of_indexed(spec: &Value, path: &Path, errors: &mut Errors) {
    let (completions, parallelism) = (spec["completions"].as_i64(), spec["parallelism"].as_i64());
    let failed = spec["maxFailedIndexes"].as_i64();
    let at = |field: &str| path.child(field);
    if completions.is_none() {
        errors.required(&at("completions"), "when completion mode is Indexed");
    }
    if let Some(count) = parallelism.filter(|count| *count > INDEXED_MAX) {
        let detail = format!("must be less than or equal to {INDEXED_MAX} when completion mode is Indexed");
        errors.invalid(&at("parallelism"), &count.into(), &detail);
    }
    if let Some(count) = failed {
        if completions.is_some_and(|completions| count > completions) {
            errors.invalid(&at("maxFailedIndexes"), &count.into(), "must be less than or equal to completions");
        }
        if count > INDEXED_MAX {
            let detail = format!("must be less than or equal to {INDEXED_MAX}");
            errors.invalid(&at("maxFailedIndexes"), &count.into(), &detail);
        }
    }
    if completions.is_none_or(|count| count <= INDEXED_MAX) || spec["backoffLimitPerIndex"].is_null() {
        return;
    }
    if failed.is_none() {
        let detail = format!("must be specified when completions is above {INDEXED_MAX}");
        errors.required(&at("maxFailedIndexes"), &detail);
    }
    for (field, count) in [("parallelism", parallelism), ("maxFailedIndexes", failed)] {
        if let Some(count) = count.filter(|count| *count > INDEXED_LARGE_MAX) {
            let detail = format!(
                "must be less than or equal to {INDEXED_LARGE_MAX} when completions are above {INDEXED_MAX} and used \
                 with backoff limit per index"
            );
            errors.invalid(&at(field), &count.into(), &detail);
        }
    }
}

fn indexed(spec: &Value) -> bool {
    spec["completionMode"] == "Indexed"
}

/// A job without labels takes those of its template.
fn take_labels(object: &mut Value) {
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    let given = object["metadata"]["labels"].as_object().is_some_and(|map| !map.is_empty());
    if !given && labels.as_object().is_some_and(|map| !map.is_empty()) {
        let labels = labels.clone();
        object.metadata_mut().insert("labels".to_owned(), labels);
    }
}

/// The labels that were to be generated must be there and lead to the job.
fn generated(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    if spec["manualSelector"] == true || spec["selector"].is_null() {
        return;
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let at = Path::new("spec").child("template").child("metadata").child("labels");
    let (name, uid) = (object.name(), object.text("/metadata/uid"));
    let expected = [(OLD_CONTROLLER, uid), (OLD_NAME_LABEL, name), (CONTROLLER, uid), (NAME_LABEL, name)];
    let mut all = json!({});
    for (key, wanted) in expected {
        match labels[key].as_str() {
            None => errors.required(&at.key(key), &format!("must be '{wanted}'")),
            Some(given) if given != wanted => errors.invalid(&at.key(key), labels, &format!("must be '{wanted}'")),
            Some(_) => {}
        }
        all[key] = wanted.into();
    }
    let found = crate::schema::selector::Selector::from_object(&spec["selector"]);
    if found.is_ok_and(|found| !found.matches(all.as_object())) {
        let shown = selector::show(&spec["selector"]);
        errors.invalid_raw(&Path::new("spec").child("selector"), &shown, "`selector` not auto-generated");
    }
}

fn keep_new(before: &mut Value, now: &Value, pointer: &str) {
    let Some((parent, field)) = pointer.rsplit_once('/') else { return };
    let value = now.pointer(pointer).cloned().unwrap_or(Value::Null);
    each_map(before, &parent.trim_start_matches('/').replace('/', "."), &mut |map| {
        map.insert(field.to_owned(), value.clone());
    });
}

fn resources(before: &mut Value, now: &Value) {
    for list in ["containers", "initContainers"] {
        let new = items(&now["spec"][list]);
        for (index, one) in before["spec"][list].as_array_mut().into_iter().flatten().enumerate() {
            if let Some(new) = new.get(index) {
                one["resources"] = new["resources"].clone();
            }
        }
    }
}

/// A template without fields that are absent or empty on the way down to what may change.
fn without_empty(mut template: Value) -> Value {
    for section in ["metadata", "spec"] {
        each_map(&mut template, section, &mut |map| {
            map.retain(|_, value| match value {
                Value::Null => false,
                Value::Object(map) => !map.is_empty(),
                Value::Array(list) => !list.is_empty(),
                _ => true,
            });
        });
    }
    template
}

fn state(object: &Value) -> &'static str {
    if status::holds(object, "Complete") {
        "Complete"
    } else if status::holds(object, "Failed") {
        "Failed"
    } else if !object["metadata"]["deletionTimestamp"].is_null() {
        "Terminating"
    } else if status::holds(object, "Suspended") {
        "Suspended"
    } else if status::holds(object, "FailureTarget") {
        "FailureTarget"
    } else if status::holds(object, "SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn duration(status: &Value, now: Timestamp) -> String {
    let Ok(start) = text(&status["startTime"]).parse::<Timestamp>() else { return String::new() };
    let end = match text(&status["completionTime"]).parse::<Timestamp>() {
        Ok(end) => end,
        Err(_) => items(&status["conditions"])
            .iter()
            .filter(|one| one["type"] == "Failed" && one["status"] == "True")
            .find_map(|one| text(&one["lastTransitionTime"]).parse().ok())
            .unwrap_or(now),
    };
    age::human(end.as_second() - start.as_second())
}

/// The rules of the names of containers and conditions are those of labels' keys.
pub(super) fn qualified(name: &str, path: &Path, errors: &mut Errors) {
    formatted(name, names::qualified_name, path, errors);
}
