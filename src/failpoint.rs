//! Places at which a test lets k2d die, as a power cut would: before and after each call that changes something on
//! the engine, each write of the store and each change of a pod's files. It knows none of them.
//!
//! Builds for use have no such place: without debug assertions [`pass`] is empty, and the variable is never read.
//! In other builds `FAILPOINT` names a file. While that is there, it holds how many places are still passed; at the
//! next one it is removed and the process is killed. The places that were passed meanwhile stand in `<file>.log`.

/// Passes a place, of which `kind` and `what` tell people the name.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn pass(_kind: &str, _what: &str) {}

/// Passes a place, of which `kind` and `what` tell people the name.
#[cfg(debug_assertions)]
pub fn pass(kind: &str, what: &str) {
    use std::path::PathBuf;
    use std::sync::OnceLock;
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();

    let Some(file) = FILE.get_or_init(|| std::env::var_os("FAILPOINT").map(PathBuf::from)) else { return };
    if count(file, &format!("{kind} {what}")) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

/// Notes a place and counts it; whether it is the one.
#[cfg(debug_assertions)]
fn count(file: &std::path::Path, name: &str) -> bool {
    use std::io::Write;

    let Ok(text) = std::fs::read_to_string(file) else { return false };
    let Ok(left) = text.trim().parse::<u32>() else { return false };
    let log = std::fs::OpenOptions::new().create(true).append(true).open(file.with_extension("log"));
    if let Ok(mut log) = log {
        let _ = writeln!(log, "{name}");
    }
    if left == 0 {
        return std::fs::remove_file(file).is_ok();
    }
    let _ = std::fs::write(file, (left - 1).to_string());
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_one_after_as_many_as_the_file_says() {
        let folder = std::env::temp_dir().join(format!("k2d-failpoint-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a folder");
        let file = folder.join("point");
        assert!(!count(&file, "without a file"));
        std::fs::write(&file, "2").expect("written");
        let passed = ["store one", "engine two", "files three", "store four"].map(|name| count(&file, name));
        assert_eq!(passed, [false, false, true, false]);
        let log = std::fs::read_to_string(folder.join("point.log")).expect("a log");
        assert_eq!(log, "store one\nengine two\nfiles three\n");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
