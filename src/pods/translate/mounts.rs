//! The mounts of a container, from its `volumeMounts` and from where each volume of its pod is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Refusal;
use super::env::Variables;
use crate::engine::{Mount, Propagation, RecursiveReadOnly};
use crate::schema::object::Object;

/// Where a volume of a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file or directory of the host; nothing in the container may write to it if `read_only`.
    Host {
        /// Absolute path.
        path: String,
        /// Files that k2d writes itself, and claims that are read-only.
        read_only: bool,
    },
    /// An engine volume.
    Engine {
        /// Its name.
        name: String,
        /// Where it is on the host; empty if nowhere.
        path: String,
        /// A claim that is read-only.
        read_only: bool,
    },
    /// The files of an image.
    Image {
        /// Its reference.
        image: String,
    },
}

/// The volumes of a pod by name.
pub type Places = BTreeMap<String, Place>;

/// The mounts of a container. `inside` gives the path on the host of a part of a directory: made where it
/// is missing, an error where it leads out of it.
///
/// # Errors
/// A volume that is not there, a `subPath` that leads out of its volume, or what the engine cannot do.
pub fn mounts(
    container: &Value,
    places: &Places,
    variables: &Variables,
    inside: &mut dyn FnMut(&str, &str) -> Result<String, String>,
) -> Result<Vec<Mount>, Refusal> {
    let mut out = Vec::new();
    for mount in container.list("/volumeMounts") {
        out.push(one(mount, places, variables, inside)?);
    }
    if !container.list("/volumeDevices").is_empty() {
        return Err(Refusal::config("volumeDevices are not supported: this node has no block volumes"));
    }
    Ok(out)
}

fn one(
    mount: &Value,
    places: &Places,
    variables: &Variables,
    inside: &mut dyn FnMut(&str, &str) -> Result<String, String>,
) -> Result<Mount, Refusal> {
    let name = mount.text("/name");
    let target = mount.text("/mountPath").to_owned();
    let place = places.get(name).ok_or_else(|| Refusal::config(format!("volume \"{name}\" is not there")))?;
    let sub = match mount.text("/subPathExpr") {
        "" => mount.text("/subPath").to_owned(),
        expression => variables.expand(expression),
    };
    let refuse =
        |cause: String| Refusal::config(format!("failed to prepare subPath for volumeMount \"{name}\": {cause}"));
    let unsafe_part = sub.split('/').any(|part| part == "..") || sub.starts_with('/') || sub.contains("$(");
    if unsafe_part {
        return Err(refuse(format!("\"{sub}\" is not a path below the volume")));
    }
    let wanted = mount["readOnly"] == true;
    let recursive = match (wanted, mount.text("/recursiveReadOnly")) {
        (true, "Enabled") => RecursiveReadOnly::Enabled,
        (true, "IfPossible") => RecursiveReadOnly::IfPossible,
        _ => RecursiveReadOnly::Disabled,
    };
    let propagation = match mount.text("/mountPropagation") {
        "HostToContainer" => Propagation::HostToContainer,
        "Bidirectional" => Propagation::Bidirectional,
        _ => Propagation::Private,
    };
    let bind = |source: String, read_only: bool| Mount::Bind {
        source,
        target: target.clone(),
        read_only,
        recursive_read_only: recursive,
        propagation,
    };
    Ok(match place {
        Place::Host { path, read_only } if sub.is_empty() => bind(path.clone(), wanted || *read_only),
        Place::Host { path, read_only } => bind(inside(path, &sub).map_err(refuse)?, wanted || *read_only),
        Place::Engine { path, read_only, .. } if !sub.is_empty() && !path.is_empty() => {
            bind(inside(path, &sub).map_err(refuse)?, wanted || *read_only)
        }
        Place::Engine { name, read_only, .. } => Mount::Volume {
            name: name.clone(),
            target,
            read_only: wanted || *read_only,
            no_copy: true,
            subpath: (!sub.is_empty()).then_some(sub),
        },
        Place::Image { image } => {
            Mount::Image { image: image.clone(), target, subpath: (!sub.is_empty()).then_some(sub) }
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(mount: Value) -> Result<Mount, Refusal> {
        let host = |path: &str, read_only| Place::Host { path: path.into(), read_only };
        let places = Places::from([
            ("config".to_owned(), host("/data/config", true)),
            ("work".to_owned(), host("/data/work", false)),
            ("claim".to_owned(), Place::Engine { name: "ns.claim".into(), path: "/e/claim".into(), read_only: false }),
        ]);
        let container = json!({"volumeMounts": [mount]});
        let mut inside = |path: &str, sub: &str| Ok(format!("{path}/{sub}"));
        mounts(&container, &places, &Variables::default(), &mut inside).map(|list| list[0].clone())
    }

    #[test]
    fn projected_files_are_never_writable() {
        let Ok(Mount::Bind { source, read_only, .. }) = of(json!({"name": "config", "mountPath": "/c"})) else {
            panic!("a bind mount");
        };
        assert_eq!((source.as_str(), read_only), ("/data/config", true));
        let Ok(Mount::Bind { read_only, .. }) = of(json!({"name": "work", "mountPath": "/w"})) else {
            panic!("a bind mount");
        };
        assert!(!read_only);
    }

    #[test]
    fn a_part_of_a_volume_stays_within_it() {
        let Ok(Mount::Bind { source, .. }) = of(json!({"name": "claim", "mountPath": "/c", "subPath": "a/b"})) else {
            panic!("a bind mount");
        };
        assert_eq!(source, "/e/claim/a/b");
        assert!(of(json!({"name": "work", "mountPath": "/c", "subPath": "../x"})).is_err());
        assert!(of(json!({"name": "work", "mountPath": "/c", "subPathExpr": "$(UNKNOWN)"})).is_err());
        assert!(of(json!({"name": "none", "mountPath": "/c"})).is_err());
    }

    #[test]
    fn a_claim_is_an_engine_volume() {
        let got = of(json!({"name": "claim", "mountPath": "/c", "readOnly": true})).expect("a mount");
        assert!(matches!(got, Mount::Volume { name, read_only: true, subpath: None, .. } if name == "ns.claim"));
    }
}
