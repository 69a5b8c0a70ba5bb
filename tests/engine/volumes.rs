//! Volumes, other mounts, and files as tar.

use bytes::Bytes;
use k2d::engine::{Error, Mount, Propagation, RecursiveReadOnly, RemoveOptions, VolumeSpec};

use crate::bed::{Bed, entry};

fn volume(name: &str, target: &str, read_only: bool) -> Mount {
    Mount::Volume { name: name.into(), target: target.into(), read_only, no_copy: true, subpath: None }
}

pub async fn volumes_outlive_containers(bed: &Bed) {
    let spec = VolumeSpec { name: bed.named("vol"), labels: bed.labels(), ..VolumeSpec::default() };
    let made = bed.engine.create_volume(&spec).await.unwrap();
    assert_eq!((made.driver.as_str(), &made.labels), ("local", &spec.labels));
    assert!(made.created.is_some());
    assert_eq!(bed.engine.create_volume(&spec).await.unwrap().mountpoint, made.mountpoint);
    let mut writer = bed.script("writer", "echo kept > /v/file");
    writer.mounts = vec![volume(&spec.name, "/v", false)];
    let id = bed.start(&writer).await;
    assert_eq!(bed.engine.wait_container(&id).await.unwrap().exit_code, 0);
    let used = bed.engine.remove_volume(&spec.name).await;
    assert!(matches!(used, Err(Error::Conflict(_))), "{used:?}");
    bed.engine.remove_container(&id, RemoveOptions { force: true, volumes: true }).await.unwrap();

    let mut reader = bed.script("reader", "while :; do sleep 0.1; done");
    reader.mounts = vec![volume(&spec.name, "/v", true), volume(&bed.named("vol"), "/data", false)];
    let id = bed.start(&reader).await;
    assert_eq!(bed.sh(&id, "cat /v/file; ls /data").await, (0, "kept\nfile\n".to_owned()));
    assert_ne!(bed.sh(&id, "touch /v/x 2>/dev/null").await.0, 0, "it is read-only");
    let mounts = bed.engine.inspect_container(&id).await.unwrap().mounts;
    let mount = mounts.iter().find(|mount| mount.target == "/v").unwrap();
    assert_eq!((mount.kind.as_str(), mount.name.as_str(), mount.writable), ("volume", spec.name.as_str(), false));
    assert_eq!(bed.engine.volumes(&bed.own()).await.unwrap().len(), 1);
    bed.engine.remove_container(&id, RemoveOptions { force: true, volumes: true }).await.unwrap();
    bed.engine.remove_volume(&spec.name).await.unwrap();
    let gone = bed.engine.inspect_volume(&spec.name).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
    let gone = bed.engine.remove_volume(&spec.name).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
}

pub async fn memory_and_read_only_mounts(bed: &Bed) {
    let folder = std::env::temp_dir().join(bed.named("bind"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("file"), "of the host\n").unwrap();
    let bind = |target: &str, read_only| Mount::Bind {
        source: folder.display().to_string(),
        target: target.into(),
        read_only,
        recursive_read_only: RecursiveReadOnly::Disabled,
        propagation: Propagation::Private,
    };
    let mut spec = bed.idle("a");
    let memory =
        Mount::Tmpfs { target: "/m".into(), size: Some(1 << 20), mode: Some(0o1777), exec: true, read_only: false };
    spec.mounts = vec![bind("/ro", true), bind("/rw", false), memory];
    let id = bed.start(&spec).await;
    let script = "cat /ro/file; touch /ro/x 2>/dev/null || echo refused; touch /rw/made; \
        grep ' /m ' /proc/mounts; ls -ld /m; dd if=/dev/zero of=/m/big bs=1024 count=2000 2>&1";
    let (_, out) = bed.sh(&id, script).await;
    for fact in ["of the host\nrefused\n", "size=1024k", "drwxrwxrwt", "No space left"] {
        assert!(out.contains(fact), "{fact:?} is not in {out}");
    }
    assert!(!out.lines().any(|line| line.contains(" /m ") && line.contains("noexec")), "{out}");
    assert!(folder.join("made").exists());
    std::fs::remove_dir_all(folder).unwrap();
}

pub async fn a_missing_bind_source_is_told(bed: &Bed) {
    let mut spec = bed.idle("a");
    spec.mounts = vec![Mount::Bind {
        source: "/no/such/folder".into(),
        target: "/x".into(),
        read_only: false,
        recursive_read_only: RecursiveReadOnly::Disabled,
        propagation: Propagation::Private,
    }];
    let failed = match bed.engine.create_container(&spec).await {
        Ok(id) => bed.engine.start_container(&id).await,
        Err(error) => Err(error),
    };
    assert!(matches!(failed, Err(Error::InvalidArgument(_))), "{failed:?}");
    assert!(!std::path::Path::new("/no/such").exists(), "nothing was made on the host");
}

pub async fn files_pass_as_tar(bed: &Bed) {
    let id = bed.engine.create_container(&bed.idle("a")).await.unwrap();
    let mut tar = Vec::new();
    entry(&mut tar, "file", b'0', "", b"some bytes\0\xff");
    tar.resize(tar.len() + 1024, 0);
    bed.engine.write_archive(&id, "/tmp", Bytes::from(tar)).await.unwrap();
    let back = bed.engine.read_archive(&id, "/tmp/file", 1 << 20).await.unwrap();
    assert_eq!(&back[512..524], b"some bytes\0\xff");
    assert_eq!(bed.engine.read_archive(&id, "/tmp/file", 100).await.unwrap().len(), 100);
    let missing = bed.engine.read_archive(&id, "/tmp/none", 100).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
}
