//! The sources of volumes, in pods and in persistent volumes.

use serde_json::Value;

use super::env::{field_ref, resource_ref};
use super::{amount, selector};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::Rule::{At, Between, Check, Each, Filled, Format, Given, Required};
use crate::schema::rules::{Rule, check, entries, formatted, items, number, text};

/// A source of volumes: its field, the field that errors name where they name another one (once
/// where there are two sources, once below the source), and its rules.
struct Source {
    field: &'static str,
    twice: &'static str,
    path: &'static str,
    rules: &'static [Rule],
}

const fn source(field: &'static str, rules: &'static [Rule]) -> Source {
    Source { field, twice: field, path: field, rules }
}

const NEEDED: &[Rule] = &[Required("")];
const PARTITION: &[Rule] = &[Between(0, 255)];
const GCE: &[Rule] = &[At("pdName", NEEDED), At("partition", PARTITION)];
const AWS: &[Rule] = &[At("volumeID", NEEDED), At("partition", PARTITION)];
const GLUSTER: &[Rule] = &[At("endpoints", NEEDED), At("path", NEEDED)];
const NFS: &[Rule] = &[At("server", NEEDED), Check(nfs_path)];
const RBD: &[Rule] = &[At("monitors", NEEDED), At("image", NEEDED)];
const CEPH: &[Rule] = &[At("monitors", NEEDED)];
const SCALE_IO: &[Rule] = &[At("gateway", NEEDED), At("system", NEEDED), At("volumeName", NEEDED)];
const VSPHERE: &[Rule] = &[At("volumePath", NEEDED)];
const PHOTON: &[Rule] = &[At("pdID", NEEDED)];
const PORTWORX: &[Rule] = &[At("volumeID", NEEDED)];
const FLEX: &[Rule] = &[At("driver", NEEDED), Check(flex_options)];
const HOST_PATH: &[Rule] = &[Check(host_path)];
const SECRET_NAME: &[Rule] = &[At("secretRef", &[Given(&[At("name", NEEDED)])])];
const SECRET_REFERENCE: &[Rule] = &[At("secretRef", &[Given(&[At("name", NEEDED), At("namespace", NEEDED)])])];
const STORAGE_OS: &[Rule] = &[
    At("volumeName", &[Required(""), Format(names::dns1123_label)]),
    At("volumeNamespace", &[Filled(&[Format(names::dns1123_label)])]),
];
const AZURE_FILE: &[Rule] = &[At("secretName", NEEDED), At("shareName", NEEDED)];
const PULL_POLICY: &[Rule] = &[Required(""), Rule::OneOf(&["Always", "IfNotPresent", "Never"])];
const KEY_TO_PATH: &[Rule] =
    &[At("key", NEEDED), At("path", NEEDED), At("path", &[Check(local_path)]), At("mode", MODE)];
const MODE: &[Rule] = &[Given(&[Check(mode)])];
const CONFIG_MAP: &[Rule] = &[At("name", NEEDED), At("defaultMode", MODE), At("items", &[Each(KEY_TO_PATH)])];
const SECRET: &[Rule] = &[At("secretName", NEEDED), At("defaultMode", MODE), At("items", &[Each(KEY_TO_PATH)])];

/// Sources of the volumes of a pod, in the order in which they are looked at.
const POD: &[Source] = &[
    source("emptyDir", &[Check(empty_dir)]),
    source("hostPath", HOST_PATH),
    source("gitRepo", &[At("repository", NEEDED), At("directory", &[Check(descending)])]),
    Source { field: "gcePersistentDisk", twice: "gcePersistentDisk", path: "persistentDisk", rules: GCE },
    source("awsElasticBlockStore", AWS),
    source("secret", SECRET),
    source("nfs", NFS),
    source("iscsi", &[Check(iscsi)]),
    source("glusterfs", GLUSTER),
    source("flocker", &[Check(flocker)]),
    source("persistentVolumeClaim", &[At("claimName", NEEDED)]),
    source("rbd", RBD),
    source("cinder", &[At("volumeID", NEEDED), At("secretRef", &[Given(&[At("name", NEEDED)])])]),
    Source { field: "cephfs", twice: "cephFS", path: "cephfs", rules: CEPH },
    source("quobyte", &[Check(quobyte)]),
    Source { field: "downwardAPI", twice: "downwarAPI", path: "downwardAPI", rules: &[Check(downward)] },
    source("fc", &[Check(fibre)]),
    source("flexVolume", FLEX),
    source("configMap", CONFIG_MAP),
    source("azureFile", AZURE_FILE),
    source("vsphereVolume", VSPHERE),
    source("photonPersistentDisk", PHOTON),
    source("portworxVolume", PORTWORX),
    source("azureDisk", &[Check(azure_disk)]),
    source("storageos", &[Check(storage_os)]),
    source("projected", &[Check(projected)]),
    source("scaleIO", SCALE_IO),
    source("csi", &[Check(csi)]),
    source("ephemeral", &[Check(ephemeral)]),
    source("image", &[At("pullPolicy", PULL_POLICY)]),
];

/// Sources of a persistent volume, in the order in which they are looked at.
const PERSISTENT: &[Source] = &[
    source("hostPath", HOST_PATH),
    Source { field: "gcePersistentDisk", twice: "gcePersistentDisk", path: "persistentDisk", rules: GCE },
    source("awsElasticBlockStore", AWS),
    source("glusterfs", &[At("endpoints", NEEDED), At("path", NEEDED), Check(gluster_namespace)]),
    source("flocker", &[Check(flocker)]),
    source("nfs", NFS),
    source("rbd", RBD),
    source("quobyte", &[Check(quobyte)]),
    Source { field: "cephfs", twice: "cephFS", path: "cephfs", rules: CEPH },
    source("iscsi", &[Check(iscsi)]),
    source(
        "cinder",
        &[At("volumeID", NEEDED), At("secretRef", &[Given(&[At("name", NEEDED), At("namespace", NEEDED)])])],
    ),
    source("fc", &[Check(fibre)]),
    source("flexVolume", FLEX),
    source("azureFile", &[At("secretName", NEEDED), At("shareName", NEEDED), Check(azure_namespace)]),
    source("vsphereVolume", VSPHERE),
    source("photonPersistentDisk", PHOTON),
    source("portworxVolume", PORTWORX),
    source("azureDisk", &[Check(azure_disk)]),
    source("scaleIO", SCALE_IO),
    source("local", &[Check(local)]),
    source("storageos", &[Check(storage_os_persistent)]),
    source("csi", &[Check(csi_persistent)]),
];

fn one_source(value: &Value, sources: &[Source], path: &Path, errors: &mut Errors) {
    let mut found = false;
    for source in sources {
        let given = &value[source.field];
        if given.is_null() {
            continue;
        }
        if found {
            errors.forbidden(&path.child(source.twice), "may not specify more than 1 volume type");
        } else {
            check(source.rules, given, &path.child(source.path), errors);
        }
        found = true;
        if source.field == "iscsi" && !given["initiatorName"].is_null() {
            let name = text(&value["name"]);
            if name.len() + 1 + text(&given["targetPortal"]).len() > 64 && sources.len() == POD.len() {
                errors.invalid_text(
                    &path.child("name"),
                    name,
                    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
                     iscsi.initiatorName is specified.",
                );
            }
        }
    }
    if !found {
        errors.required(path, "must specify a volume type");
    }
}

/// The rules of the volumes of a pod; the names of the ones that are right. `pod` is the name of the
/// pod, where it is one.
pub fn volumes<'v>(list: &'v Value, pod: Option<&str>, path: &Path, errors: &mut Errors) -> Vec<&'v Value> {
    let mut good: Vec<&Value> = Vec::new();
    let claims: Vec<String> = items(list)
        .iter()
        .filter(|volume| !volume["ephemeral"].is_null())
        .filter_map(|volume| Some(format!("{}-{}", pod?, text(&volume["name"]))))
        .collect();
    for (index, volume) in items(list).iter().enumerate() {
        let (at, before) = (path.index(index), errors.len());
        one_source(volume, POD, &at, errors);
        if pod.is_some() && !volume["image"].is_null() && text(&volume["image"]["reference"]).is_empty() {
            errors.required(&at.child("image").child("reference"), "");
        }
        let name = text(&volume["name"]);
        if let Some(pod) = pod.filter(|_| !volume["ephemeral"].is_null() && !name.is_empty()) {
            let claim = format!("{pod}-{name}");
            for fault in names::dns1123_subdomain(&claim) {
                errors.invalid_text(&at.child("name"), name, &format!("PVC name {claim:?}: {fault}"));
            }
        }
        check(&[At("name", &[Required(""), Format(names::dns1123_label)])], volume, &at, errors);
        if good.iter().any(|one| one["name"] == volume["name"]) {
            errors.duplicate(&at.child("name"), &volume["name"]);
        }
        if errors.len() == before {
            good.push(volume);
        }
        let claim = text(&volume["persistentVolumeClaim"]["claimName"]);
        if claims.iter().any(|one| one == claim) {
            errors.invalid_text(
                &at.child("persistentVolumeClaim").child("claimName"),
                claim,
                "must not reference a PVC that gets created for an ephemeral volume",
            );
        }
    }
    good
}

/// The rules of the source of a persistent volume.
pub fn persistent(spec: &Value, path: &Path, errors: &mut Errors) {
    one_source(spec, PERSISTENT, path, errors);
}

/// The fields of a persistent volume that are sources.
pub fn persistent_fields() -> impl Iterator<Item = &'static str> {
    PERSISTENT.iter().map(|source| source.field)
}

fn mode(value: &Value, path: &Path, errors: &mut Errors) {
    if !(0..=0o777).contains(&number(value)) {
        errors.invalid(path, value, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

fn empty_dir(value: &Value, path: &Path, errors: &mut Errors) {
    if amount::nano(&value["sizeLimit"]) < 0 {
        errors.forbidden(&path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
    }
}

fn host_path(value: &Value, path: &Path, errors: &mut Errors) {
    const TYPES: &[&str] =
        &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    if text(&value["path"]).is_empty() {
        errors.required(&path.child("path"), "");
        return;
    }
    no_backsteps(text(&value["path"]), &path.child("path"), errors);
    check(&[At("type", &[Given(&[Rule::OneOf(TYPES)])])], value, path, errors);
}

fn local(value: &Value, path: &Path, errors: &mut Errors) {
    if text(&value["path"]).is_empty() {
        errors.required(&path.child("path"), "");
        return;
    }
    no_backsteps(text(&value["path"]), &path.child("path"), errors);
}

fn nfs_path(value: &Value, path: &Path, errors: &mut Errors) {
    let (given, at) = (text(&value["path"]), path.child("path"));
    if given.is_empty() {
        errors.required(&at, "");
    }
    if !given.starts_with('/') {
        errors.invalid_text(&at, given, "must be an absolute path");
    }
}

/// A path may have no element `..`.
pub fn no_backsteps(given: &str, path: &Path, errors: &mut Errors) {
    if given.split('/').any(|part| part == "..") {
        errors.invalid_text(path, given, "must not contain '..'");
    }
}

/// A path that stays below its directory.
pub fn local_descending(given: &str, path: &Path, errors: &mut Errors) {
    if given.starts_with('/') {
        errors.invalid_text(path, given, "must be a relative path");
    }
    no_backsteps(given, path, errors);
}

fn descending(value: &Value, path: &Path, errors: &mut Errors) {
    local_descending(text(value), path, errors);
}

/// A path that stays below its directory and does not begin with `..`.
fn local_path(value: &Value, path: &Path, errors: &mut Errors) {
    let given = text(value);
    local_descending(given, path, errors);
    if given.starts_with("..") && !given.starts_with("../") {
        errors.invalid_text(path, given, "must not start with '..'");
    }
}

fn iscsi(value: &Value, path: &Path, errors: &mut Errors) {
    check(&[At("targetPortal", NEEDED), At("iqn", &[Required(""), Check(iscsi_name)])], value, path, errors);
    let lun = number(&value["lun"]);
    if !(0..=255).contains(&lun) {
        errors.invalid(&path.child("lun"), &lun.into(), &names::between(0, 255));
    }
    let secret = &value["secretRef"];
    if (value["chapAuthDiscovery"] == true || value["chapAuthSession"] == true) && secret.is_null() {
        errors.required(&path.child("secretRef"), "");
    }
    if !value["initiatorName"].is_null() {
        iscsi_name(&value["initiatorName"], &path.child("initiatorname"), errors);
    }
}

fn iscsi_name(value: &Value, path: &Path, errors: &mut Errors) {
    let name = text(value);
    let alphanumeric = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let good = match name.get(..3) {
        Some("iqn") => is_iqn(name),
        Some("eui") => name.get(4..).is_some_and(|rest| alphanumeric(rest, 16)),
        Some("naa") => name.get(4..).is_some_and(|rest| alphanumeric(rest, 32)),
        _ => {
            errors.invalid_text(path, name, "must be valid format starting with iqn, eui, or naa");
            return;
        }
    };
    if !good {
        errors.invalid_text(path, name, "must be valid format");
    }
}

/// `iqn.YYYY-MM.domain:name`.
fn is_iqn(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("iqn.") else { return false };
    let (Some(date), Some(rest)) = (rest.get(..7), rest.get(7..)) else { return false };
    let digits = |text: Option<&str>| text.is_some_and(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let dated = digits(date.get(..4)) && date.get(4..5) == Some("-") && digits(date.get(5..));
    let Some((domain, tail)) = rest.strip_prefix('.').and_then(|rest| rest.split_once(':')) else { return false };
    let domain = !domain.is_empty() && domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    let bad = |c: char| matches!(c, '^' | ',' | ';' | '*' | '&' | '$' | '|') || c.is_whitespace();
    dated && domain && !tail.is_empty() && !tail.contains(bad)
}

fn fibre(value: &Value, path: &Path, errors: &mut Errors) {
    let (wwns, wwids) = (items(&value["targetWWNs"]), items(&value["wwids"]));
    let at = path.child("targetWWNs");
    if wwns.is_empty() && wwids.is_empty() {
        errors.required(&at, "must specify either targetWWNs or wwids, but not both");
    }
    if !wwns.is_empty() && !wwids.is_empty() {
        errors.invalid(&at, &value["targetWWNs"], "targetWWNs and wwids can not be specified simultaneously");
    }
    if !wwns.is_empty() {
        match value["lun"].as_i64() {
            None => errors.required(&path.child("lun"), "lun is required if targetWWNs is specified"),
            Some(0..=255) => {}
            Some(lun) => errors.invalid(&path.child("lun"), &lun.into(), &names::between(0, 255)),
        }
    }
}

fn flocker(value: &Value, path: &Path, errors: &mut Errors) {
    let (name, uuid) = (text(&value["datasetName"]), text(&value["datasetUUID"]));
    if name.is_empty() && uuid.is_empty() {
        errors.required(path, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !uuid.is_empty() {
        errors.invalid_text(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if name.contains('/') {
        errors.invalid_text(&path.child("datasetName"), name, "must not contain '/'");
    }
}

fn quobyte(value: &Value, path: &Path, errors: &mut Errors) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = text(&value["registry"]);
    if registry.is_empty() {
        errors.required(&path.child("registry"), PAIRS);
    } else if text(&value["tenant"]).len() >= 65 {
        errors.required(&path.child("tenant"), "must be a UUID and may not exceed a length of 64 characters");
    } else if registry.split(',').any(|pair| pair.rsplit_once(':').is_none_or(|(host, _)| host.contains(':'))) {
        errors.invalid_text(&path.child("registry"), registry, PAIRS);
    }
    check(&[At("volume", NEEDED)], value, path, errors);
}

fn flex_options(value: &Value, path: &Path, errors: &mut Errors) {
    for (key, _) in entries(&value["options"]) {
        let domain = key.split_once('/').map_or(key.as_str(), |(domain, _)| domain);
        let domain = format!(".{}", domain.to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            let at = path.child("options").key(key);
            errors.invalid_text(&at, key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

fn gluster_namespace(value: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("endpointsNamespace");
    match value["endpointsNamespace"].as_str() {
        None => {}
        Some("") => {
            errors.invalid_text(&at, "", "if the endpointnamespace is set, it must be a valid namespace name");
        }
        Some(name) => formatted(name, names::dns1123_label, &at, errors),
    }
}

fn azure_namespace(value: &Value, path: &Path, errors: &mut Errors) {
    check(&[At("secretNamespace", &[Given(NEEDED)])], value, path, errors);
}

fn azure_disk(value: &Value, path: &Path, errors: &mut Errors) {
    const RULES: &[Rule] = &[
        At("diskName", NEEDED),
        At("diskURI", NEEDED),
        At("cachingMode", &[Given(&[Rule::OneOf(&["None", "ReadOnly", "ReadWrite"])])]),
        At("kind", &[Given(&[Rule::OneOf(&["Dedicated", "Managed", "Shared"])])]),
    ];
    check(RULES, value, path, errors);
    let (uri, at) = (text(&value["diskURI"]), path.child("diskURI"));
    match value["kind"].as_str() {
        Some("Managed") if !uri.starts_with("/subscriptions/") => errors.not_supported(
            &at,
            &uri.into(),
            &["/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"],
        ),
        Some(kind) if kind != "Managed" && !uri.starts_with("https://") => errors.not_supported(
            &at,
            &uri.into(),
            &["https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"],
        ),
        _ => {}
    }
}

fn storage_os(value: &Value, path: &Path, errors: &mut Errors) {
    check(STORAGE_OS, value, path, errors);
    check(SECRET_NAME, value, path, errors);
}

fn storage_os_persistent(value: &Value, path: &Path, errors: &mut Errors) {
    check(STORAGE_OS, value, path, errors);
    check(SECRET_REFERENCE, value, path, errors);
}

/// The name of a CSI driver: at most 63 bytes, a subdomain but for upper case.
pub fn driver_name(value: &Value, path: &Path, errors: &mut Errors) {
    let name = text(value);
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name.len() > 63 {
        errors.too_long(path, 63);
    }
    for fault in names::dns1123_subdomain(&name.to_lowercase()) {
        errors.invalid_text(path, name, &fault);
    }
}

fn csi(value: &Value, path: &Path, errors: &mut Errors) {
    driver_name(&value["driver"], &path.child("driver"), errors);
    let secret = &value["nodePublishSecretRef"];
    if secret.is_null() {
        return;
    }
    let name = text(&secret["name"]);
    if name.is_empty() {
        errors.required(&path.child("nodePublishSecretRef").child("name"), "");
    } else {
        formatted(name, names::dns1123_subdomain, &path.child("name"), errors);
    }
}

fn csi_persistent(value: &Value, path: &Path, errors: &mut Errors) {
    const SECRET: &[Rule] = &[Given(&[
        At("name", &[Required(""), Format(names::dns1123_subdomain)]),
        At("namespace", &[Required(""), Format(names::dns1123_label)]),
    ])];
    const RULES: &[Rule] = &[
        At("driver", &[Check(driver_name)]),
        At("volumeHandle", NEEDED),
        At("controllerPublishSecretRef", SECRET),
        At("controllerExpandSecretRef", SECRET),
        At("nodePublishSecretRef", SECRET),
        At("nodeExpandSecretRef", SECRET),
    ];
    check(RULES, value, path, errors);
}

fn ephemeral(value: &Value, path: &Path, errors: &mut Errors) {
    let (template, at) = (&value["volumeClaimTemplate"], path.child("volumeClaimTemplate"));
    if template.is_null() {
        errors.required(&at, "");
        return;
    }
    crate::schema::meta::template(&template["metadata"], &at.child("metadata"), errors);
    crate::kinds::core::claim::spec(&template["spec"], &at.child("spec"), errors);
}

fn downward(value: &Value, path: &Path, errors: &mut Errors) {
    check(&[At("defaultMode", MODE)], value, path, errors);
    for file in items(&value["items"]) {
        downward_file(file, path, errors);
    }
}

fn downward_file(file: &Value, path: &Path, errors: &mut Errors) {
    check(&[At("path", NEEDED), At("path", &[Check(local_path)])], file, path, errors);
    let (field, resource) = (&file["fieldRef"], &file["resourceFieldRef"]);
    if !field.is_null() {
        field_ref(field, true, &path.child("fieldRef"), errors);
        if !resource.is_null() {
            let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.invalid_text(path, "resource", detail);
        }
    } else if !resource.is_null() {
        resource_ref(resource, true, &path.child("resourceFieldRef"), errors);
    } else {
        errors.required(path, "one of fieldRef and resourceFieldRef is required");
    }
    check(&[At("mode", MODE)], file, path, errors);
}

fn projected(value: &Value, path: &Path, errors: &mut Errors) {
    check(&[At("defaultMode", MODE)], value, path, errors);
    let mut paths: Vec<&str> = Vec::new();
    for (index, source) in items(&value["sources"]).iter().enumerate() {
        let at = path.child("sources").index(index);
        let mut found = 0;
        for kind in ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle"] {
            let given = &source[kind];
            if given.is_null() {
                continue;
            }
            found += 1;
            let at = at.child(kind);
            let once = |given: &str, shown: &str, errors: &mut Errors, paths: &[&str]| {
                if paths.contains(&given) {
                    errors.invalid_text(path, shown, "conflicting duplicate paths");
                }
            };
            match kind {
                "secret" | "configMap" => {
                    check(&[At("name", NEEDED)], given, &at, errors);
                    for (index, item) in items(&given["items"]).iter().enumerate() {
                        check(KEY_TO_PATH, item, &at.child("items").index(index), errors);
                        if !text(&item["path"]).is_empty() {
                            once(text(&item["path"]), text(&given["name"]), errors, &paths);
                            paths.push(text(&item["path"]));
                        }
                    }
                }
                "downwardAPI" => {
                    for file in items(&given["items"]) {
                        downward_file(file, &at, errors);
                        let file = text(&file["path"]);
                        if !file.is_empty() {
                            once(file, file, errors, &paths);
                            paths.push(file);
                        }
                    }
                }
                "serviceAccountToken" => token(given, path, &at, errors),
                _ => {
                    trust_bundle(given, &at, errors);
                    let file = text(&given["path"]);
                    once(file, file, errors, &paths);
                    paths.push(file);
                }
            }
        }
        if found > 1 {
            errors.forbidden(&at, "may not specify more than 1 volume type per source");
        }
    }
}

fn token(token: &Value, volume: &Path, path: &Path, errors: &mut Errors) {
    let (seconds, at) = (number(&token["expirationSeconds"]), path.child("expirationSeconds"));
    if seconds < 600 {
        errors.invalid(&at, &seconds.into(), "may not specify a duration less than 10 minutes");
    }
    if seconds > 1 << 32 {
        errors.invalid(&at, &seconds.into(), "may not specify a duration larger than 2^32 seconds");
    }
    check(&[At("path", &[Required(""), Check(local_path)])], token, volume, errors);
}

fn trust_bundle(bundle: &Value, path: &Path, errors: &mut Errors) {
    match (bundle["name"].as_str(), bundle["signerName"].as_str()) {
        (Some(_), Some(_)) => errors.invalid(path, bundle, "only one of name and signerName may be used"),
        (Some(name), None) => {
            if name.is_empty() {
                errors.required(&path.child("name"), "must be a valid object name");
            }
            if !bundle["labelSelector"].is_null() {
                errors.invalid_raw(
                    &path.child("labelSelector"),
                    &selector::show(&bundle["labelSelector"]),
                    "labelSelector must be unset if name is specified",
                );
            }
        }
        (None, Some(signer)) => {
            if signer.is_empty() {
                errors.required(&path.child("signerName"), "must be a valid signer name");
            }
            selector::validate(&bundle["labelSelector"], &path.child("labelSelector"), errors);
        }
        (None, None) => errors.required(path, "either name or signerName must be specified"),
    }
    check(&[At("path", NEEDED), At("path", &[Check(local_path)])], bundle, path, errors);
}
