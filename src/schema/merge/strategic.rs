//! Strategic merge patch: a merge patch that knows the lists of the API, and has directives
//! (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`).
//!
//! Which list merges by which key is data of the schema table. Source of the rules: the API
//! conventions ("Strategic merge patch") and the answers of a kube-apiserver.

mod lists;

use serde_json::{Map, Value};

use super::go::{go_text, go_type};
use super::typed::Typing;
use crate::schema::status::{Details, Status};
use crate::schema::table::{Field, Shape};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_ITEMS: &str = "$deleteFromPrimitiveList";
const ORDER: &str = "$setElementOrder";

const BAD_DELETE: &str = "invalid patch format of primitive list";
const BAD_RETAIN: &str = "invalid patch format of retainKeys";
const BAD_ORDER: &str = "invalid patch format of setElementOrder list";

/// Why a patch does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// The patch is malformed: 400.
    Format(&'static str),
    /// A list of lists: 422, in one sentence.
    ListOfLists,
    /// Anything else: 500 with these words.
    Other(String),
}

impl Failure {
    fn no_merge_key(map: &Value, key: &str) -> Self {
        Self::Other(format!("map: {} does not contain declared merge key: {key}", go_text(map)))
    }

    fn type_of(expected: &str, actual: &Value) -> Self {
        Self::Other(format!("expected a {expected}, but received a {}", go_type(actual)))
    }

    fn status(self) -> Status {
        match self {
            Self::Format(words) => Status::bad_request(words),
            Self::ListOfLists => {
                Status::new(422, "Invalid", "the server rejected our request due to an error in our request")
                    .with_details(Details::default())
            }
            Self::Other(words) => Status::unclassified(words),
        }
    }
}

/// How a field of a struct merges.
struct Strategy<'a> {
    typing: Typing<'a>,
    replace: bool,
    merge: bool,
    key: &'a str,
}

/// Merges `patch` into `document`. After an error the document is in an undefined state.
///
/// # Errors
/// 400 for a patch that is no map or has a malformed directive, 500 for one that does not fit the
/// lists of the object.
pub fn apply(document: &mut Value, patch: Value, typing: Typing<'_>) -> Result<(), Status> {
    let patch = match patch {
        Value::Object(patch) => patch,
        Value::Null => return Ok(()),
        other => {
            let sort = super::json_patch::go_type(&other);
            let words = format!("json: cannot unmarshal {sort} into Go value of type map[string]interface {{}}");
            return Err(Status::bad_request(words));
        }
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    match document {
        Value::Object(map) => merge(map, patch, typing).map_err(Failure::status),
        _ => Ok(()),
    }
}

fn merge(original: &mut Map<String, Value>, mut patch: Map<String, Value>, typing: Typing<'_>) -> Result<(), Failure> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        let directive = directive.clone();
        match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                *original = patch;
            }
            Some("delete") => original.clear(),
            _ => return Err(bad_directive(&directive, &Value::Object(patch))),
        }
        return Ok(());
    }
    retain_keys(original, &mut patch)?;
    orders(original, &mut patch, typing)?;
    for (key, value) in patch {
        let deleting = key.starts_with(DELETE_ITEMS);
        let key = if deleting { directive_field(&key, DELETE_ITEMS, BAD_DELETE)?.to_owned() } else { key };
        if value.is_null() {
            original.remove(&key);
            continue;
        }
        let same = |own: &Value| own.is_object() && value.is_object() || own.is_array() && value.is_array();
        let Some(own) = original.get_mut(&key).filter(|own| same(own)) else {
            if !deleting {
                original.extend(taken(value).map(|value| (key, value)));
            }
            continue;
        };
        let strategy = strategy(typing, &key)?;
        match (own, value) {
            (Value::Object(own), Value::Object(value)) => {
                if strategy.replace {
                    *own = value;
                } else {
                    merge(own, value, strategy.typing)?;
                }
            }
            (Value::Array(own), Value::Array(value)) => {
                if strategy.merge || deleting {
                    *own = lists::merge(std::mem::take(own), value, &strategy, deleting)?;
                } else {
                    *own = value;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn bad_directive(directive: &Value, map: &Value) -> Failure {
    Failure::Other(format!("unknown patch type: '{}' in map: {}", go_text(directive), go_text(map)))
}

/// The field that a directive of the form `$directive/field` is about.
fn directive_field<'a>(key: &'a str, directive: &str, words: &'static str) -> Result<&'a str, Failure> {
    match key.split_once('/') {
        Some((head, field)) if head == directive => Ok(field),
        _ => Err(Failure::Format(words)),
    }
}

/// What the schema says of a field whose value is merged.
fn strategy<'a>(typing: Typing<'a>, key: &str) -> Result<Strategy<'a>, Failure> {
    let Some(typing) = typing else { return Ok(Strategy { typing: None, replace: false, merge: false, key: "" }) };
    match typing.shape() {
        Shape::Struct(fields) => {
            let Some(field) = fields.field(key) else {
                let name = fields.name();
                let words = format!("unable to find api field in struct {name} for the json field {key:?}");
                return Err(Failure::Other(words));
            };
            Ok(of_field(field))
        }
        _ => {
            let words = "merging an object in json but data type is not struct, instead is: map";
            Err(Failure::Other(words.to_owned()))
        }
    }
}

fn of_field(field: Field<'_>) -> Strategy<'_> {
    let typing = match field.ty().shape() {
        Shape::List { item, .. } => item,
        _ => field.ty(),
    };
    Strategy {
        typing: Some(typing),
        replace: field.patch_replace(),
        merge: field.patch_merge(),
        key: field.patch_merge_key(),
    }
}

/// `$retainKeys`: of the original only these keys stay.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), Failure> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keys) = keys else { return Err(Failure::Format(BAD_RETAIN)) };
    let kept = |key: &str| keys.iter().any(|own| own.as_str() == Some(key));
    let free = |key: &str| key.starts_with(DELETE_ITEMS) || key.starts_with(ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !free(key) && !kept(key)) {
        return Err(Failure::Format(BAD_RETAIN));
    }
    original.retain(|key, _| kept(key));
    Ok(())
}

/// `$setElementOrder/field`: merges the lists of the field and puts them in that order.
fn orders(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    typing: Typing<'_>,
) -> Result<(), Failure> {
    let names: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER)).cloned().collect();
    for name in names {
        let Some(order) = patch.remove(&name) else { continue };
        let Value::Array(order) = order else { return Err(Failure::type_of("[]interface {}", &order)) };
        let field = directive_field(&name, ORDER, BAD_ORDER)?;
        let list = |value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(Failure::type_of("[]interface {}", &other)),
        };
        let before = list(original.get(field).cloned())?;
        let change = list(patch.get(field).cloned())?;
        let strategy = strategy(typing, field)?;
        if let Some(change) = &change {
            lists::check_order(change, &order, strategy.key)?;
        }
        let (kind, merged) = match (before.clone(), change) {
            (None, None) => continue,
            (Some(before), None) => (lists::kind(&before, &[])?, before),
            (None, Some(change)) => (lists::kind(&[], &change)?, change.into_iter().filter_map(taken).collect()),
            (Some(before), Some(change)) => {
                let kind = lists::kind(&before, &change)?;
                let merged = if strategy.merge { lists::merge(before, change, &strategy, false)? } else { change };
                (kind, merged)
            }
        };
        let sorted = lists::ordered(merged, &order, &before.unwrap_or_default(), strategy.key, kind)?;
        original.insert(field.to_owned(), Value::Array(sorted));
        patch.remove(field);
    }
    Ok(())
}

/// A value that comes in whole: without `null` members and without directives. `None` for one that
/// asks to be deleted.
fn taken(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            if map.get(DIRECTIVE).is_some_and(|directive| directive == "delete") {
                return None;
            }
            let plain = |key: &str| {
                key != DIRECTIVE && key != RETAIN_KEYS && !key.starts_with(DELETE_ITEMS) && !key.starts_with(ORDER)
            };
            let members = map.into_iter().filter(|(key, value)| plain(key) && !value.is_null());
            Some(Value::Object(members.filter_map(|(key, value)| Some((key, taken(value)?))).collect()))
        }
        Value::Array(list) => {
            let blank =
                |item: &Value| item.as_object().is_some_and(|map| map.len() == 1 && map.contains_key(DIRECTIVE));
            Some(Value::Array(list.into_iter().filter(|item| !blank(item)).filter_map(taken).collect()))
        }
        scalar => Some(scalar),
    }
}

#[cfg(test)]
mod tests;
