//! CronJob: jobs that are made by a schedule.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{cron, job};
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, whole, wide};
use crate::kinds::parts::{pod_defaults, selector, warnings};
use crate::kinds::{Column, Kind, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::Fill::{Flag, NumberPointer, Text};
use crate::schema::rules::Rule::{At, Given, NotNegative, OneOf, Required};
use crate::schema::rules::{Fill, Fills, Rule, check, fill, items, text};

/// What is left of the 63 characters when a job's name gets its time.
const NAME_MAX: usize = 52;
const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    (
        "spec",
        &[
            ("concurrencyPolicy", Text("Allow")),
            ("suspend", Flag(false)),
            ("successfulJobsHistoryLimit", NumberPointer(3)),
            ("failedJobsHistoryLimit", NumberPointer(1)),
            ("jobTemplate", Fill::Map),
        ],
    ),
    ("spec.jobTemplate", &[("metadata", Fill::Map), ("spec", Fill::Map)]),
];
const POLICY: &[Rule] = &[At("concurrencyPolicy", &[Required(""), OneOf(&["Allow", "Forbid", "Replace"])])];
const LIMITS: &[Rule] = &[
    At("successfulJobsHistoryLimit", &[Given(&[NotNegative])]),
    At("failedJobsHistoryLimit", &[Given(&[NotNegative])]),
];
const OF_SPEC: &str = "api.batch.v1.CronJobSpec";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Schedule", About::Field(OF_SPEC, "schedule")),
    text_column("Timezone", About::Field(OF_SPEC, "timeZone")),
    ("Suspend", "boolean", "", 0, About::Field(OF_SPEC, "suspend")),
    whole("Active", About::Field("api.batch.v1.CronJobStatus", "active")),
    text_column("Last Schedule", About::Field("api.batch.v1.CronJobStatus", "lastScheduleTime")),
    AGE,
    wide("Containers", About::Text(table::CONTAINERS)),
    wide("Images", About::Text(table::IMAGES)),
    wide("Selector", About::Field("api.batch.v1.JobSpec", "selector")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("batch", "v1", "CronJob", "cronjobs", CronJob).short(&["cj"]).categories(&["all"]).subresources(&[STATUS])
}

struct CronJob;

impl Strategy for CronJob {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        let spec = &mut object["spec"]["jobTemplate"]["spec"];
        if spec["template"].is_null() {
            spec["template"] = json!({});
        }
        pod_defaults::template(&mut spec["template"]);
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({});
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        spec(&object["spec"], None, errors);
        if object.name().chars().count() > NAME_MAX {
            let detail = format!("must be no more than {NAME_MAX} characters");
            errors.invalid_text(&Path::new("metadata").child("name"), object.name(), &detail);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        spec(&object["spec"], Some(&old["spec"]), errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let mut out = warnings::pod_name(object, old);
        if old.is_none_or(|old| spec_changed(object, old)) {
            let template = &object["spec"]["jobTemplate"]["spec"]["template"];
            let path = Path::new("spec").child("jobTemplate").child("spec").child("template");
            out.extend(warnings::pod(&template["metadata"], &template["spec"], &path));
        }
        out
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let job = &spec["jobTemplate"]["spec"];
        let (containers, images) = table::containers(&job["template"]);
        let suspend = match spec["suspend"].as_bool() {
            None => "<unset>",
            Some(true) => "True",
            Some(false) => "False",
        };
        let last = text(&status["lastScheduleTime"]);
        vec![
            object["metadata"]["name"].clone(),
            spec["schedule"].clone(),
            table::or(&spec["timeZone"], "<none>"),
            suspend.into(),
            items(&status["active"]).len().into(),
            if last.is_empty() { "<none>".into() } else { table::since(last, now) },
            table::age(object, now),
            containers,
            images,
            selector::cell(&job["selector"]).into(),
        ]
    }
}

fn spec(spec: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::new("spec");
    let at = path.child("schedule");
    match text(&spec["schedule"]) {
        "" => errors.required(&at, ""),
        schedule => {
            if let Err(fault) = cron::check(schedule) {
                errors.invalid_text(&at, schedule, &fault);
            }
            let allowed = old.is_some_and(|old| text(&old["schedule"]).contains("TZ"));
            if schedule.contains("TZ") && !allowed {
                let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
                errors.invalid_text(&at, schedule, detail);
            } else if schedule.contains("TZ") && !spec["timeZone"].is_null() {
                let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
                errors.invalid_text(&at, schedule, detail);
            }
        }
    }
    check(&[At("startingDeadlineSeconds", &[Given(&[NotNegative])])], spec, &path, errors);
    if old.is_none_or(|old| old["timeZone"] != spec["timeZone"]) {
        time_zone(&spec["timeZone"], &path.child("timeZone"), errors);
    }
    check(POLICY, spec, &path, errors);
    let (template, at) = (&spec["jobTemplate"]["spec"], path.child("jobTemplate").child("spec"));
    job::spec(template, &at, errors);
    if !template["selector"].is_null() {
        let shown = selector::show(&template["selector"]);
        errors.invalid_raw(&at.child("selector"), &shown, "`selector` will be auto-generated");
    }
    if template["manualSelector"] == true {
        errors.not_supported(&at.child("manualSelector"), &true.into(), &["nil", "false"]);
    }
    check(LIMITS, spec, &path, errors);
}

fn time_zone(zone: &Value, path: &Path, errors: &mut Errors) {
    let Some(name) = zone.as_str() else { return };
    if name.is_empty() {
        errors.invalid_text(path, name, "timeZone must be nil or non-empty string");
    } else if name.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid_text(path, name, detail);
    } else if !is_zone(name) {
        errors.invalid_text(path, name, &format!("unknown time zone {name}"));
    }
}

/// Whether the system knows a time zone of that name. Where it has no list of them, all are taken.
fn is_zone(name: &str) -> bool {
    const ZONES: &str = "/usr/share/zoneinfo";
    if name == "UTC" {
        return true;
    }
    let fits = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte))
    };
    if !name.split('/').all(fits) {
        return false;
    }
    let zones = std::path::Path::new(ZONES);
    !zones.join("Etc").is_dir() || zones.join(name).is_file()
}
