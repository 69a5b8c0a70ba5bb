//! The streams of pods as the real kubectl sees them: logs, exec, attach and cp, against an API in
//! this process whose containers are programs of this machine. kubectl comes from
//! `tests/testbed/clients.sh`; without it a test says that it is skipped.

#[path = "streams/bed.rs"]
mod bed;
#[path = "streams/fake.rs"]
mod fake;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};

use bed::{Bed, Kubectl};

/// Kilobytes that are more than any buffer on the way.
const MUCH: usize = 3_000_000;

/// One test for each kubectl: 1.37 speaks WebSocket, 1.30 speaks SPDY.
macro_rules! with_each_kubectl {
    ($($name:ident),+ $(,)?) => {
        mod kubectl_37 { $(#[test] fn $name() { crate::bed::run("1.37", crate::$name); })+ }
        mod kubectl_30 { $(#[test] fn $name() { crate::bed::run("1.30", crate::$name); })+ }
    };
}

with_each_kubectl! {
    a_log_arrives_whole,
    a_log_is_followed_to_its_end,
    a_program_gets_its_input_and_its_end,
    outputs_stay_apart_and_the_exit_code_arrives,
    much_output_arrives_whole,
    a_program_that_cannot_start_is_told,
    an_attach_talks_to_the_container,
    files_are_copied_both_ways,
    a_terminal_has_the_size_of_the_clients,
    connections_are_forwarded_side_by_side,
    a_port_where_nobody_listens_is_told,
}

fn a_log_arrives_whole(bed: &Bed, kubectl: &Kubectl) {
    let said = kubectl.run(bed, &["logs", "shell"]).success();
    assert_eq!(said.out, b"one\ntwo\nthree\n");
    let said = kubectl.run(bed, &["logs", "shell", "--tail=1"]).success();
    assert_eq!(said.out, b"three\n");
    let refused = kubectl.run(bed, &["logs", "shell", "-c", "nobody"]);
    assert!(!refused.ok && refused.err.contains("container nobody is not valid for pod shell"), "{}", refused.err);
}

fn a_log_is_followed_to_its_end(bed: &Bed, kubectl: &Kubectl) {
    let said = kubectl.run(bed, &["logs", "-f", "shell"]).success();
    assert_eq!(said.out, b"one\ntwo\nthree\nfour\n");
}

fn a_program_gets_its_input_and_its_end(bed: &Bed, kubectl: &Kubectl) {
    let input: Vec<u8> = (0..MUCH).map(|i| (i % 251) as u8).collect();
    let said = kubectl.feed(bed, &["exec", "-i", "shell", "--", "cat"], &input).success();
    assert!(said.out == input, "{} of {} bytes came back", said.out.len(), input.len());
}

fn outputs_stay_apart_and_the_exit_code_arrives(bed: &Bed, kubectl: &Kubectl) {
    let said = kubectl.run(bed, &["exec", "shell", "--", "sh", "-c", "echo out; echo err >&2; exit 37"]);
    assert_eq!((said.code, said.out.as_slice()), (Some(37), b"out\n".as_slice()), "{}", said.err);
    assert!(said.err.starts_with("err\n"), "{}", said.err);
    assert!(said.err.contains("exit code 37"), "{}", said.err);
}

fn much_output_arrives_whole(bed: &Bed, kubectl: &Kubectl) {
    let size = (10 * MUCH).to_string();
    let said = kubectl.run(bed, &["exec", "shell", "--", "head", "-c", &size, "/dev/zero"]).success();
    assert_eq!(said.out.len(), 10 * MUCH);
}

fn a_program_that_cannot_start_is_told(bed: &Bed, kubectl: &Kubectl) {
    let said = kubectl.run(bed, &["exec", "shell", "--", "/no/such/program"]);
    assert!(!said.ok && said.err.contains("/no/such/program"), "{}", said.err);
}

fn an_attach_talks_to_the_container(bed: &Bed, kubectl: &Kubectl) {
    let said = kubectl.feed(bed, &["attach", "-i", "shell"], b"are you there?\n").success();
    assert_eq!(said.out, b"are you there?\n");
}

fn files_are_copied_both_ways(bed: &Bed, kubectl: &Kubectl) {
    let (from, there, back) = (bed.path("from"), bed.path("there"), bed.path("back"));
    let bytes: Vec<u8> = (0..MUCH).map(|i| (i % 253) as u8).collect();
    std::fs::write(&from, &bytes).unwrap();
    kubectl.run(bed, &["cp", &from, &format!("shell:{there}")]).success();
    assert!(std::fs::read(&there).unwrap() == bytes, "the file that went in is another");
    kubectl.run(bed, &["cp", &format!("shell:{there}"), &back]).success();
    assert!(std::fs::read(&back).unwrap() == bytes, "the file that came out is another");
}

fn a_terminal_has_the_size_of_the_clients(bed: &Bed, kubectl: &Kubectl) {
    let said = kubectl.on_terminal(bed, (33, 101), &["exec", "-it", "shell", "--", "size"]).success();
    assert!(said.text().contains("101x33"), "{}", said.text());
}

fn connections_are_forwarded_side_by_side(bed: &Bed, kubectl: &Kubectl) {
    let forward = kubectl.forward(bed, fake::ECHO);
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, forward.port)).unwrap();
    let (mut quiet, mut busy) = (connect(), connect());
    quiet.write_all(b"wait").unwrap();
    let sent: Vec<u8> = (0..MUCH).map(|i| (i % 241) as u8).collect();
    let (mut writer, bytes) = (busy.try_clone().unwrap(), sent.clone());
    let writing = std::thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    busy.read_to_end(&mut got).unwrap();
    writing.join().unwrap();
    assert!(got == sent, "{} of {} bytes came back", got.len(), sent.len());
    let mut four = [0; 4];
    quiet.read_exact(&mut four).unwrap();
    assert_eq!(&four, b"wait");
    drop(quiet);
    forward.end();
}

fn a_port_where_nobody_listens_is_told(bed: &Bed, kubectl: &Kubectl) {
    let forward = kubectl.forward(bed, 9);
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, forward.port)).unwrap();
    let mut got = Vec::new();
    // Whether it ends or breaks is kubectl's affair.
    let _ = connection.read_to_end(&mut got);
    assert!(got.is_empty());
    let told = forward.end();
    assert!(told.contains("error forwarding port 9 to pod shell"), "{told}");
}
