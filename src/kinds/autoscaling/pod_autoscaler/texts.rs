//! Metrics, behaviour and conditions of an autoscaler as the JSON text that the first version has in
//! annotations: members stand in the order of the API's types, those of the behaviour with the names
//! of Go's fields. It does not know the annotations.

use serde_json::{Map, Value, json};

use crate::schema::rules::{entries, items, text};

/// Members in this order, without those that are not there.
fn ordered(members: &[(&str, Option<String>)]) -> String {
    let shown: Vec<String> = members
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{}:{value}", Value::from(*name))))
        .collect();
    format!("{{{}}}", shown.join(","))
}

fn given(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_string())
}

/// A text that is left out where it is empty.
fn filled(value: &Value) -> Option<String> {
    (!text(value).is_empty()).then(|| value.to_string())
}

/// An amount that Go writes even where it is not said.
fn amount(value: &Value) -> Option<String> {
    Some(given(value).unwrap_or_else(|| "\"0\"".to_owned()))
}

fn always(value: &Value) -> Option<String> {
    Some(Value::from(text(value)).to_string())
}

fn selector(selector: &Value) -> Option<String> {
    let expression = |one: &Value| {
        ordered(&[
            ("key", always(&one["key"])),
            ("operator", always(&one["operator"])),
            ("values", given(&one["values"])),
        ])
    };
    let all: Vec<String> = items(&selector["matchExpressions"]).iter().map(expression).collect();
    let expressions = (!all.is_empty()).then(|| format!("[{}]", all.join(",")));
    let members = [("matchLabels", given(&selector["matchLabels"])), ("matchExpressions", expressions)];
    (!selector.is_null()).then(|| ordered(&members))
}

/// One metric of the stored version in the terms of the first; `current` for one that was measured.
pub fn metric(metric: &Value, current: bool) -> String {
    let kind = text(&metric["type"]);
    let field = field_of(kind);
    let source = &metric[field];
    let (value, prefix) = if current { (&source["current"], "current") } else { (&source["target"], "target") };
    let (average, utilization) = (format!("{prefix}AverageValue"), format!("{prefix}AverageUtilization"));
    let plain = format!("{prefix}Value");
    let (name, chosen) = (always(&source["metric"]["name"]), selector(&source["metric"]["selector"]));
    let raw = if current { amount(&value["averageValue"]) } else { given(&value["averageValue"]) };
    let shown = match field {
        "object" => {
            let of = &source["describedObject"];
            let target = ordered(&[
                ("kind", always(&of["kind"])),
                ("name", always(&of["name"])),
                ("apiVersion", filled(&of["apiVersion"])),
            ]);
            ordered(&[
                ("target", Some(target)),
                ("metricName", name),
                (&plain, amount(&value["value"])),
                ("selector", chosen),
                ("averageValue", given(&value["averageValue"])),
            ])
        }
        "pods" => ordered(&[("metricName", name), (&average, amount(&value["averageValue"])), ("selector", chosen)]),
        "external" => ordered(&[
            ("metricName", name),
            ("metricSelector", chosen),
            (&plain, if current { amount(&value["value"]) } else { given(&value["value"]) }),
            (&average, given(&value["averageValue"])),
        ]),
        _ => ordered(&[
            ("name", always(&source["name"])),
            (&utilization, given(&value["averageUtilization"])),
            (&average, raw),
            ("container", (field == "containerResource").then(|| Value::from(text(&source["container"])).to_string())),
        ]),
    };
    ordered(&[("type", always(&metric["type"])), (field, (!source.is_null()).then_some(shown))])
}

fn field_of(kind: &str) -> &'static str {
    match kind {
        "Object" => "object",
        "Pods" => "pods",
        "External" => "external",
        "ContainerResource" => "containerResource",
        _ => "resource",
    }
}

/// A metric of the first version in the terms of the stored one.
pub fn read_metric(metric: &Value, current: bool) -> Value {
    let kind = text(&metric["type"]);
    let field = field_of(kind);
    let source = &metric[field];
    let prefix = if current { "current" } else { "target" };
    let own = |name: &str| source[format!("{prefix}{name}")].clone();
    let mut value = Map::new();
    let mut put = |name: &str, said: Value| {
        if !said.is_null() {
            value.insert(name.to_owned(), said);
        }
    };
    let (average, utilization) = (own("AverageValue"), own("AverageUtilization"));
    let averaged = if field == "object" { source["averageValue"].clone() } else { average };
    let kind_of_target = match field {
        "pods" => "AverageValue",
        "object" | "external" if averaged.is_null() => "Value",
        "object" | "external" => "AverageValue",
        _ if utilization.is_null() => "AverageValue",
        _ => "Utilization",
    };
    if matches!(field, "object" | "external") && (averaged.is_null() || own("Value") != "0") {
        put("value", own("Value"));
    }
    put("averageUtilization", utilization);
    put("averageValue", averaged);
    if !current {
        put("type", kind_of_target.into());
    }
    let mut named = json!({"name": text(&source["metricName"])});
    let chosen = &source[if field == "external" { "metricSelector" } else { "selector" }];
    if !chosen.is_null() {
        named["selector"] = chosen.clone();
    }
    let mut shown = match field {
        "object" => json!({"describedObject": source["target"], "metric": named}),
        "pods" | "external" => json!({"metric": named}),
        "containerResource" => json!({"name": source["name"], "container": source["container"]}),
        _ => json!({"name": source["name"]}),
    };
    shown[prefix] = value.into();
    json!({"type": kind, field: shown})
}

/// How fast it scales.
pub fn behavior(behavior: &Value) -> String {
    let null = || Some("null".to_owned());
    let rules = |rules: &Value| {
        if rules.is_null() {
            return null();
        }
        let policy = |policy: &Value| {
            ordered(&[
                ("Type", always(&policy["type"])),
                ("Value", given(&policy["value"])),
                ("PeriodSeconds", given(&policy["periodSeconds"])),
            ])
        };
        let policies: Vec<String> = items(&rules["policies"]).iter().map(policy).collect();
        let policies = if rules["policies"].is_null() { null() } else { Some(format!("[{}]", policies.join(","))) };
        Some(ordered(&[
            ("StabilizationWindowSeconds", given(&rules["stabilizationWindowSeconds"]).or_else(null)),
            ("SelectPolicy", given(&rules["selectPolicy"]).or_else(null)),
            ("Policies", policies),
            ("Tolerance", given(&rules["tolerance"]).or_else(null)),
        ]))
    };
    ordered(&[("ScaleUp", rules(&behavior["scaleUp"])), ("ScaleDown", rules(&behavior["scaleDown"]))])
}

/// The behaviour that such a text means; `None` where it means nothing.
pub fn read_behavior(said: &Value) -> Option<Value> {
    let known = [
        "scaleUp",
        "scaleDown",
        "stabilizationWindowSeconds",
        "selectPolicy",
        "policies",
        "tolerance",
        "type",
        "value",
        "periodSeconds",
    ];
    let behavior = renamed(said, &known);
    let any = entries(&behavior).any(|(_, rules)| rules.is_object());
    any.then_some(behavior)
}

/// The same with these names for members, which Go reads in any case, and without nulls.
fn renamed(value: &Value, known: &[&str]) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|item| renamed(item, known)).collect(),
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .filter_map(|(key, value)| {
                let name = known.iter().find(|name| name.eq_ignore_ascii_case(key))?;
                Some(((*name).to_owned(), renamed(value, known)))
            })
            .collect::<Map<String, Value>>()
            .into(),
        other => other.clone(),
    }
}

/// A condition of the status.
pub fn condition(condition: &Value) -> String {
    ordered(&[
        ("type", always(&condition["type"])),
        ("status", always(&condition["status"])),
        ("lastTransitionTime", Some(condition["lastTransitionTime"].to_string())),
        ("reason", filled(&condition["reason"])),
        ("message", filled(&condition["message"])),
    ])
}
