//! Lists: their order, their parts, and how they looked before.

use super::*;

async fn part(store: &Store, namespace: Option<&str>, range: ListRange) -> Listing {
    store.list("pods", namespace, range).await.unwrap()
}

fn after(namespace: &str, name: &str) -> Option<(String, String)> {
    Some((namespace.into(), name.into()))
}

fn paths(listing: &Listing) -> Vec<String> {
    listing.records.iter().map(|record| record.key.path()).collect()
}

#[tokio::test]
async fn a_list_is_sorted_by_namespace_and_name_as_upstream_sorts() {
    let store = Store::in_memory().unwrap();
    let sorted = [("a-b", "x"), ("a-b", "x-1"), ("a-b", "x.1"), ("a-b", "x1"), ("a", "a"), ("a", "b"), ("b", "a")];
    for (namespace, name) in sorted.iter().rev() {
        create(&store, &Key::new("pods", *namespace, *name), 1).await;
        create(&store, &Key::new("podsandmore", *namespace, *name), 1).await;
    }
    let expected: Vec<String> = sorted.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    let all = part(&store, None, ListRange::default()).await;
    assert_eq!(paths(&all), expected);
    assert_eq!((all.revision, all.more, all.remaining), (store.revision(), false, None));
    assert_eq!(paths(&part(&store, Some("a"), ListRange::default()).await), ["a/a", "a/b"]);
    assert_eq!(paths(&part(&store, Some("a-"), ListRange::default()).await), [""; 0]);
    assert_eq!(paths(&part(&store, Some("a-b"), ListRange::default()).await), expected[..4]);
}

#[tokio::test]
async fn objects_of_the_cluster_are_listed_too() {
    let store = Store::in_memory().unwrap();
    for name in ["b", "a"] {
        create(&store, &Key::new("nodes", "", name), 1).await;
    }
    for namespace in [None, Some("")] {
        let nodes = store.list("nodes", namespace, ListRange::default()).await.unwrap();
        assert_eq!(names(&nodes.records), ["a", "b"]);
        assert_eq!(nodes.records[0].key, Key::new("nodes", "", "a"));
    }
}

#[tokio::test]
async fn a_list_comes_in_parts_of_any_size() {
    let store = Store::in_memory().unwrap();
    for namespace in ["a", "b"] {
        for number in 0..5 {
            create(&store, &Key::new("pods", namespace, number.to_string()), 1).await;
        }
    }
    for (namespace, total) in [(None, 10), (Some("b"), 5)] {
        let whole = paths(&part(&store, namespace, ListRange::default()).await);
        assert_eq!(whole.len(), total);
        for limit in 1..=11 {
            let mut seen = Vec::new();
            let mut from = None;
            loop {
                let range = ListRange { after: from.take(), limit: Some(limit), ..ListRange::default() };
                let listing = part(&store, namespace, range).await;
                seen.extend(paths(&listing));
                let left = total - seen.len();
                assert_eq!((listing.more, listing.remaining), (left > 0, (left > 0).then_some(left as u64)));
                let Some(last) = listing.records.last().filter(|_| listing.more) else { break };
                from = after(&last.key.namespace, &last.key.name);
            }
            assert_eq!(seen, whole);
        }
    }
    let uncounted = ListRange { limit: Some(3), skip_count: true, ..ListRange::default() };
    let uncounted = part(&store, None, uncounted).await;
    assert_eq!((uncounted.more, uncounted.remaining), (true, None));
}

#[tokio::test]
async fn a_part_begins_after_a_name_that_need_not_be_there() {
    let store = Store::in_memory().unwrap();
    for path in ["a/x", "b/x", "b/z", "c/x"] {
        let (namespace, name) = path.split_once('/').unwrap();
        create(&store, &Key::new("pods", namespace, name), 1).await;
    }
    let from = |namespace: &str, name: &str| ListRange { after: after(namespace, name), ..ListRange::default() };
    assert_eq!(paths(&part(&store, None, from("b", "y")).await), ["b/z", "c/x"]);
    assert_eq!(paths(&part(&store, Some("b"), from("b", "x")).await), ["b/z"]);
    // A place outside of the namespace shows nothing of another one.
    assert_eq!(paths(&part(&store, Some("b"), from("a", "x")).await), ["b/x", "b/z"]);
    assert_eq!(paths(&part(&store, Some("b"), from("c", "a")).await), [""; 0]);
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[tokio::test]
async fn a_list_at_an_older_revision_shows_the_state_of_then() {
    let store = Store::in_memory().unwrap();
    let mut random = Random(7);
    let mut states = vec![list(&store).await];
    for step in 0..150 {
        let key = Key::new("pods", ["a", "b"][random.below(2) as usize], random.below(8).to_string());
        match store.get(&key).await.unwrap() {
            None => drop(create(&store, &key, step).await),
            Some(_) if random.below(3) == 0 => drop(delete(&store, &key).await.unwrap()),
            Some(_) if random.below(2) == 0 => {
                let status = Bytes::from(format!("{{\"step\":{step}}}"));
                drop(store.set_volatile_status(&key, Expect::Any, status).await.unwrap());
            }
            Some(old) => drop(update(&store, &old, step).await.unwrap()),
        }
        create(&store, &Key::new("services", "a", step.to_string()), 1).await;
        states.push(list(&store).await);
    }
    for state in states {
        let whole = ListRange { at: Some(state.revision), ..ListRange::default() };
        let then = part(&store, None, whole.clone()).await;
        assert_eq!((then.revision, &then.records), (state.revision, &state.records));
        let only: Vec<Record> = state.records.iter().filter(|record| record.key.namespace == "b").cloned().collect();
        assert_eq!(part(&store, Some("b"), whole.clone()).await.records, only);

        let mut parts = Vec::new();
        let mut range = ListRange { limit: Some(3), ..whole };
        loop {
            let listing = part(&store, None, range.clone()).await;
            parts.extend(listing.records);
            let left = state.records.len() - parts.len();
            assert_eq!((listing.more, listing.remaining), (left > 0, (left > 0).then_some(left as u64)));
            let Some(last) = parts.last().filter(|_| listing.more) else { break };
            range.after = after(&last.key.namespace, &last.key.name);
        }
        assert_eq!(parts, state.records);
    }
}

#[tokio::test]
async fn a_list_that_is_walked_in_parts_shows_one_state_while_others_write() {
    let store = Store::in_memory().unwrap();
    for number in 10..60 {
        create(&store, &key(&number.to_string()), 0).await;
    }
    let start = list(&store).await;
    let mut seen = Vec::new();
    let mut range = ListRange { limit: Some(7), at: Some(start.revision), ..ListRange::default() };
    loop {
        let listing = part(&store, Some("ns"), range.clone()).await;
        seen.extend(listing.records);
        let Some(last) = seen.last().filter(|_| listing.more) else { break };
        range.after = after("ns", &last.key.name);
        // Before and after the place where the reader is.
        for gone in [seen.len() - 1, start.records.len() - seen.len() / 7] {
            let _ = delete(&store, &start.records[gone].key).await;
        }
        create(&store, &key(&format!("{}a", seen.len())), 0).await;
        create(&store, &key(&format!("{}a", 10 + seen.len())), 0).await;
    }
    assert_eq!(seen, start.records);
}

#[tokio::test]
async fn a_revision_out_of_reach_is_refused() {
    let folder = Folder::new();
    let store = with_history(&folder, 5_000);
    let mut kept = create(&store, &key("a"), 0).await;
    create(&store, &Key::new("services", "ns", "a"), 0).await;
    for number in 0..50 {
        kept = update(&store, &kept, number).await.unwrap();
    }
    let at = |revision| ListRange { at: Some(revision), ..ListRange::default() };
    assert!(matches!(store.list("pods", None, at(2)).await, Err(Error::Expired { oldest }) if oldest > 2));
    assert!(matches!(store.list("pods", None, at(1_000)).await, Err(Error::TooLarge { current: 53 })));
    assert_eq!(store.list("pods", None, at(53)).await.unwrap().records, [kept]);
    // Services have not changed since.
    assert_eq!(store.list("services", None, at(4)).await.unwrap().records.len(), 1);
}
