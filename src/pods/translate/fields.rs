//! Values that come from the pod itself: `fieldRef` and `resourceFieldRef`, and the variables by which
//! services are found.

use serde_json::Value;

use super::Place;
use crate::schema::object::Object;
use crate::schema::quantity::Quantity;

/// The value of a `fieldRef`; `None` for a path that is not served.
pub fn field(pod: &Value, path: &str, place: &Place) -> Option<String> {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let found = match map {
            "metadata.labels" => pod.label(key),
            "metadata.annotations" => pod.annotation(key),
            _ => return None,
        };
        return Some(found.unwrap_or_default().to_owned());
    }
    Some(match path {
        "metadata.name" => pod.name().to_owned(),
        "metadata.namespace" => pod.namespace().to_owned(),
        "metadata.uid" => pod.uid().to_owned(),
        "metadata.labels" => lines(pod, "/metadata/labels"),
        "metadata.annotations" => lines(pod, "/metadata/annotations"),
        "spec.nodeName" => place.node.clone(),
        "spec.serviceAccountName" => pod.text("/spec/serviceAccountName").to_owned(),
        "status.hostIP" => place.host_ips.first().cloned().unwrap_or_default(),
        "status.hostIPs" => place.host_ips.join(","),
        "status.podIP" | "status.podIPs" => place.pod_ip.clone(),
        _ => return None,
    })
}

/// A map as the downward API writes it: one `key="value"` a line.
fn lines(pod: &Value, pointer: &str) -> String {
    let Some(map) = pod.map(pointer) else { return String::new() };
    let lines = map.iter().map(|(key, value)| {
        let quoted = serde_json::to_string(value).unwrap_or_default();
        format!("{key}={quoted}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The value of a `resourceFieldRef` for that container; `None` for a resource that is not served.
pub fn resource(container: &Value, resource: &str, divisor: &Value, place: &Place) -> Option<String> {
    let (list, name) = resource.split_once('.')?;
    let amount = container["resources"][list].get(name).and_then(|value| Quantity::of(value).ok());
    let divisor = Quantity::of(divisor).ok().filter(|divisor| !divisor.is_zero());
    if name == "cpu" {
        let whole = if list == "limits" { place.cpu } else { 0 };
        let milli = amount.map_or(whole, |amount| amount.milli_value());
        let divisor = divisor.map_or(1000, |divisor| divisor.milli_value());
        return Some(divide(milli, divisor));
    }
    let whole = match (list, name) {
        ("limits", "memory") => place.memory,
        ("limits", "ephemeral-storage") => place.storage,
        (_, "memory" | "ephemeral-storage") => 0,
        (_, name) if name.starts_with("hugepages-") => 0,
        _ => return None,
    };
    let value = amount.map_or(whole, |amount| amount.value());
    Some(divide(value, divisor.map_or(1, |divisor| divisor.value())))
}

/// Rounded up, as upstream does.
fn divide(value: i64, by: i64) -> String {
    let by = by.max(1);
    value.saturating_add(by - 1).div_euclid(by).to_string()
}

/// The variables of services, as links of Docker once wrote them.
pub fn service_variables(services: &[Value]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for service in services {
        let address = service.text("/spec/clusterIP");
        if address.is_empty() || address == "None" {
            continue;
        }
        let name = variable(service.name());
        let ports = service.list("/spec/ports");
        let Some(first) = ports.first() else { continue };
        out.push((format!("{name}_SERVICE_HOST"), address.to_owned()));
        out.push((format!("{name}_SERVICE_PORT"), number(first)));
        for port in ports {
            let label = port.text("/name");
            if !label.is_empty() {
                out.push((format!("{name}_SERVICE_PORT_{}", variable(label)), number(port)));
            }
        }
        let joined = |port: &Value, protocol: &str| match address.contains(':') {
            true => format!("{protocol}://[{address}]:{}", number(port)),
            false => format!("{protocol}://{address}:{}", number(port)),
        };
        for (at, port) in ports.iter().enumerate() {
            let protocol = Some(port.text("/protocol")).filter(|text| !text.is_empty()).unwrap_or("TCP");
            let small = protocol.to_lowercase();
            if at == 0 {
                out.push((format!("{name}_PORT"), joined(port, &small)));
            }
            let prefix = format!("{name}_PORT_{}_{}", number(port), protocol.to_uppercase());
            out.push((prefix.clone(), joined(port, &small)));
            out.push((format!("{prefix}_PROTO"), small));
            out.push((format!("{prefix}_PORT"), number(port)));
            out.push((format!("{prefix}_ADDR"), address.to_owned()));
        }
    }
    out
}

fn number(port: &Value) -> String {
    port.int("/port").unwrap_or_default().to_string()
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_the_pod_are_read() {
        let pod = json!({
            "metadata": {"name": "p", "labels": {"a": "1", "b": "x\"y"}, "annotations": {"k/x": "v"}},
            "spec": {"serviceAccountName": "sa"},
        });
        let place = Place { pod_ip: "10.1.0.2".into(), node: "n".into(), ..Place::default() };
        let read = |path| field(&pod, path, &place);
        assert_eq!(read("metadata.labels['a']").as_deref(), Some("1"));
        assert_eq!(read("metadata.annotations['k/x']").as_deref(), Some("v"));
        assert_eq!(read("metadata.labels['none']").as_deref(), Some(""));
        assert_eq!(read("metadata.labels").as_deref(), Some("a=\"1\"\nb=\"x\\\"y\""));
        assert_eq!(read("status.podIP").as_deref(), Some("10.1.0.2"));
        assert_eq!(read("spec.nodeName").as_deref(), Some("n"));
        assert_eq!(read("spec.containers"), None);
    }

    #[test]
    fn resources_are_divided_and_rounded_up() {
        let container = json!({"resources": {"limits": {"cpu": "1500m", "memory": "100Mi"}}});
        let place = Place { cpu: 4000, memory: 1 << 30, ..Place::default() };
        let read = |name, divisor| resource(&container, name, &divisor, &place);
        assert_eq!(read("limits.cpu", json!("0")).as_deref(), Some("2"));
        assert_eq!(read("limits.cpu", json!("1m")).as_deref(), Some("1500"));
        assert_eq!(read("limits.memory", json!("1Mi")).as_deref(), Some("100"));
        assert_eq!(read("requests.memory", json!("1")).as_deref(), Some("0"));
        let bare = json!({});
        assert_eq!(resource(&bare, "limits.cpu", &json!("1"), &place).as_deref(), Some("4"));
        assert_eq!(resource(&bare, "limits.memory", &Value::Null, &place).as_deref(), Some("1073741824"));
    }

    #[test]
    fn services_become_variables() {
        let service = json!({"metadata": {"name": "my-db"}, "spec": {"clusterIP": "10.43.0.5", "ports": [
            {"name": "sql", "port": 5432, "protocol": "TCP"}, {"name": "probe", "port": 53, "protocol": "UDP"},
        ]}});
        let headless = json!({"metadata": {"name": "h"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}});
        let got = service_variables(&[service, headless]);
        let value = |name: &str| got.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(value("MY_DB_SERVICE_HOST"), Some("10.43.0.5"));
        assert_eq!(value("MY_DB_SERVICE_PORT"), Some("5432"));
        assert_eq!(value("MY_DB_SERVICE_PORT_PROBE"), Some("53"));
        assert_eq!(value("MY_DB_PORT"), Some("tcp://10.43.0.5:5432"));
        assert_eq!(value("MY_DB_PORT_53_UDP"), Some("udp://10.43.0.5:53"));
        assert_eq!(value("MY_DB_PORT_5432_TCP_ADDR"), Some("10.43.0.5"));
        assert!(got.iter().all(|(name, _)| name.starts_with("MY_DB")));
    }
}
