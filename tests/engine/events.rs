//! Events.

use std::time::Duration;

use futures_util::StreamExt;
use k2d::engine::{ContainerAction, Event, Events, ObjectAction, RemoveOptions, VolumeSpec};

use crate::bed::{Bed, engine, exec};
use crate::proxy::Proxy;

/// The next event that `choose` takes.
async fn next<T>(events: &mut Events, what: &str, mut choose: impl FnMut(Event) -> Option<T>) -> T {
    let mut others = Vec::new();
    let search = async {
        while let Some(event) = events.next().await {
            if others.len() < 20 {
                others.push(format!("{event:?}"));
            }
            if let Some(chosen) = choose(event) {
                return Some(chosen);
            }
        }
        None
    };
    match tokio::time::timeout(Duration::from_secs(15), search).await {
        Ok(Some(chosen)) => chosen,
        _ => panic!("no {what} came, but {others:#?}"),
    }
}

fn of(name: &str, event: Event) -> Option<(ContainerAction, String)> {
    match event {
        Event::Container { action, id, name: told, .. } if told == name => Some((action, id)),
        _ => None,
    }
}

async fn action(events: &mut Events, name: &str, wanted: ContainerAction) -> String {
    next(events, &format!("{wanted:?} of {name}"), |event| {
        of(name, event).and_then(|(action, id)| (action == wanted).then_some(id))
    })
    .await
}

async fn connected(events: &mut Events) {
    next(events, "connection", |event| (event == Event::Connected).then_some(())).await;
}

pub async fn a_life_is_told_in_order(bed: &Bed) {
    let mut events = bed.engine.events();
    connected(&mut events).await;
    let name = bed.named("a");
    let id = bed.engine.create_container(&bed.idle("a")).await.unwrap();
    assert_eq!(action(&mut events, &name, ContainerAction::Create).await, id);
    bed.engine.start_container(&id).await.unwrap();
    action(&mut events, &name, ContainerAction::Start).await;
    bed.engine.run_exec(&id, &exec(&["true"]), Duration::from_secs(30), 0).await.unwrap();
    next(&mut events, "end of the exec", |event| match of(&name, event) {
        Some((ContainerAction::ExecDie { .. }, _)) => Some(()),
        _ => None,
    })
    .await;
    bed.engine.pause_container(&id).await.unwrap();
    action(&mut events, &name, ContainerAction::Pause).await;
    bed.engine.unpause_container(&id).await.unwrap();
    action(&mut events, &name, ContainerAction::Unpause).await;
    let other = bed.named("b");
    bed.engine.rename_container(&id, &other).await.unwrap();
    next(&mut events, "rename", |event| match of(&other, event) {
        Some((ContainerAction::Rename { .. }, _)) => Some(()),
        _ => None,
    })
    .await;
    bed.engine.kill_container(&id, "SIGKILL").await.unwrap();
    action(&mut events, &other, ContainerAction::Die { exit_code: Some(137) }).await;
    bed.engine.remove_container(&id, RemoveOptions::default()).await.unwrap();
    let event = next(&mut events, "removal", |event| match &event {
        Event::Container { action: ContainerAction::Destroy, name, .. } if *name == other => Some(event),
        _ => None,
    })
    .await;
    let Event::Container { attributes, image, time, .. } = event else { unreachable!() };
    assert_eq!(attributes.get("k2d.test/engine"), Some(&bed.name));
    assert_eq!(image, crate::bed::image().to_string());
    assert!(time.is_some());
}

pub async fn nothing_is_lost_over_a_break(bed: &Bed) {
    let mut proxy = Proxy::to(&bed.socket, &bed.name);
    let mut events = engine(proxy.socket()).events();
    next(&mut events, "complaint", |event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
    proxy.open();
    connected(&mut events).await;
    let name = bed.named("a");
    let id = bed.engine.create_container(&bed.idle("a")).await.unwrap();
    action(&mut events, &name, ContainerAction::Create).await;
    proxy.cut().await;
    next(&mut events, "complaint", |event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
    bed.engine.start_container(&id).await.unwrap();
    bed.engine.kill_container(&id, "SIGKILL").await.unwrap();
    bed.engine.wait_container(&id).await.unwrap();
    proxy.open();
    let mut told = Vec::new();
    next(&mut events, "end", |event| {
        assert!(!matches!(event, Event::Disconnected { .. }), "the break was told before");
        told.extend(of(&name, event).map(|(action, _)| action));
        matches!(told.last(), Some(ContainerAction::Die { .. })).then_some(())
    })
    .await;
    let count = |wanted: &ContainerAction| told.iter().filter(|action| *action == wanted).count();
    assert_eq!(count(&ContainerAction::Create), 0, "told before the break: {told:?}");
    assert_eq!(count(&ContainerAction::Start), 1, "{told:?}");
    bed.engine.remove_container(&id, RemoveOptions::default()).await.unwrap();
    action(&mut events, &name, ContainerAction::Destroy).await;
}

pub async fn other_things_are_told(bed: &Bed) {
    let mut events = bed.engine.events();
    connected(&mut events).await;
    let spec = VolumeSpec { name: bed.named("vol"), labels: bed.labels(), ..VolumeSpec::default() };
    bed.engine.create_volume(&spec).await.unwrap();
    bed.engine.remove_volume(&spec.name).await.unwrap();
    next(&mut events, "removal of a volume", |event| {
        (event == Event::Volume { action: ObjectAction::Remove, name: spec.name.clone() }).then_some(())
    })
    .await;
    let copy = k2d::engine::ImageRef::parse(&format!("k2d.test/{}:1", bed.name)).unwrap();
    bed.engine.tag_image(&crate::bed::image().to_string(), &copy).await.unwrap();
    next(&mut events, "tag", |event| match event {
        Event::Image { action: ObjectAction::Tag, .. } => Some(()),
        _ => None,
    })
    .await;
    bed.engine.remove_image(&copy.to_string()).await.unwrap();
    next(&mut events, "untag", |event| match event {
        Event::Image { action: ObjectAction::Untag, .. } => Some(()),
        _ => None,
    })
    .await;
}
