//! The four kinds of patch: JSON patch, merge patch, strategic merge patch and server-side apply.

use bytes::Bytes;
use serde_json::Value;

use super::super::Context;
use super::super::decode::{self, Validation};
use super::write::{Options, check_name};
use crate::registry::{Changed, Part, WriteOptions, fields};
use crate::schema::merge::{json_patch, merge_patch, strategic};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Which kind of patch a media type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Lists merge by key, as the schema says.
    Strategic,
    /// Server-side apply.
    Apply,
}

/// A patch that has been read.
pub struct Parsed {
    kind: Patch,
    document: Value,
    text: Bytes,
    warnings: Vec<String>,
}

impl Patch {
    /// The kind of patch that a request sends.
    ///
    /// # Errors
    /// 415 for another media type, or one that the kind does not take.
    pub fn read(cx: &Context<'_>, media: &str, _bytes: &[u8]) -> Result<Self, Status> {
        match media {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" if decode::schema(&cx.kind).is_some() => Ok(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            _ => Err(unsupported(decode::schema(&cx.kind).is_some())),
        }
    }

    /// Whether it is server-side apply.
    #[must_use]
    pub fn is_apply(self) -> bool {
        self == Self::Apply
    }

    /// Reads the patch document.
    ///
    /// # Errors
    /// 400 where it is none.
    pub fn parse(self, cx: &Context<'_>, bytes: &Bytes, validation: Validation) -> Result<Parsed, Status> {
        let mut warnings = Vec::new();
        let document = if self == Self::Apply {
            let document = decode::yaml(bytes, validation, &mut warnings)?;
            check_apply(cx, &document)?;
            document
        } else if self == Self::Merge && bytes.trim_ascii() == b"null" {
            return Err(Status::bad_request("Invalid JSON Patch"));
        } else {
            decode::untyped(bytes, self == Self::Json, validation, &mut warnings)?
        };
        Ok(Parsed { kind: self, document, text: bytes.clone(), warnings })
    }
}

fn unsupported(builtin: bool) -> Status {
    let strategic = if builtin { "application/strategic-merge-patch+json, " } else { "" };
    Status::new(
        415,
        "UnsupportedMediaType",
        format!(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, {strategic}application/apply-patch+yaml"
        ),
    )
}

/// What an applied object must say of itself.
fn check_apply(cx: &Context<'_>, document: &Value) -> Result<(), Status> {
    if !document.is_object() {
        return Err(Status::bad_request(format!(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go \
             value of type map[string]interface {{}}",
            decode::json_type(document)
        )));
    }
    let (version, kind) = (document.text("/apiVersion"), document.text("/kind"));
    if version != cx.kind.api_version() || kind != cx.kind.kind {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        return Err(Status::bad_request(format!("invalid object type: {group}/{version}, Kind={kind}")));
    }
    check_name(cx, document)?;
    if document.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

impl Parsed {
    /// Whether it is server-side apply.
    #[must_use]
    pub fn is_apply(&self) -> bool {
        self.kind.is_apply()
    }

    /// The object that the patch makes of `old` (`None`: of nothing, for an apply).
    ///
    /// # Errors
    /// 409 for conflicts of an apply, 422 and 400 for patches that do not fit.
    pub fn change(
        &self,
        cx: &Context<'_>,
        part: Part,
        old: Option<&Value>,
        options: &Options,
        write: &WriteOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Changed, Status> {
        warnings.extend(self.warnings.iter().cloned());
        if self.is_apply() {
            let catalog = cx.api.registry().catalog();
            let object = fields::applied(&catalog, &cx.kind, part, old, &self.document, write, options.force)?;
            return Ok(Changed { object, managed: true, uid: None });
        }
        let mut object = old.cloned().unwrap_or_default();
        match self.kind {
            Patch::Json => json_patch::apply(&mut object, self.document.clone())?,
            Patch::Strategic => match decode::schema(&cx.kind) {
                Some(ty) => strategic::apply(&mut object, self.document.clone(), Some(ty))?,
                None => merge_patch::apply(&mut object, self.document.clone())?,
            },
            _ => merge_patch::apply(&mut object, self.document.clone())?,
        }
        let object = decode::patched(&cx.kind, &object, &self.text, options.validation, warnings)?;
        check_name(cx, &object)?;
        Ok(Changed::new(object))
    }
}
