//! The steps of a path: field names, keys of list items, values of set items, indices.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// One step of a path. The order of the variants is the order in which a set is walked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element<'a> {
    /// `f:name`: a field of a struct or an entry of a map.
    Field(Cow<'a, str>),
    /// `k:{…}`: the item of a list that has these values in its key fields, sorted by name.
    Key(Vec<(Cow<'a, str>, Datum<'a>)>),
    /// `v:…`: the item of a set.
    Value(Datum<'a>),
    /// `i:n`: the item at a place.
    Index(i64),
}

/// A JSON value with the order that path elements need.
#[derive(Clone, Debug)]
pub struct Datum<'a>(pub Cow<'a, Value>);

impl<'a> Element<'a> {
    pub(super) fn into_owned<'b>(self) -> Element<'b> {
        match self {
            Self::Field(name) => Element::Field(Cow::Owned(name.into_owned())),
            Self::Key(fields) => {
                let own =
                    |(name, value): (Cow<'a, str>, Datum<'a>)| (Cow::Owned(name.into_owned()), value.into_owned());
                Element::Key(fields.into_iter().map(own).collect())
            }
            Self::Value(value) => Element::Value(value.into_owned()),
            Self::Index(index) => Element::Index(index),
        }
    }

    /// The element as a key of `FieldsV1`.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(fields) => {
                let map: Map<String, Value> =
                    fields.iter().map(|(name, value)| (name.to_string(), value.0.as_ref().clone())).collect();
                format!("k:{}", Value::Object(map))
            }
            Self::Value(value) => format!("v:{}", value.0),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads a key of `FieldsV1`; `None` for a sort that is not known.
    pub(super) fn from_key(key: &'a str) -> Result<Option<Self>, String> {
        let Some((sort, rest)) = key.split_once(':').filter(|(sort, _)| sort.len() == 1) else {
            return Err(format!("missing colon: {key}"));
        };
        let json = || serde_json::from_str::<Value>(rest).map_err(|error| format!("parsing {key}: {error}"));
        Ok(match sort {
            "f" => Some(Self::Field(Cow::Borrowed(rest))),
            "v" => Some(Self::Value(Datum(Cow::Owned(json()?)))),
            "i" => Some(Self::Index(rest.parse().map_err(|_| format!("parsing {key}: not an index"))?)),
            "k" => match json()? {
                Value::Object(map) => {
                    let field = |(name, value)| (Cow::Owned(name), Datum(Cow::Owned(value)));
                    Some(Self::Key(map.into_iter().map(field).collect()))
                }
                _ => return Err(format!("parsing {key}: expected an object")),
            },
            _ => None,
        })
    }
}

impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                let shown: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", value.0)).collect();
                write!(f, "[{}]", shown.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", value.0),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Datum<'_> {
    fn into_owned<'b>(self) -> Datum<'b> {
        Datum(Cow::Owned(self.0.into_owned()))
    }
}

impl Ord for Datum<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Datum<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Datum<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Datum<'_> {}

/// Numbers, then texts, booleans, lists, maps and null.
fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => (rank(left), left.to_string()).cmp(&(rank(right), right.to_string())),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}
