//! What holds for any objects and patches, tried on many made by chance (from a fixed seed).

use serde_json::{Map, Value, json};

use super::fields::Set;
use super::typed::{combine, compare, field_set, reconcile, remove, validate, with_named_fields};
use super::{json_patch, merge_patch, strategic};
use crate::schema::table::Type;

/// Numbers by chance (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn word(&mut self) -> String {
        const WORDS: [&str; 16] = [
            "spec",
            "metadata",
            "labels",
            "finalizers",
            "template",
            "containers",
            "name",
            "ports",
            "containerPort",
            "env",
            "a",
            "$patch",
            "$retainKeys",
            "$setElementOrder/containers",
            "delete",
            "replace",
        ];
        WORDS[self.below(16) as usize].to_owned()
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => self.below(3).into(),
            3 | 4 => self.word().into(),
            5 | 6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => (0..self.below(5)).map(|_| (self.word(), self.value(depth - 1))).collect::<Map<_, _>>().into(),
        }
    }

    /// A Deployment with a few containers.
    fn deployment(&mut self) -> Value {
        let containers: Value = (0..self.below(4))
            .map(|_| json!({"name": self.below(4).to_string(), "image": self.word(), "args": [self.word()]}))
            .collect();
        let labels: Map<String, Value> = (0..self.below(3)).map(|_| (self.word(), "x".into())).collect();
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"labels": labels},
            "spec": {"replicas": self.below(3), "template": {"spec": {"containers": containers}}}})
    }
}

fn deployment() -> Option<Type<'static>> {
    Type::builtin("apps", "v1", "Deployment")
}

#[test]
fn nothing_makes_a_patch_or_a_walk_fail_badly() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3000 {
        let (one, two) = (chance.value(6), chance.value(6));
        for typing in [deployment(), None] {
            let _ = validate(&one, typing, false);
            let _ = combine(&one, &two, typing);
            let set = field_set(&one, typing);
            assert_eq!(Set::from_value(&set.to_value()).as_ref(), Ok(&set), "{one}");
            assert!(compare(&one, &one, typing).is_empty(), "{one}");
            let set = reconcile(with_named_fields(set, typing), typing);
            let _ = remove(two.clone(), &set, typing);
            let _ = strategic::apply(&mut one.clone(), two.clone(), typing);
        }
        let _ = merge_patch::apply(&mut one.clone(), two.clone());
        let (path, from) = (format!("/{}/{}", chance.word(), chance.below(3)), format!("/{}", chance.word()));
        for op in ["add", "remove", "replace", "move", "copy", "test"] {
            let _ = json_patch::apply(&mut one.clone(), json!([{"op": op, "path": path, "from": from, "value": two}]));
        }
    }
}

#[test]
fn sets_obey_their_laws() {
    let mut chance = Chance(7);
    for _ in 0..2000 {
        let (one, two) = (chance.value(5), chance.value(5));
        let (a, b) = (field_set(&one, None), field_set(&two, None));
        let union = a.clone().union(b.clone());
        assert_eq!(union, b.clone().union(a.clone()));
        assert_eq!(union.intersection(&a), a);
        assert_eq!(a.clone().difference(&b).union(a.intersection(&b)), a);
        assert!(a.clone().difference(&b).intersection(&b).is_empty());
        assert!(a.clone().recursive_difference(&a).is_empty());
        assert_eq!(a.clone().difference(&b).difference(&b), a.difference(&b));
    }
}

#[test]
fn a_part_that_was_laid_over_an_object_is_in_it() {
    let mut chance = Chance(11);
    for _ in 0..1000 {
        let (old, patch) = (chance.deployment(), chance.deployment());
        if validate(&patch, deployment(), false).is_err() {
            continue;
        }
        let Ok(whole) = combine(&old, &patch, deployment()) else { continue };
        assert_eq!(combine(&whole, &patch, deployment()).as_ref(), Ok(&whole), "{old} {patch}");
        let change = compare(&whole, &patch, deployment());
        let own = field_set(&patch, deployment());
        assert!(change.modified.intersection(&own).is_empty(), "{old} {patch}");
        assert!(change.added.is_empty(), "{old} {patch}");
    }
}
