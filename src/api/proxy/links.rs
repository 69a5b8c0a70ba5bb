//! Links that a server gives to its own pages, led through the proxy: one that begins with `/` gets the path of
//! the proxy before it, one to somewhere else stays as it is.

/// What links are told apart by.
#[derive(Clone, Debug)]
pub struct Links {
    /// Path of the proxy, without the last slash.
    pub prefix: String,
    /// Address and port of the server.
    pub server: String,
    /// Whom the client has called.
    pub host: String,
}

/// The parts of a link (RFC 3986 appendix B).
struct Parts<'a> {
    scheme: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    /// Query and fragment.
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn of(link: &'a str) -> Self {
        let scheme = link.find(':').filter(|at| {
            let name = link.get(..*at).unwrap_or_default();
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        });
        let (scheme, link) = scheme.map_or(("", link), |at| link.split_at(at + 1));
        let (authority, link) = match link.strip_prefix("//") {
            Some(link) => {
                let end = link.find(['/', '?', '#']).unwrap_or(link.len());
                let (authority, link) = link.split_at(end);
                (Some(authority), link)
            }
            None => (None, link),
        };
        let (path, rest) = link.split_at(link.find(['?', '#']).unwrap_or(link.len()));
        Self { scheme, authority, path, rest }
    }
}

impl Links {
    /// The link through the proxy; `None` where it stays.
    pub fn rewritten(&self, link: &str) -> Option<String> {
        let parts = Parts::of(link.trim());
        let authority = parts.authority.unwrap_or_default();
        let elsewhere = !authority.is_empty() && authority != self.server && authority != self.host;
        if elsewhere || !parts.path.starts_with('/') {
            return None;
        }
        // A link by which the client has called keeps it.
        let before = match parts.authority {
            Some(authority) if !authority.is_empty() && authority == self.host => {
                format!("{}//{authority}", parts.scheme)
            }
            _ => String::new(),
        };
        if parts.path.starts_with(&self.prefix) {
            return Some(format!("{before}{}{}", parts.path, parts.rest));
        }
        Some(format!("{before}{}{}{}", self.prefix, clean(parts.path), parts.rest))
    }
}

/// A path without empty parts, `.` and `..`; the last slash stays.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    let mut clean: String = parts.iter().map(|part| format!("/{part}")).collect();
    if path.ends_with('/') {
        clean.push('/');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_the_server_itself_are_led_through_the_proxy() {
        let links = Links { prefix: "/p/proxy".into(), server: "10.42.0.2:80".into(), host: "localhost:8001".into() };
        let same = [
            ("/x/y?a=/b#c", "/p/proxy/x/y?a=/b#c"),
            ("/", "/p/proxy/"),
            ("//10.42.0.2:80/x/", "/p/proxy/x/"),
            ("http://10.42.0.2:80/x", "/p/proxy/x"),
            ("http://localhost:8001/x", "http://localhost:8001/p/proxy/x"),
            ("/p/proxy/x", "/p/proxy/x"),
            ("/a//b/../c", "/p/proxy/a/c"),
        ];
        for (link, led) in same {
            assert_eq!(links.rewritten(link).as_deref(), Some(led), "{link}");
        }
        for link in
            ["x/y", "../x", "http://other/x", "//other/x", "mailto:a@b", "#top", "?q=/x", "", "http://10.42.0.2:80"]
        {
            assert_eq!(links.rewritten(link), None, "{link}");
        }
    }
}
