//! Where the engine is and how long to wait for it. It knows no HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Default places of an engine's socket, in the order in which they are tried.
const PLACES: [&str; 2] = ["/var/run/docker.sock", "/run/podman/podman.sock"];

/// How to reach the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The socket.
    pub socket: Socket,
    /// How long one call may take until the engine begins to answer. Stops, waits and pulls have
    /// their own limits on top.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { socket: Socket::Auto { docker_host: None }, timeout: Duration::from_secs(120) }
    }
}

/// Which unix socket to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// The value of `$DOCKER_HOST` if it names a unix socket, else the first that exists of
    /// `/var/run/docker.sock` and `/run/podman/podman.sock`; looked up anew for each connection.
    Auto {
        /// The value of `$DOCKER_HOST`, if it is set.
        docker_host: Option<String>,
    },
    /// This path.
    Path(PathBuf),
}

impl Socket {
    /// Reads a setting: `auto`, an absolute path or `unix://` and an absolute path. `docker_host` is the value
    /// of `$DOCKER_HOST`. The error says what is wrong with the value.
    pub fn parse(value: &str, docker_host: Option<String>) -> Result<Socket, String> {
        match value {
            "" | "auto" => Ok(Socket::Auto { docker_host }),
            other => unix_path(other)
                .map(|path| Socket::Path(path.to_owned()))
                .ok_or_else(|| format!("{other:?} is neither \"auto\" nor the absolute path of a unix socket")),
        }
    }

    /// The path to connect to now. `exists` says whether a file is there.
    pub fn resolve(&self, exists: impl Fn(&Path) -> bool) -> PathBuf {
        match self {
            Socket::Path(path) => path.clone(),
            Socket::Auto { docker_host } => {
                if let Some(path) = docker_host.as_deref().and_then(unix_path) {
                    return path.to_owned();
                }
                let found = PLACES.iter().find(|place| exists(Path::new(place)));
                PathBuf::from(found.copied().unwrap_or(PLACES[0]))
            }
        }
    }
}

fn unix_path(value: &str) -> Option<&Path> {
    let path = value.strip_prefix("unix://").unwrap_or(value);
    path.starts_with('/').then(|| Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_auto_a_path_or_a_unix_address() {
        assert_eq!(Socket::parse("auto", None), Ok(Socket::Auto { docker_host: None }));
        assert_eq!(Socket::parse("unix:///a/b.sock", None), Ok(Socket::Path("/a/b.sock".into())));
        assert_eq!(Socket::parse("/a/b.sock", None), Ok(Socket::Path("/a/b.sock".into())));
        assert!(Socket::parse("tcp://1.2.3.4:2375", None).is_err());
        assert!(Socket::parse("docker.sock", None).is_err());
    }

    #[test]
    fn auto_prefers_docker_host_then_docker_then_podman() {
        let auto = |host: Option<&str>| Socket::Auto { docker_host: host.map(str::to_owned) };
        assert_eq!(auto(Some("unix:///x.sock")).resolve(|_| true), Path::new("/x.sock"));
        assert_eq!(auto(Some("ssh://far")).resolve(|_| true), Path::new("/var/run/docker.sock"));
        assert_eq!(
            auto(None).resolve(|p| p == Path::new("/run/podman/podman.sock")),
            Path::new("/run/podman/podman.sock")
        );
        assert_eq!(auto(None).resolve(|_| false), Path::new("/var/run/docker.sock"));
    }
}
