//! Shapes of objects: whole, as a row of a table, or their metadata alone.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::negotiate::{Form, Shape};
use crate::kinds::parts::table;
use crate::kinds::{Column, Kind, Verbs};
use crate::registry::versions;
use crate::schema::field::quote;
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::schema::table::Type;
use crate::store::Record;

/// What a Table row shows of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// The object.
    Object,
}

impl Include {
    /// Reads the parameter `includeObject`.
    ///
    /// # Errors
    /// 400 for a word that is none of the three.
    pub fn parse(text: &str) -> Result<Self, Status> {
        match text {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::None),
            "Object" => Ok(Self::Object),
            other => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {}: must be 'Metadata', \
                 'Object', 'None', or empty",
                quote(other)
            ))),
        }
    }
}

/// Shows objects of one kind in one form.
#[derive(Clone)]
pub struct Show {
    kind: Arc<Kind>,
    form: Form,
    include: Include,
    /// The columns, for tables.
    columns: Arc<[Column]>,
    /// Whether the kind has columns of its own.
    own: bool,
    now: Timestamp,
}

impl Show {
    /// For answers about `kind`.
    #[must_use]
    pub fn new(kind: &Arc<Kind>, form: Form, include: Include) -> Self {
        let columns = if form.shape == Shape::Table { kind.strategy.columns() } else { Vec::new() };
        let own = !columns.is_empty();
        let columns = if own || form.shape != Shape::Table { columns } else { plain_columns() };
        Self { kind: Arc::clone(kind), form, include, columns: columns.into(), own, now: Timestamp::now() }
    }

    /// The form.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Takes the time anew, for streams that last.
    pub fn refresh(&mut self) {
        self.now = Timestamp::now();
    }

    /// A single object, given in its stored form, in the answer's shape.
    ///
    /// # Errors
    /// 406 where the shape is one for lists.
    pub fn one<'a>(&self, object: &'a Value) -> Result<Cow<'a, Value>, Status> {
        // A Status that stands for an object (after a delete) is never reshaped.
        if object["kind"] == "Status" && object["apiVersion"] == "v1" {
            return Ok(Cow::Borrowed(object));
        }
        match self.form.shape {
            Shape::Whole => Ok(versions::shown(&self.kind, object)),
            Shape::Metadata => Ok(Cow::Owned(self.metadata(object))),
            Shape::MetadataList => Err(Status::new(
                406,
                "NotAcceptable",
                format!(
                    "you requested PartialObjectMetadataList, but the requested object is not a list (*{}.{})",
                    self.go_group(),
                    self.kind.kind
                ),
            )),
            Shape::Table => {
                let mut table = self.table_head();
                table["metadata"] = json!({"resourceVersion": object.resource_version()});
                table["rows"] = json!([self.row(object)]);
                Ok(Cow::Owned(table))
            }
        }
    }

    /// 406 where a list is asked for as the metadata of one object.
    ///
    /// # Errors
    /// As said.
    pub fn check_list(&self) -> Result<(), Status> {
        if self.form.shape != Shape::Metadata {
            return Ok(());
        }
        let message = format!(
            "you requested PartialObjectMetadata, but the requested object is a list (*{}.{}List)",
            self.go_group(),
            self.kind.kind
        );
        Err(Status::new(406, "NotAcceptable", message))
    }

    /// The kind of a list of this shape, and its API version.
    #[must_use]
    pub fn list_type(&self) -> (String, String) {
        match self.form.shape {
            Shape::Whole => (self.kind.api_version(), format!("{}List", self.kind.kind)),
            Shape::Table => (format!("meta.k8s.io/{}", self.form.version), "Table".into()),
            Shape::Metadata | Shape::MetadataList => {
                (format!("meta.k8s.io/{}", self.form.version), "PartialObjectMetadataList".into())
            }
        }
    }

    /// Writes one element of a list's `items` (or `rows`) as JSON.
    pub fn item(&self, record: &Record, out: &mut Vec<u8>) {
        match self.form.shape {
            Shape::Whole if self.kind.conversion.is_some() => {
                let stored = record.to_value();
                let mut object = versions::shown(&self.kind, &stored).into_owned();
                if let Some(map) = object.as_object_mut() {
                    map.remove("apiVersion");
                    map.remove("kind");
                }
                write_value(&object, out);
            }
            Shape::Whole if self.is_builtin() => record.render_item(out),
            Shape::Whole => record.render(out),
            Shape::Table => self.write_row(record, out),
            Shape::Metadata | Shape::MetadataList => self.write_metadata(record, out),
        }
    }

    /// Writes the object of a watch event as JSON; `first` says whether a table still needs its head.
    pub fn event(&self, record: &Record, first: bool, out: &mut Vec<u8>) {
        match self.form.shape {
            Shape::Whole if self.kind.conversion.is_some() => {
                write_value(&versions::shown(&self.kind, &record.to_value()), out);
            }
            Shape::Whole => record.render(out),
            Shape::Metadata | Shape::MetadataList => self.write_metadata(record, out),
            Shape::Table => {
                let mut table = self.table_head();
                if !first {
                    table["columnDefinitions"] = Value::Null;
                }
                table["metadata"] = json!({"resourceVersion": record.revision.to_string()});
                if let Some(map) = table.as_object_mut() {
                    map.remove("rows");
                }
                write_value(&table, out);
                out.pop();
                out.extend_from_slice(b",\"rows\":[");
                self.write_row(record, out);
                out.extend_from_slice(b"]}");
            }
        }
    }

    /// The object of a bookmark.
    #[must_use]
    pub fn bookmark(&self, revision: u64, initial_end: bool, first: bool) -> Value {
        let mut meta = Map::new();
        meta.insert("resourceVersion".into(), revision.to_string().into());
        if initial_end {
            meta.insert("annotations".into(), json!({"k8s.io/initial-events-end": "true"}));
        }
        let mut object = json!({
            "apiVersion": self.kind.api_version(), "kind": self.kind.kind.as_ref(), "metadata": meta,
        });
        match self.form.shape {
            Shape::Whole => {
                if self.kind.subresource("scale").is_some() && self.is_builtin() {
                    // Go's zero of these kinds has a number, where an object without one gets the default.
                    object["spec"] = json!({"replicas": 0});
                }
                if let Some(ty) = self.schema() {
                    crate::schema::canonical::canonical(&mut object, ty);
                }
                object
            }
            Shape::Metadata | Shape::MetadataList => self.metadata(&object),
            Shape::Table => {
                let mut table = self.table_head();
                if !first {
                    table["columnDefinitions"] = Value::Null;
                }
                table["metadata"] = json!({"resourceVersion": revision.to_string()});
                table["rows"] = json!([self.row(&object)]);
                table
            }
        }
    }

    /// A table without rows.
    #[must_use]
    pub fn table_head(&self) -> Value {
        let columns: Vec<Value> = self.columns.iter().map(column).collect();
        json!({
            "apiVersion": format!("meta.k8s.io/{}", self.form.version),
            "kind": "Table",
            "metadata": {},
            "columnDefinitions": columns,
            "rows": [],
        })
    }

    /// A row, of whose object no more is read than its cells take.
    fn write_row(&self, record: &Record, out: &mut Vec<u8>) {
        if self.kind.conversion.is_some() || !self.is_builtin() {
            // Columns of custom kinds may show anything.
            return write_value(&self.row(&record.to_value()), out);
        }
        let object = record.to_value_without(self.kind.strategy.unshown());
        out.extend_from_slice(b"{\"cells\":");
        write_value(&self.cells(&object).into(), out);
        let conditions = self.kind.strategy.row_conditions(&object);
        if !conditions.is_empty() {
            out.extend_from_slice(b",\"conditions\":");
            write_value(&conditions.into(), out);
        }
        out.extend_from_slice(b",\"object\":");
        match self.include {
            Include::None => out.extend_from_slice(b"null"),
            Include::Metadata => self.write_metadata(record, out),
            Include::Object => record.render(out),
        }
        out.push(b'}');
    }

    /// The metadata of an object, from its bytes.
    fn write_metadata(&self, record: &Record, out: &mut Vec<u8>) {
        if !self.kind.strategy.field_annotations().is_empty() {
            return write_value(&self.metadata(&record.to_value()), out);
        }
        out.extend_from_slice(b"{\"apiVersion\":\"meta.k8s.io/");
        out.extend_from_slice(self.form.version.as_bytes());
        out.extend_from_slice(b"\",\"kind\":\"PartialObjectMetadata\",\"metadata\":");
        record.render_metadata(out);
        out.push(b'}');
    }

    fn cells(&self, object: &Value) -> Vec<Value> {
        if self.own {
            return self.kind.strategy.cells(object, self.now);
        }
        vec![object.name().into(), object.text("/metadata/creationTimestamp").into()]
    }

    /// Whether the objects are stored, so that a list of them has a version.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.kind.verbs != Verbs::ReadOnly
    }

    /// Whether a table without rows has `null` for them, as upstream's of kinds without columns.
    #[must_use]
    pub fn null_rows(&self) -> bool {
        !self.own && self.is_builtin()
    }

    fn row(&self, object: &Value) -> Value {
        let mut row = json!({"cells": self.cells(object)});
        let conditions = self.kind.strategy.row_conditions(object);
        if !conditions.is_empty() {
            row["conditions"] = conditions.into();
        }
        match self.include {
            Include::None => row["object"] = Value::Null,
            Include::Metadata => row["object"] = self.metadata(object),
            Include::Object => row["object"] = versions::shown(&self.kind, object).into_owned(),
        }
        row
    }

    /// The metadata of a stored object, without annotations that stand for fields.
    fn metadata(&self, object: &Value) -> Value {
        let mut meta = object.get("metadata").cloned().unwrap_or_default();
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            for name in self.kind.strategy.field_annotations() {
                annotations.remove(*name);
            }
            if annotations.is_empty() {
                meta.as_object_mut().map(|meta| meta.remove("annotations"));
            }
        }
        json!({
            "apiVersion": format!("meta.k8s.io/{}", self.form.version),
            "kind": "PartialObjectMetadata",
            "metadata": meta,
        })
    }

    fn schema(&self) -> Option<Type<'static>> {
        Type::builtin(&self.kind.group, &self.kind.version, &self.kind.kind)
    }

    /// Items of custom kinds carry their type in lists, those of built-in ones do not.
    fn is_builtin(&self) -> bool {
        self.schema().is_some()
    }

    /// The package in which Go keeps the kind, as upstream's messages show it.
    fn go_group(&self) -> String {
        let group = self.kind.group.split('.').next().unwrap_or_default();
        if group.is_empty() { "core".into() } else { group.to_owned() }
    }
}

/// The columns of a kind that has none of its own.
fn plain_columns() -> Vec<Column> {
    table::columns(&[table::NAME, table::CREATED])
}

fn column(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": column.kind,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}

/// Appends a value as JSON.
pub fn write_value(value: &Value, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail, and a Value always serialises.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use crate::store::Key;

    /// Rows written from bytes, of which not everything is read, are those of the whole object.
    #[test]
    fn rows_say_the_same_whatever_is_left_unread() {
        let kinds: Vec<Arc<Kind>> = kinds::all().into_iter().map(Arc::new).collect();
        let mut seen = 0;
        for line in include_str!("../../tests/fixtures/protobuf/golden.txt").lines() {
            let parts: Vec<&str> = line.split('\t').collect();
            let (version, name) = (parts[0], parts[1]);
            let Some(kind) = kinds.iter().find(|kind| kind.api_version() == version && *kind.kind == *name) else {
                continue;
            };
            let mut object: Value = serde_json::from_str(parts[3]).unwrap();
            object["metadata"]["managedFields"] = json!([{"manager": "m", "fieldsV1": {"f:spec": {}}}]);
            let record = Record { revision: 5, ..Record::from_value(Key::new("r", "ns", "a"), &object) };
            for include in [Include::None, Include::Metadata, Include::Object] {
                let form = Form { shape: Shape::Table, ..Form::JSON };
                let show = Show::new(kind, form, include);
                let mut out = Vec::new();
                show.item(&record, &mut out);
                assert_eq!(
                    serde_json::from_slice::<Value>(&out).unwrap(),
                    show.row(&record.to_value()),
                    "{version} {name}"
                );
                out.clear();
                show.event(&record, true, &mut out);
                let table: Value = serde_json::from_slice(&out).unwrap();
                assert_eq!(table, show.one(&record.to_value()).unwrap().into_owned(), "{version} {name}");
            }
            let show = Show::new(kind, Form { shape: Shape::Metadata, ..Form::JSON }, Include::Metadata);
            let mut out = Vec::new();
            show.item(&record, &mut out);
            assert_eq!(
                serde_json::from_slice::<Value>(&out).unwrap(),
                show.metadata(&record.to_value()),
                "{version} {name}"
            );
            seen += 1;
        }
        assert!(seen > 30, "{seen} kinds");
    }
}
