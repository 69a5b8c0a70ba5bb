//! What a Kubernetes object may look like, as data and as pure functions over it.
//!
//! Everything here works on bytes and on [`serde_json::Value`]; nothing here performs input or
//! output, knows of HTTP, of the store, of the engine or of a particular kind.

#[cfg(test)]
mod fuzz;

pub mod age;
pub mod canonical;
pub mod decode;
pub mod duration;
pub mod emit;
pub mod field;
pub mod json;
pub mod merge;
pub mod meta;
pub mod names;
pub mod object;
pub mod openapi;
pub mod protobuf;
pub mod quantity;
pub mod rules;
pub mod selector;
pub mod status;
pub mod structural;
pub mod table;
pub mod time;
pub mod yaml;
