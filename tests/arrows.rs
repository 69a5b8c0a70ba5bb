//! The arrows of the source: which module may import which. Read from the files under `src`, so that an arrow the wrong
//! way fails here and not in a review.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the top down, as in `src/lib.rs`. One may import those of the lines below its own, never one above, and
/// never one beside it.
const LINES: &[&[&str]] = &[
    &["cli"],
    &["app"],
    &["api"],
    &["controllers", "pods"],
    &["registry"],
    &["config", "engine", "host", "kinds", "network", "store"],
    &["schema", "sys"],
    &["failpoint"],
];

/// Arrows that point down and are wrong all the same: from, to, why.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("api", "controllers", "a controller is driven by the store, never by a request"),
    ("api", "pods", "streams reach containers by what the application hands over"),
    ("controllers", "engine", "controllers know objects alone; the node's part is pods"),
    ("controllers", "network", "controllers know objects alone"),
    ("engine", "schema", "the engine never knows a Kubernetes type"),
    ("registry", "engine", "objects are kept whether or not there is an engine"),
    ("registry", "host", "objects are kept the same on every machine"),
];

/// Crates that only some modules may name, and why.
const CRATES: &[(&str, &[&str], &str)] = &[
    ("bollard", &["engine"], "Docker and Podman differences end in engine"),
    ("rusqlite", &["store"], "the file format is the store's own"),
    ("clap", &["cli"], "arguments are parsed in one place"),
    ("figment", &["config", "cli"], "settings are read in one place; flags are their last layer"),
    ("libc", &["sys"], "what needs `unsafe` is in one place"),
    ("hickory_proto", &["network"], "names are answered in one place"),
];

/// One arrow as found: the file, its module, and what it names.
#[derive(Debug, PartialEq)]
struct Arrow {
    file: String,
    from: String,
    to: String,
}

#[test]
fn modules_depend_downwards_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (file, text) in sources(&root) {
        for arrow in arrows(&file, &text) {
            seen += 1;
            if let Some(why) = fault(&arrow.from, &arrow.to) {
                wrong.push(format!("{}: {} -> {}: {why}", arrow.file, arrow.from, arrow.to));
            }
        }
    }
    assert!(seen > 0, "no arrow was read: the reader is broken");
    assert!(wrong.is_empty(), "arrows the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn crates_stay_in_their_modules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (file, text) in sources(&root) {
        let from = module(&file);
        let code = code(&text);
        for (name, homes, why) in CRATES {
            if !homes.contains(&from.as_str()) && names_crate(&code, name) {
                wrong.push(format!("{file} names {name}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "crates out of their place:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_line() {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = fs::read_to_string(lib).unwrap();
    let declared: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod "))
        .map(|rest| rest.trim_end_matches(';'))
        .collect();
    let listed: Vec<&str> = LINES.iter().flat_map(|line| line.iter().copied()).collect();
    assert_eq!(declared, listed, "src/lib.rs and this test list the modules differently");
}

#[test]
fn an_arrow_the_wrong_way_is_found() {
    let found = |file: &str, text: &str| {
        arrows(file, text).iter().filter(|arrow| fault(&arrow.from, &arrow.to).is_some()).count()
    };
    assert_eq!(found("store/db.rs", "use crate::schema::object;\nuse crate::store::ring;"), 0);
    assert_eq!(found("store/db.rs", "use crate::api::verbs;"), 1);
    assert_eq!(found("store.rs", "fn f() { crate::kinds::all() }"), 1, "one beside it");
    assert_eq!(found("pods/sync.rs", "use crate::{engine, schema::{object, field}, controllers::queue};"), 1);
    assert_eq!(found("engine/list.rs", "use super::super::kinds;"), 1);
    assert_eq!(found("engine/list.rs", "use super::list;"), 0);
    assert_eq!(found("schema/a.rs", "// crate::app is not meant\n/// nor [`crate::api`]\n"), 0);
    assert_eq!(found("api/x.rs", "use crate::controllers;"), 1, "down and wrong all the same");
    assert!(names_crate("use bollard::Docker;", "bollard") && names_crate("bollard::x()", "bollard"));
    assert!(!names_crate("let my_bollard::x", "bollard") && !names_crate("a bollard", "bollard"));
}

/// Why the arrow is wrong, if it is.
fn fault(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    let line = |name: &str| LINES.iter().position(|line| line.contains(&name));
    let (Some(own), Some(other)) = (line(from), line(to)) else { return None };
    if own == other {
        return Some("modules of one line do not know each other".into());
    }
    if own > other {
        return Some(format!("{to} stands above"));
    }
    FORBIDDEN.iter().find(|(a, b, _)| *a == from && *b == to).map(|(_, _, why)| (*why).into())
}

/// Every source file below `root`, with its path from there.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut folders = vec![PathBuf::from(root)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The top module that a file belongs to: `pods/sync.rs` and `pods.rs` are of `pods`.
fn module(file: &str) -> String {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs").to_owned()
}

/// The text without its comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split_once("//").map_or(line, |(before, _)| before)).collect::<Vec<_>>().join("\n")
}

/// The top modules that a file names, by `crate::` or by as many `super::` as lead to the root.
fn arrows(file: &str, text: &str) -> Vec<Arrow> {
    let code = code(text);
    let depth = file.split('/').count();
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            named.extend(heads(&code[at + "crate::".len()..]));
        }
    }
    let climb = "super::".repeat(depth);
    for (at, _) in code.match_indices(&climb) {
        let rest = code[at + climb.len()..].trim_start_matches("super::");
        // From an inline module of a top file one `super` leads to that file: its own children are no arrow.
        named.extend(heads(rest).into_iter().filter(|name| {
            !Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module(file)).join(format!("{name}.rs")).exists()
        }));
    }
    let from = module(file);
    named.into_iter().map(|to| Arrow { file: file.into(), from: from.clone(), to }).collect()
}

/// The first names of a path or of a group in braces: `a::b` gives a, `{a, b::{c, d}}` gives a and b.
fn heads(rest: &str) -> Vec<String> {
    let word =
        |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let mut names = Vec::new();
    let mut deep = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => deep += 1,
            ',' | '}' if deep == 0 => {
                names.push(word(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => deep -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Whether the code names a crate as the head of a path.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::"))
        .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':'))
}
