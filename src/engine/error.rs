//! What can go wrong with an engine, told apart by status codes and by the texts of Docker and Podman,
//! since the codes alone do not: Podman answers 500 to most, Docker to port clashes and registries.

/// Result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed. The message is the engine's own, fit to show to people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing answers at the socket, or it went away before it answered.
    #[error("cannot reach the container engine at {socket}: {cause}")]
    Unreachable {
        /// Path of the socket.
        socket: String,
        /// What the system said.
        cause: String,
    },
    /// The engine went away in the middle of its answer.
    #[error("the connection to the container engine broke: {0}")]
    Broken(String),
    /// The socket may not be used.
    #[error("no permission to use the container engine's socket {socket}")]
    PermissionDenied {
        /// Path of the socket.
        socket: String,
    },
    /// No answer in time. The engine may still do what it was asked.
    #[error("the container engine did not answer within {seconds} s")]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
    /// No such container, network, volume or exec.
    #[error("{0}")]
    NotFound(String),
    /// The image is not present, or the registry does not have it.
    #[error("{0}")]
    ImageNotFound(String),
    /// The name belongs to something else.
    #[error("{message}")]
    NameTaken {
        /// The engine's message.
        message: String,
        /// Id of the container that has it, if told.
        holder: Option<String>,
    },
    /// A port of the host is taken.
    #[error("{message}")]
    PortInUse {
        /// The engine's message.
        message: String,
        /// The port, if told.
        port: Option<u16>,
    },
    /// The address asked for in a network is taken.
    #[error("{0}")]
    AddressInUse(String),
    /// It is in use or in a state that does not allow this.
    #[error("{0}")]
    Conflict(String),
    /// The program could not be run in the container.
    #[error("{message}")]
    CannotRun {
        /// The engine's message.
        message: String,
        /// What a shell would say: 127 no such program, 126 not executable, 128 otherwise.
        exit_code: i64,
    },
    /// The registry wants other credentials or does not give it to them.
    #[error("{0}")]
    RegistryRefused(String),
    /// The registry cannot be reached or cannot answer now.
    #[error("{0}")]
    RegistryUnreachable(String),
    /// The disk is full.
    #[error("{0}")]
    NoSpace(String),
    /// The engine takes no such request.
    #[error("{0}")]
    InvalidArgument(String),
    /// This engine, or this version of it, cannot do that.
    #[error("{0}")]
    Unsupported(String),
    /// An answer that cannot be read.
    #[error("unreadable answer of the container engine: {0}")]
    Protocol(String),
    /// Anything else.
    #[error("{message}")]
    Other {
        /// HTTP status, 0 for an error that came within a stream.
        status: u16,
        /// The engine's message.
        message: String,
    },
}

impl Error {
    /// Whether the thing is not there; a removal that meets it has reached its aim.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::NotFound(_) | Error::ImageNotFound(_))
    }

    /// Whether the engine itself could not be asked, so that the same call may succeed later.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Error::Unreachable { .. } | Error::Broken(_) | Error::PermissionDenied { .. } | Error::TimedOut { .. }
        )
    }

    /// Whether the engine failed by itself when it should start a container, so that the same container made anew
    /// may start: something was left behind or is gone below it, and nothing is wrong with what was asked for.
    pub fn is_own_fault(&self) -> bool {
        match self {
            Error::CannotRun { exit_code, .. } => *exit_code == 128,
            Error::NotFound(_) | Error::Conflict(_) | Error::Other { .. } => true,
            _ => false,
        }
    }

    /// Reads an answer of the engine. `status` is 0 for an error told within a stream.
    pub(super) fn classify(status: u16, message: &str) -> Error {
        let message = message.trim().to_owned();
        let text = message.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["no space left on device", "disk quota exceeded"]) {
            return Error::NoSpace(message);
        }
        if has(&["is already in use by", "name is already in use", "that name is already in use"])
            && has(&["name"])
            && !has(&["requested ip address"])
        {
            return Error::NameTaken { holder: holder(&message), message };
        }
        if let Some(at) = find_any(&text, &["address already in use", "port is already allocated"]) {
            let port = last_port(text.get(..at).unwrap_or_default());
            if port.is_some() || text.contains("port is already allocated") {
                return Error::PortInUse { message, port };
            }
            return Error::AddressInUse(message);
        }
        if has(&["is already allocated to container", "address is already in use", "requested ip address"])
            && has(&["already"])
        {
            return Error::AddressInUse(message);
        }
        if has(&["no such image", "image not known", "manifest unknown", "name unknown"])
            || (has(&["manifest for", "failed to resolve reference"]) && has(&["not found"]))
        {
            return Error::ImageNotFound(message);
        }
        if has(REFUSED) {
            return Error::RegistryRefused(message);
        }
        if has(&["unique constraint failed: containerconfig.name"]) {
            return Error::NameTaken { message, holder: None };
        }
        if has(&["already exists", "already used"]) && has(&["network", "volume", "name"]) {
            return Error::NameTaken { message, holder: None };
        }
        if has(&["no such container", "no such network", "network not found", "no such volume", "no such exec"]) {
            return Error::NotFound(message);
        }
        if has(&["oci runtime", "failed to create shim", "crun: ", "runc: ", "failed to create task"]) {
            return Error::CannotRun { exit_code: shell_code(&text), message };
        }
        if (status == 0 || status >= 500) && has(UNREACHABLE) {
            return Error::RegistryUnreachable(message);
        }
        if has(&[
            "container state improper",
            "is not running",
            "is being used",
            "in use",
            "active endpoints",
            "dependent containers",
            "please force removal",
        ]) {
            return Error::Conflict(message);
        }
        if has(&["does not support reading", "cannot read logs", "is not logging output"]) {
            return Error::Unsupported(message);
        }
        if has(&["not a shared mount", "not a shared or slave mount"]) {
            return Error::InvalidArgument(message);
        }
        match status {
            400 => Error::InvalidArgument(message),
            401 => Error::RegistryRefused(message),
            404 => Error::NotFound(message),
            409 => Error::Conflict(message),
            501 => Error::Unsupported(message),
            _ => Error::Other { status, message },
        }
    }
}

const REFUSED: &[&str] = &[
    "pull access denied",
    "unauthorized",
    "authentication required",
    "no basic auth credentials",
    "requested access to the resource is denied",
    "access forbidden",
    "403 forbidden",
    "insufficient_scope",
    "invalid username/password",
];

const UNREACHABLE: &[&str] = &[
    "dial tcp",
    "connection refused",
    "connection reset",
    "no such host",
    "i/o timeout",
    "tls handshake",
    "x509:",
    "network is unreachable",
    "no route to host",
    "server misbehaving",
    "temporary failure in name resolution",
    "context deadline exceeded",
    "client.timeout exceeded",
    "unexpected eof",
    "toomanyrequests",
    "too many requests",
    "unexpected http status: 5",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway timeout",
    "http response to https client",
    "proxyconnect",
    "pinging container registry",
];

fn find_any(text: &str, words: &[&str]) -> Option<usize> {
    words.iter().filter_map(|word| text.find(word)).min()
}

/// The port of the host in the last word that names one: `ADDRESS:PORT`, `ADDRESS:PORT/PROTOCOL`, or, since
/// Docker 28, `ADDRESS:PORT:ADDRESS:PORT/PROTOCOL` with the container's after the host's.
fn last_port(text: &str) -> Option<u16> {
    text.split_whitespace().rev().find_map(|word| {
        let word = word.trim_end_matches([':', ',', ';']);
        let word = word.split_once('/').map_or(word, |(address, _)| address);
        // The address may be one of IPv6: the port is the first part of digits alone after a bracket or colon.
        let (address, rest) = word.split_once("]:").unwrap_or(("", word));
        let mut parts = rest.split(':');
        if address.is_empty() {
            parts.next();
        }
        parts.find(|part| !part.is_empty()).and_then(|port| port.parse().ok())
    })
}

/// The container id in `… already in use by container "ID"` (Docker) or `… in use by ID.` (Podman).
fn holder(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("in use by ")?;
    let rest = rest.strip_prefix("container ").unwrap_or(rest);
    let id: String = rest.trim_start_matches('"').chars().take_while(char::is_ascii_hexdigit).collect();
    (id.len() >= 12).then_some(id)
}

fn shell_code(text: &str) -> i64 {
    if text.contains("permission denied") || text.contains("exec format error") || text.contains("is a directory") {
        126
    } else if text.contains("not found") || text.contains("no such file or directory") {
        127
    } else {
        128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_tells_its_holder() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let docker = format!(
            "Conflict. The container name \"/a\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
        );
        let podman = format!(
            "creating container storage: the container name \"a\" is already in use by {id}. You have to remove that container to be able to reuse that name: that name is already in use"
        );
        for (status, text) in [(409, docker), (500, podman)] {
            let error = Error::classify(status, &text);
            assert!(matches!(&error, Error::NameTaken { holder: Some(h), .. } if h == id), "{error:?} from {text}");
        }
    }

    #[test]
    fn a_taken_port_is_told_from_a_taken_address() {
        let ports = [
            "driver failed programming external connectivity on endpoint a (0f): Bind for 0.0.0.0:8080 failed: port is already allocated",
            "driver failed programming external connectivity on endpoint a (0f): Error starting userland proxy: listen tcp4 0.0.0.0:8080: bind: address already in use",
            "failed to set up container networking: driver failed programming external connectivity on endpoint a: failed to bind host port 0.0.0.0:8080/tcp: address already in use",
            "cannot listen on the TCP port: listen tcp4 :8080: bind: address already in use",
            "rootlessport listen tcp [::]:8080: bind: address already in use",
            "failed to bind host port for 0.0.0.0:8080:172.17.0.3:80/tcp: address already in use",
            "failed to bind host port for [::]:8080:[fd00::2]:80/tcp: address already in use",
            "Bind for :::8080 failed: port is already allocated",
        ];
        for text in ports {
            let error = Error::classify(500, text);
            assert!(matches!(error, Error::PortInUse { port: Some(8080), .. }), "{error:?} from {text}");
        }
        let addresses = [
            "Address already in use",
            "IPAM error: requested ip address 10.1.0.5 is already allocated to container ID 0123",
        ];
        for text in addresses {
            let error = Error::classify(500, text);
            assert!(matches!(error, Error::AddressInUse(_)), "{error:?} from {text}");
        }
    }

    #[test]
    fn registries_that_refuse_lack_or_are_away_are_told_apart() {
        type Is = fn(&Error) -> bool;
        let table: [(u16, &str, Is); 12] = [
            // The words of Docker 29, which pulls by containerd.
            (0, "failed to resolve reference \"r/a:b\": r/a:b: not found", |e| matches!(e, Error::ImageNotFound(_))),
            (
                0,
                "failed to resolve reference \"r/a:b\": unexpected status from HEAD request to https://r/v2/a/manifests/b: 503 Service Unavailable",
                |e| matches!(e, Error::RegistryUnreachable(_)),
            ),
            (
                0,
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
                |e| matches!(e, Error::RegistryRefused(_)),
            ),
            (404, "No such image: a:latest", |e| matches!(e, Error::ImageNotFound(_))),
            (404, "manifest for a:b not found: manifest unknown: manifest unknown", |e| {
                matches!(e, Error::ImageNotFound(_))
            }),
            (500, "initializing source docker://r/a:b: reading manifest b in r/a: manifest unknown", |e| {
                matches!(e, Error::ImageNotFound(_))
            }),
            (
                404,
                "pull access denied for a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                |e| matches!(e, Error::RegistryRefused(_)),
            ),
            (500, "Get \"http://r/v2/\": unauthorized: authentication required", |e| {
                matches!(e, Error::RegistryRefused(_))
            }),
            (500, "Get \"https://r/v2/\": dial tcp: lookup r on 10.0.0.1:53: no such host", |e| {
                matches!(e, Error::RegistryUnreachable(_))
            }),
            (
                0,
                "pinging container registry r:5000: Get \"http://r:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
                |e| matches!(e, Error::RegistryUnreachable(_)),
            ),
            (500, "toomanyrequests: You have reached your pull rate limit.", |e| {
                matches!(e, Error::RegistryUnreachable(_))
            }),
            (500, "write /var/lib/docker/tmp/x: no space left on device", |e| matches!(e, Error::NoSpace(_))),
        ];
        for (status, text, is) in table {
            let error = Error::classify(status, text);
            assert!(is(&error), "{error:?} from {status} {text}");
        }
    }

    #[test]
    fn a_program_that_cannot_run_has_a_shells_exit_code() {
        let text = "failed to create shim task: OCI runtime create failed: runc create failed: exec: \"nope\": executable file not found in $PATH: unknown";
        assert!(matches!(Error::classify(400, text), Error::CannotRun { exit_code: 127, .. }));
        let text = "OCI runtime create failed: exec: \"/etc/passwd\": permission denied: unknown";
        assert!(matches!(Error::classify(400, text), Error::CannotRun { exit_code: 126, .. }));
    }

    #[test]
    fn a_fault_of_the_engine_is_told_from_one_of_the_container() {
        let own = [
            (500, "failed to create task for container: failed to start shim: mkdir /run/x/moby/0f: file exists"),
            (404, "failed to set up container networking: network 0f not found"),
            (409, "container is marked for removal and cannot be started"),
            (500, "driver failed for a reason that nobody knows"),
        ];
        for (status, text) in own {
            assert!(Error::classify(status, text).is_own_fault(), "{text}");
        }
        let asked = [
            (
                400,
                "failed to create shim task: OCI runtime create failed: exec: \"nope\": executable file not found in $PATH",
            ),
            (500, "Bind for 0.0.0.0:8080 failed: port is already allocated"),
            (404, "No such image: a:latest"),
            (500, "write /x: no space left on device"),
        ];
        for (status, text) in asked {
            assert!(!Error::classify(status, text).is_own_fault(), "{text}");
        }
    }

    #[test]
    fn what_the_text_does_not_tell_the_status_does() {
        assert!(matches!(Error::classify(404, "gone"), Error::NotFound(_)));
        assert!(matches!(Error::classify(409, "no"), Error::Conflict(_)));
        assert!(matches!(Error::classify(400, "no"), Error::InvalidArgument(_)));
        assert!(matches!(Error::classify(500, "no"), Error::Other { status: 500, .. }));
        assert!(matches!(Error::classify(500, "no container with that name: no such container"), Error::NotFound(_)));
        assert!(matches!(
            Error::classify(500, "\"n\" has associated containers: network is being used"),
            Error::Conflict(_)
        ));
        assert!(matches!(Error::classify(403, "network n id 0f has active endpoints"), Error::Conflict(_)));
        assert!(matches!(
            Error::classify(500, "this container is using the 'none' log driver, cannot read logs"),
            Error::Unsupported(_)
        ));
        assert!(matches!(
            Error::classify(500, "cannot remove container 0f as it is running: container state improper"),
            Error::Conflict(_)
        ));
    }
}
