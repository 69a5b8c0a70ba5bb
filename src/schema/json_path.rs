//! The JSONPath that columns of custom resources are written in, as client-go reads it: fields,
//! indices, slices, wildcards, filters and descent. Bounded: a path has few steps and finds few values.
//!
//! Source: the JSONPath support of kubectl and the documentation of CustomResourceDefinitions.

use serde_json::Value;

/// Most steps of one path.
const MAX_STEPS: usize = 64;
/// Most values that one path finds.
const MAX_FOUND: usize = 1024;

/// A path that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    All,
    Descend,
    Filter(Term, Option<(Compare, Term)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Path(JsonPath),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// Reads a path such as `.status.conditions[?(@.type=="Ready")].status`; `None` for one that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.trim() };
        let steps = reader.steps()?;
        reader.rest.is_empty().then_some(Self(steps))
    }

    /// The values at the path, in order.
    #[must_use]
    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![root];
        for step in &self.0 {
            let mut next = Vec::new();
            for value in found {
                step.walk(value, &mut next);
            }
            next.truncate(MAX_FOUND);
            found = next;
        }
        found
    }

    /// The first value at the path.
    #[must_use]
    pub fn first<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.find(root).first().copied()
    }

    /// The names of the fields, where the path has nothing but these.
    #[must_use]
    pub fn fields(&self) -> Option<Vec<&str>> {
        self.0
            .iter()
            .map(|step| match step {
                Step::Field(name) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }
}

impl Step {
    fn walk<'a>(&self, value: &'a Value, out: &mut Vec<&'a Value>) {
        match (self, value) {
            (Self::Field(name), Value::Object(map)) => out.extend(map.get(name)),
            (Self::Index(at), Value::Array(items)) => {
                let at = place(*at, items.len());
                out.extend(items.get(at));
            }
            (Self::Slice(from, to), Value::Array(items)) => {
                let from = from.map_or(0, |at| place(at, items.len()));
                let to = to.map_or(items.len(), |at| place(at, items.len())).min(items.len());
                out.extend(items.get(from..to).unwrap_or_default());
            }
            (Self::All, Value::Array(items)) => out.extend(items),
            (Self::All, Value::Object(map)) => out.extend(map.values()),
            (Self::Descend, _) => descend(value, out),
            (Self::Filter(left, right), Value::Array(items)) => {
                out.extend(items.iter().filter(|item| accepts(item, left, right.as_ref())));
            }
            _ => {}
        }
    }
}

/// A negative index counts from the end.
fn place(at: i64, length: usize) -> usize {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    usize::try_from(if at < 0 { at + length } else { at }).unwrap_or(usize::MAX)
}

fn descend<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    if out.len() >= MAX_FOUND {
        return;
    }
    out.push(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| descend(item, out)),
        Value::Object(map) => map.values().for_each(|item| descend(item, out)),
        _ => {}
    }
}

fn accepts(item: &Value, left: &Term, right: Option<&(Compare, Term)>) -> bool {
    let Some(found) = left.value(item) else { return false };
    let Some((compare, right)) = right else { return true };
    let Some(wanted) = right.value(item) else { return false };
    let order = match (found, wanted) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (a, b) => (a == b).then_some(std::cmp::Ordering::Equal),
    };
    match compare {
        Compare::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
        Compare::Unequal => !order.is_some_and(std::cmp::Ordering::is_eq),
        Compare::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Compare::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Compare::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Compare::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

impl Term {
    fn value<'a>(&'a self, item: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Path(path) => path.first(item),
            Self::Literal(value) => Some(value),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn steps(&mut self) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        self.take("$");
        loop {
            if steps.len() > MAX_STEPS {
                return None;
            }
            if self.take("..") {
                steps.push(Step::Descend);
                self.named(&mut steps)?;
            } else if self.take(".") {
                self.named(&mut steps)?;
            } else if self.take("[") {
                steps.push(self.bracket()?);
            } else {
                return Some(steps);
            }
        }
    }

    /// A field or a wildcard behind a dot; nothing where a bracket or the end follows.
    fn named(&mut self, steps: &mut Vec<Step>) -> Option<()> {
        if self.take("*") {
            steps.push(Step::All);
            return Some(());
        }
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, letter)) = chars.next() {
            match letter {
                '\\' => name.extend(chars.next().map(|(_, letter)| letter)),
                '.' | '[' | ']' | '=' | '!' | '<' | '>' | ' ' | ')' | '(' | '|' | ',' | '?' | '@' | '{' | '}' => {
                    end = at;
                    break;
                }
                letter => name.push(letter),
            }
        }
        self.rest = self.rest.get(end..)?;
        if !name.is_empty() {
            steps.push(Step::Field(name));
        }
        Some(())
    }

    fn bracket(&mut self) -> Option<Step> {
        let step = if self.take("*") {
            Step::All
        } else if self.take("?(") {
            let left = self.term()?;
            self.rest = self.rest.trim_start();
            let compare = [
                ("==", Compare::Equal),
                ("!=", Compare::Unequal),
                ("<=", Compare::LessOrEqual),
                (">=", Compare::GreaterOrEqual),
                ("<", Compare::Less),
                (">", Compare::Greater),
            ];
            let compare = compare.into_iter().find(|(sign, _)| self.take(sign)).map(|(_, compare)| compare);
            let right = match compare {
                Some(compare) => Some((compare, self.term()?)),
                None => None,
            };
            self.rest = self.rest.trim_start();
            if !self.take(")") {
                return None;
            }
            Step::Filter(left, right)
        } else if self.rest.starts_with(['\'', '"']) {
            Step::Field(self.quoted()?)
        } else {
            let (inside, rest) = self.rest.split_once(']')?;
            self.rest = rest;
            let number = |text: &str| -> Option<Option<i64>> {
                if text.trim().is_empty() { Some(None) } else { text.trim().parse().ok().map(Some) }
            };
            return match inside.split_once(':') {
                Some((from, to)) => Some(Step::Slice(number(from)?, number(to)?)),
                None => Some(Step::Index(number(inside)??)),
            };
        };
        self.take("]").then_some(step)
    }

    fn term(&mut self) -> Option<Term> {
        self.rest = self.rest.trim_start();
        if self.take("@") {
            return Some(Term::Path(JsonPath(self.steps()?)));
        }
        if self.rest.starts_with(['\'', '"']) {
            return self.quoted().map(|text| Term::Literal(text.into()));
        }
        let end = self.rest.find([')', ' ', '=', '!', '<', '>'])?;
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        serde_json::from_str(word)
            .ok()
            .filter(|value: &Value| !value.is_array() && !value.is_object())
            .map(Term::Literal)
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = chars.next() {
            match letter {
                '\\' => text.push(chars.next()?.1),
                letter if letter == quote => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(text);
                }
                letter => text.push(letter),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(path: &str) -> Value {
        let object = json!({"metadata": {"labels": {"app.example/name": "x"}}, "spec": {"ports": [1, 2, 3]},
            "status": {"conditions": [{"type": "Ready", "status": "True", "n": 3}, {"type": "Live", "status": "False"}]}});
        let path = JsonPath::parse(path).expect("a path");
        path.find(&object).into_iter().cloned().collect()
    }

    #[test]
    fn paths_of_columns_find_their_values() {
        assert_eq!(found(".status.conditions[?(@.type==\"Ready\")].status"), json!(["True"]));
        assert_eq!(found(".status.conditions[?(@.type!='Ready')].status"), json!(["False"]));
        assert_eq!(found(".status.conditions[?(@.n > 2)].type"), json!(["Ready"]));
        assert_eq!(found(".metadata.labels.app\\.example/name"), json!(["x"]));
        assert_eq!(found(".metadata.labels['app.example/name']"), json!(["x"]));
        assert_eq!(found(".spec.ports[-1]"), json!([3]));
        assert_eq!(found(".spec.ports[0:2]"), json!([1, 2]));
        assert_eq!(found(".status.conditions[*].type"), json!(["Ready", "Live"]));
        assert_eq!(found("..type"), json!(["Ready", "Live"]));
        assert_eq!(found(".absent.field"), json!([]));
    }

    #[test]
    fn what_is_no_path_is_told() {
        for text in [".a[", ".a[?(@.b==)]", ".a[x]", "a}", ".a['b]"] {
            assert_eq!(JsonPath::parse(text), None, "{text}");
        }
    }
}
