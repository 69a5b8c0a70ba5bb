//! Objects seen through their types, as server-side apply needs it: what is a map, a list with
//! keys, a set or a single leaf, and how the item of a list is named in a path.
//!
//! Where there is no type, structure is deduced from the value: maps are merged, lists and scalars
//! are leaves. The rules are those of structured-merge-diff's `typed` package. Managers of fields
//! are not known here.

mod combine;
mod compare;
mod field_set;
mod remove;
mod validate;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::fields::{Datum, Element};
use crate::schema::canonical;
use crate::schema::table::{Any, ListTopology, Shape, Struct, Type};

pub use combine::combine;
pub use compare::{Comparison, compare};
pub use field_set::{field_set, reconcile, with_named_fields};
pub use remove::remove;
pub use validate::validate;

/// A type of the schema table; `None` where the structure is deduced from the value.
pub type Typing<'a> = Option<Type<'a>>;

/// What a value is taken for.
#[derive(Clone, Copy)]
enum Form<'a> {
    Map { fields: Fields<'a>, atomic: bool },
    List { item: Typing<'a>, topology: ListTopology<'a> },
    Scalar(Option<crate::schema::table::Scalar>),
}

/// Where the types of the entries of a map come from.
#[derive(Clone, Copy)]
enum Fields<'a> {
    Struct(Struct<'a>),
    Entries(Typing<'a>),
}

/// The type of an entry of a map.
enum Entry<'a> {
    /// A field that the schema names.
    Named(Typing<'a>),
    /// A key that users choose.
    Free(Typing<'a>),
    /// Not in the schema.
    Unknown,
}

impl<'a> Fields<'a> {
    fn entry(self, key: &str) -> Entry<'a> {
        match self {
            Self::Entries(value) => Entry::Free(value),
            Self::Struct(fields) => match fields.field(key) {
                Some(field) => Entry::Named(Some(field.ty())),
                None if fields.preserves_unknown() => Entry::Free(None),
                None => Entry::Unknown,
            },
        }
    }

    /// The type of an entry; what is not in the schema is deduced.
    fn typing(self, key: &str) -> Typing<'a> {
        match self.entry(key) {
            Entry::Named(typing) | Entry::Free(typing) => typing,
            Entry::Unknown => None,
        }
    }
}

/// What a value of this type is taken for. An absent value and `null` fit every form.
fn form<'a>(typing: Typing<'a>, value: Option<&Value>) -> Form<'a> {
    let shape = typing.map_or(Shape::Any, Type::shape);
    match shape {
        Shape::Struct(fields) => Form::Map { fields: Fields::Struct(fields), atomic: fields.is_atomic() },
        Shape::Map { value, atomic } => Form::Map { fields: Fields::Entries(Some(value)), atomic },
        Shape::List { item, topology } => Form::List { item: Some(item), topology },
        Shape::Scalar(scalar) => Form::Scalar(Some(scalar)),
        Shape::Any => match value {
            Some(Value::Array(_)) => Form::List { item: None, topology: ListTopology::Atomic },
            None | Some(Value::Object(_) | Value::Null) => {
                Form::Map { fields: Fields::Entries(None), atomic: typing.is_some_and(is_whole) }
            }
            Some(_) => Form::Scalar(None),
        },
    }
}

/// Whether what may be anything is owned as a whole: an embedded object of unknown kind.
fn is_whole(typing: Type<'_>) -> bool {
    matches!(typing.any(), Any::Raw | Any::Fields)
}

/// The entries of a map; none where the value is absent, `null`, empty or no map.
fn entries(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value?.as_object().filter(|map| !map.is_empty())
}

/// The items of a list; none where the value is absent, `null` or no list.
fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Whether two lists are compared as a whole, for want of keys or of items.
fn is_leaf(topology: ListTopology<'_>, old: Option<&Value>, new: Option<&Value>) -> bool {
    matches!(topology, ListTopology::Atomic) || items(old).is_empty() && items(new).is_empty()
}

fn named(key: &str) -> Element<'_> {
    Element::Field(Cow::Borrowed(key))
}

/// The path element of an item of a list with keys or of a set.
fn element<'a>(item: Typing<'a>, topology: ListTopology<'a>, value: &'a Value) -> Result<Element<'a>, String> {
    let keys = match topology {
        ListTopology::Map(keys) => keys,
        ListTopology::Set => return set_element(value),
        ListTopology::Atomic => return Err("invalid indexing of non-associative list".to_owned()),
    };
    let Value::Object(map) = value else {
        let what = if value.is_null() { "a null element" } else { "non-map elements" };
        return Err(format!("associative list with keys may not have {what}"));
    };
    let mut fields = Vec::with_capacity(2);
    for key in keys {
        let value = match map.get(key) {
            Some(value) => Cow::Borrowed(value),
            None => Cow::Owned(key_default(item, key).ok_or_else(|| {
                format!("associative list with keys has an element that omits key field {key:?} (and doesn't have default value)")
            })?),
        };
        fields.push((Cow::Borrowed(key), Datum(value)));
    }
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Element::Key(fields))
}

fn set_element(value: &Value) -> Result<Element<'_>, String> {
    match value {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        scalar => Ok(Element::Value(Datum(Cow::Borrowed(scalar)))),
    }
}

/// What stands for a key field that an item leaves out: the default that the schema declares, or the
/// zero value of a field that Go always writes.
fn key_default(item: Typing<'_>, key: &str) -> Option<Value> {
    let found = item?.as_struct()?;
    let field = found.field(key)?;
    let declared = serde_json::from_str(field.default()).ok();
    let written = !found.name().is_empty() && !field.omits_empty() && !field.is_pointer();
    declared.or_else(|| written.then(|| canonical::zero(field.ty())))
}

#[cfg(test)]
mod tests;
