//! The file: what is in it after a restart, and what is done with one that is not as it should be.

use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use super::super::disk::{STEPS, open_file};
use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(&folder.0).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Opens a database that is expected to be set aside.
fn open_damaged(folder: &Folder) -> (Store, PathBuf) {
    let opened = Store::open(&folder.file(), &StoreOptions::default()).unwrap();
    let Some(Notice::SetAside { moved_to, reason }) = opened.notice else { panic!("nothing was set aside") };
    assert!(!reason.is_empty());
    (opened.store, moved_to)
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_the_revision_goes_on() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let mut all = Vec::new();
    for number in 10..30 {
        all.push(create(&store, &key(&number.to_string()), number).await);
    }
    delete(&store, &all.remove(0).key).await.unwrap();
    let revision = store.revision();
    store.close().await.unwrap();
    let store = open(&folder.file());
    assert_eq!(list(&store).await.records, all);
    assert_eq!(store.revision(), revision, "nothing is left out after a proper end");
    // Who had seen everything goes on where it was.
    let mut watch = store.watch("pods", Some(revision)).unwrap();
    assert!(matches!(store.watch("pods", Some(revision - 1)), Err(Error::Expired { .. })));
    let next = create(&store, &key("next"), 1).await;
    assert_eq!(next.revision, revision + 1);
    assert_eq!(watch.next().await.unwrap().unwrap().revision, next.revision);
}

#[tokio::test]
async fn who_watches_what_did_not_change_goes_on_after_a_restart() {
    let folder = Folder::new();
    let mut store = open(&folder.file());
    let seen = create(&store, &Key::new("configmaps", "ns", "a"), 1).await.revision;
    for number in 0..3 {
        create(&store, &key(&number.to_string()), 1).await;
        drop(store);
        store = open(&folder.file());
    }
    assert!(store.watch("configmaps", Some(seen)).is_ok());
    assert!(matches!(store.watch("configmaps", Some(seen - 1)), Err(Error::Expired { .. })));
    assert!(store.watch("secrets", Some(1)).is_ok(), "there never was one");
    let at = ListRange { at: Some(seen), ..ListRange::default() };
    assert_eq!(store.list("configmaps", None, at).await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn nothing_is_written_while_nothing_changes() {
    let folder = Folder::new();
    let store = open(&folder.file());
    create(&store, &key("a"), 1).await;
    drop(store);
    let before = std::fs::read(folder.file()).unwrap();
    let store = open(&folder.file());
    list(&store).await;
    store.watch("pods", None).unwrap();
    assert!(matches!(store.commit(vec![Write::Create { record: record(&key("a"), 2) }]).await, Err(Error::Exists)));
    let log = std::fs::metadata(folder.0.join("state.db-wal")).unwrap().len();
    assert_eq!(log, 0);
    drop(store);
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "").unwrap();
    std::fs::set_permissions(folder.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&folder.file());
    create(&store, &key("a"), 1).await;
    let copy = folder.0.join("copy.db");
    store.backup(&copy).await.unwrap();
    for name in files(&folder) {
        assert_eq!(mode(&folder.0.join(&name)), 0o600, "{name}");
    }
    assert_eq!(files(&folder).len(), 5);
}

#[tokio::test]
async fn a_second_one_cannot_open_the_same_file() {
    let folder = Folder::new();
    let store = open(&folder.file());
    assert!(matches!(Store::open(&folder.file(), &StoreOptions::default()), Err(Error::InUse)));
    drop(store);
    open(&folder.file());
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    create(&open(&folder.file()), &key("a"), 1).await;
    Connection::open(folder.file()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = std::fs::read(folder.file()).unwrap();
    let error = Store::open(&folder.file(), &StoreOptions::default()).err().unwrap();
    assert!(matches!(error, Error::Newer { found: 99, known } if known == STEPS.len()));
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    Connection::open(folder.file()).unwrap().execute_batch("CREATE TABLE objects (a)").unwrap();
    let before = std::fs::read(folder.file()).unwrap();
    assert!(matches!(Store::open(&folder.file(), &StoreOptions::default()), Err(Error::Foreign)));
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date_in_one_step() {
    let folder = Folder::new();
    let a = create(&open(&folder.file()), &key("a"), 1).await;
    let open_as = |steps: &[&str]| open_file(&folder.file(), &StoreOptions::default(), steps);
    let good = "ALTER TABLE objects ADD COLUMN extra TEXT NOT NULL DEFAULT 'e'";
    // The second change fails, so the first one is not done either.
    assert!(open_as(&[STEPS, &[good, "UPDATE nothing SET a = 1"]].concat()).is_err());
    let store = open(&folder.file());
    assert_eq!(list(&store).await.records, std::slice::from_ref(&a));
    drop(store);
    let disk = open_as(&[STEPS, &[good, "UPDATE objects SET extra = extra || '!'"]].concat()).unwrap();
    let row = |sql| disk.conn.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(row("SELECT path || extra FROM objects"), "ns/ae!");
    drop(disk);
    assert!(matches!(open_as(STEPS), Err(Error::Newer { .. })));
}

#[tokio::test]
async fn what_is_no_database_is_set_aside() {
    for content in [&b"short"[..], &[0; 100], &[7; 50_000]] {
        let folder = Folder::new();
        std::fs::write(folder.file(), content).unwrap();
        let (store, moved_to) = open_damaged(&folder);
        assert_eq!(std::fs::read(&moved_to).unwrap(), content);
        assert!(moved_to.file_name().unwrap().to_str().unwrap().starts_with("state.db.damaged-"));
        // Clients hold revisions of the lost store: new ones must be above them.
        assert!(store.revision() > 1_000_000_000);
        drop(store);
        let store = open(&folder.file());
        assert!(store.revision() > 1_000_000_000);
        assert!(matches!(store.watch("pods", Some(1_000)), Err(Error::Expired { .. })), "that history is lost");
        let a = create(&store, &key("a"), 1).await;
        drop(store);
        assert_eq!(list(&open(&folder.file())).await.records, [a]);
    }
}

#[tokio::test]
async fn a_database_with_a_bad_page_is_set_aside_and_the_revision_goes_on() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let mut last = 0;
    for number in 0..200 {
        last = create(&store, &key(&number.to_string()), "x".repeat(2_000)).await.revision;
    }
    drop(store);
    // As after a kill, when the pages are looked at.
    Connection::open(folder.file()).unwrap().execute_batch("UPDATE meta SET clean = 0").unwrap();
    let mut content = std::fs::read(folder.file()).unwrap();
    let middle = content.len() / 2 / 8192 * 8192;
    content[middle..middle + 8192].fill(0xff);
    std::fs::write(folder.file(), &content).unwrap();
    let (store, first) = open_damaged(&folder);
    assert_eq!(std::fs::read(&first).unwrap(), content);
    assert!((last..last + 20_000).contains(&store.revision()));
    assert_eq!(list(&store).await.records, []);
    drop(store);
    // Once more in the same second: the first one is not overwritten.
    std::fs::write(folder.file(), "damaged again").unwrap();
    let (_store, second) = open_damaged(&folder);
    assert_ne!(first, second);
    assert_eq!(std::fs::read(&first).unwrap(), content);
    assert_eq!(std::fs::read(&second).unwrap(), b"damaged again");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_not_set_aside() {
    let folder = Folder::new();
    std::fs::create_dir(folder.file()).unwrap();
    assert!(matches!(Store::open(&folder.file(), &StoreOptions::default()), Err(Error::Io(_))));
    assert!(matches!(Store::open(&folder.0.join("no/state.db"), &StoreOptions::default()), Err(Error::Io(_))));
    assert_eq!(files(&folder), ["state.db", "state.db-lock"]);
}

#[tokio::test]
async fn a_full_disk_refuses_what_has_no_room_and_nothing_else() {
    let folder = Folder::new();
    let options = StoreOptions { max_bytes: Some(400_000), ..StoreOptions::default() };
    let store = Store::open(&folder.file(), &options).unwrap().store;
    let body = "x".repeat(10_000);
    let mut stored = Vec::new();
    let error = loop {
        let key = key(&format!("{:03}", stored.len()));
        match one(&store, Write::Create { record: record(&key, body.clone()) }).await {
            Ok(record) => stored.push(record),
            Err(error) => break error,
        }
        assert!(stored.len() < 100, "the disk should be full");
    };
    assert!(matches!(error, Error::Full), "{error}");
    assert!(stored.len() > 10);
    assert_eq!(list(&store).await.records, stored);
    let mut watch = store.watch("pods", None).unwrap();

    // What comes at the same time and needs no more room is done.
    let smaller = Write::Update { record: record(&stored[1].key, 0), expect: stored[1].revision };
    let (large, small, volatile) = tokio::join!(
        one(&store, Write::Create { record: record(&key("large"), "x".repeat(50_000)) }),
        one(&store, smaller),
        store.set_volatile_status(&stored[2].key, Expect::Any, Bytes::from_static(b"{}")),
    );
    assert!(matches!(large, Err(Error::Full)));
    stored[1] = small.unwrap();
    stored[2] = volatile.unwrap();
    assert_eq!(list(&store).await.records, stored);
    assert_eq!(std::iter::from_fn(|| watch.try_next()).count(), 2);

    for gone in stored.drain(3..6) {
        delete(&store, &gone.key).await.unwrap();
    }
    stored.push(create(&store, &key("later"), body).await);
    stored[2].status = None;
    drop(store);
    let back = list(&open(&folder.file())).await.records;
    assert_eq!(back.iter().map(data).collect::<Vec<_>>(), stored.iter().map(data).collect::<Vec<_>>());
}

#[tokio::test]
async fn room_that_is_not_needed_any_more_is_given_back() {
    let folder = Folder::new();
    let store = open(&folder.file());
    for number in 0..100 {
        create(&store, &key(&number.to_string()), "x".repeat(50_000)).await;
    }
    drop(store);
    let full = std::fs::metadata(folder.file()).unwrap().len();
    let store = open(&folder.file());
    for number in 0..95 {
        delete(&store, &key(&number.to_string())).await.unwrap();
    }
    drop(store);
    let left = std::fs::metadata(folder.file()).unwrap().len();
    assert!(left < full / 4, "{left} of {full}");
    assert_eq!(list(&open(&folder.file())).await.records.len(), 5);
}

#[tokio::test]
async fn a_thousand_objects_of_two_kilobytes_take_three_megabytes() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let mut writes = Vec::new();
    for number in 0..1_000_u32 {
        // Names in no order, as pods have them.
        let key = Key::new("pods", "default", format!("name-of-a-pod-{:08x}", number.wrapping_mul(2_654_435_761)));
        let mut record = record(&key, "");
        let missing = 2_048 - record.size();
        record = self::record(&key, "x".repeat(missing));
        assert_eq!(record.size(), 2_048);
        writes.push(Write::Create { record });
    }
    for some in writes.chunks(20) {
        store.commit(some.to_vec()).await.unwrap();
    }
    drop(store);
    let bytes = std::fs::metadata(folder.file()).unwrap().len();
    assert!(bytes <= 3 * 1024 * 1000, "{bytes}");
}

#[tokio::test]
async fn a_backup_is_a_store_of_the_same_objects() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let a = create(&store, &key("a"), 1).await;
    let (first, second) = (folder.0.join("first.db"), folder.0.join("second.db"));
    store.backup(&first).await.unwrap();
    // As another process does it.
    Store::backup_file(&folder.file(), &second).unwrap();
    create(&store, &key("b"), 1).await;
    for copy in [first, second] {
        assert!(matches!(store.backup(&copy).await, Err(Error::Io(_))), "it overwrites nothing");
        let copy = open(&copy);
        assert_eq!(list(&copy).await.records, std::slice::from_ref(&a));
        assert!(copy.revision() >= a.revision);
    }
    assert!(Store::backup_file(&folder.0.join("none.db"), &folder.0.join("third.db")).is_err());
    assert!(!folder.0.join("third.db").exists() && !folder.0.join("none.db").exists());
}

#[tokio::test]
async fn a_backup_takes_the_place_of_what_was_there() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let a = create(&store, &key("a"), 1).await;
    let copy = folder.0.join("copy.db");
    store.backup(&copy).await.unwrap();
    let b = create(&store, &key("b"), 1).await;
    assert!(matches!(Store::restore_file(&copy, &folder.file()), Err(Error::InUse)));
    drop(store);
    std::fs::write(folder.0.join("bad.db"), "no database").unwrap();
    assert!(matches!(Store::restore_file(&folder.0.join("bad.db"), &folder.file()), Err(Error::Damaged(_))));
    assert!(Store::restore_file(&folder.0.join("none.db"), &folder.file()).is_err());
    assert_eq!(list(&open(&folder.file())).await.records, [a.clone(), b.clone()], "it is as it was");

    let kept = Store::restore_file(&copy, &folder.file()).unwrap().unwrap();
    let store = open(&folder.file());
    assert_eq!(list(&store).await.records, std::slice::from_ref(&a));
    assert!(store.revision() > b.revision);
    // What was watched is another history.
    assert!(matches!(store.watch("pods", Some(b.revision)), Err(Error::Expired { .. })));
    assert_eq!(mode(&folder.file()), 0o600);
    assert_eq!(list(&open(&kept)).await.records, [a.clone(), b]);
    // On a machine that had none.
    let elsewhere = Folder::new();
    assert_eq!(Store::restore_file(&copy, &elsewhere.file()).unwrap(), None);
    assert_eq!(list(&open(&elsewhere.file())).await.records, [a]);
    assert_eq!(files(&elsewhere), ["state.db", "state.db-lock"]);
}

#[tokio::test]
async fn damage_that_is_met_while_the_store_is_open_is_told_and_not_forgotten() {
    let folder = Folder::new();
    let store = open(&folder.file());
    for number in 0..300 {
        create(&store, &key(&number.to_string()), "x".repeat(2_000)).await;
    }
    drop(store);
    let store = open(&folder.file());
    create(&store, &key("new"), 1).await;
    let mut content = std::fs::read(folder.file()).unwrap();
    let middle = content.len() / 2 / 8192 * 8192;
    content[middle..middle + 8192].fill(0xff);
    std::fs::write(folder.file(), &content).unwrap();
    assert!(matches!(store.list("pods", None, ListRange::default()).await, Err(Error::Damaged(_))));
    assert!(store.get(&key("new")).await.unwrap().is_some(), "the rest can be read");
    drop(store);
    open_damaged(&folder);
}
