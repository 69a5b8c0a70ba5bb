//! Logs.

use std::time::Duration;

use futures_util::StreamExt;
use k2d::engine::{Error, Frames, LogConfig, LogOptions, StdStream};

use crate::bed::Bed;

async fn read(mut frames: Frames) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(frame) = frames.next().await {
        let frame = frame.unwrap();
        match frame.stream {
            StdStream::Stdout => out.extend(frame.data),
            StdStream::Stderr => err.extend(frame.data),
        }
    }
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

pub async fn both_streams_stay_apart(bed: &Bed) {
    let id = bed.start(&bed.script("a", "echo one; echo two >&2; sleep 0.1; printf 'three no newline'")).await;
    bed.engine.wait_container(&id).await.unwrap();
    let all = read(bed.engine.logs(&id, &LogOptions::default()).await.unwrap()).await;
    assert_eq!(all, ("one\nthree no newline".to_owned(), "two\n".to_owned()));
    let only = LogOptions { stdout: false, ..LogOptions::default() };
    assert_eq!(read(bed.engine.logs(&id, &only).await.unwrap()).await, (String::new(), "two\n".to_owned()));
    let missing = bed.engine.logs(&bed.named("none"), &LogOptions::default()).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
    let mut silent = bed.script("silent", "echo x");
    silent.log = Some(LogConfig { driver: "none".into(), ..LogConfig::default() });
    let id = bed.start(&silent).await;
    bed.engine.wait_container(&id).await.unwrap();
    let refused = bed.engine.logs(&id, &LogOptions::default()).await.map(drop);
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
}

pub async fn tails_and_times(bed: &Bed) {
    let id = bed.start(&bed.script("a", "echo 1; sleep 2.2; echo 2; echo 3")).await;
    bed.engine.wait_container(&id).await.unwrap();
    let tail = LogOptions { tail: Some(2), ..LogOptions::default() };
    assert_eq!(read(bed.engine.logs(&id, &tail).await.unwrap()).await.0, "2\n3\n");
    let none = LogOptions { tail: Some(0), ..LogOptions::default() };
    assert_eq!(read(bed.engine.logs(&id, &none).await.unwrap()).await.0, "");
    let timed = LogOptions { timestamps: true, ..LogOptions::default() };
    let text = read(bed.engine.logs(&id, &timed).await.unwrap()).await.0;
    let times: Vec<jiff::Timestamp> = text.lines().map(|l| l.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(times.len(), 3);
    // Podman 4 drops what is less than a second.
    let middle = times[1] - Duration::from_millis(1100);
    let since = LogOptions { since: Some(middle), ..LogOptions::default() };
    assert_eq!(read(bed.engine.logs(&id, &since).await.unwrap()).await.0, "2\n3\n");
    let until = LogOptions { until: Some(middle), ..LogOptions::default() };
    assert_eq!(read(bed.engine.logs(&id, &until).await.unwrap()).await.0, "1\n");
}

pub async fn following_ends_with_the_container(bed: &Bed) {
    let id = bed.start(&bed.script("a", "echo early; sleep 1; echo late; sleep 1; exit 4")).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let follow = LogOptions { follow: true, tail: Some(0), ..LogOptions::default() };
    let frames = bed.engine.logs(&id, &follow).await.unwrap();
    assert_eq!(read(frames).await.0, "late\n");
    assert_eq!(bed.engine.inspect_container(&id).await.unwrap().state.exit_code, 4);
}

pub async fn a_terminals_log_is_raw(bed: &Bed) {
    let mut spec = bed.script("a", "echo one; echo two >&2");
    spec.tty = true;
    let id = bed.start(&spec).await;
    bed.engine.wait_container(&id).await.unwrap();
    let all = read(bed.engine.logs(&id, &LogOptions::default()).await.unwrap()).await;
    assert_eq!(all, ("one\r\ntwo\r\n".to_owned(), String::new()));
}
