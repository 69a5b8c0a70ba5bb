//! Are the state folder and the certificates there, private and whole, and is there room?

use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use super::Finding;
use crate::host::facts::Disk;
use crate::host::files::mode;
use crate::host::pki::{self, Folder};

/// Bytes that the store and the files of volumes should find free.
const ROOM: u64 = 64 << 20;

pub(super) fn check(data_dir: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    let place = data_dir.display();
    if let Err(error) = std::fs::read_dir(data_dir) {
        found.push(match error.kind() {
            ErrorKind::NotFound => {
                Finding::note("state", format!("{place} is not there yet"), "start k2d: systemctl start k2d")
            }
            ErrorKind::PermissionDenied => {
                Finding::note("state", format!("{place} is closed to you"), "run it as root")
            }
            _ => Finding::wrong("state", format!("{place}: {error}"), "set `data-dir` to a folder"),
        });
        return found;
    }
    let open: Vec<String> = wide(data_dir);
    if open.is_empty() {
        found.push(Finding::good("state", format!("{place} is there and private")));
        found.extend(certificates(data_dir));
    } else {
        let text = format!("others can get at {}", open.join(", "));
        found.push(Finding::wrong("state", text, "restart k2d, which mends the modes, and see why they were changed"));
    }
    if let Some(disk) = Disk::of(data_dir) {
        let free = disk.available >> 20;
        found.push(if disk.available < ROOM || disk.inodes_free < 1000 {
            let text = format!("{free} MiB and {} files are free at {place}", disk.inodes_free);
            Finding::wrong("disk", text, "make room, for instance with `docker system prune`")
        } else {
            Finding::good("disk", format!("{free} MiB are free at {place}"))
        });
    }
    found
}

/// Files and folders with secrets that others can get at.
fn wide(data_dir: &Path) -> Vec<String> {
    let pki = pki::folder(data_dir);
    let mut paths = vec![data_dir.to_owned(), pki.clone(), data_dir.join("admin.kubeconfig")];
    paths.extend(pki::FILES.map(|name| pki.join(name)));
    let wide = paths.into_iter().filter(|path| mode(path).is_some_and(|mode| mode & 0o077 != 0));
    wide.map(|path| path.display().to_string()).collect()
}

fn certificates(data_dir: &Path) -> Option<Finding> {
    let topic = "certificates";
    if !pki::folder(data_dir).join("ca.key").exists() {
        return None;
    }
    let now = SystemTime::now();
    let facts = Folder::open(data_dir, now).and_then(|folder| folder.server_facts());
    Some(match facts {
        Err(error) => Finding::wrong(topic, error.to_string(), "then start k2d again"),
        Ok(None) => Finding::wrong(topic, "the server has none that can be used", "restart k2d, which makes it"),
        Ok(Some(facts)) if now >= facts.not_after || now < facts.not_before => {
            Finding::wrong(topic, "the server's does not hold by this clock", "set the clock, then restart k2d")
        }
        Ok(Some(_)) => Finding::good(topic, "the authority's and the server's are whole"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Dir;
    use crate::host::pki::{Names, Pki};
    use std::os::unix::fs::PermissionsExt;

    fn topics(found: &[Finding]) -> Vec<(&str, bool)> {
        let one = |finding: &Finding| match finding {
            Finding::Good(topic, _) => (*topic, true),
            Finding::Note(topic, ..) | Finding::Wrong(topic, ..) => (*topic, false),
        };
        found.iter().map(one).filter(|(topic, _)| *topic != "disk").collect()
    }

    #[test]
    fn whole_folder_is_good_and_one_that_is_open_or_broken_is_not() {
        let dir = Dir::new();
        let state = dir.0.join("state");
        assert_eq!(topics(&check(&state)), [("state", false)]);
        Pki::open(&state, &Names::default(), SystemTime::now()).unwrap();
        assert_eq!(topics(&check(&state)), [("state", true), ("certificates", true)]);

        let key = pki::folder(&state).join("ca.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let found = check(&state);
        assert!(matches!(&found[0], Finding::Wrong(_, text, _) if text.contains("pki/ca.key")), "{found:?}");
        assert_eq!(mode(&key), Some(0o644), "looking changes nothing");

        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&key, "half").unwrap();
        assert_eq!(topics(&check(&state)), [("state", true), ("certificates", false)]);
    }
}
