//! The files of `/etc` that the containers of a pod share, as the kubelet writes them. It touches no disk.

use std::fmt::Write;

use serde_json::Value;

use super::container::host_name;
use crate::engine::Dns;
use crate::schema::object::Object;

/// Names and addresses of the machine itself.
const LOCAL: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                     fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";

/// `/etc/hosts` of a pod with that address; with the host's network it begins with the `host`'s own.
#[must_use]
pub fn hosts(pod: &Value, address: &str, domain: &str, host: Option<&str>) -> String {
    let mut text = match host {
        Some(host) => format!("# Kubernetes-managed hosts file (host network).\n{}\n", host.trim_end_matches('\n')),
        None => {
            let (name, rest) = host_name(pod, domain);
            let whole = rest.map(|rest| format!("{name}.{rest}\t")).unwrap_or_default();
            format!("# Kubernetes-managed hosts file.\n{LOCAL}{address}\t{whole}{name}\n")
        }
    };
    let aliases = pod.list("/spec/hostAliases");
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
    }
    for alias in aliases {
        let names: Vec<&str> = alias.list("/hostnames").iter().filter_map(Value::as_str).collect();
        let _ = writeln!(text, "{}\t{}", alias.text("/ip"), names.join("\t"));
    }
    text
}

/// `/etc/resolv.conf` that says just that.
#[must_use]
pub fn resolver(dns: &Dns) -> String {
    let mut text = String::new();
    for server in &dns.servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    for (word, list) in [("search", &dns.searches), ("options", &dns.options)] {
        if !list.is_empty() {
            let _ = writeln!(text, "{word} {}", list.join(" "));
        }
    }
    text
}

/// Whether a container brings a file of its own for that path.
#[must_use]
pub fn has_own(container: &Value, path: &str) -> bool {
    container.list("/volumeMounts").iter().any(|mount| mount.text("/mountPath").trim_end_matches('/') == path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_name_the_pod_and_its_aliases() {
        let mut pod = json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {
            "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["foo", "bar"]}]}});
        let text = hosts(&pod, "10.42.0.7", "cluster.local", None);
        assert!(text.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"), "{text}");
        assert!(text.ends_with("10.42.0.7\tp\n\n# Entries added by HostAliases.\n1.2.3.4\tfoo\tbar\n"), "{text}");
        pod["spec"]["subdomain"] = "s".into();
        let text = hosts(&pod, "10.42.0.7", "cluster.local", None);
        assert!(text.contains("\n10.42.0.7\tp.s.n.svc.cluster.local\tp\n"), "{text}");
        let text = hosts(&pod, "", "cluster.local", Some("127.0.0.1 localhost\n\n"));
        assert!(
            text.starts_with("# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n\n# E"),
            "{text}"
        );
    }

    #[test]
    fn a_resolver_is_written_and_a_mount_is_respected() {
        let dns = Dns { servers: vec!["1.1.1.1".into()], searches: vec!["a".into(), "b".into()], options: vec![] };
        assert_eq!(resolver(&dns), "nameserver 1.1.1.1\nsearch a b\n");
        let container = json!({"volumeMounts": [{"mountPath": "/etc/hosts", "name": "v"}]});
        assert!(has_own(&container, "/etc/hosts") && !has_own(&container, "/etc/resolv.conf"));
    }
}
