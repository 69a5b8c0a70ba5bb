//! Whether an expression makes sense over a schema: names and fields that are there, operators that fit.
//!
//! Types are followed as far as the schema says them; where it does not, the expression is taken.

use serde_json::Value;

use super::ast::{Binary, Node, parse, place};
use super::functions;
use super::value::{Val, unescape};

/// What an expression must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Whether an object is right.
    Bool,
    /// A message.
    Text,
}

/// Methods of values, with the type of what they come to; empty where that depends.
const METHODS: &[(&str, &str)] = &[
    ("size", "int"),
    ("contains", "bool"),
    ("startsWith", "bool"),
    ("endsWith", "bool"),
    ("matches", "bool"),
    ("charAt", "string"),
    ("indexOf", "int"),
    ("lastIndexOf", "int"),
    ("lowerAscii", "string"),
    ("upperAscii", "string"),
    ("replace", "string"),
    ("split", ""),
    ("substring", "string"),
    ("trim", "string"),
    ("join", "string"),
    ("format", "string"),
    ("reverse", ""),
    ("find", "string"),
    ("findAll", ""),
    ("isSorted", "bool"),
    ("sum", ""),
    ("min", ""),
    ("max", ""),
    ("first", ""),
    ("last", ""),
    ("distinct", ""),
    ("slice", ""),
    ("sort", ""),
    ("getFullYear", "int"),
    ("getMonth", "int"),
    ("getDate", "int"),
    ("getDayOfMonth", "int"),
    ("getDayOfWeek", "int"),
    ("getDayOfYear", "int"),
    ("getHours", "int"),
    ("getMinutes", "int"),
    ("getSeconds", "int"),
    ("getMilliseconds", "int"),
    ("getScheme", "string"),
    ("getHost", "string"),
    ("getHostname", "string"),
    ("getPort", "string"),
    ("getEscapedPath", "string"),
    ("getQuery", ""),
    ("family", "int"),
    ("isUnspecified", "bool"),
    ("isLoopback", "bool"),
    ("isLinkLocalUnicast", "bool"),
    ("isLinkLocalMulticast", "bool"),
    ("isGlobalUnicast", "bool"),
    ("containsIP", "bool"),
    ("containsCIDR", "bool"),
    ("ip", ""),
    ("masked", ""),
    ("prefixLength", "int"),
    ("isInteger", "bool"),
    ("asInteger", "int"),
    ("asApproximateFloat", "double"),
    ("sign", "int"),
    ("add", ""),
    ("sub", ""),
    ("isLessThan", "bool"),
    ("isGreaterThan", "bool"),
    ("compareTo", "int"),
    ("hasValue", "bool"),
    ("value", ""),
    ("orValue", ""),
    ("or", ""),
];

/// Functions with the type of what they come to.
const FUNCTIONS: &[(&str, &str)] = &[
    ("size", "int"),
    ("int", "int"),
    ("uint", "uint"),
    ("double", "double"),
    ("string", "string"),
    ("bool", "bool"),
    ("matches", "bool"),
    ("isQuantity", "bool"),
    ("isURL", "bool"),
    ("isIP", "bool"),
    ("isCIDR", "bool"),
];

/// What is known of the type of an expression.
#[derive(Clone, Debug)]
enum Kind<'a> {
    Any,
    Plain(&'static str),
    /// What a schema describes; `true` at the root of a resource.
    Schema(&'a Value, bool),
    List(Box<Kind<'a>>),
}

/// Checks an expression over `self` of a schema; `root` says that it is the root of a resource. Answers
/// whether it looks at `oldSelf`.
///
/// # Errors
/// The complaint, as cel-go shows it.
pub fn check(text: &str, schema: &Value, root: bool, want: Want, optional_old: bool) -> Result<bool, String> {
    let node = parse(text)?;
    let old = if optional_old { Kind::Any } else { Kind::Schema(schema, root) };
    let mut checker = Checker { text, names: vec![("self", Kind::Schema(schema, root)), ("oldSelf", old)] };
    let kind = checker.kind(&node)?;
    let (wanted, complaint) = match want {
        Want::Bool => ("bool", "cel expression must evaluate to a bool"),
        Want::Text => ("string", "messageExpression must evaluate to a string"),
    };
    match kind.name() {
        Some(name) if name != wanted => Err(complaint.to_owned()),
        _ => Ok(uses_old(&node)),
    }
}

/// Whether an expression looks at what was there before.
pub(super) fn uses_old(node: &Node) -> bool {
    let any = |list: &[Node]| list.iter().any(uses_old);
    match node {
        Node::Name(name) => name == "oldSelf",
        Node::Literal(_) => false,
        Node::Field(of, _) | Node::Has(of, _) | Node::Not(of) | Node::Negative(of) => uses_old(of),
        Node::Index(a, b) | Node::Maybe(a, b) | Node::And(a, b) | Node::Or(a, b) | Node::Binary(_, a, b) => {
            uses_old(a) || uses_old(b)
        }
        Node::Each(_, _, a, b) => uses_old(a) || uses_old(b),
        Node::List(items) | Node::Call(_, items) => any(items),
        Node::Map(entries) => entries.iter().any(|(key, value)| uses_old(key) || uses_old(value)),
        Node::If(a, b, c) => uses_old(a) || uses_old(b) || uses_old(c),
        Node::Collect(_, a, b, c) => uses_old(a) || b.as_ref().is_some_and(|b| uses_old(b)) || uses_old(c),
        Node::Method(of, _, args) => uses_old(of) || any(args),
    }
}

impl<'a> Kind<'a> {
    /// The type as messages show it; `None` where it is not known.
    fn name(&self) -> Option<&'static str> {
        match self {
            Self::Any => None,
            Self::Plain(name) => Some(name),
            Self::List(_) => Some("list"),
            Self::Schema(schema, _) => {
                let flag = |key: &str| schema.get(key) == Some(&Value::Bool(true));
                if flag("x-kubernetes-int-or-string") || flag("nullable") {
                    return None;
                }
                let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
                match (schema.get("type").and_then(Value::as_str)?, format) {
                    ("string", "date-time" | "date") => Some("timestamp"),
                    ("string", "duration") => Some("duration"),
                    ("string", "byte") => Some("bytes"),
                    ("string", _) => Some("string"),
                    ("integer", _) => Some("int"),
                    ("number", _) => Some("double"),
                    ("boolean", _) => Some("bool"),
                    ("array", _) => Some("list"),
                    ("object", _) if flag("x-kubernetes-preserve-unknown-fields") => None,
                    ("object", _) => Some("object"),
                    _ => None,
                }
            }
        }
    }

    fn item(&self) -> Kind<'a> {
        match self {
            Self::List(item) => item.as_ref().clone(),
            Self::Schema(schema, _) => match (schema.get("items"), schema.get("additionalProperties")) {
                (Some(items), _) => Self::Schema(items, false),
                (None, Some(_)) => Self::Plain("string"),
                _ => Self::Any,
            },
            _ => Self::Any,
        }
    }
}

struct Checker<'a> {
    text: &'a str,
    names: Vec<(&'a str, Kind<'a>)>,
}

impl<'a> Checker<'a> {
    /// A complaint about the place where `word` stands.
    fn fault(&self, word: &str, message: &str) -> String {
        let mut line = 1;
        let mut column = 1;
        if let Some(at) = self.text.find(word) {
            let before = self.text.get(..at).unwrap_or_default();
            line = before.matches('\n').count() + 1;
            column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        }
        place(self.text, line, column, message)
    }

    fn kind(&mut self, node: &'a Node) -> Result<Kind<'a>, String> {
        Ok(match node {
            Node::Literal(value) => match value {
                Val::Null => Kind::Any,
                other => Kind::Plain(other.kind()),
            },
            Node::Name(name) => match self.names.iter().rev().find(|(own, _)| own == name) {
                Some((_, kind)) => kind.clone(),
                None if functions::constant(name).is_some() => Kind::Plain("type"),
                None => return Err(self.fault(name, &format!("undeclared reference to '{name}' (in container '')"))),
            },
            Node::Field(of, name) => self.field(of, name)?,
            Node::Has(of, name) => {
                self.field(of, name)?;
                Kind::Plain("bool")
            }
            Node::Index(of, key) => {
                self.kind(key)?;
                match self.kind(of)? {
                    Kind::Schema(schema, _) => match schema.get("items").or_else(|| schema.get("additionalProperties"))
                    {
                        Some(inner) if inner.is_object() => Kind::Schema(inner, false),
                        _ => Kind::Any,
                    },
                    Kind::List(item) => *item,
                    _ => Kind::Any,
                }
            }
            Node::Maybe(of, key) => {
                self.kind(of)?;
                self.kind(key)?;
                Kind::Any
            }
            Node::List(items) => {
                let kinds = items.iter().map(|item| self.kind(item)).collect::<Result<Vec<_>, _>>()?;
                let first = kinds.first().and_then(Kind::name);
                let same = kinds.iter().all(|kind| kind.name() == first);
                Kind::List(Box::new(first.filter(|_| same).map_or(Kind::Any, Kind::Plain)))
            }
            Node::Map(entries) => {
                for (key, value) in entries {
                    self.kind(key)?;
                    self.kind(value)?;
                }
                Kind::Plain("map")
            }
            Node::And(a, b) => self.logical("&&", "_&&_", a, b)?,
            Node::Or(a, b) => self.logical("||", "_||_", a, b)?,
            Node::Not(inner) => {
                if let Some(name) = self.kind(inner)?.name().filter(|name| *name != "bool") {
                    return Err(self.fault("!", &format!("found no matching overload for '!_' applied to '({name})'")));
                }
                Kind::Plain("bool")
            }
            Node::Negative(inner) => self.kind(inner)?,
            Node::If(question, yes, no) => {
                self.kind(question)?;
                let (yes, no) = (self.kind(yes)?, self.kind(no)?);
                if yes.name() == no.name() { yes } else { Kind::Any }
            }
            Node::Binary(operator, a, b) => self.binary(*operator, a, b)?,
            Node::Each(_, name, range, question) => {
                let item = self.kind(range)?.item();
                self.names.push((name, item));
                let kind = self.kind(question);
                self.names.pop();
                kind?;
                Kind::Plain("bool")
            }
            Node::Collect(name, range, filter, result) => {
                let item = self.kind(range)?.item();
                self.names.push((name, item));
                let filtered = filter.as_ref().map(|filter| self.kind(filter)).transpose();
                let kind = self.kind(result);
                self.names.pop();
                filtered?;
                Kind::List(Box::new(kind?))
            }
            Node::Call(name, args) => {
                for arg in args {
                    self.kind(arg)?;
                }
                if !functions::is_known(name) {
                    return Err(self.fault(name, &format!("undeclared reference to '{name}' (in container '')")));
                }
                found(FUNCTIONS, name)
            }
            Node::Method(of, name, args) => {
                for arg in args {
                    self.kind(arg)?;
                }
                if let Some(space) = functions::space(of) {
                    if !functions::is_known(&format!("{space}.{name}")) {
                        let whole = format!("{space}.{name}");
                        return Err(self.fault(&whole, &format!("undeclared reference to '{whole}' (in container '')")));
                    }
                    return Ok(Kind::Any);
                }
                let kind = self.kind(of)?;
                if !METHODS.iter().any(|(own, _)| own == name) {
                    return Err(
                        self.fault(&format!("({name}"), &format!("undeclared reference to '{name}' (in container '')"))
                    );
                }
                if let Some(of) = kind.name().filter(|of| matches!(*of, "int" | "double" | "bool")) {
                    let args: Vec<&str> = args.iter().filter_map(|arg| self.kind(arg).ok()?.name()).collect();
                    let message =
                        format!("found no matching overload for '{name}' applied to '{of}.({})'", args.join(", "));
                    return Err(self.fault(&format!(".{name}("), &message));
                }
                found(METHODS, name)
            }
        })
    }

    fn field(&mut self, of: &'a Node, name: &str) -> Result<Kind<'a>, String> {
        let kind = self.kind(of)?;
        let Kind::Schema(schema, root) = &kind else {
            return match kind.name() {
                Some(found @ ("int" | "string" | "bool" | "double" | "list")) => {
                    Err(self.fault(&format!(".{name}"), &format!("type '{found}' does not support field selection")))
                }
                _ => Ok(Kind::Any),
            };
        };
        let embedded = *root || schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true));
        if embedded && matches!(name, "apiVersion" | "kind") {
            return Ok(Kind::Plain("string"));
        }
        if embedded && name == "metadata" {
            return Ok(Kind::Any);
        }
        let plain = unescape(name);
        if let Some(property) = schema.get("properties").and_then(|properties| properties.get(&plain)) {
            return Ok(Kind::Schema(property, false));
        }
        match (kind.name(), schema.get("additionalProperties")) {
            (None, _) => Ok(Kind::Any),
            (Some("object"), Some(inner)) if inner.is_object() => Ok(Kind::Schema(inner, false)),
            (Some("object"), Some(Value::Bool(true))) => Ok(Kind::Any),
            (Some("object"), _) => Err(self.fault(&format!(".{name}"), &format!("undefined field '{name}'"))),
            (Some(found), _) => {
                Err(self.fault(&format!(".{name}"), &format!("type '{found}' does not support field selection")))
            }
        }
    }

    fn logical(&mut self, sign: &str, name: &str, a: &'a Node, b: &'a Node) -> Result<Kind<'a>, String> {
        for side in [a, b] {
            if let Some(found) = self.kind(side)?.name().filter(|found| *found != "bool") {
                let _ = name;
                let message = format!("expected type 'bool' but found '{found}'");
                return Err(self.fault(sign, &message));
            }
        }
        Ok(Kind::Plain("bool"))
    }

    fn binary(&mut self, operator: Binary, a: &'a Node, b: &'a Node) -> Result<Kind<'a>, String> {
        let (left, right) = (self.kind(a)?, self.kind(b)?);
        let names = left.name().zip(right.name());
        let numbers = |name: &str| matches!(name, "int" | "uint" | "double");
        let fits = |a: &str, b: &str| match operator {
            Binary::Equal | Binary::Unequal => a == b || (a, b) == ("object", "map") || (a, b) == ("map", "object"),
            Binary::In => matches!(b, "list" | "map" | "object"),
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                a == b && !matches!(a, "list" | "map" | "object") || numbers(a) && numbers(b)
            }
            Binary::Add => {
                a == b && a != "bool" && a != "object"
                    || matches!((a, b), ("timestamp", "duration") | ("duration", "timestamp"))
            }
            Binary::Subtract => {
                a == b && (numbers(a) || matches!(a, "timestamp" | "duration")) || (a, b) == ("timestamp", "duration")
            }
            _ => a == b && numbers(a),
        };
        if let Some((a, b)) = names
            && !fits(a, b)
        {
            let name = operator.name();
            let sign = name.trim_matches(['_', '@']);
            return Err(self.fault(sign, &format!("found no matching overload for '{name}' applied to '({a}, {b})'")));
        }
        Ok(match operator {
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Modulo => match names {
                Some((a, b)) if a == b && matches!(a, "int" | "uint" | "double" | "string") => Kind::Plain(a),
                _ => Kind::Any,
            },
            _ => Kind::Plain("bool"),
        })
    }
}

fn found<'a>(list: &[(&str, &'static str)], name: &str) -> Kind<'a> {
    match list.iter().find(|(own, _)| *own == name) {
        Some((_, kind)) if !kind.is_empty() => Kind::Plain(kind),
        _ => Kind::Any,
    }
}
