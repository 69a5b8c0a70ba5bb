//! Is there an engine, does it let k2d in, and is it new enough?

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::Finding;
use crate::config::EngineSocket;
use crate::engine::Socket;

/// Oldest version of Docker's API that serves all that k2d asks (Docker 20.10).
const OLDEST: (u32, u32) = (1, 41);
const PATIENCE: Duration = Duration::from_secs(5);
const TOPIC: &str = "engine";

pub(super) fn check(socket: &EngineSocket) -> Vec<Finding> {
    let path = match socket {
        EngineSocket::None => {
            let text = "none is configured: pods stay pending";
            return vec![Finding::note(TOPIC, text, "set `socket` under [engine] to `auto`")];
        }
        EngineSocket::Path(path) => path.clone(),
        EngineSocket::Auto => {
            Socket::Auto { docker_host: std::env::var("DOCKER_HOST").ok() }.resolve(|path| path.exists())
        }
    };
    vec![match ping(&path) {
        Ok(answer) => judge(&path, &answer),
        Err(error) => explain(&path, &error),
    }]
}

/// The head of the engine's answer to a ping.
fn ping(path: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn judge(path: &Path, answer: &str) -> Finding {
    let header = |name: &str| {
        let lines = answer.lines().take_while(|line| !line.is_empty());
        let mut pairs = lines.filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let place = path.display();
    if answer.split_whitespace().nth(1) != Some("200") {
        return Finding::wrong(TOPIC, format!("{place} does not answer as an engine does"), "name the right socket");
    }
    let api = header("Api-Version").unwrap_or_default();
    if let Some(version) = header("Libpod-API-Version") {
        return Finding::good(TOPIC, format!("Podman {version} answers on {place}"));
    }
    let number = api.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match number {
        Some(number) if number >= OLDEST => Finding::good(TOPIC, format!("Docker answers on {place} (API {api})")),
        Some(_) => Finding::wrong(
            TOPIC,
            format!("Docker on {place} is too old (API {api})"),
            "upgrade Docker to 20.10 or later",
        ),
        None => Finding::note(TOPIC, format!("{place} tells no API version"), "see that Docker is 20.10 or later"),
    }
}

fn explain(path: &Path, error: &io::Error) -> Finding {
    let (text, advice) = match error.kind() {
        ErrorKind::NotFound => {
            ("is not there", "install docker.io or podman, start it, or name its socket under [engine]")
        }
        ErrorKind::PermissionDenied => {
            ("lets this user not in", "run k2d as root, or as a member of the socket's group")
        }
        ErrorKind::ConnectionRefused => ("has nobody behind it", "start the engine: systemctl start docker"),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ("does not answer", "restart the engine, and see its log"),
        _ => ("fails", "see the engine's log"),
    };
    Finding::wrong(TOPIC, format!("{} {text} ({error})", path.display()), advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Dir;
    use std::os::unix::net::UnixListener;

    fn answer(text: &'static str) -> Finding {
        let dir = Dir::new();
        let path = dir.0.join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 64];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(text.as_bytes()).unwrap();
        });
        let mut found = check(&EngineSocket::Path(path));
        server.join().unwrap();
        found.remove(0)
    }

    #[test]
    fn engines_are_told_apart_and_old_ones_found() {
        let docker = answer("HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nServer: Docker\r\n\r\nOK");
        assert!(matches!(&docker, Finding::Good(_, text) if text.contains("Docker answers")), "{docker:?}");
        let podman = answer("HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\n\r\nOK");
        assert!(matches!(&podman, Finding::Good(_, text) if text.contains("Podman 4.3.1")), "{podman:?}");
        let old = answer("HTTP/1.0 200 OK\r\nApi-Version: 1.38\r\n\r\nOK");
        assert!(matches!(&old, Finding::Wrong(_, _, advice) if advice.contains("20.10")), "{old:?}");
        let other = answer("nonsense");
        assert!(matches!(&other, Finding::Wrong(_, text, _) if text.contains("does not answer as")), "{other:?}");
    }

    #[test]
    fn missing_and_dead_sockets_are_told_apart() {
        let dir = Dir::new();
        let path = dir.0.join("engine.sock");
        let missing = check(&EngineSocket::Path(path.clone()));
        assert!(matches!(&missing[0], Finding::Wrong(_, text, _) if text.contains("is not there")), "{missing:?}");
        drop(UnixListener::bind(&path).unwrap());
        let dead = check(&EngineSocket::Path(path));
        assert!(matches!(&dead[0], Finding::Wrong(_, text, _) if text.contains("nobody behind")), "{dead:?}");
    }
}
