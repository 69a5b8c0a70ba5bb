//! OpenAPI documents made from the schema table and a plain list of what is served: version 3 for each
//! group version, version 2 as JSON and as the protobuf message of gnostic.
//!
//! Documents are written as they are made, one model and one path at a time, so that no tree of a
//! document is ever in memory. It does not know how kinds are described elsewhere, nor HTTP.

mod descriptions;
mod gnostic;
mod models;
mod paths;
#[cfg(test)]
mod tests;

pub use descriptions::field as field_description;

use std::fmt;
use std::io::{self, Write};

use serde_json::Value;

/// The media type of the version 2 document as protobuf.
pub const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Which version of OpenAPI is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edition {
    V2,
    V3,
}

/// A kind that a path takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gvk<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Version within the group.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
}

/// A resource that is served.
#[derive(Clone, Debug)]
pub struct Resource<'a> {
    /// The kind of its objects.
    pub gvk: Gvk<'a>,
    /// Name in the plural, as in paths.
    pub plural: &'a str,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// The verbs that it answers, as in discovery.
    pub verbs: Vec<&'a str>,
    /// Its parts with an address of their own.
    pub subresources: Vec<Subresource<'a>>,
    /// Where the schema of a custom resource comes from; `None` for a built-in kind.
    pub schema: Option<&'a dyn Source>,
}

/// Gives the schema of a custom resource (`openAPIV3Schema`) when it is its turn to be written, so that
/// not all of them are there at once.
pub trait Source: fmt::Debug {
    /// The schema.
    fn schema(&self) -> Value;
}

impl Source for Value {
    fn schema(&self) -> Value {
        self.clone()
    }
}

/// A part of a resource with an address of its own.
#[derive(Clone, Debug)]
pub struct Subresource<'a> {
    /// Last segment of its path.
    pub name: &'a str,
    /// The verbs that it answers.
    pub verbs: Vec<&'a str>,
    /// The kind that is read and written there.
    pub gvk: Gvk<'a>,
}

/// Writes the version 3 document of one group version, as JSON.
///
/// # Errors
/// What the writer fails with.
pub fn v3(group: &str, version: &str, resources: &[Resource<'_>], out: &mut dyn Write) -> io::Result<()> {
    let own: Vec<Resource<'_>> =
        resources.iter().filter(|r| r.gvk.group == group && r.gvk.version == version).cloned().collect();
    out.write_all(b"{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1.37.0\"},\"paths\":{")?;
    let mut comma = Comma::default();
    paths::each(Edition::V3, &own, &mut |path, item| comma.entry(out, path, item))?;
    out.write_all(b"},\"components\":{\"schemas\":{")?;
    let mut comma = Comma::default();
    models::each(Edition::V3, &own, &mut |name, model| comma.entry(out, name, model))?;
    out.write_all(
        b"},\"securitySchemes\":{\"BearerToken\":{\"type\":\"apiKey\",\"description\":\
          \"Bearer Token authentication\",\"name\":\"authorization\",\"in\":\"header\"}}}}",
    )
}

/// Writes the version 2 document of everything, as JSON.
///
/// # Errors
/// What the writer fails with.
pub fn v2(resources: &[Resource<'_>], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{\"swagger\":\"2.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1.37.0\"},\"paths\":{")?;
    let mut comma = Comma::default();
    paths::each(Edition::V2, resources, &mut |path, item| comma.entry(out, path, item))?;
    out.write_all(b"},\"definitions\":{")?;
    let mut comma = Comma::default();
    models::each(Edition::V2, resources, &mut |name, model| comma.entry(out, name, model))?;
    out.write_all(
        b"},\"securityDefinitions\":{\"BearerToken\":{\"description\":\"Bearer Token authentication\",\
          \"type\":\"apiKey\",\"name\":\"authorization\",\"in\":\"header\"}},\"security\":[{\"BearerToken\":[]}]}",
    )
}

/// Writes the version 2 document of everything, as the protobuf message of gnostic.
///
/// # Errors
/// What the writer fails with.
pub fn v2_protobuf(resources: &[Resource<'_>], out: &mut dyn Write) -> io::Result<()> {
    gnostic::document(resources, out)
}

/// The index of the version 3 documents: for each the path below `/openapi/v3/` (`api/v1`,
/// `apis/apps/v1`) and the hash of its bytes.
#[must_use]
pub fn v3_index<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let paths: serde_json::Map<String, Value> = documents
        .into_iter()
        .map(|(path, hash)| {
            let url = format!("/openapi/v3/{path}?hash={hash}");
            (path.to_owned(), serde_json::json!({"serverRelativeURL": url}))
        })
        .collect();
    serde_json::json!({ "paths": paths })
}

/// Puts commas between the entries of a JSON object.
#[derive(Default)]
struct Comma {
    wanted: bool,
}

impl Comma {
    fn entry(&mut self, out: &mut dyn Write, key: &str, value: &Value) -> io::Result<()> {
        if std::mem::replace(&mut self.wanted, true) {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, key)?;
        out.write_all(b":")?;
        serde_json::to_writer(&mut *out, value)?;
        Ok(())
    }
}
