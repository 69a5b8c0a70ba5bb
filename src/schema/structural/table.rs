//! A structural schema as a schema table.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{additional, is, properties};
use crate::schema::decode::metadata_type;
use crate::schema::table::{
    Any, ListTopology, Name, NewField, PackageId, Scalar, Shape, StructId, Table, TableBuilder, TooLarge, Topology,
    Type, TypeId,
};

/// The table of one kind of custom resource. `apiVersion`, `kind` and `metadata` are in it whether the
/// schema names them or not.
///
/// # Errors
/// The schema has more than 65535 fields.
pub fn table(group: &str, version: &str, kind: &str, schema: &Value) -> Result<Table, TooLarge> {
    let mut builder = TableBuilder::new();
    let package = builder.package("v1", "io.k8s.apimachinery.pkg.apis.meta.v1");
    let mut copier = Copier { builder, package, copied: BTreeMap::new() };
    let root = copier.object(schema, true);
    copier.builder.kind(group, version, kind, root);
    copier.builder.finish().map(Table::new)
}

struct Copier {
    builder: TableBuilder,
    package: PackageId,
    /// Structs of the built-in table that are already here.
    copied: BTreeMap<u16, StructId>,
}

impl Copier {
    fn schema(&mut self, schema: &Value) -> TypeId {
        if is(schema, "x-kubernetes-int-or-string") {
            return self.builder.scalar(Scalar::IntOrString, Name::default(), &[]);
        }
        let scalar = match schema.get("type").and_then(Value::as_str) {
            Some("object") => return self.object(schema, is(schema, "x-kubernetes-embedded-resource")),
            Some("array") => return self.array(schema),
            Some("string") => Scalar::String,
            Some("integer") => Scalar::Int64,
            Some("number") => Scalar::Float,
            Some("boolean") => Scalar::Bool,
            _ => return self.builder.any(Any::Json),
        };
        self.builder.scalar(scalar, Name::default(), &[])
    }

    fn array(&mut self, schema: &Value) -> TypeId {
        let topology = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => Topology::Set,
            Some("map") => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                Topology::Map(keys.into_iter().flatten().filter_map(|key| Some(key.as_str()?.to_owned())).collect())
            }
            Some(_) => Topology::Atomic,
            None => Topology::Unsaid,
        };
        let item = match schema.get("items") {
            Some(items) => self.schema(items),
            None => self.builder.any(Any::Json),
        };
        self.builder.list(item, &topology, false, Name::default())
    }

    /// An object; one that is a resource has the meta fields too.
    fn object(&mut self, schema: &Value, resource: bool) -> TypeId {
        let atomic = schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
        let preserves = is(schema, "x-kubernetes-preserve-unknown-fields");
        if let Some(values) = additional(schema) {
            let value = match values {
                Some(values) => self.schema(values),
                None => self.builder.any(Any::Json),
            };
            return self.builder.map("string", value, atomic, Name::default());
        }
        let mut fields: BTreeMap<String, (TypeId, String)> = BTreeMap::new();
        if resource {
            let text = self.builder.scalar(Scalar::String, Name::default(), &[]);
            for name in ["apiVersion", "kind"] {
                fields.insert(name.to_owned(), (text, String::new()));
            }
            if let Some(metadata) = metadata_type() {
                let ty = self.copy(metadata);
                fields.insert("metadata".to_owned(), (ty, String::new()));
            }
        }
        for (name, property) in properties(schema) {
            if !(resource && super::META.contains(&name.as_str())) {
                let default = property.get("default").map(Value::to_string).unwrap_or_default();
                let ty = self.schema(property);
                fields.insert(name.clone(), (ty, default));
            }
        }
        if fields.is_empty() && preserves {
            return self.builder.any(Any::Json);
        }
        let id = self.builder.declare();
        let fields = fields
            .into_iter()
            .map(|(name, (ty, default))| NewField { name, ty, number: 0, flags: 0, merge_key: String::new(), default })
            .collect();
        self.builder.define(id, Name::default(), fields, preserves);
        self.builder.structure(id, atomic)
    }

    /// A built-in type, with all that it refers to.
    fn copy(&mut self, ty: Type<'static>) -> TypeId {
        match ty.shape() {
            Shape::Any => self.builder.any(ty.any()),
            Shape::Scalar(scalar) => self.builder.scalar(scalar, Name::default(), &[]),
            Shape::Map { value, atomic } => {
                let value = self.copy(value);
                self.builder.map("string", value, atomic, Name::default())
            }
            Shape::List { item, topology } => {
                let topology = match topology {
                    ListTopology::Atomic if ty.says_topology() => Topology::Atomic,
                    ListTopology::Atomic => Topology::Unsaid,
                    ListTopology::Set => Topology::Set,
                    ListTopology::Map(keys) => Topology::Map(keys.map(str::to_owned).collect()),
                };
                let item = self.copy(item);
                self.builder.list(item, &topology, ty.is_wrapped(), Name::default())
            }
            Shape::Struct(found) => {
                if let Some(id) = self.copied.get(&found.id()) {
                    return self.builder.structure(*id, found.is_atomic());
                }
                let id = self.builder.declare();
                self.copied.insert(found.id(), id);
                let fields = found
                    .fields()
                    .map(|field| NewField {
                        name: field.name().to_owned(),
                        ty: self.copy(field.ty()),
                        number: field.number(),
                        flags: field.flags(),
                        merge_key: field.patch_merge_key().to_owned(),
                        default: field.default().to_owned(),
                    })
                    .collect();
                let name = Name { name: found.name(), package: self.package };
                self.builder.define(id, name, fields, false);
                self.builder.structure(id, found.is_atomic())
            }
        }
    }
}
