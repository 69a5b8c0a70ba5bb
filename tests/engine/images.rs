//! Images.

use bytes::Bytes;
use futures_util::StreamExt;
use k2d::engine::{Credentials, EngineKind, Error, ImageRef, RemoveOptions};

use crate::bed::{Bed, entry, free_port};
use crate::registry::Registry;

pub async fn an_image_is_imported_tagged_and_removed(bed: &Bed) {
    let mut tar = Vec::new();
    entry(&mut tar, "file", b'0', "", b"x");
    tar.resize(tar.len() + 1024, 0);
    let reference = ImageRef::parse("k2d.test/imported:1").unwrap();
    let changes = ["ENTRYPOINT [\"/pause\"]", "ENV A=b"];
    let made = bed.engine.import_image(&reference, Bytes::from(tar), &changes).await.unwrap();
    assert_eq!(made.entrypoint, ["/pause"]);
    assert!(made.env.contains(&"A=b".to_owned()), "{:?}", made.env);
    assert!(made.id.starts_with("sha256:"));
    let other = ImageRef::parse("k2d.test/imported:2").unwrap();
    bed.engine.tag_image(&reference.to_string(), &other).await.unwrap();
    bed.engine.remove_image(&reference.to_string()).await.unwrap();
    assert!(!bed.engine.image_exists(&reference.to_string()).await.unwrap());
    assert_eq!(bed.engine.inspect_image(&other.to_string()).await.unwrap().id, made.id);
    let all = bed.engine.images(&k2d::engine::Filter::default()).await.unwrap();
    let listed = all.iter().find(|image| image.id == made.id).unwrap();
    assert!(listed.tags.contains(&other.to_string()), "{:?}", listed.tags);
    bed.engine.remove_image(&other.to_string()).await.unwrap();
    let gone = bed.engine.remove_image(&other.to_string()).await;
    assert!(matches!(gone, Err(Error::ImageNotFound(_))), "{gone:?}");
}

pub async fn what_is_not_present_is_told(bed: &Bed) {
    assert!(!bed.engine.image_exists("k2d.test/nothing:1").await.unwrap());
    let mut spec = bed.idle("a");
    spec.image = "k2d.test/nothing:1".into();
    let failed = bed.engine.create_container(&spec).await;
    assert!(matches!(failed, Err(Error::ImageNotFound(_))), "{failed:?}");
}

pub async fn an_unreachable_registry_is_told(bed: &Bed) {
    let reference = ImageRef::parse(&format!("127.0.0.1:{}/a:1", free_port())).unwrap();
    let failed = bed.engine.pull_whole_image(&reference, None).await;
    assert!(matches!(failed, Err(Error::RegistryUnreachable(_))), "{failed:?}");
}

pub async fn one_in_use_stays(bed: &Bed) {
    let mut tar = Vec::new();
    entry(&mut tar, "used", b'0', "", b"x");
    tar.resize(tar.len() + 1024, 0);
    let reference = ImageRef::parse(&format!("k2d.test/{}:1", bed.name)).unwrap();
    let id = bed.engine.import_image(&reference, Bytes::from(tar), &[]).await.unwrap().id;
    let mut spec = bed.idle("a");
    spec.image = id.clone();
    let container = bed.engine.create_container(&spec).await.unwrap();
    let kept = bed.engine.remove_image(&id).await;
    assert!(matches!(kept, Err(Error::Conflict(_))), "{kept:?}");
    assert!(bed.engine.image_exists(&reference.to_string()).await.unwrap());
    bed.engine.remove_container(&container, RemoveOptions::default()).await.unwrap();
    bed.engine.remove_image(&id).await.unwrap();
    assert!(!bed.engine.image_exists(&reference.to_string()).await.unwrap());
}

pub async fn pulls_carry_credentials(bed: &Bed) {
    let registry = Registry::start();
    let refer = |rest: &str| ImageRef::parse(&format!("{}/{rest}", registry.address)).unwrap();
    let credentials = |password: &str| {
        Some(Credentials {
            username: "plant".into(),
            password: password.into(),
            server: registry.address.clone(),
            ..Credentials::default()
        })
    };
    if bed.kind == EngineKind::Podman {
        // Podman takes no registry without TLS unless its configuration names it, not even on this machine.
        let failed = bed.engine.pull_whole_image(&refer("app:1"), credentials("secret")).await;
        assert!(matches!(failed, Err(Error::RegistryUnreachable(_))), "{failed:?}");
        return;
    }
    for wrong in [None, credentials("guess")] {
        let failed = bed.engine.pull_whole_image(&refer("app:1"), wrong).await;
        assert!(matches!(failed, Err(Error::RegistryRefused(_))), "{failed:?}");
    }
    let missing = bed.engine.pull_whole_image(&refer("app:2"), credentials("secret")).await;
    assert!(matches!(missing, Err(Error::ImageNotFound(_))), "{missing:?}");

    let mut pull = bed.engine.pull_image(&refer("app:1"), credentials("secret"));
    let mut steps = Vec::new();
    while let Some(step) = pull.next().await {
        steps.push(step.unwrap());
    }
    let layer = steps.iter().find(|step| step.status == "Pull complete");
    assert!(layer.is_some_and(|step| !step.id.is_empty()), "{steps:?}");
    let image = bed.engine.inspect_image(&refer("app:1").to_string()).await.unwrap();
    assert_eq!(image.digests, [format!("{}/app@{}", registry.address, registry.digest)]);
    assert_eq!(image.entrypoint, ["/app"]);
    let pinned = refer(&format!("app@{}", registry.digest));
    assert_eq!(bed.engine.pull_whole_image(&pinned, credentials("secret")).await.unwrap().id, image.id);

    registry.fail();
    let down = bed.engine.pull_whole_image(&refer("app:1"), credentials("secret")).await;
    assert!(matches!(down, Err(Error::RegistryUnreachable(_))), "{down:?}");
    assert!(bed.engine.image_exists(&refer("app:1").to_string()).await.unwrap(), "what was there stays");
    bed.engine.remove_image(&refer("app:1").to_string()).await.unwrap();
}
