use serde_json::json;

use super::*;
use crate::schema::field::{Errors, Path};

fn words(text: &str) -> String {
    Selector::parse(text).map_or_else(|error| error.to_string(), |_| "taken".to_owned())
}

fn shown(text: &str) -> String {
    Selector::parse(text).unwrap().to_string()
}

#[test]
fn text_selects_as_upstream_does() {
    let labels = [
        json!({"tier": "edge", "line": "1", "env": "prod"}),
        json!({"tier": "edge", "line": "2"}),
        json!({"tier": "core", "line": "3", "env": "test"}),
        json!({"other": "x"}),
    ];
    let found = |text: &str| -> String {
        let selector = Selector::parse(text).unwrap();
        let matches = labels.iter().enumerate().filter(|(_, l)| selector.matches(l.as_object()));
        matches.map(|(index, _)| ["a", "b", "c", "d"][index]).collect()
    };
    for (text, expected) in [
        ("", "abcd"),
        ("tier=edge", "ab"),
        ("tier==edge", "ab"),
        ("tier!=edge,line", "c"),
        ("tier!=edge", "cd"),
        ("tier in (edge,core)", "abc"),
        ("tier notin (edge),line", "c"),
        ("env", "ac"),
        ("!env,line", "b"),
        ("! env", "bd"),
        ("line>1", "bc"),
        ("line<3", "ab"),
        ("line>1,line<3", "b"),
        ("tier=", ""),
        ("tier in ()", ""),
        ("other in (x,)", "d"),
        (" tier = edge ", "ab"),
        ("tier in ( edge , core )", "abc"),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
    assert!(!Selector::parse("a").unwrap().matches(None));
    assert!(Selector::parse("!a").unwrap().matches(None));
}

#[test]
fn text_that_is_no_selector() {
    let operators = "in, notin, =, ==, !=, gt, lt";
    for (text, expected) in [
        ("tier=edge=x", "found '=', expected: ',' or 'end of string'".to_owned()),
        ("in (a)", format!("unable to parse requirement: found '(', expected: {operators}")),
        ("tier in edge", "unable to parse requirement: found 'edge' expected: '('".to_owned()),
        ("tier in (a", "unable to parse requirement: found '', expected: ',' or ')'".to_owned()),
        ("tier in (", "unable to parse requirement: found '', expected: ',', ')' or identifier".to_owned()),
        ("tier in (,=", "unable to parse requirement: found '=', expected: ',', or identifier".to_owned()),
        ("a,,b", "found ',', expected: identifier after ','".to_owned()),
        ("!", "unable to parse requirement: found '', expected: identifier".to_owned()),
        ("!!a", "unable to parse requirement: found '!', expected: identifier".to_owned()),
        ("a b", format!("unable to parse requirement: found 'b', expected: {operators}")),
        ("=x", "found '=', expected: !, identifier, or 'end of string'".to_owned()),
        ("a=b,", "found '', expected: identifier after ','".to_owned()),
        ("!a=b", "found '=', expected: ',' or 'end of string'".to_owned()),
        ("a=(", "unable to parse requirement: found '(', expected: identifier".to_owned()),
        (
            "line>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer".to_owned(),
        ),
        (
            &format!("a={}", "v".repeat(64)),
            format!("unable to parse requirement: values[0][a]: Invalid value: \"{}\": must be no more than 63 bytes", "v".repeat(64)),
        ),
        (
            &format!("{}=x", "k".repeat(64)),
            format!("unable to parse requirement: <nil>: Invalid value: \"{}\": name part must be no more than 63 bytes", "k".repeat(64)),
        ),
    ] {
        assert_eq!(words(text), expected, "{text}");
    }
    assert!(words("line>ä").starts_with("unable to parse requirement: [values[0]: Invalid value: \"ä\": for"));
    assert!(words("-a=b").starts_with("unable to parse requirement: <nil>: Invalid value: \"-a\": name part must"));
}

#[test]
fn selectors_print_in_one_form() {
    assert_eq!(shown("c,a in (y,x,y),b!=1,!d,e>1,f==2,g notin ()"), "a in (x,y),b!=1,c,!d,e>1,f==2,g notin ()");
    assert_eq!(shown("in in (in,notin)"), "in in (in,notin)");
    let labels = json!({"b": "2", "a": "1"});
    assert_eq!(Selector::from_labels(labels.as_object().unwrap()).to_string(), "a=1,b=2");
    assert_eq!(format_labels(labels.as_object()), "a=1,b=2");
    assert_eq!(format_labels(None), "<none>");
}

#[test]
fn objects_select_and_are_checked() {
    let selector = json!({"matchLabels": {"b": "1"}, "matchExpressions": [
        {"key": "a", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}]});
    let parsed = Selector::from_object(&selector).unwrap();
    assert_eq!(parsed.to_string(), "a in (x,y),b=1,!c");
    assert_eq!(format_object(&selector), "a in (x,y),b=1,!c");
    assert!(parsed.matches(json!({"a": "x", "b": "1"}).as_object()));
    assert!(!parsed.matches(json!({"a": "x", "b": "1", "c": ""}).as_object()));
    assert!(Selector::from_object(&json!({})).unwrap().is_everything());
    let nothing = Selector::from_object(&Value::Null).unwrap();
    assert!(nothing.is_nothing() && !nothing.matches(None) && !nothing.is_everything());
    assert!(!Selector::everything().and(nothing).matches(None));
    let odd = json!({"matchExpressions": [{"key": "a", "operator": "Near"}]});
    assert_eq!(Selector::from_object(&odd).unwrap_err().0, "\"Near\" is not a valid label selector operator");

    let mut errors = Errors::new();
    let bad = json!({"matchLabels": {"a b": "x"}, "matchExpressions": [{"key": "a", "operator": "In"},
        {"key": "a", "operator": "Exists", "values": ["a"]}, {"key": "", "operator": "Near", "values": ["-"]}]});
    validate(&bad, &Path::new("spec").child("selector"), &mut errors);
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.selector.matchLabels",
            "spec.selector.matchExpressions[0].values",
            "spec.selector.matchExpressions[1].values",
            "spec.selector.matchExpressions[2].operator",
            "spec.selector.matchExpressions[2].key",
            "spec.selector.matchExpressions[2].key",
            "spec.selector.matchExpressions[2].values[0]",
        ]
    );
}
