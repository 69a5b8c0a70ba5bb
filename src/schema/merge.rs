//! The ways to change an object by a description of the change: JSON patch, merge patch, strategic
//! merge patch and server-side apply, with the bookkeeping of who manages which field.
//!
//! Pure functions over [`serde_json::Value`] and the schema table. Defaults, validation, storage
//! and the HTTP side of a patch belong to the callers.

pub mod apply;
pub mod fields;
mod go;
pub mod json_patch;
pub mod last_applied;
pub mod managed;
pub mod merge_patch;
pub mod reset;
pub mod scale;
pub mod strategic;
pub mod typed;
pub mod update;

#[cfg(test)]
mod properties;
