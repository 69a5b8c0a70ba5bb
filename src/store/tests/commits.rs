//! Writes, one and many at a time.

use super::*;

#[tokio::test]
async fn each_change_gets_the_next_revision() {
    let store = Store::in_memory().unwrap();
    assert_eq!(store.revision(), 1);
    let a = create(&store, &key("a"), 1).await;
    let b = create(&store, &key("b"), 1).await;
    assert_eq!((a.revision, b.revision), (2, 3));
    let a = update(&store, &a, 2).await.unwrap();
    assert_eq!(a.revision, 4);
    assert_eq!(delete(&store, &b.key).await.unwrap().revision, 5);
    assert_eq!(store.revision(), 5);
    assert_eq!(store.get(&a.key).await.unwrap(), Some(a));
    assert_eq!(store.get(&b.key).await.unwrap(), None);
}

#[tokio::test]
async fn a_write_that_does_not_fit_what_is_there_is_refused() {
    let store = Store::in_memory().unwrap();
    let a = create(&store, &key("a"), 1).await;
    let again = one(&store, Write::Create { record: record(&a.key, 2) }).await;
    assert!(matches!(again, Err(Error::Exists)));
    let newer = update(&store, &a, 2).await.unwrap();
    assert!(matches!(update(&store, &a, 3).await, Err(Error::Conflict { current: 3 })));
    assert!(matches!(update(&store, &record(&key("b"), 1), 1).await, Err(Error::NotFound)));
    assert!(matches!(delete(&store, &key("b")).await, Err(Error::NotFound)));
    let stale = Write::Delete { key: a.key.clone(), expect: Some(a.revision), last: None };
    assert!(matches!(one(&store, stale).await, Err(Error::Conflict { current: 3 })));
    assert_eq!(store.revision(), 3, "a refused write takes no revision");
    let fitting = Write::Delete { key: a.key.clone(), expect: Some(newer.revision), last: None };
    assert_eq!(one(&store, fitting).await.unwrap().revision, 4);
}

#[tokio::test]
async fn a_name_is_free_in_another_resource_and_namespace_and_after_a_deletion() {
    let store = Store::in_memory().unwrap();
    for key in [key("a"), Key::new("services", "ns", "a"), Key::new("pods", "other", "a"), Key::new("nodes", "", "a")] {
        let record = create(&store, &key, json!({"of": key.resource.to_string()})).await;
        assert_eq!(store.get(&key).await.unwrap(), Some(record));
    }
    delete(&store, &key("a")).await.unwrap();
    let back = create(&store, &key("a"), "new").await;
    assert_eq!(store.get(&key("a")).await.unwrap(), Some(back));
}

#[tokio::test]
async fn a_commit_is_done_whole_or_not_at_all() {
    let store = Store::in_memory().unwrap();
    let a = create(&store, &key("a"), 1).await;
    let mut watch = store.watch("pods", None).unwrap();
    let writes = |expect| {
        vec![
            Write::Create { record: record(&key("b"), 1) },
            Write::Delete { key: key("b"), expect: None, last: None },
            Write::Create { record: record(&key("b"), 2) },
            Write::Update { record: record(&key("a"), 2), expect },
        ]
    };
    assert!(matches!(store.commit(writes(99)).await, Err(Error::Conflict { current: 2 })));
    assert_eq!(list(&store).await.records, std::slice::from_ref(&a));
    assert!(watch.try_next().is_none());

    let done = store.commit(writes(a.revision)).await.unwrap();
    assert_eq!(done.iter().map(|record| record.revision).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert_eq!(list(&store).await.records, [done[3].clone(), done[2].clone()]);
}

#[test]
fn a_commit_that_is_refused_leaves_nothing_in_the_transaction_of_others() {
    let disk = disk::open(None, &StoreOptions::default()).unwrap();
    let mut state = state::State::new(Table::prepare(&disk.conn).unwrap(), disk.revision, History::new(1_000_000));
    let create = |name: &str| Write::Create { record: record(&key(name), 1) };
    let half = [create("half"), create("a")];
    let outcomes = state.commit(&[&[create("a")], &half, &[create("b"), create("c")]]).unwrap();
    let revisions: Vec<Option<u64>> =
        outcomes.iter().map(|outcome| outcome.as_ref().ok().map(|records| records[0].revision)).collect();
    assert_eq!(revisions, [Some(2), None, Some(3)]);
    assert_eq!(state.get(&key("half")).unwrap(), None);
    assert_eq!(state.get(&key("c")).unwrap().unwrap().revision, 4);
}

#[tokio::test]
async fn of_many_who_change_the_same_state_one_wins() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let start = create(&store, &key("a"), 0).await;
    let tries = (0..50).map(|number| update(&store, &start, number));
    let results = futures_util::future::join_all(tries).await;
    let won: Vec<&Record> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(won.len(), 1);
    assert!(results.iter().filter_map(|result| result.as_ref().err()).all(|e| matches!(e, Error::Conflict { .. })));
    assert_eq!(store.get(&start.key).await.unwrap().as_ref(), Some(won[0]));
}

#[tokio::test]
async fn counting_up_by_compare_and_swap_loses_no_step() {
    let folder = Folder::new();
    let store = open(&folder.file());
    create(&store, &key("a"), 0).await;
    let count = || async {
        for _ in 0..10 {
            loop {
                let now = store.get(&key("a")).await.unwrap().unwrap();
                if update(&store, &now, data(&now).as_i64().unwrap() + 1).await.is_ok() {
                    break;
                }
            }
        }
    };
    futures_util::future::join_all((0..8).map(|_| count())).await;
    assert_eq!(data(&store.get(&key("a")).await.unwrap().unwrap()), 80);
}

#[tokio::test]
async fn commits_that_wait_together_succeed_and_fail_each_for_itself() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let a = create(&store, &key("a"), 0).await;
    let b = key("b");
    // All are queued before the first one is answered.
    let (created, twice, changed, stale, removed) = tokio::join!(
        store.commit(vec![Write::Create { record: record(&key("b"), 1) }]),
        store.commit(vec![Write::Create { record: record(&key("b"), 2) }]),
        update(&store, &a, 1),
        update(&store, &a, 2),
        delete(&store, &b),
    );
    assert!(matches!(twice, Err(Error::Exists)));
    assert!(matches!(stale, Err(Error::Conflict { current }) if current == changed.as_ref().unwrap().revision));
    assert_eq!(data(&removed.unwrap()), 1);
    assert_eq!(data(&created.unwrap()[0]), 1);
    assert_eq!(list(&store).await.records, [changed.unwrap()]);
    drop(store);
    assert_eq!(data(&list(&open(&folder.file())).await.records[0]), 1);
}

#[tokio::test]
async fn objects_of_any_size_come_back_whole() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let sizes = [0, 1, 4_000, 8_100, 8_200, 70_000, 1_500_000];
    for size in sizes {
        create(&store, &key(&size.to_string()), "x".repeat(size)).await;
    }
    drop(store);
    let store = open(&folder.file());
    for size in sizes {
        let record = store.get(&key(&size.to_string())).await.unwrap().unwrap();
        assert_eq!(data(&record), "x".repeat(size));
    }
}
