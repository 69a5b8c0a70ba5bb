//! PriorityLevelConfiguration: how many requests of a level run at once, and what becomes of more.

use jiff::Timestamp;
use serde_json::Value;

use super::{GROUP, conditions, defaults};
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::{Fill, Fills, fill, number, text};

const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    (
        "spec.exempt",
        &[("nominalConcurrencyShares", Fill::NumberPointer(0)), ("lendablePercent", Fill::NumberPointer(0))],
    ),
    (
        "spec.limited",
        &[
            ("nominalConcurrencyShares", Fill::NumberPointer(30)),
            ("lendablePercent", Fill::NumberPointer(0)),
            ("limitResponse", Fill::Map),
        ],
    ),
    (
        "spec.limited.limitResponse.queuing",
        &[("queues", Fill::Number(64)), ("handSize", Fill::Number(8)), ("queueLengthLimit", Fill::Number(50))],
    ),
];
const QUEUES_MAX: i64 = 10_000_000;
/// Bits of the hash by which queues are dealt to a flow.
const HASH_BITS: i64 = 60;
const QUEUING: &str = "api.flowcontrol.v1.QueuingConfiguration";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Type", About::Field("api.flowcontrol.v1.PriorityLevelConfigurationSpec", "type")),
    text_column(
        "NominalConcurrencyShares",
        About::Field("api.flowcontrol.v1.LimitedPriorityLevelConfiguration", "nominalConcurrencyShares"),
    ),
    text_column("Queues", About::Field(QUEUING, "queues")),
    text_column("HandSize", About::Field(QUEUING, "handSize")),
    text_column("QueueLengthLimit", About::Field(QUEUING, "queueLengthLimit")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new(GROUP, "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations", PriorityLevelConfiguration)
        .cluster()
        .subresources(&[STATUS])
}

struct PriorityLevelConfiguration;

impl Strategy for PriorityLevelConfiguration {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let (kind, exempt) = (text(&spec["type"]), object.name() == "exempt");
        if exempt != (kind == "Exempt") {
            let detail = "type must be 'Exempt' if and only if name is 'exempt'";
            errors.invalid_text(&path.child("type"), kind, detail);
        }
        match kind {
            "Exempt" => {
                if !spec["limited"].is_null() {
                    errors.forbidden(&path.child("limited"), "must be nil if the type is not Limited");
                }
                let at = path.child("exempt");
                if spec["exempt"].is_null() {
                    errors.required(&at, "must not be empty when type is Exempt");
                } else {
                    shares(&spec["exempt"], &at, errors);
                    lendable(&spec["exempt"], &at, errors);
                }
            }
            "Limited" => {
                if !spec["exempt"].is_null() {
                    errors.forbidden(&path.child("exempt"), "must be nil if the type is Limited");
                }
                let at = path.child("limited");
                if spec["limited"].is_null() {
                    errors.required(&at, "must not be empty when type is Limited");
                } else {
                    limited(&spec["limited"], &at, errors);
                }
            }
            other => errors.not_supported(&path.child("type"), &other.into(), &["Exempt", "Limited"]),
        }
        self.fixed(object, errors);
        conditions(object, errors);
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        conditions(object, errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, limited) = (&object["spec"], &object["spec"]["limited"]);
        let or_none = |value: &Value| if value.is_null() { "<none>".into() } else { value.clone() };
        let queuing = &limited["limitResponse"]["queuing"];
        vec![
            object["metadata"]["name"].clone(),
            table::string(&spec["type"]),
            or_none(&limited["nominalConcurrencyShares"]),
            or_none(&queuing["queues"]),
            or_none(&queuing["handSize"]),
            or_none(&queuing["queueLengthLimit"]),
            table::age(object, now),
        ]
    }
}

impl PriorityLevelConfiguration {
    /// The levels that a cluster cannot be without are as they are, but for the shares of the exempt.
    fn fixed(&self, object: &Value, errors: &mut Errors) {
        let name = object.name();
        let Some(fixed) = defaults::mandatory_level(name) else { return };
        let (mut own, mut fixed) = (object["spec"].clone(), fixed["spec"].clone());
        let mut part = "";
        if name == "exempt" {
            part = " except the 'spec.exempt' field";
            for spec in [&mut own, &mut fixed] {
                spec.as_object_mut().map(|spec| spec.remove("exempt"));
            }
        }
        if own != fixed {
            let detail = format!("spec of '{name}'{part} must equal the fixed value");
            errors.invalid_raw(&Path::new("spec"), "flowcontrol.PriorityLevelConfigurationSpec{}", &detail);
        }
    }
}

fn shares(level: &Value, path: &Path, errors: &mut Errors) {
    let shares = number(&level["nominalConcurrencyShares"]);
    if shares < 0 {
        errors.invalid(&path.child("nominalConcurrencyShares"), &shares.into(), "must be a non-negative integer");
    }
}

fn lendable(level: &Value, path: &Path, errors: &mut Errors) {
    let percent = number(&level["lendablePercent"]);
    if !(0..=100).contains(&percent) {
        errors.invalid(&path.child("lendablePercent"), &percent.into(), "must be between 0 and 100, inclusive");
    }
}

fn limited(level: &Value, path: &Path, errors: &mut Errors) {
    shares(level, path, errors);
    let (response, at) = (&level["limitResponse"], path.child("limitResponse"));
    let (queuing, under) = (&response["queuing"], at.child("queuing"));
    match text(&response["type"]) {
        "Reject" => {
            if !queuing.is_null() {
                errors.forbidden(&under, "must be nil if limited.limitResponse.type is not Limited");
            }
        }
        "Queue" if queuing.is_null() => {
            errors.required(&under, "must not be empty if limited.limitResponse.type is Limited");
        }
        "Queue" => queues(queuing, &under, errors),
        other => errors.not_supported(&at.child("type"), &other.into(), &["Queue", "Reject"]),
    }
    lendable(level, path, errors);
    if let Some(percent) = level["borrowingLimitPercent"].as_i64().filter(|percent| *percent < 0) {
        let detail = "if specified, must be a non-negative integer";
        errors.invalid(&path.child("borrowingLimitPercent"), &percent.into(), detail);
    }
}

fn queues(queuing: &Value, path: &Path, errors: &mut Errors) {
    let (length, queues) = (number(&queuing["queueLengthLimit"]), number(&queuing["queues"]));
    if length <= 0 {
        errors.invalid(&path.child("queueLengthLimit"), &length.into(), "must be positive");
    }
    let at = path.child("queues");
    if queues <= 0 {
        errors.invalid(&at, &queues.into(), "must be positive");
    } else if queues > QUEUES_MAX {
        errors.invalid(&at, &queues.into(), &format!("must not be greater than {QUEUES_MAX}"));
    }
    let (hand, at) = (number(&queuing["handSize"]), path.child("handSize"));
    if hand <= 0 {
        errors.invalid(&at, &hand.into(), "must be positive");
    } else if hand > queues {
        errors.invalid(&at, &hand.into(), &format!("should not be greater than queues ({queues})"));
    } else if entropy(queues, hand) > HASH_BITS {
        let detail = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
        );
        errors.invalid(&at, &hand.into(), &detail);
    }
}

/// The bits of a hash that deal a hand of that size from so many queues.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "both are below ten million")]
fn entropy(queues: i64, hand: i64) -> i64 {
    ((queues as f64).log2() * hand as f64).ceil() as i64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(level: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        PriorityLevelConfiguration.validate(level, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_level_that_queues_needs_queues_that_can_be_dealt() {
        let mut level = json!({"metadata": {"name": "a"}, "spec": {"type": "Limited", "limited": {
            "limitResponse": {"type": "Queue", "queuing": {"queues": 1024, "handSize": 7}}, "lendablePercent": 101}}});
        PriorityLevelConfiguration.default(&mut level);
        assert_eq!(level["spec"]["limited"]["nominalConcurrencyShares"], 30);
        assert_eq!(level["spec"]["limited"]["limitResponse"]["queuing"]["queueLengthLimit"], 50);
        assert_eq!(
            said(&level),
            [
                "spec.limited.limitResponse.queuing.handSize: Invalid value: 7: required entropy bits of deckSize 1024 \
                 and handSize 7 should not be greater than 60",
                "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
            ]
        );
    }

    #[test]
    fn the_levels_of_a_cluster_keep_the_rules_and_the_exempt_may_have_other_shares() {
        for level in defaults::levels() {
            let mut whole = level.clone();
            PriorityLevelConfiguration.default(&mut whole);
            assert_eq!(said(&whole), [""; 0], "{}", level.name());
        }
        let mut exempt = defaults::mandatory_level("exempt").expect("it is there");
        exempt["spec"]["exempt"]["nominalConcurrencyShares"] = 5.into();
        assert_eq!(said(&exempt), [""; 0]);
        let mut rest = defaults::mandatory_level("catch-all").expect("it is there");
        rest["spec"]["limited"]["nominalConcurrencyShares"] = 6.into();
        assert_eq!(said(&rest).len(), 1);
    }
}
