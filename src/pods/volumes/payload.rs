//! What stands in projected volumes: names of files with their bytes and modes. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::pods::translate::{Place, Sources, fields};
use crate::schema::object::Object;

/// A file of a projected volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) data: Vec<u8>,
    pub(super) mode: u32,
    /// A token: it belongs to the pod's user where all containers have the same one.
    pub(super) token: bool,
}

/// Files by their path in the volume.
pub(super) type Files = BTreeMap<String, File>;

/// To whom files belong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owner {
    /// The user of all containers, if it is one.
    pub(super) user: Option<u32>,
    /// `fsGroup`.
    pub(super) group: Option<u32>,
}

impl Owner {
    pub(super) fn of(pod: &Value) -> Self {
        let of_pod = pod.int("/spec/securityContext/runAsUser");
        let lists = ["/spec/initContainers", "/spec/containers"].into_iter().flat_map(|list| pod.list(list));
        let mut users = lists.map(|container| container.int("/securityContext/runAsUser").or(of_pod));
        let first = users.next().flatten();
        let same = users.all(|user| user == first);
        let number = |id: i64| u32::try_from(id).ok();
        Self {
            user: first.filter(|_| same).and_then(number),
            group: pod.int("/spec/securityContext/fsGroup").and_then(number),
        }
    }
}

/// The files of a volume. `tokens` are those of its `serviceAccountToken` sources by path.
pub(super) fn files(
    pod: &Value,
    volume: &Value,
    sources: &Sources,
    place: &Place,
    tokens: &BTreeMap<String, String>,
) -> Result<Files, String> {
    let mut out = Files::new();
    let mode_of = |of: &Value| of.int("/defaultMode").and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o644);
    if let Some(source) = volume.get("configMap") {
        config_map(&mut out, source, source.text("/name"), mode_of(source), sources)?;
    } else if let Some(source) = volume.get("secret") {
        secret(&mut out, source, source.text("/secretName"), mode_of(source), sources)?;
    } else if let Some(source) = volume.get("downwardAPI") {
        downward(&mut out, pod, source, mode_of(source), place)?;
    } else if let Some(projected) = volume.get("projected") {
        let mode = mode_of(projected);
        for source in projected.list("/sources") {
            if let Some(map) = source.get("configMap") {
                config_map(&mut out, map, map.text("/name"), mode, sources)?;
            } else if let Some(of) = source.get("secret") {
                secret(&mut out, of, of.text("/name"), mode, sources)?;
            } else if let Some(of) = source.get("downwardAPI") {
                downward(&mut out, pod, of, mode, place)?;
            } else if let Some(of) = source.get("serviceAccountToken") {
                let path = of.text("/path");
                let data = tokens.get(path).map(|token| token.as_bytes().to_vec()).unwrap_or_default();
                out.insert(path.to_owned(), File { data, mode, token: true });
            } else {
                return Err("a projected source that this node does not know".to_owned());
            }
        }
    }
    Ok(out)
}

fn config_map(out: &mut Files, source: &Value, name: &str, mode: u32, sources: &Sources) -> Result<(), String> {
    let Some(map) = sources.config_maps.get(name) else {
        return absent(source, format!("configmap \"{name}\" not found"));
    };
    let empty = Map::new();
    let (text, binary) = (map.map("/data").unwrap_or(&empty), map.map("/binaryData").unwrap_or(&empty));
    let bytes = |key: &str| {
        let plain = text.get(key).and_then(Value::as_str).map(|text| text.as_bytes().to_vec());
        plain.or_else(|| binary.get(key).map(decoded))
    };
    let keys = text.keys().chain(binary.keys());
    pick(out, source, mode, keys, &bytes, "configmap references non-existent config key")
}

fn secret(out: &mut Files, source: &Value, name: &str, mode: u32, sources: &Sources) -> Result<(), String> {
    let Some(secret) = sources.secrets.get(name) else {
        return absent(source, format!("secret \"{name}\" not found"));
    };
    let empty = Map::new();
    let data = secret.map("/data").unwrap_or(&empty);
    let bytes = |key: &str| data.get(key).map(decoded);
    pick(out, source, mode, data.keys(), &bytes, "references non-existent secret key")
}

fn absent(source: &Value, message: String) -> Result<(), String> {
    if source["optional"] == true { Ok(()) } else { Err(message) }
}

/// All keys, or those that `items` names.
fn pick<'a>(
    out: &mut Files,
    source: &Value,
    mode: u32,
    keys: impl Iterator<Item = &'a String>,
    bytes: &dyn Fn(&str) -> Option<Vec<u8>>,
    missing: &str,
) -> Result<(), String> {
    let items = source.list("/items");
    if items.is_empty() {
        for key in keys {
            out.insert(key.clone(), File { data: bytes(key).unwrap_or_default(), mode, token: false });
        }
        return Ok(());
    }
    for item in items {
        let key = item.text("/key");
        match bytes(key) {
            Some(data) => {
                let mode = item.int("/mode").and_then(|mode| u32::try_from(mode).ok()).unwrap_or(mode);
                out.insert(item.text("/path").to_owned(), File { data, mode, token: false });
            }
            None if source["optional"] == true => {}
            None => return Err(format!("{missing}: {key}")),
        }
    }
    Ok(())
}

fn downward(out: &mut Files, pod: &Value, source: &Value, mode: u32, place: &Place) -> Result<(), String> {
    for item in source.list("/items") {
        let mode = item.int("/mode").and_then(|mode| u32::try_from(mode).ok()).unwrap_or(mode);
        let path = item.text("/fieldRef/fieldPath");
        let value = if path.is_empty() {
            let name = item.text("/resourceFieldRef/containerName");
            let lists = ["/spec/containers", "/spec/initContainers"].into_iter().flat_map(|list| pod.list(list));
            let container = lists.into_iter().find(|container| container.text("/name") == name);
            let divisor = item.pointer("/resourceFieldRef/divisor").unwrap_or(&Value::Null);
            container.and_then(|container| {
                fields::resource(container, item.text("/resourceFieldRef/resource"), divisor, place)
            })
        } else {
            fields::field(pod, path, place)
        };
        let value = value.ok_or_else(|| format!("unsupported fieldPath: {path}"))?;
        out.insert(item.text("/path").to_owned(), File { data: value.into_bytes(), mode, token: false });
    }
    Ok(())
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default()
}

/// When a token was issued and when it ends.
pub(super) fn token_times(token: &str) -> Option<(u64, u64)> {
    let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&body).ok()?;
    Some((claims["iat"].as_u64()?, claims["exp"].as_u64()?))
}

/// When a token is to be replaced: after four fifths of its life, or a day.
pub(super) fn rotate_at(issued: u64, ends: u64) -> u64 {
    let life = ends.saturating_sub(issued);
    issued.saturating_add((life / 5 * 4).min(24 * 3600))
}

/// Whether a token need not be replaced yet; one from the future is not trusted.
pub(super) fn is_young(issued: u64, ends: u64, now: u64) -> bool {
    issued <= now && now < rotate_at(issued, ends)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(volume: Value) -> Result<Files, String> {
        let mut sources = Sources::default();
        let map = json!({"data": {"a": "1", "b": "2"}, "binaryData": {"c": "AP8="}});
        sources.config_maps.insert("cm".into(), map);
        sources.secrets.insert("s".into(), json!({"data": {"pw": "c2VjcmV0"}}));
        let pod = json!({"metadata": {"name": "p", "namespace": "ns", "labels": {"x": "y"}}});
        let tokens = BTreeMap::from([("token".to_owned(), "t".to_owned())]);
        files(&pod, &volume, &sources, &Place::default(), &tokens)
    }

    fn text(files: &Files, path: &str) -> String {
        String::from_utf8_lossy(&files[path].data).into_owned()
    }

    #[test]
    fn a_whole_map_or_the_named_items() {
        let all = of(json!({"configMap": {"name": "cm", "defaultMode": 0o400}})).expect("files");
        assert_eq!((text(&all, "a"), all["b"].mode, &all["c"].data[..]), ("1".into(), 0o400, &[0, 255][..]));
        let item = json!({"configMap": {"name": "cm", "items": [{"key": "b", "path": "x/y", "mode": 0o600}]}});
        let some = of(item).expect("files");
        assert_eq!((some.len(), text(&some, "x/y"), some["x/y"].mode), (1, "2".into(), 0o600));
        let missing = of(json!({"secret": {"secretName": "s", "items": [{"key": "no", "path": "x"}]}}));
        assert_eq!(missing, Err("references non-existent secret key: no".into()));
        assert_eq!(of(json!({"configMap": {"name": "no"}})), Err("configmap \"no\" not found".into()));
        assert_eq!(of(json!({"configMap": {"name": "no", "optional": true}})), Ok(Files::new()));
    }

    #[test]
    fn projected_sources_come_together() {
        let volume = json!({"projected": {"defaultMode": 0o440, "sources": [
            {"serviceAccountToken": {"path": "token"}}, {"secret": {"name": "s"}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        ]}});
        let files = of(volume).expect("files");
        assert_eq!(text(&files, "token"), "t");
        assert_eq!((text(&files, "pw"), text(&files, "labels")), ("secret".into(), "x=\"y\"".into()));
        assert!(files["token"].token && files["pw"].mode == 0o440);
    }

    #[test]
    fn tokens_are_replaced_before_they_end() {
        assert!(is_young(100, 3700, 2900));
        assert!(!is_young(100, 3700, 2980));
        assert!(!is_young(100, 3700, 99));
        assert_eq!(rotate_at(0, 365 * 24 * 3600), 24 * 3600);
    }

    #[test]
    fn files_belong_to_the_one_user_of_all_containers() {
        let one = json!({"spec": {"securityContext": {"fsGroup": 5}, "containers": [
            {"securityContext": {"runAsUser": 7}}, {"securityContext": {"runAsUser": 7}}]}});
        assert_eq!(Owner::of(&one), Owner { user: Some(7), group: Some(5) });
        let two = json!({"spec": {"containers": [{"securityContext": {"runAsUser": 7}}, {}]}});
        assert_eq!(Owner::of(&two), Owner::default());
    }
}
