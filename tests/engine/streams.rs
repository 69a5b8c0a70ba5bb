//! Exec and attach.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k2d::engine::{Duplex, Error, ExecSpec, Frames, StdStream};
use tokio::io::AsyncWriteExt;

use crate::bed::{Bed, exec, until};

async fn drain(output: &mut Frames) -> (Vec<u8>, Vec<u8>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(frame) = output.next().await {
        let frame = frame.unwrap();
        match frame.stream {
            StdStream::Stdout => out.extend(frame.data),
            StdStream::Stderr => err.extend(frame.data),
        }
    }
    (out, err)
}

async fn read_until(output: &mut Frames, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        match output.next().await {
            Some(frame) => text.push_str(std::str::from_utf8(&frame.unwrap().data).unwrap()),
            None => panic!("ended without {wanted:?}: {text:?}"),
        }
    }
    text
}

pub async fn exec_exit_codes(bed: &Bed) {
    let id = bed.start(&bed.idle("a")).await;
    assert_eq!(bed.sh(&id, "echo hello; exit 9").await, (9, "hello\n".to_owned()));
    assert_eq!(bed.sh(&id, "kill -9 $$").await.0, 137);
    let mut spec = exec(&["sh", "-c", "echo $X; pwd; id -u"]);
    spec.env = vec![("X".into(), "y z".into())];
    spec.working_dir = Some("/tmp".into());
    spec.user = Some("12".into());
    let (code, out) = bed.engine.run_exec(&id, &spec, Duration::from_secs(30), 1000).await.unwrap();
    assert_eq!((code, String::from_utf8(out).unwrap().as_str()), (0, "y z\n/tmp\n12\n"));
    let missing = bed.engine.run_exec(&id, &exec(&["/no/such"]), Duration::from_secs(30), 1000).await;
    match missing {
        Ok((code, _)) => assert!(matches!(code, 126 | 127), "{code}"),
        Err(Error::CannotRun { exit_code, .. }) => assert_eq!(exit_code, 127),
        other => panic!("{other:?}"),
    }
    bed.engine.stop_container(&id, None, Some(Duration::ZERO)).await.unwrap();
    let stopped = bed.engine.create_exec(&id, &exec(&["true"])).await;
    assert!(matches!(stopped, Err(Error::Conflict(_))), "{stopped:?}");
}

pub async fn exec_carries_bytes_both_ways(bed: &Bed) {
    let id = bed.start(&bed.idle("a")).await;
    let spec = ExecSpec { stdin: true, ..exec(&["cat"]) };
    let made = bed.engine.create_exec(&id, &spec).await.unwrap();
    let Duplex { mut output, mut stdin } = bed.engine.start_exec(&made, &spec).await.unwrap();
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let copy = sent.clone();
    let write = tokio::spawn(async move {
        stdin.write_all(&copy).await.unwrap();
        stdin.shutdown().await.unwrap();
        stdin
    });
    let (out, err) = drain(&mut output).await;
    assert!(out == sent, "{} of {} bytes came back", out.len(), sent.len());
    assert!(err.is_empty());
    assert_eq!(bed.engine.exec_exit_code(&made).await.unwrap(), 0);
    write.await.unwrap();
}

pub async fn exec_streams_stay_apart(bed: &Bed) {
    let id = bed.start(&bed.idle("a")).await;
    let spec = exec(&["sh", "-c", "echo out; sleep 0.5; echo err >&2; exit 2"]);
    let made = bed.engine.create_exec(&id, &spec).await.unwrap();
    let Duplex { mut output, stdin } = bed.engine.start_exec(&made, &spec).await.unwrap();
    drop(stdin);
    assert_eq!(drain(&mut output).await, (b"out\n".to_vec(), b"err\n".to_vec()));
    assert_eq!(bed.engine.exec_exit_code(&made).await.unwrap(), 2);
}

pub async fn a_terminal_has_a_size(bed: &Bed) {
    let id = bed.start(&bed.idle("a")).await;
    let spec = ExecSpec { stdin: true, tty: true, size: Some((101, 37)), ..exec(&["sh"]) };
    let made = bed.engine.create_exec(&id, &spec).await.unwrap();
    let mut duplex = bed.engine.start_exec(&made, &spec).await.unwrap();
    duplex.stdin.write_all(b"stty size\n").await.unwrap();
    read_until(&mut duplex.output, "37 101").await;
    bed.engine.resize_exec(&made, 133, 44).await.unwrap();
    duplex.stdin.write_all(b"stty size\n").await.unwrap();
    read_until(&mut duplex.output, "44 133").await;
    duplex.stdin.write_all(b"stty raw -echo; echo read''y; dd bs=1 count=1 2>/dev/null | sha256sum\n").await.unwrap();
    read_until(&mut duplex.output, "ready").await;
    duplex.stdin.write_all(b"\x10").await.unwrap();
    // The sum of one Ctrl-P: no key is held back.
    read_until(&mut duplex.output, "c555eab45d08845ae9f10d452a99bfcb06f74a50b988fe7e48dd323789b88ee3").await;
    duplex.stdin.write_all(b"exit 6\n").await.unwrap();
    drain(&mut duplex.output).await;
    assert_eq!(bed.engine.exec_exit_code(&made).await.unwrap(), 6);
}

pub async fn attach_talks_to_the_program(bed: &Bed) {
    let mut spec = bed.script("a", "while read line; do echo \"got $line\"; done; echo end >&2");
    spec.stdin = true;
    spec.stdin_once = true;
    let id = bed.start(&spec).await;
    let mut duplex = bed.engine.attach(&id, true, true, true).await.unwrap();
    duplex.stdin.write_all(b"one\n").await.unwrap();
    assert_eq!(read_until(&mut duplex.output, "\n").await, "got one\n");
    duplex.stdin.write_all(b"two\n").await.unwrap();
    duplex.stdin.shutdown().await.unwrap();
    let (out, err) = drain(&mut duplex.output).await;
    assert_eq!((out, err), (b"got two\n".to_vec(), b"end\n".to_vec()));
    assert_eq!(bed.engine.wait_container(&id).await.unwrap().exit_code, 0);

    let mut spec = bed.script("tty", "read line; stty size; read line; exit 8");
    spec.stdin = true;
    spec.tty = true;
    let id = bed.start(&spec).await;
    let mut duplex = bed.engine.attach(&id, true, true, true).await.unwrap();
    bed.engine.resize_container(&id, 90, 20).await.unwrap();
    duplex.stdin.write_all(b"x\n").await.unwrap();
    read_until(&mut duplex.output, "20 90\r\n").await;
    duplex.stdin.write_all(b"x\n").await.unwrap();
    assert_eq!(bed.engine.wait_container(&id).await.unwrap().exit_code, 8);
}

pub async fn a_slow_reader_slows_the_writer(bed: &Bed) {
    let id = bed.start(&bed.idle("a")).await;
    let script = "n=0; while :; do printf %065536d 0; n=$((n+1)); echo $n > /tmp/count; done";
    let spec = exec(&["sh", "-c", script]);
    let made = bed.engine.create_exec(&id, &spec).await.unwrap();
    let mut duplex = bed.engine.start_exec(&made, &spec).await.unwrap();
    assert!(duplex.output.next().await.is_some());
    let mut last = String::new();
    until("the writer stands still", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let count = bed.sh(&id, "cat /tmp/count").await.1;
        let still = !count.is_empty() && count == last;
        last = count;
        still
    })
    .await;
    let written: usize = last.trim().parse().unwrap();
    assert!(written < 500, "{written} blocks of 64 KiB were taken for one that was read");
}

pub async fn run_exec_gives_up_in_time(bed: &Bed) {
    let id = bed.start(&bed.idle("a")).await;
    let since = Instant::now();
    let late = bed.engine.run_exec(&id, &exec(&["sleep", "20"]), Duration::from_millis(800), 10).await;
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
    assert!(since.elapsed() < Duration::from_secs(5));
    let (code, out) = bed.engine.run_exec(&id, &exec(&["seq", "1000"]), Duration::from_secs(30), 10).await.unwrap();
    assert_eq!((code, out.len()), (0, 10));
}
