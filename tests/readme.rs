//! The README against the program: the kinds that it lists are those that are served.
//!
//! `UPDATE_SHIPPED=1 cargo test --test readme` writes the table again.

use std::collections::BTreeMap;
use std::path::Path;

const BEGIN: &str = "<!-- kinds -->\n";
const END: &str = "<!-- end of kinds -->";

/// The table: one line for each group and version, its kinds sorted.
fn table() -> String {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in k2d::kinds::all() {
        groups.entry(kind.api_version()).or_default().push(kind.kind.to_string());
    }
    let mut out = String::from("| group and version | kinds |\n| --- | --- |\n");
    for (version, mut kinds) in groups {
        kinds.sort();
        out.push_str(&format!("| {version} | {} |\n", kinds.join(", ")));
    }
    out
}

#[test]
fn readme_lists_the_kinds_that_are_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("UPDATE_SHIPPED").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(listed, table, "the table of kinds in README.md");
    }
}
