//! A store that is killed while it writes.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

const CHILD: &str = "K2D_TEST_STORE";

/// Writes until it is killed and says on the standard error what was acknowledged.
async fn write_on(path: &Path) {
    let store = open(path);
    let round = store.revision();
    for number in 0.. {
        let name = format!("{round}-{number}");
        let (a, b) = (key(&name), key(&format!("{name}-b")));
        let (one, two) = tokio::join!(
            one(&store, Write::Create { record: record(&a, "x".repeat(number % 3_000)) }),
            one(&store, Write::Create { record: record(&b, 1) }),
        );
        let a = one.unwrap();
        eprintln!("created {} {}", a.key.name, a.revision);
        eprintln!("created {} {}", b.name, two.unwrap().revision);
        let status = store.set_volatile_status(&a.key, Expect::Any, Bytes::from(format!("{{\"n\":{number}}}")));
        eprintln!("seen {} {}", a.key.name, status.await.unwrap().revision);
        if number % 3 == 0 {
            eprintln!("deleting {} 0", b.name);
            eprintln!("deleted {} {}", b.name, delete(&store, &b).await.unwrap().revision);
        }
    }
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    if let Ok(path) = std::env::var(CHILD) {
        return write_on(Path::new(&path)).await;
    }
    let folder = Folder::new();
    let (mut there, mut unsure, mut highest) = (BTreeSet::new(), BTreeSet::new(), 1);
    for lines in [1, 2, 3, 8, 40, 150] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "store::tests::kill::a_kill_at_any_moment_loses_nothing_that_was_acknowledged",
            ])
            .env(CHILD, folder.file())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut count = 0;
        for line in said {
            let line = line.unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            let [what, name, revision] = words[..] else { panic!("the child failed: {line}") };
            match what {
                "created" => drop(there.insert(name.to_owned())),
                "deleting" => {
                    there.remove(name);
                    unsure.insert(name.to_owned());
                }
                "deleted" => drop(unsure.remove(name)),
                _ => {}
            }
            highest = highest.max(revision.parse::<u64>().unwrap());
            count += 1;
            // What is still in the pipe after that was acknowledged too.
            if count == lines {
                child.kill().unwrap();
            }
        }
        assert!(count >= lines, "the child ended by itself");
        child.wait().unwrap();

        let store = open(&folder.file());
        assert!(store.revision() >= highest, "{} after {highest}", store.revision());
        let listing = list(&store).await;
        let found: BTreeSet<String> = listing.records.iter().map(|record| record.key.name.clone()).collect();
        assert!(there.is_subset(&found), "lost: {:?}", there.difference(&found));
        let more: BTreeSet<_> = found.difference(&there).filter(|name| !unsure.contains(*name)).collect();
        assert!(more.len() <= 2, "deleted, but there: {more:?}");
        let next = create(&store, &key(&format!("after-{lines}")), 1).await;
        assert!(next.revision > highest);
        highest = next.revision;
        there.extend(found);
        there.insert(next.key.name);
        unsure.clear();
    }
}
