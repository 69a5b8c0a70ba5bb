//! References to images, as Docker reads them: `[domain/]path[:tag][@digest]`, where a missing domain is
//! `docker.io` and a path of one part there belongs to `library` (the grammar of the distribution reference).

use std::fmt;

/// Longest name, domain included.
const MAX_NAME: usize = 255;

/// A reference to an image, complete: the domain is always there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageRef {
    /// Registry, with its port if any.
    pub domain: String,
    /// Path of the repository, such as `library/redis`.
    pub path: String,
    /// Tag.
    pub tag: Option<String>,
    /// Digest, such as `sha256:…`.
    pub digest: Option<String>,
}

/// Why a text is not a reference to an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// It does not have the form.
    #[error("invalid reference format")]
    Format,
    /// It has capital letters in the repository.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// It is too long.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// It reads like an image id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Id(String),
    /// It is empty.
    #[error("repository name must have at least one component")]
    Empty,
}

impl ImageRef {
    /// Reads a reference as people write it.
    pub fn parse(text: &str) -> Result<ImageRef, InvalidReference> {
        if text.is_empty() {
            return Err(InvalidReference::Empty);
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidReference::Id(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, Some(digest.to_owned())),
            Some(_) => return Err(InvalidReference::Format),
            None => (text, None),
        };
        let (domain, remote) = match rest.split_once('/') {
            Some((first, remote)) if is_domain_like(first) => (first, remote),
            _ => ("docker.io", rest),
        };
        let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
        let (path, tag) = match remote.split_once(':') {
            Some((path, tag)) if is_tag(tag) => (path, Some(tag.to_owned())),
            Some(_) => return Err(InvalidReference::Format),
            None => (remote, None),
        };
        let library = domain == "docker.io" && !path.contains('/');
        let path = if library { format!("library/{path}") } else { path.to_owned() };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidReference::Uppercase(path));
        }
        if !is_domain(domain) || !path.split('/').all(is_component) {
            return Err(InvalidReference::Format);
        }
        if domain.len() + 1 + path.len() > MAX_NAME {
            return Err(InvalidReference::TooLong);
        }
        Ok(ImageRef { domain: domain.to_owned(), path, tag, digest })
    }

    /// Domain and path.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Name without what Docker leaves out when it shows one: `docker.io/library/redis` is `redis`.
    pub fn familiar_name(&self) -> String {
        match self.domain.as_str() {
            "docker.io" => self.path.strip_prefix("library/").unwrap_or(&self.path).to_owned(),
            _ => self.name(),
        }
    }

    /// Whether it names one content for ever.
    pub fn is_pinned(&self) -> bool {
        self.digest.is_some()
    }

    /// The tag in force: `latest` if neither a tag nor a digest is written.
    pub fn effective_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, Some(_)) => None,
            (None, None) => Some("latest"),
        }
    }

    /// The reference to hand to the engine: with the digest if there is one (the tag then says nothing),
    /// else with the tag in force.
    pub fn pull_reference(&self) -> String {
        match &self.digest {
            Some(digest) => format!("{}@{digest}", self.name()),
            None => format!("{}:{}", self.name(), self.effective_tag().unwrap_or("latest")),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The first part is a domain if it could not be part of a path on Docker's own registry.
fn is_domain_like(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, rest)) => {
            if v6.is_empty() || !v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return false;
            }
            return rest.is_empty() || rest.strip_prefix(':').is_some_and(is_number);
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        },
    };
    port.is_none_or(is_number)
        && host.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Small letters and digits, in runs joined by one `.`, one or two `_`, or any number of `-`.
fn is_component(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separator = String::new();
    let mut seen = false;
    for b in part.bytes() {
        if word(b) {
            if !separator.is_empty() {
                let joined = matches!(separator.as_str(), "." | "_" | "__") || separator.bytes().all(|s| s == b'-');
                if !seen || !joined {
                    return false;
                }
                separator.clear();
            }
            seen = true;
        } else if matches!(b, b'.' | b'_' | b'-') {
            separator.push(char::from(b));
        } else {
            return false;
        }
    }
    seen && separator.is_empty()
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn short_names_become_complete() {
        let table = [
            ("eclipse-mosquitto:2", "docker.io/library/eclipse-mosquitto:2"),
            ("redis", "docker.io/library/redis"),
            ("grafana/grafana:11.2", "docker.io/grafana/grafana:11.2"),
            ("index.docker.io/redis", "docker.io/library/redis"),
            ("quay.io/a/b/c", "quay.io/a/b/c"),
            ("localhost/a", "localhost/a"),
            ("localhost:5000/a:x", "localhost:5000/a:x"),
            ("[::1]:5000/a", "[::1]:5000/a"),
            ("Plant/a", "Plant/a"),
            ("a__b/c.d--e", "docker.io/a__b/c.d--e"),
        ];
        for (text, whole) in table {
            assert_eq!(ImageRef::parse(text).map(|r| r.to_string()), Ok(whole.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        let bad = [
            "",
            ":2",
            "a:",
            "a b",
            "a//b",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a@sha256:12",
            "a:b:c",
            "a:-x",
            "UPPER",
            "a/B",
            "quay.io/",
            "a@b",
            "http://quay.io/a",
        ];
        for text in bad {
            assert!(ImageRef::parse(text).is_err(), "{text} was taken");
        }
        assert_eq!(ImageRef::parse("Redis"), Err(InvalidReference::Uppercase("library/Redis".into())));
        assert!(matches!(ImageRef::parse(&DIGEST[7..]), Err(InvalidReference::Id(_))));
        assert_eq!(ImageRef::parse(&format!("quay.io/{}", "a".repeat(250))), Err(InvalidReference::TooLong));
    }

    #[test]
    fn the_tag_in_force_and_what_to_pull() {
        let parse = |text: &str| ImageRef::parse(text).unwrap();
        assert_eq!(parse("redis").effective_tag(), Some("latest"));
        assert_eq!(parse("redis").pull_reference(), "docker.io/library/redis:latest");
        let both = parse(&format!("redis:7@{DIGEST}"));
        assert_eq!(both.effective_tag(), Some("7"));
        assert_eq!(both.pull_reference(), format!("docker.io/library/redis@{DIGEST}"));
        assert_eq!(parse(&format!("redis@{DIGEST}")).effective_tag(), None);
        assert_eq!(both.familiar_name(), "redis");
        assert_eq!(parse("quay.io/a/b").familiar_name(), "quay.io/a/b");
        assert!(both.is_pinned());
    }
}
