use serde_json::{Value, json};

use super::*;

/// What rules have against an object.
fn faults(schema: &Value, object: &Value, old: Option<&Value>) -> Vec<String> {
    let mut errors = Errors::new();
    Rules::of(schema).check(object, old, schema, &mut errors);
    errors.iter().map(ToString::to_string).collect()
}

/// Whether an expression over `self` holds.
fn holds(expression: &str, value: &Value, schema: &Value) -> bool {
    let mut schema = schema.clone();
    schema["x-kubernetes-validations"] = json!([{"rule": expression}]);
    let found = faults(&schema, value, None);
    assert!(found.iter().all(|fault| fault.contains("failed rule")), "{expression}: {found:?}");
    found.is_empty()
}

fn open() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

#[test]
fn the_language_does_what_it_should() {
    let object = json!({"a": 3, "b": 2.5, "name": "pump-1", "list": [3, 1, 2], "tags": ["x", "y"],
        "map": {"k": "v"}, "deep": {"on": true}, "my-key": 1});
    for expression in [
        "self.a > 2 && self.a < 4",
        "self.a == 3 ? true : false",
        "self.a + 1 == 4 && self.a * 2 == 6 && self.a / 2 == 1 && self.a % 2 == 1",
        "self.b < 3 && self.b == 2.5 && -self.b == -2.5",
        "has(self.a) && !has(self.absent)",
        "!has(self.absent) || self.absent.x == 1",
        "self.absent.x == 1 || true",
        "self.list.all(x, x > 0) && self.list.exists(x, x == 2) && self.list.exists_one(x, x == 3)",
        "self.list.map(x, x * 2) == [6, 2, 4]",
        "self.list.filter(x, x > 1).size() == 2",
        "self.list.map(x, x > 1, x + 1) == [4, 3]",
        "3 in self.list && !(5 in self.list) && 'k' in self.map",
        "self.list[0] == 3 && self.map['k'] == 'v' && self.map.k == 'v'",
        "size(self.name) == 6 && self.name.size() == 6",
        "self.name.startsWith('pump') && self.name.endsWith('1') && self.name.contains('-')",
        "self.name.matches('^[a-z]+-[0-9]$')",
        "self.name.replace('pump', 'fan') == 'fan-1' && self.name.upperAscii() == 'PUMP-1'",
        "self.name.split('-') == ['pump', '1'] && self.tags.join(',') == 'x,y'",
        "self.name.substring(5) == '1' && self.name.substring(0, 4) == 'pump' && self.name.indexOf('-') == 4",
        "self.name.find('[0-9]+') == '1' && 'a1b22'.findAll('[0-9]+') == ['1', '22']",
        "[1, 2, 3].isSorted() && !self.list.isSorted() && self.list.sum() == 6",
        "self.list.min() == 1 && self.list.max() == 3 && self.list.indexOf(2) == 2",
        "'%s has %d of %.1f'.format([self.name, self.a, self.b]) == 'pump-1 has 3 of 2.5'",
        "quantity('1Gi').isGreaterThan(quantity('500Mi')) && isQuantity('1k') && !isQuantity('x')",
        "quantity('2').add(quantity('3')).asInteger() == 5",
        "url('https://a.example:8443/p?q=1').getHostname() == 'a.example' && url('https://a.example:8443/p').getPort() == '8443'",
        "isURL('https://a.example') && !isURL('no url')",
        "ip('10.0.0.1').family() == 4 && isIP('fe80::1') && !isIP('10.0.0.300')",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP('11.0.0.1')",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
        "duration('90m') == duration('1h30m') && duration('1h').getMinutes() == 60",
        "timestamp('2024-02-03T04:05:06Z').getMonth() == 1",
        "string(self.a) == '3' && int('7') == 7 && double('1.5') == 1.5",
        "type(self.a) == int && type(self.name) == string",
        "self.?absent.orValue('none') == 'none' && self.?name.hasValue()",
        "self.my__dash__key == 1",
        "1 == 1.0 && 'a' + 'b' == 'ab' && [1] + [2] == [1, 2]",
        "{'a': 1}['a'] == 1 && {'a': 1} == {'a': 1}",
        "sets.contains(self.list, [1, 2]) && self.deep.on",
    ] {
        assert!(holds(expression, &object, &open()), "{expression}");
    }
    for expression in ["self.a > 5", "self.list.all(x, x > 1)", "self.name == 'fan'", "self.deep.on == false"] {
        assert!(!holds(expression, &object, &open()), "{expression}");
    }
}

#[test]
fn values_have_the_types_of_their_schema() {
    let schema = json!({"type": "object", "properties": {
        "at": {"type": "string", "format": "date-time"}, "for": {"type": "string", "format": "duration"},
        "rate": {"type": "number"}, "either": {"x-kubernetes-int-or-string": true},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}}}});
    let object = json!({"at": "2024-01-01T00:00:00Z", "for": "1h", "rate": 1, "either": 5, "labels": {"a": "b"}});
    for expression in [
        "self.at < timestamp('2025-01-01T00:00:00Z')",
        "self.__for__ == duration('60m')",
        "type(self.rate) == double && self.rate / 2.0 == 0.5",
        "type(self.either) == int ? self.either > 3 : self.either == 'x'",
        "self.labels.all(key, self.labels[key] == 'b')",
        "self.labels.exists(key, key == 'a')",
    ] {
        assert!(holds(expression, &object, &schema), "{expression}");
    }
}

#[test]
fn refusals_have_upstream_s_words() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
        "x-kubernetes-validations": [
            {"rule": "self.low <= self.high", "message": "low must not be above high"},
            {"rule": "!has(self.unit) || self.unit in ['C']", "messageExpression": "'no such unit: ' + self.unit",
                "fieldPath": ".unit", "reason": "FieldValueForbidden"},
        ],
        "properties": {"low": {"type": "integer"}, "high": {"type": "integer"}, "unit": {"type": "string"},
            "names": {"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self.startsWith('r')"}]}},
            "serial": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "serial stays"}]}}}}});
    let object = json!({"spec": {"low": 6, "high": 5, "unit": "K", "names": ["x", "r"], "serial": "b"}});
    assert_eq!(
        faults(&schema, &object, None),
        [
            "spec: Invalid value: low must not be above high",
            "spec.unit: Forbidden: no such unit: K",
            "spec.names[0]: Invalid value: \"x\": failed rule: self.startsWith('r')",
        ]
    );
    let old = json!({"spec": {"low": 6, "high": 5, "unit": "K", "names": ["x", "r"], "serial": "a"}});
    let changed = faults(&schema, &object, Some(&old));
    assert!(changed.contains(&"spec.serial: Invalid value: \"b\": serial stays".to_owned()));
    assert_eq!(faults(&schema, &old, Some(&old)), Vec::<String>::new(), "what has not changed stays");
    assert_eq!(
        faults(&schema, &json!({"spec": {"low": 1}}), None),
        ["spec: Invalid value: \"object\": no such key: high evaluating rule: low must not be above high"]
    );
}

#[test]
fn items_of_lists_with_keys_are_compared_with_what_they_were() {
    let schema = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer",
            "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}}}});
    let old = json!([{"name": "a", "size": 5}, {"name": "b", "size": 1}]);
    let new = json!([{"name": "b", "size": 2}, {"name": "a", "size": 4}, {"name": "c", "size": 0}]);
    assert_eq!(faults(&schema, &new, Some(&old)), ["[1].size: Invalid value: 4: failed rule: self >= oldSelf"]);
}

#[test]
fn an_old_value_may_be_optional() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer", "x-kubernetes-validations": [
        {"rule": "oldSelf.hasValue() ? self >= oldSelf.value() : self == 1", "optionalOldSelf": true}]}}});
    assert!(faults(&schema, &json!({"a": 1}), None).is_empty());
    assert!(!faults(&schema, &json!({"a": 2}), None).is_empty());
    assert!(faults(&schema, &json!({"a": 2}), Some(&json!({"a": 1}))).is_empty());
}

#[test]
fn a_rule_that_runs_long_is_stopped() {
    let many: Vec<Value> = (0..2000).map(Value::from).collect();
    let object = json!({ "list": many });
    let mut schema = open();
    schema["x-kubernetes-validations"] = json!([
        {"rule": "self.list.all(a, self.list.all(b, self.list.all(c, a + b + c >= 0)))"},
        {"rule": "false"},
    ]);
    let found = faults(&schema, &object, None);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("no further validation rules will be run due to call cost exceeds limit"), "{found:?}");
}

#[test]
fn an_expression_that_nests_without_end_is_refused() {
    let deep = |open: &str, close: &str| format!("{}self.a{} == 1", open.repeat(9000), close.repeat(9000));
    for text in [
        deep("(", ")"),
        deep("[", "]"),
        deep("!", ""),
        deep("-", ""),
        deep("1 + ", ""),
        deep("", ".a"),
        deep("", "[0]"),
        deep("true ? 1 : ", ""),
        deep("size(", ")"),
        deep("self.all(x, ", ")"),
        deep("{'a': ", "}"),
    ] {
        let head: String = text.chars().take(20).collect();
        assert!(check(&text, &open(), true, Want::Bool, false).is_err(), "{head}");
    }
    let long = vec!["self.a == 1"; 300].join(" && ");
    assert_eq!(check(&long, &open(), true, Want::Bool, false), Ok(false));
}

#[test]
fn expressions_are_checked_against_the_schema() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer"}, "name": {"type": "string"}, "list": {"type": "array", "items": {"type": "object",
            "properties": {"a": {"type": "string"}}}}}}}});
    let checked = |text: &str| check(text, &schema, true, Want::Bool, false);
    assert_eq!(checked("self.spec.size > 1 && self.metadata.name != ''"), Ok(false));
    assert_eq!(checked("self.spec.size >= oldSelf.spec.size"), Ok(true));
    assert_eq!(checked("self.spec.list.all(x, x.a != '' && self.kind == 'P')"), Ok(false));
    for (text, fault) in [
        (
            "self.spec.absent == 1",
            "ERROR: <input>:1:10: undefined field 'absent'\n | self.spec.absent == 1\n | .........^",
        ),
        ("other.x", "undeclared reference to 'other' (in container '')"),
        ("self.spec.size == 'a'", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.spec.size + 1", "cel expression must evaluate to a bool"),
        ("self.spec.list.all(x, x.b == '')", "undefined field 'b'"),
        ("self.spec.name.frobnicate()", "undeclared reference to 'frobnicate'"),
        ("self.spec.size >", "ERROR: <input>:1:"),
    ] {
        let found = checked(text).expect_err(text);
        assert!(found.contains(fault), "{text}: {found}");
    }
}
