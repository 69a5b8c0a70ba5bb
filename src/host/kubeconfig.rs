//! The file with which clients reach the API (`v1 Config`): one cluster, one user, one context, with
//! all certificates in it. It reads and writes no file.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::pki::Pair;

/// Default port of the API server.
pub const PORT: u16 = 6443;

/// The text of a kubeconfig.
///
/// `cluster` names cluster and context, `user` the user, `server` is the whole URL.
#[must_use]
pub fn render(cluster: &str, user: &str, server: &str, authority_pem: &str, pair: &Pair) -> String {
    let authority = STANDARD.encode(authority_pem);
    let certificate = STANDARD.encode(&pair.certificate_pem);
    let key = STANDARD.encode(&pair.key_pem);
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: {cluster}
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: {user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {cluster}
  context:
    cluster: {cluster}
    user: {user}
current-context: {cluster}
"
    )
}

/// The URL of a server that is named by a host name, an address, either with a port, or a URL.
/// `port` stands where none is named. `None` if it is none of these.
#[must_use]
pub fn server_url(name: &str, port: u16) -> Option<String> {
    let rest = name.strip_prefix("https://").unwrap_or(name).trim_end_matches('/');
    if let Ok(ip) = rest.parse::<IpAddr>() {
        return Some(format!("https://{}", SocketAddr::new(ip, port)));
    }
    if let Ok(address) = rest.parse::<SocketAddr>() {
        return Some(format!("https://{address}"));
    }
    if let Some(ip) = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return ip.parse::<Ipv6Addr>().ok().map(|ip| format!("https://[{ip}]:{port}"));
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, text)) => (host, text.parse().ok().filter(|port| *port != 0)?),
        None => (rest, port),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (!host.is_empty() && host.bytes().all(fits) && !host.starts_with(['.', '-']))
        .then(|| format!("https://{host}:{port}"))
}

/// The host part of a URL that [`server_url`] made: a name or an address.
#[must_use]
pub fn host_of(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Where a client on this machine reaches a server that listens on these addresses.
#[must_use]
pub fn local_address(listen: &[SocketAddr]) -> SocketAddr {
    let everywhere = listen.iter().find(|at| at.ip().is_unspecified());
    match (everywhere, listen.first()) {
        (Some(any), _) => SocketAddr::from(([127, 0, 0, 1], any.port())),
        (None, Some(first)) => *first,
        (None, None) => SocketAddr::from(([127, 0, 0, 1], PORT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_may_be_named_in_many_ways() {
        for (name, url) in [
            ("plant-7", "https://plant-7:6443"),
            ("plant.example:443", "https://plant.example:443"),
            ("192.0.2.7", "https://192.0.2.7:6443"),
            ("192.0.2.7:1", "https://192.0.2.7:1"),
            ("2001:db8::7", "https://[2001:db8::7]:6443"),
            ("[2001:db8::7]", "https://[2001:db8::7]:6443"),
            ("[2001:db8::7]:2", "https://[2001:db8::7]:2"),
            ("https://plant-7:6443/", "https://plant-7:6443"),
        ] {
            assert_eq!(server_url(name, PORT).as_deref(), Some(url), "{name}");
        }
        for name in ["", "http://a", "a b", "a:0", "a:x", "a/b", "a\nb", "-a", "[a]"] {
            assert_eq!(server_url(name, PORT), None, "{name}");
        }
        assert_eq!(host_of("https://[2001:db8::7]:2"), "2001:db8::7");
        assert_eq!(host_of("https://plant-7:6443"), "plant-7");
    }

    #[test]
    fn local_clients_use_loopback_where_the_server_listens_there() {
        assert_eq!(local_address(&["[::]:7000".parse().unwrap()]).to_string(), "127.0.0.1:7000");
        assert_eq!(local_address(&["192.0.2.7:6443".parse().unwrap()]).to_string(), "192.0.2.7:6443");
    }
}
