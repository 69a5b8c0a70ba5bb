//! Every reader of the schema is given broken input, made from good input by a fixed sequence of
//! random changes: each must answer, whatever it says, and what it accepts must be stable.

use std::hint::black_box;

use base64::Engine as _;
use serde_json::Value;

use super::canonical::canonical;
use super::decode::{retyped, typed, untyped};
use super::quantity::Quantity;
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
