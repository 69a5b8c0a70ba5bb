//! Every reader of the schema is given broken input, made from good input by a fixed sequence of
//! random changes: each must answer, whatever it says, and what it accepts must be stable. Patches have
//! their own in `merge::properties`, continue tokens in `registry::list`.

use std::hint::black_box;

use base64::Engine as _;
use serde_json::Value;

use super::canonical::canonical;
use super::decode::{retyped, typed, untyped};
use super::field::{Errors, Path};
use super::merge::apply::apply;
use super::merge::managed;
use super::merge::reset::reset_fields;
use super::merge::update::{Subject, Writer};
use super::quantity::Quantity;
use super::selector::Selector;
use super::selector::field::FieldSelector;
use super::structural;
use super::table::Type;
use super::{duration, protobuf, time, yaml};

/// A xorshift generator: the same sequence at each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    /// The bytes with some of them changed, taken away, doubled or cut off.
    fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(out.len());
            match self.below(6) {
                0 => out.truncate(at),
                1 if !out.is_empty() => drop(out.remove(at)),
                2 => {
                    let from = self.below(bytes.len());
                    let piece = bytes.get(from..bytes.len().min(from + self.below(40))).unwrap_or_default();
                    out.splice(at..at, piece.iter().copied());
                }
                3 => out.insert(at, b"{}[]\",:0-enft\\u"[self.below(15)]),
                _ => {
                    let byte = self.next().to_le_bytes()[0];
                    if let Some(slot) = out.get_mut(at) {
                        *slot = byte;
                    }
                }
            }
        }
        out
    }

    fn text(&mut self, alphabet: &[&str], most: usize) -> String {
        (0..=self.below(most)).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

fn golden() -> Vec<(Type<'static>, Vec<u8>, Vec<u8>)> {
    let text = include_str!("../../tests/fixtures/protobuf/golden.txt");
    let read = |line: &str| {
        let parts: Vec<&str> = line.split('\t').collect();
        let (group, version) = parts[0].split_once('/').unwrap_or(("", parts[0]));
        let ty = Type::builtin(group, version, parts[1])?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(parts[2]).ok()?;
        Some((ty, bytes, parts[3].as_bytes().to_vec()))
    };
    text.lines().filter_map(read).collect()
}

#[test]
fn changed_json_is_read_or_refused() {
    let mut random = Random(1);
    let mut accepted = 0;
    for (ty, _, json) in golden() {
        for _ in 0..12 {
            let changed = random.change(&json);
            let Ok(read) = typed(&changed, ty) else { continue };
            accepted += 1;
            let again = retyped(&read.value, ty).expect("what was read once is read again");
            assert_eq!(again.value, read.value);
            assert!(again.strict.is_empty());
            let mut shown = read.value.clone();
            canonical(&mut shown, ty);
            let mut message = Vec::new();
            protobuf::encode(&read.value, ty, &mut message);
            let mut back = protobuf::decode(&message, ty).expect("what was written is read");
            canonical(&mut back, ty);
            assert_eq!(back, shown, "{}", ty.go_name());
            black_box(untyped(&changed).is_ok());
        }
    }
    assert!(accepted > 300, "{accepted} of the changed texts were accepted");
}

#[test]
fn changed_messages_are_read_or_refused() {
    let mut random = Random(2);
    for (ty, message, _) in golden() {
        for _ in 0..12 {
            let changed = random.change(&message);
            if let Ok(mut value) = protobuf::decode(&changed, ty) {
                canonical(&mut value, ty);
                black_box(protobuf::open(&protobuf::seal("v1", "X", &changed)).is_ok());
                assert!(typed(value.to_string().as_bytes(), ty).is_ok(), "{}: {value}", ty.go_name());
            }
        }
    }
}

#[test]
fn odd_scalars_are_read_or_refused() {
    let mut random = Random(3);
    let numbers = ["0", "1", "9", "000", "999999999", ".", "-", "+", "e", "E", "Ei", "Ki", "m", "n", "k", "2147483647"];
    let times = ["2024", "-", "02", "30", "T", ":", "59", "Z", "+", ".5", "000000", "24", "é"];
    let spans = ["1", "9999999999", ".", "5", "h", "m", "s", "ns", "µs", "-", "é"];
    for _ in 0..20_000 {
        let text = random.text(&numbers, 6);
        if let Ok(quantity) = Quantity::parse(&text) {
            let shown = quantity.with_format(super::quantity::Format::DecimalSi);
            black_box((shown.to_string(), shown.value(), shown.milli_value(), shown.add(&shown) > shown));
        }
        let text = random.text(&times, 14);
        black_box((time::parse_time(&text).is_ok(), time::parse_micro_time(&text).is_ok()));
        if let Ok(nanos) = duration::parse(&random.text(&spans, 6)) {
            assert_eq!(duration::parse(&duration::show(nanos)), Ok(nanos));
        }
    }
}

#[test]
fn changed_yaml_is_read_or_refused() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: 'a', labels: {\"x\": 0x1f}}\nmore: *m\ndata:\n  <<: \
                {k: |\n    text\n  }\n  a: - b\n  list: [1, 2.5, ~, yes]\n  ? x\n  : y\n...\n---\n";
    let mut random = Random(4);
    for _ in 0..1500 {
        let changed = random.change(text.as_bytes());
        if let Ok(read) = yaml::read(&changed) {
            let again: Value = serde_json::from_str(&read.value.to_string()).expect("JSON");
            assert_eq!(again, read.value);
        }
    }
}

#[test]
fn odd_selectors_are_read_or_refused() {
    let mut random = Random(5);
    let words = [
        "a",
        "example.com/tier",
        "in",
        "notin",
        "(",
        ")",
        ",",
        "=",
        "==",
        "!=",
        "!",
        ">",
        "<",
        "-5",
        "1",
        " ",
        "",
        "é",
        "\\",
        "A.b",
    ];
    let mut accepted = 0;
    for _ in 0..20_000 {
        let text = random.text(&words, 9);
        if let Ok(selector) = Selector::parse(&text) {
            accepted += 1;
            let shown = selector.to_string();
            let again = Selector::parse(&shown).unwrap_or_else(|error| panic!("{text:?} became {shown:?}: {error}"));
            assert_eq!(again.to_string(), shown, "{text:?}");
            let labels = serde_json::json!({"a": "1", "example.com/tier": "in"});
            assert_eq!(again.matches(labels.as_object()), selector.matches(labels.as_object()), "{text:?}");
        }
        if let Ok(fields) = FieldSelector::parse(&text) {
            let again = FieldSelector::parse(&fields.to_string()).expect("what is shown is read");
            assert!(fields.terms().iter().all(|term| again.terms().contains(term)), "{text:?}");
            assert_eq!(again.terms().len(), fields.terms().len(), "{text:?}");
        }
    }
    assert!(accepted > 500, "{accepted} were accepted");
}

#[test]
fn a_huge_selector_is_read_to_its_end() {
    let values = vec!["v"; 200_000].join(",");
    let selector = Selector::parse(&format!("a in ({values})")).expect("a selector");
    assert_eq!(selector.to_string(), "a in (v)");
    let terms = vec!["!b"; 100_000].join(",");
    assert_eq!(Selector::parse(&terms).expect("a selector").requirements().len(), 100_000);
    assert!(Selector::parse(&"(".repeat(500_000)).is_err());
    assert!(Selector::parse(&"!".repeat(500_000)).is_err());
    let fields = vec!["metadata.name!=x"; 50_000].join(",");
    assert_eq!(FieldSelector::parse(&fields).expect("a selector").terms().len(), 50_000);
}

#[test]
fn changed_objects_are_applied_or_refused() {
    let mut random = Random(6);
    let mut accepted = 0;
    for line in include_str!("../../tests/fixtures/protobuf/golden.txt").lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let (api_version, kind) = (parts[0], parts[1]);
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let (Some(ty), Ok(mut whole)) = (Type::builtin(group, version, kind), serde_json::from_str::<Value>(parts[3]))
        else {
            continue;
        };
        if whole.pointer("/metadata/name").is_none() {
            continue;
        }
        whole["apiVersion"] = api_version.into();
        whole["kind"] = kind.into();
        managed::take(&mut whole);
        let json = whole.to_string().into_bytes();
        let subject = Subject { typing: Some(ty), api_version, kind, versions: &[], siblings: &[] };
        let reset = reset_fields("", kind, "", true);
        let writer = |manager| Writer { manager, subresource: "", now: jiff::Timestamp::UNIX_EPOCH };
        let mut live: Option<Value> = None;
        for round in 0..8 {
            let changed = random.change(&json);
            let Ok(mut patch) = serde_json::from_slice::<Value>(if round == 0 { &json } else { &changed }) else {
                continue;
            };
            managed::take(&mut patch);
            let manager = ["one", "two", "kubectl"][random.below(3)];
            let Ok(object) = apply(subject, live.as_ref(), &patch, writer(manager), random.below(2) == 0, &reset)
            else {
                continue;
            };
            accepted += 1;
            // Who applies the same again changes nothing, and needs no force for it.
            let again = apply(subject, Some(&object), &patch, writer(manager), false, &reset)
                .expect("no conflict with oneself");
            assert_eq!(again, object, "{kind}: {patch}");
            live = Some(object);
        }
    }
    assert!(accepted > 70, "{accepted} were applied");
}

#[test]
fn odd_schemas_and_objects_are_walked() {
    let schema = r#"{"type":"object","required":["a"],"properties":{"a":{"type":"string","pattern":"^(a+)+$","maxLength":5,"enum":["a","b"],
        "default":"a"},"b":{"type":"integer","minimum":1,"exclusiveMaximum":true,"maximum":9,"multipleOf":2,"format":"int32"},"c":{"type":"array",
        "minItems":1,"uniqueItems":true,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","required":["k"],
        "properties":{"k":{"type":"string"},"v":{"x-kubernetes-int-or-string":true}}}},"d":{"type":"object","x-kubernetes-preserve-unknown-fields":true,
        "additionalProperties":{"type":"object","nullable":true}},"e":{"anyOf":[{"required":["x"]},{"not":{"required":["y"]}}],"type":"object",
        "x-kubernetes-embedded-resource":true},"f":{"type":"string","format":"date-time"}}}"#;
    let object = r#"{"apiVersion":"e.x/v1","kind":"K","metadata":{"name":"a"},"a":"aaaa","b":4,"c":[{"k":"1","v":1},{"k":"2","v":"x"}],
        "d":{"x":{"y":null}},"e":{"apiVersion":"v1","kind":"Q","metadata":{"name":"q"},"x":1},"f":"2024-01-01T00:00:00Z"}"#;
    let mut random = Random(7);
    let mut walked = 0;
    for _ in 0..6_000 {
        let schema = random.change(schema.as_bytes());
        let changed = random.change(object.as_bytes());
        let Ok(schema) = serde_json::from_slice::<Value>(&schema) else { continue };
        let object = serde_json::from_slice::<Value>(&changed).or_else(|_| serde_json::from_str(object));
        let Ok(mut object) = object else { continue };
        walked += 1;
        black_box(structural::coerce(&mut object, &schema).is_ok());
        structural::default(&mut object, &schema);
        let mut errors = Errors::new();
        structural::validate(&object, &schema, &Path::new("spec"), &mut errors);
        black_box(structural::table("e.x", "v1", "K", &schema).is_ok());
        structural::prune(&mut object, &schema);
        let pruned = object.clone();
        structural::prune(&mut object, &schema);
        assert_eq!(object, pruned, "{schema}");
    }
    assert!(walked > 500, "{walked} were walked");
}
