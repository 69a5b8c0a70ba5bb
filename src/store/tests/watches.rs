//! Who sees what, and when it is over.

use super::*;

fn told(watch: &mut Watch) -> Vec<(EventKind, String, u64)> {
    let mut events = Vec::new();
    while let Some(event) = watch.try_next() {
        let event = event.unwrap();
        assert_eq!(event.record.revision, event.revision);
        events.push((event.kind, event.record.key.name.clone(), event.revision));
    }
    events
}

#[tokio::test]
async fn a_watch_tells_what_comes_after_the_revision_it_begins_at() {
    let store = Store::in_memory().unwrap();
    let a = create(&store, &key("a"), 1).await;
    create(&store, &Key::new("services", "ns", "a"), 1).await;
    let a = update(&store, &a, 2).await.unwrap();
    delete(&store, &a.key).await.unwrap();

    let all =
        [(EventKind::Added, "a".into(), 2), (EventKind::Modified, "a".into(), 4), (EventKind::Deleted, "a".into(), 5)];
    assert_eq!(told(&mut store.watch("pods", Some(1)).unwrap()), all);
    assert_eq!(told(&mut store.watch("pods", Some(2)).unwrap()), all[1..]);
    assert_eq!(told(&mut store.watch("pods", Some(3)).unwrap()), all[1..]);
    assert_eq!(told(&mut store.watch("pods", Some(5)).unwrap()), []);
    assert!(matches!(store.watch("pods", Some(6)), Err(Error::TooLarge { current: 5 })));

    let mut now = store.watch("pods", None).unwrap();
    assert_eq!(told(&mut now), []);
    create(&store, &key("b"), 1).await;
    assert_eq!(told(&mut now), [(EventKind::Added, "b".into(), 6)]);
}

#[tokio::test]
async fn an_event_has_the_object_before_and_after() {
    let store = Store::in_memory().unwrap();
    let mut watch = store.watch("pods", None).unwrap();
    let first = create(&store, &key("a"), 1).await;
    let second = update(&store, &first, 2).await.unwrap();
    let last = Write::Delete { key: key("a"), expect: None, last: Some(record(&key("a"), "last")) };
    let last = one(&store, last).await.unwrap();
    let again = create(&store, &key("a"), 3).await;
    delete(&store, &key("a")).await.unwrap();

    let mut events = Vec::new();
    while let Some(event) = watch.try_next() {
        let event = event.unwrap();
        events.push((Record::clone(&event.record), event.previous.as_deref().cloned()));
    }
    assert_eq!(data(&last), "last");
    let gone = Record { revision: 6, ..again.clone() };
    let expected = [
        (first.clone(), None),
        (second.clone(), Some(first)),
        (last, Some(second)),
        (again.clone(), None),
        (gone, Some(again)),
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn the_state_before_is_read_from_disk_where_the_history_does_not_have_it() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let old = create(&store, &key("a"), 1).await;
    drop(store);
    let store = open(&folder.file());
    let mut watch = store.watch("pods", None).unwrap();
    update(&store, &old, 2).await.unwrap();
    assert_eq!(watch.try_next().unwrap().unwrap().previous.as_deref(), Some(&old));
}

#[tokio::test]
async fn who_waits_is_woken_by_its_own_resource() {
    let store = Store::in_memory().unwrap();
    let mut pods = store.watch("pods", None).unwrap();
    let mut services = store.watch("services", None).unwrap();
    let waiting = tokio::spawn(async move { pods.next().await.unwrap().unwrap().revision });
    let idle = tokio::spawn(async move { services.next().await.unwrap().unwrap().revision });
    settle().await;
    let revision = create(&store, &key("a"), 1).await.revision;
    assert_eq!(waiting.await.unwrap(), revision);
    settle().await;
    assert!(!idle.is_finished());
    let revision = create(&store, &Key::new("services", "ns", "a"), 1).await.revision;
    assert_eq!(idle.await.unwrap(), revision);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_once_and_holds_nothing() {
    let folder = Folder::new();
    let store = with_history(&folder, 20_000);
    let mut slow = store.watch("pods", None).unwrap();
    let mut quick = store.watch("pods", None).unwrap();
    let mut other = store.watch("services", None).unwrap();
    let mut kept = create(&store, &key("a"), "x".repeat(1_000)).await;
    assert!(slow.try_next().unwrap().is_ok());
    for number in 0..100 {
        kept = update(&store, &kept, format!("{number}{}", "x".repeat(1_000))).await.unwrap();
        while let Some(event) = quick.try_next() {
            assert!(event.is_ok());
        }
    }
    assert!(matches!(slow.next().await, Some(Err(Error::Expired { .. }))));
    assert!(slow.next().await.is_none());
    assert!(matches!(store.watch("pods", Some(2)), Err(Error::Expired { oldest }) if oldest > 2));
    // Nothing happened to what it reads, however much happened elsewhere.
    assert!(other.try_next().is_none());
    assert_eq!(other.position(), kept.revision);
    assert!(store.watch("services", Some(2)).is_ok());
    let next = update(&store, &kept, "end").await.unwrap();
    assert_eq!(quick.next().await.unwrap().unwrap().revision, next.revision);
}

#[tokio::test]
async fn the_oldest_revision_that_is_named_can_be_watched_from() {
    let folder = Folder::new();
    let store = with_history(&folder, 5_000);
    let mut kept = create(&store, &key("a"), 0).await;
    for number in 1..50 {
        kept = update(&store, &kept, number).await.unwrap();
    }
    let Err(Error::Expired { oldest }) = store.watch("pods", Some(1)) else { panic!("it should be too old") };
    let mut watch = store.watch("pods", Some(oldest)).unwrap();
    let told = told(&mut watch);
    assert_eq!(told.first().map(|event| event.2), Some(oldest + 1));
    assert_eq!(told.last().map(|event| event.2), Some(kept.revision));
}

/// The oldest revision that can be watched from.
fn oldest(store: &Store) -> u64 {
    match store.watch("pods", Some(1)) {
        Err(Error::Expired { oldest }) => oldest,
        _ => 1,
    }
}

#[tokio::test]
async fn the_history_holds_as_many_bytes_as_it_may_and_no_more() {
    let folder = Folder::new();
    let store = with_history(&folder, 50_000);
    for round in 0..60 {
        let key = key(&(round % 10).to_string());
        let body = format!("{round}{}", "x".repeat(2_000));
        match store.get(&key).await.unwrap() {
            None => drop(create(&store, &key, body).await),
            Some(_) if round % 7 == 0 => drop(delete(&store, &key).await.unwrap()),
            Some(old) => drop(update(&store, &old, body).await.unwrap()),
        }
        // The objects that the history holds, each counted once.
        let mut held: Vec<Bytes> = Vec::new();
        let mut events = store.watch("pods", Some(oldest(&store))).unwrap();
        while let Some(Ok(event)) = events.try_next() {
            for record in std::iter::once(event.record).chain(event.previous) {
                if !held.iter().any(|known| known.as_ptr() == record.head.as_ptr()) {
                    held.push(record.head.clone());
                }
            }
        }
        let bytes: usize = held.iter().map(Bytes::len).sum();
        assert!(bytes <= 50_000, "{bytes}");
        assert!(round < 30 || bytes > 35_000, "{bytes}");
    }
}

#[tokio::test]
async fn every_watch_of_many_sees_every_change_in_order() {
    let folder = Folder::new();
    let store = open(&folder.file());
    let watches: Vec<_> = (0..50)
        .map(|_| {
            let mut watch = store.watch("pods", None).unwrap();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while seen.len() < 200 {
                    seen.push(watch.next().await.unwrap().unwrap().revision);
                }
                seen
            })
        })
        .collect();
    let mut made = Vec::new();
    for round in 0..20 {
        let keys: Vec<Key> = (0..10).map(|number| key(&format!("{round}-{number}"))).collect();
        made.extend(futures_util::future::join_all(keys.iter().map(|key| create(&store, key, round))).await);
    }
    made.sort_by_key(|record| record.revision);
    let made: Vec<u64> = made.iter().map(|record| record.revision).collect();
    for watch in watches {
        assert_eq!(watch.await.unwrap(), made);
    }
}

#[tokio::test]
async fn a_list_and_a_watch_from_its_revision_miss_nothing() {
    let store = Store::in_memory().unwrap();
    let writer = async {
        for number in 0..100 {
            create(&store, &key(&number.to_string()), number).await;
        }
    };
    let reader = async {
        loop {
            let listing = list(&store).await;
            let mut watch = store.watch("pods", Some(listing.revision)).unwrap();
            let mut count = listing.records.len();
            if count < 40 {
                tokio::task::yield_now().await;
                continue;
            }
            while count < 100 {
                assert_eq!(watch.next().await.unwrap().unwrap().record.key.name, count.to_string());
                count += 1;
            }
            break;
        }
    };
    tokio::join!(writer, reader);
}

#[tokio::test]
async fn closing_the_store_ends_the_watches() {
    let store = Store::in_memory().unwrap();
    let mut watch = store.watch("pods", None).unwrap();
    create(&store, &key("a"), 1).await;
    let waiting = tokio::spawn(async move { (watch.next().await.is_some(), watch.next().await.is_some()) });
    settle().await;
    store.close().await.unwrap();
    assert_eq!(waiting.await.unwrap(), (true, false));
    assert!(matches!(store.watch("pods", None), Err(Error::Closed)));
    assert!(matches!(store.get(&key("a")).await, Err(Error::Closed)));
    assert!(matches!(store.close().await, Err(Error::Closed)));
}
