//! Collects the descriptions of API types and fields from the sources of the k8s-openapi crate, so
//! that they need not be in this tree. Part of the build script alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Descriptions by model and field; the empty field is the model itself.
type Descriptions = BTreeMap<(String, String), String>;

/// All descriptions, compressed: a line for each model (`M`, name, tab, text) and field (`F`, …), by
/// name, with the text as inside a JSON string, of the models that are `known`. Empty where the sources
/// are not found.
pub fn compile(known: &BTreeSet<String>) -> std::io::Result<Vec<u8>> {
    let mut found = Descriptions::new();
    match sources() {
        Some(folder) => collect(&folder, &mut found)?,
        None => println!("cargo::warning=no sources of k8s-openapi: OpenAPI documents will have no descriptions"),
    }
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    for ((model, field), text) in found.iter().filter(|((model, _), _)| known.contains(model)) {
        let (sort, name) = if field.is_empty() { ('M', model) } else { ('F', field) };
        writeln!(out, "{sort}{name}\t{}", escape(text))?;
    }
    out.finish()
}

/// The folder of the newest API version in the sources of k8s-openapi.
fn sources() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO")?;
    // What other platforms need may not have been downloaded.
    let target = std::env::var("TARGET").ok()?;
    let arguments = ["metadata", "--format-version", "1", "--offline", "--filter-platform", target.as_str()];
    let output = Command::new(cargo).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let manifest =
        text.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next()).map(Path::new).find(
            |path| {
                let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
                folder.is_some_and(|name| name == "k8s-openapi" || name.starts_with("k8s-openapi-0"))
            },
        )?;
    let source = manifest.parent()?.join("src");
    let mut versions: Vec<PathBuf> = std::fs::read_dir(source)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("v1_")))
        .collect();
    versions.sort();
    versions.pop()
}

fn collect(folder: &Path, found: &mut Descriptions) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read(&std::fs::read_to_string(&path)?, found);
        }
    }
    Ok(())
}

/// Takes the comments of one generated file.
fn read(text: &str, found: &mut Descriptions) {
    let Some(model) = text.lines().next().and_then(|line| line.strip_prefix("// Generated from definition ")) else {
        return;
    };
    // The names in JSON, by the names in Rust.
    let names: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| {
            let (json, rust) = line.trim().strip_prefix('"')?.split_once("\" => Field::Key_")?;
            Some((rust.trim_end_matches(','), json))
        })
        .collect();
    let mut comment: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("///") {
            comment.push(text.strip_prefix(' ').unwrap_or(text));
        } else if line.starts_with("pub struct ") || line.starts_with("pub enum ") {
            insert(found, model, "", &mut comment);
            if !line.starts_with("pub struct ") || !line.ends_with('{') {
                return;
            }
            inside = true;
        } else if inside && line == "}" {
            return;
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(": ")) {
            if let Some(json) = names.get(name.trim_start_matches("r#")) {
                insert(found, model, json, &mut comment);
            }
            comment.clear();
        }
    }
}

fn insert(found: &mut Descriptions, model: &str, field: &str, comment: &mut Vec<&str>) {
    let text = comment.join("\n");
    comment.clear();
    if !text.is_empty() {
        found.insert((model.to_owned(), field.to_owned()), unescape(&text));
    }
}

/// Takes away the backslashes that keep rustdoc from reading brackets as links.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char == '\\' && chars.peek().is_some_and(|next| "[]<>\\*_`".contains(*next)) {
            continue;
        }
        out.push(char);
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}
