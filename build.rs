//! Turns the facts about the Kubernetes API (`src/schema/facts.txt`) into the schema table that is
//! part of the program, and gathers the descriptions of its types.

#[allow(dead_code)]
#[path = "src/schema/table/builder.rs"]
mod builder;
#[path = "src/schema/descriptions.rs"]
mod descriptions;
#[path = "src/schema/facts.rs"]
mod facts;
#[allow(dead_code)]
#[path = "src/schema/table/format.rs"]
mod format;

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FACTS: &str = "src/schema/facts.txt";
    for file in [
        FACTS,
        "src/schema/descriptions.rs",
        "src/schema/facts.rs",
        "src/schema/table/builder.rs",
        "src/schema/table/format.rs",
    ] {
        println!("cargo::rerun-if-changed={file}");
    }
    let text = std::fs::read_to_string(FACTS)?;
    let bytes = facts::compile(&text).map_err(|error| format!("{FACTS}: {error}"))?;
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(Path::new(&out).join("schema.bin"), bytes)?;
    std::fs::write(Path::new(&out).join("descriptions.gz"), descriptions::compile(&facts::models(&text))?)?;
    drop_unwind_tables(Path::new(&out))?;
    Ok(())
}

/// The released program aborts on a panic and never reads its unwind tables, an eighth of its size: they are
/// left out.
fn drop_unwind_tables(out: &Path) -> std::io::Result<()> {
    const SCRIPT: &str = "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.eh_frame_hdr) } } INSERT AFTER .comment;\n";
    if std::env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return Ok(());
    }
    let script = out.join("tables.ld");
    std::fs::write(&script, SCRIPT)?;
    println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr,-T,{}", script.display());
    Ok(())
}
