//! Values of expressions: parts of an object with their schema, and what is computed of them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::schema::quantity::Quantity;
use crate::schema::{duration, time};

/// A schema that says nothing.
static OPEN: Value = Value::Null;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(Arc<[u8]>),
    List(Arc<Vec<Val<'a>>>),
    Map(Arc<Vec<(Val<'a>, Val<'a>)>>),
    /// A list of the object, with the schema of its items.
    Items(&'a [Value], &'a Value),
    /// An object or map of the object, with its schema.
    Fields(&'a Map<String, Value>, &'a Value),
    Time(Timestamp),
    /// In nanoseconds.
    Duration(i64),
    Quantity(Arc<Quantity>),
    Url(Arc<super::net::Url>),
    Ip(IpAddr),
    Cidr(IpAddr, u8),
    Maybe(Option<Arc<Val<'a>>>),
    Type(&'static str),
}

/// What went wrong, in the words of cel-go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

impl Fault {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn overload() -> Self {
        Self::new("no such overload")
    }
}

impl<'a> Val<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(items: Vec<Val<'a>>) -> Self {
        Self::List(Arc::new(items))
    }

    /// A part of an object, as its schema has it.
    pub(super) fn of(value: &'a Value, schema: &'a Value) -> Self {
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => match number.as_i64() {
                Some(whole) if kind != "number" => Self::Int(whole),
                _ => Self::Double(number.as_f64().unwrap_or(0.0)),
            },
            Value::String(text) => match format {
                "date-time" => Self::time(text).unwrap_or(Self::Text(text.into())),
                "date" => Self::time(&format!("{text}T00:00:00Z")).unwrap_or(Self::Text(text.into())),
                "duration" => duration::parse(text).map_or(Self::Text(text.into()), Self::Duration),
                "byte" => match base64::engine::general_purpose::STANDARD.decode(text) {
                    Ok(bytes) => Self::Bytes(bytes.into()),
                    Err(_) => Self::Text(text.into()),
                },
                _ => Self::Text(text.into()),
            },
            Value::Array(items) => Self::Items(items, schema.get("items").unwrap_or(&OPEN)),
            Value::Object(map) => Self::Fields(map, schema),
        }
    }

    pub(super) fn time(text: &str) -> Option<Self> {
        time::parse_time(text).ok()?;
        text.parse().ok().map(Self::Time)
    }

    /// The type, as `type()` names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) | Self::Items(..) => "list",
            Self::Map(_) | Self::Fields(..) => "map",
            Self::Time(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(..) => "net.CIDR",
            Self::Maybe(_) => "optional_type",
            Self::Type(_) => "type",
        }
    }

    /// The number of items, for lists.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Self::List(items) => Some(items.len()),
            Self::Items(items, _) => Some(items.len()),
            _ => None,
        }
    }

    /// The item of a list.
    pub(super) fn item(&self, at: usize) -> Option<Val<'a>> {
        match self {
            Self::List(items) => items.get(at).cloned(),
            Self::Items(items, schema) => items.get(at).map(|item| Self::of(item, schema)),
            _ => None,
        }
    }

    /// The items of a list, or the keys of a map.
    pub(super) fn items(&self) -> Result<Vec<Val<'a>>, Fault> {
        match self {
            Self::List(items) => Ok(items.to_vec()),
            Self::Items(items, schema) => Ok(items.iter().map(|item| Self::of(item, schema)).collect()),
            Self::Map(entries) => Ok(entries.iter().map(|(key, _)| key.clone()).collect()),
            Self::Fields(map, _) => Ok(map.keys().map(|key| Self::Text(key.into())).collect()),
            _ => Err(Fault::overload()),
        }
    }

    /// The value of a field or key; `None` where it is not there.
    pub(super) fn field(&self, name: &str) -> Result<Option<Val<'a>>, Fault> {
        match self {
            Self::Fields(map, schema) => {
                let properties = schema.get("properties");
                if let Some(found) = map.get(name) {
                    let inner = properties
                        .and_then(|properties| properties.get(name))
                        .or_else(|| schema.get("additionalProperties"));
                    return Ok(Some(Self::of(found, inner.unwrap_or(&OPEN))));
                }
                let plain = unescape(name);
                if plain == name {
                    return Ok(None);
                }
                self.field(&plain)
            }
            Self::Map(entries) => {
                let found = entries.iter().find(|(key, _)| matches!(key, Self::Text(text) if text == name));
                Ok(found.map(|(_, value)| value.clone()))
            }
            Self::Maybe(Some(inner)) => inner.field(name),
            Self::Maybe(None) => Ok(None),
            _ => Err(Fault::overload()),
        }
    }

    /// Whether two values are the same; of different types they are not, but for numbers.
    pub(super) fn same(&self, other: &Val<'_>) -> bool {
        match (self, other) {
            (Self::Null, Val::Null) => true,
            (Self::Bool(a), Val::Bool(b)) => a == b,
            (Self::Text(a), Val::Text(b)) => a == b,
            (Self::Bytes(a), Val::Bytes(b)) => a == b,
            (Self::Type(a), Val::Type(b)) => a == b,
            (Self::Time(a), Val::Time(b)) => a == b,
            (Self::Duration(a), Val::Duration(b)) => a == b,
            (Self::Quantity(a), Val::Quantity(b)) => a.sub(b).is_zero(),
            (Self::Url(a), Val::Url(b)) => a == b,
            (Self::Ip(a), Val::Ip(b)) => a == b,
            (Self::Cidr(a, n), Val::Cidr(b, m)) => a == b && n == m,
            (Self::Maybe(a), Val::Maybe(b)) => match (a, b) {
                (Some(a), Some(b)) => a.same(b),
                (None, None) => true,
                _ => false,
            },
            (a, b) if a.length().is_some() && a.length() == b.length() => {
                (0..a.length().unwrap_or(0)).all(|at| match (a.item(at), b.item(at)) {
                    (Some(x), Some(y)) => x.same(&y),
                    _ => false,
                })
            }
            (Self::Fields(..) | Self::Map(_), Val::Fields(..) | Val::Map(_)) => self.same_map(other),
            (a, b) => a.order(b).is_some_and(Ordering::is_eq) && a.is_number() && b.is_number(),
        }
    }

    fn same_map(&self, other: &Val<'_>) -> bool {
        let (Ok(keys), Ok(others)) = (self.items(), other.items()) else { return false };
        keys.len() == others.len()
            && keys.iter().all(|key| match (self.at(key), other.at(&key.clone())) {
                (Ok(Some(a)), Ok(Some(b))) => a.same(&b),
                _ => false,
            })
    }

    /// The value under a key of a map or at an index of a list.
    pub(super) fn at(&self, key: &Val<'_>) -> Result<Option<Val<'a>>, Fault> {
        match (self, key) {
            (Self::Maybe(Some(inner)), _) => inner.at(key),
            (Self::Maybe(None), _) => Ok(None),
            (Self::Fields(map, schema), Val::Text(name)) => {
                // Keys of a map stand for themselves; names of fields may be escaped.
                if schema.get("additionalProperties").is_some() && !map.contains_key(name.as_ref()) {
                    return Ok(None);
                }
                self.field(name)
            }
            (Self::Map(entries), _) => {
                Ok(entries.iter().find(|(own, _)| own.same(key)).map(|(_, value)| value.clone()))
            }
            (Self::List(_) | Self::Items(..), Val::Int(at)) => {
                Ok(usize::try_from(*at).ok().and_then(|at| self.item(at)))
            }
            (Self::List(_) | Self::Items(..), Val::Uint(at)) => {
                Ok(usize::try_from(*at).ok().and_then(|at| self.item(at)))
            }
            _ => Err(Fault::overload()),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Uint(_) | Self::Double(_))
    }

    /// How two values stand to each other; `None` where they cannot be compared.
    pub(super) fn order(&self, other: &Val<'_>) -> Option<Ordering> {
        #[allow(clippy::cast_precision_loss, reason = "doubles are compared as doubles")]
        match (self, other) {
            (Self::Int(a), Val::Int(b)) => Some(a.cmp(b)),
            (Self::Uint(a), Val::Uint(b)) => Some(a.cmp(b)),
            (Self::Int(a), Val::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Uint(a), Val::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Double(a), Val::Double(b)) => a.partial_cmp(b),
            (Self::Double(a), Val::Int(b)) => a.partial_cmp(&(*b as f64)),
            (Self::Int(a), Val::Double(b)) => (*a as f64).partial_cmp(b),
            (Self::Double(a), Val::Uint(b)) => a.partial_cmp(&(*b as f64)),
            (Self::Uint(a), Val::Double(b)) => (*a as f64).partial_cmp(b),
            (Self::Text(a), Val::Text(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Val::Bytes(b)) => Some(a.cmp(b)),
            (Self::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
            (Self::Time(a), Val::Time(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Val::Duration(b)) => Some(a.cmp(b)),
            (Self::Quantity(a), Val::Quantity(b)) => Some(a.sub(b).sign().cmp(&0)),
            _ => None,
        }
    }

    /// About how much there is of it, for the cost of looking at all of it.
    pub(super) fn size(&self) -> u64 {
        let length = match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items) => items.len(),
            Self::Items(items, _) => items.len(),
            Self::Map(entries) => entries.len(),
            Self::Fields(map, _) => map.len(),
            _ => 1,
        };
        length as u64
    }
}

/// Words that cannot stand as a field in an expression.
const RESERVED: [&str; 24] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "apiVersion",
    "kind",
    "metadata",
];

/// The name of a property from the form in which expressions write it: `__dash__` for `-` and so on.
pub(super) fn unescape(name: &str) -> String {
    if let Some(word) = name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"))
        && RESERVED.contains(&word)
    {
        return word.to_owned();
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    'next: while !rest.is_empty() {
        for (code, plain) in [("__underscores__", "__"), ("__dot__", "."), ("__dash__", "-"), ("__slash__", "/")] {
            if let Some(after) = rest.strip_prefix(code) {
                out.push_str(plain);
                rest = after;
                continue 'next;
            }
        }
        let mut chars = rest.chars();
        out.extend(chars.next());
        rest = chars.as_str();
    }
    out
}
