//! Statuses that are not on disk.

use super::*;

fn status(text: &str) -> Bytes {
    Bytes::from(json!({"phase": text}).to_string())
}

async fn set(store: &Store, key: &Key, text: &str) -> Record {
    store.set_volatile_status(key, Expect::Any, status(text)).await.unwrap()
}

fn phase(record: &Record) -> Value {
    record.to_value()["status"]["phase"].clone()
}

#[tokio::test]
async fn a_volatile_status_is_seen_by_everyone() {
    let store = Store::in_memory().unwrap();
    let a = create(&store, &key("a"), 1).await;
    create(&store, &key("b"), 1).await;
    let mut watch = store.watch("pods", None).unwrap();
    let running = set(&store, &key("a"), "Running").await;
    assert_eq!((running.revision, phase(&running)), (4, json!("Running")));
    assert_eq!(running.head, a.head);
    assert_eq!(store.revision(), 4);
    assert_eq!(store.get(&key("a")).await.unwrap().as_ref(), Some(&running));
    let listing = list(&store).await;
    assert_eq!((listing.revision, &listing.records[0], listing.records.len()), (4, &running, 2));
    let event = watch.try_next().unwrap().unwrap();
    assert_eq!((event.kind, &*event.record, event.previous.as_deref()), (EventKind::Modified, &running, Some(&a)));
}

#[tokio::test]
async fn the_same_status_again_is_no_change() {
    let store = Store::in_memory().unwrap();
    create(&store, &key("a"), 1).await;
    let first = set(&store, &key("a"), "Running").await;
    assert_eq!(set(&store, &key("a"), "Running").await, first);
    assert_eq!(store.revision(), first.revision);
}

#[tokio::test]
async fn a_status_is_set_only_on_the_object_that_is_meant() {
    let store = Store::in_memory().unwrap();
    let value = json!({"metadata": {"ownerReferences": [{"uid": "owner"}], "uid": "mine"}});
    let a = one(&store, Write::Create { record: Record::from_value(key("a"), &value) }).await.unwrap();
    let set = |expect| store.set_volatile_status(&a.key, expect, status("Running"));
    assert!(matches!(set(Expect::Uid("owner".into())).await, Err(Error::NotFound)));
    assert!(matches!(set(Expect::Revision(a.revision + 1)).await, Err(Error::Conflict { current: 2 })));
    assert_eq!(store.get(&a.key).await.unwrap().as_ref(), Some(&a));
    assert!(matches!(store.set_volatile_status(&key("b"), Expect::Any, status("x")).await, Err(Error::NotFound)));
    let running = set(Expect::Uid("mine".into())).await.unwrap();
    let done = store.set_volatile_status(&a.key, Expect::Revision(running.revision), status("Done")).await.unwrap();
    assert_eq!(phase(&done), "Done");
}

#[tokio::test]
async fn an_update_must_know_the_revision_of_the_volatile_status() {
    let store = Store::in_memory().unwrap();
    let a = create(&store, &key("a"), 1).await;
    let running = set(&store, &key("a"), "Running").await;
    assert!(matches!(update(&store, &a, 2).await, Err(Error::Conflict { current: 3 })));
    let updated = update(&store, &running, 2).await.unwrap();
    assert_eq!(phase(&updated), Value::Null, "the update says that there is no status");
    assert_eq!(store.get(&key("a")).await.unwrap().as_ref(), Some(&updated));
    assert_eq!(list(&store).await.records, [updated]);
}

#[tokio::test]
async fn a_deleted_object_leaves_no_status_to_its_successor() {
    let store = Store::in_memory().unwrap();
    create(&store, &key("a"), 1).await;
    set(&store, &key("a"), "Running").await;
    assert_eq!(phase(&delete(&store, &key("a")).await.unwrap()), "Running");
    let again = create(&store, &key("a"), 1).await;
    assert_eq!(store.get(&key("a")).await.unwrap().as_ref(), Some(&again));

    set(&store, &key("a"), "Running").await;
    let replaced = store
        .commit(vec![
            Write::Delete { key: key("a"), expect: None, last: None },
            Write::Create { record: record(&key("a"), 2) },
        ])
        .await
        .unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap().as_ref(), replaced.last());
}

#[tokio::test]
async fn a_status_that_an_update_repeats_stays_off_the_disk() {
    let folder = Folder::new();
    let store = open(&folder.file());
    create(&store, &key("a"), 1).await;
    let running = set(&store, &key("a"), "Running").await;
    let mut labelled = running.to_value();
    labelled["metadata"]["labels"] = json!({"x": "y"});
    let write = |value: &Value, expect| Write::Update { record: Record::from_value(key("a"), value), expect };
    let mut labelled = one(&store, write(&labelled, running.revision)).await.unwrap();
    for round in 0..2 {
        assert_eq!(phase(&labelled), "Running");
        assert_eq!(store.get(&key("a")).await.unwrap().as_ref(), Some(&labelled));
        let mut value = labelled.to_value();
        value["data"] = json!(round);
        labelled = one(&store, write(&value, labelled.revision)).await.unwrap();
    }
    drop(store);
    let store = open(&folder.file());
    let back = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((phase(&back), &back.head), (Value::Null, &labelled.head));
}

#[tokio::test]
async fn a_status_that_an_update_changes_is_written() {
    let folder = Folder::new();
    let store = open(&folder.file());
    create(&store, &key("a"), 1).await;
    let running = set(&store, &key("a"), "Running").await;
    let mut done = running.to_value();
    done["status"]["phase"] = json!("Succeeded");
    let done = Write::Update { record: Record::from_value(key("a"), &done), expect: running.revision };
    let done = one(&store, done).await.unwrap();
    drop(store);
    assert_eq!(open(&folder.file()).get(&key("a")).await.unwrap(), Some(done));
}

#[tokio::test]
async fn a_volatile_status_is_gone_after_a_restart_and_the_revision_is_not() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let a = create(&store, &key("a"), 1).await;
    create(&store, &Key::new("services", "ns", "a"), 1).await;
    let running = set(&store, &key("a"), "Running").await;
    store.close().await.unwrap();
    let store = open(&folder.file());
    assert_eq!(store.get(&key("a")).await.unwrap().as_ref(), Some(&a));
    assert!(store.revision() > running.revision);
    // Who has seen the status must look again; who watches something else need not.
    assert!(matches!(store.watch("pods", Some(running.revision)), Err(Error::Expired { .. })));
    assert!(store.watch("services", Some(running.revision)).is_ok());
    let again = set(&store, &key("a"), "Running").await;
    assert!(again.revision > running.revision);
}

#[tokio::test]
async fn volatile_statuses_beyond_the_reserved_revisions_are_reserved_for() {
    let folder = Folder::new();
    let store = open(&folder.file());
    create(&store, &key("a"), 1).await;
    let mut last = 0;
    for number in 0..10_500 {
        last = set(&store, &key("a"), &number.to_string()).await.revision;
    }
    // As a kill would leave it.
    let copy = folder.0.join("copy.db");
    store.backup(&copy).await.unwrap();
    assert!(open(&copy).revision() >= last);
}

#[tokio::test]
async fn an_object_that_passes_is_like_any_other_until_the_end() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let create = |name: &str| Write::Create { record: record(&key(name), 1) };
    store.commit(vec![create("a"), create("c")]).await.unwrap();
    let size = || std::fs::metadata(folder.0.join("state.db-wal")).unwrap().len();
    let before = size();
    let passed = store.commit(vec![Write::Pass { record: record(&key("b"), 1) }]).await.unwrap().remove(0);
    assert!(matches!(store.commit(vec![create("b")]).await, Err(Error::Exists)));
    let names = |listing: Listing| listing.records.into_iter().map(|one| one.key.name).collect::<Vec<_>>();
    let list = async || store.list("pods", Some("ns"), ListRange::default()).await.unwrap();
    assert_eq!(names(list().await), ["a", "b", "c"]);
    let update = Write::Update { record: record(&key("b"), 2), expect: passed.revision };
    let updated = store.commit(vec![update]).await.unwrap().remove(0);
    assert_eq!(store.get(&key("b")).await.unwrap(), Some(updated));
    store.set_volatile_status(&key("b"), Expect::Any, "{}".into()).await.unwrap();
    assert!(store.get(&key("b")).await.unwrap().unwrap().status.is_some());
    store.commit(vec![Write::Pass { record: record(&key("d"), 1) }]).await.unwrap();
    store.commit(vec![Write::Delete { key: key("d"), expect: None, last: None }]).await.unwrap();
    assert_eq!(store.get(&key("d")).await.unwrap(), None);
    assert_eq!(size(), before, "nothing was written");
    drop(store);
    assert_eq!(names(open(&folder.file()).list("pods", Some("ns"), ListRange::default()).await.unwrap()), ["a", "c"]);
}
