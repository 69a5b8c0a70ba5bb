//! Values in the notation of Go structs, as some messages of a kube-apiserver show them, and the
//! line-by-line difference of two values in it.
//!
//! The internal types that are shown have the fields of the API in the same order under their Go
//! names; the schema table knows the order, the names are the JSON names in upper camel case but for
//! the ones listed here. Types of `meta/v1` are shown as JSON.

use serde_json::Value;

use crate::schema::field::quote;
use crate::schema::table::{BUILTIN, Scalar, Shape, Struct, Type};

/// JSON names whose Go name is not just their upper camel case; with a struct where only that one
/// has it.
const GO_NAMES: &[(&str, &str, &str)] = &[
    ("", "apiGroup", "APIGroup"),
    ("", "apiVersion", "APIVersion"),
    ("", "awsElasticBlockStore", "AWSElasticBlockStore"),
    ("", "cephfs", "CephFS"),
    ("", "chapAuthDiscovery", "DiscoveryCHAPAuth"),
    ("", "chapAuthSession", "SessionCHAPAuth"),
    ("", "csi", "CSI"),
    ("", "diskURI", "DataDiskURI"),
    ("", "dnsConfig", "DNSConfig"),
    ("", "dnsPolicy", "DNSPolicy"),
    ("GlusterfsVolumeSource", "endpoints", "EndpointsName"),
    ("GlusterfsPersistentVolumeSource", "endpoints", "EndpointsName"),
    ("", "fc", "FC"),
    ("", "fsGroup", "FSGroup"),
    ("", "fsGroupChangePolicy", "FSGroupChangePolicy"),
    ("", "fsType", "FSType"),
    ("", "gcePersistentDisk", "GCEPersistentDisk"),
    ("", "gmsaCredentialSpec", "GMSACredentialSpec"),
    ("", "gmsaCredentialSpecName", "GMSACredentialSpecName"),
    ("", "grpc", "GRPC"),
    ("", "httpGet", "HTTPGet"),
    ("", "httpHeaders", "HTTPHeaders"),
    ("", "ip", "IP"),
    ("", "iqn", "IQN"),
    ("", "iscsi", "ISCSI"),
    ("", "iscsiInterface", "ISCSIInterface"),
    ("RBDVolumeSource", "image", "RBDImage"),
    ("RBDVolumeSource", "monitors", "CephMonitors"),
    ("RBDVolumeSource", "pool", "RBDPool"),
    ("RBDVolumeSource", "user", "RadosUser"),
    ("RBDPersistentVolumeSource", "image", "RBDImage"),
    ("RBDPersistentVolumeSource", "monitors", "CephMonitors"),
    ("RBDPersistentVolumeSource", "pool", "RBDPool"),
    ("RBDPersistentVolumeSource", "user", "RadosUser"),
    ("", "nfs", "NFS"),
    ("", "os", "OS"),
    ("", "pdName", "PDName"),
    ("", "podCIDR", "PodCIDR"),
    ("", "qosClass", "QOSClass"),
    ("", "rbd", "RBD"),
    ("", "seLinuxChangePolicy", "SELinuxChangePolicy"),
    ("", "seLinuxOptions", "SELinuxOptions"),
    ("PodSpec", "serviceAccount", "DeprecatedServiceAccount"),
    ("", "sslEnabled", "SSLEnabled"),
    ("", "storageos", "StorageOS"),
    ("", "tcpSocket", "TCPSocket"),
    ("", "tty", "TTY"),
    ("", "uid", "UID"),
    ("", "wwids", "WWIDs"),
];

/// The order of the fields of structs in Go, where it is another one than that of their numbers in
/// protobuf (which is the one of the schema table).
const ORDERS: &[(&[&str], &str)] = &[
    (&["ServicePort"], "name protocol appProtocol port targetPort nodePort"),
    (
        &["PersistentVolumeClaimSpec"],
        "accessModes selector resources volumeName storageClassName volumeMode dataSource dataSourceRef \
         volumeAttributesClassName",
    ),
    (
        &["ISCSIVolumeSource", "ISCSIPersistentVolumeSource"],
        "targetPortal iqn lun iscsiInterface fsType readOnly portals chapAuthDiscovery chapAuthSession secretRef \
         initiatorName",
    ),
    (
        &["PodSpec"],
        "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds \
         activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken \
         nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname \
         subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates \
         runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os \
         hostUsers schedulingGates resourceClaims resources hostnameOverride schedulingGroup evictionResponders",
    ),
    (
        &["PodSecurityContext"],
        "seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot supplementalGroups supplementalGroupsPolicy \
         fsGroup sysctls fsGroupChangePolicy seccompProfile appArmorProfile seLinuxChangePolicy",
    ),
    (
        &["Container", "EphemeralContainerCommon"],
        "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy restartPolicyRules \
         volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath \
         terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty",
    ),
    (
        &["SecurityContext"],
        "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot \
         readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile",
    ),
    (
        &["VolumeMount"],
        "name readOnly recursiveReadOnly mountPath subPath mountPropagation subPathExpr bindMountOptions",
    ),
    (
        &["VolumeSource"],
        "hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs \
         persistentVolumeClaim rbd flexVolume cinder cephfs flocker downwardAPI fc azureFile configMap vsphereVolume \
         quobyte azureDisk photonPersistentDisk projected portworxVolume scaleIO storageos csi ephemeral image",
    ),
];

/// The built-in struct of that OpenAPI name below `io.k8s.api.`, such as `core.v1.PodSpec`.
#[must_use]
pub fn find(name: &str) -> Option<Struct<'static>> {
    let wanted = format!("io.k8s.api.{name}");
    BUILTIN.structs().find(|one| one.model_name() == wanted)
}

/// A value of a struct (see [`find`]) on one line, in Go's names.
#[must_use]
pub fn line(value: &Value, name: &str) -> String {
    let mut out = String::new();
    if let Some(found) = find(name).filter(|_| value.is_object()) {
        Writer { out: &mut out, indent: None }.fields(value, found);
        return out;
    }
    value.to_string()
}

/// A list of structs on one line, in Go's names.
#[must_use]
pub fn list(values: &Value, name: &str) -> String {
    let Some(values) = values.as_array() else { return "null".to_owned() };
    let shown: Vec<String> = values.iter().map(|value| line(value, name)).collect();
    format!("[{}]", shown.join(","))
}

/// A value of a struct on many lines, in Go's names.
#[must_use]
pub fn lines(value: &Value, name: &str) -> String {
    let mut out = String::new();
    if let Some(found) = find(name) {
        Writer { out: &mut out, indent: Some(0) }.fields(value, found);
    }
    out
}

/// What differs between two values of a struct: hunks with three lines around each change.
#[must_use]
pub fn difference(old: &Value, new: &Value, name: &str) -> String {
    let (old, new) = (lines(old, name), lines(new, name));
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    hunks(&old, &new)
}

fn go_name(owner: &str, name: &str) -> String {
    let special = GO_NAMES.iter().find(|(of, json, _)| *json == name && (of.is_empty() || *of == owner));
    if let Some((_, _, go)) = special {
        return (*go).to_owned();
    }
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

struct Writer<'a> {
    out: &'a mut String,
    /// Depth of the indentation; `None` writes one line.
    indent: Option<usize>,
}

impl Writer<'_> {
    fn open(&mut self, mark: char) {
        self.out.push(mark);
        if let Some(depth) = &mut self.indent {
            *depth += 1;
        }
    }

    fn close(&mut self, mark: char, empty: bool) {
        if let Some(depth) = &mut self.indent {
            *depth -= 1;
        }
        if !empty {
            self.new_line();
        }
        self.out.push(mark);
    }

    fn new_line(&mut self) {
        if let Some(depth) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', depth));
        }
    }

    fn next(&mut self, first: &mut bool) {
        if !std::mem::replace(first, false) {
            self.out.push(',');
        }
        self.new_line();
    }

    fn key(&mut self, name: &str) {
        self.out.push_str(&quote(name));
        self.out.push_str(if self.indent.is_some() { ": " } else { ":" });
    }

    fn fields(&mut self, value: &Value, of: Struct<'static>) {
        self.open('{');
        let mut first = true;
        self.own(value, of, &mut first);
        self.close('}', first);
    }

    fn own(&mut self, value: &Value, of: Struct<'static>, first: &mut bool) {
        let mut fields: Vec<_> = of.own_fields().collect();
        if let Some((_, order)) = ORDERS.iter().find(|(names, _)| names.contains(&of.name())) {
            fields.sort_by_key(|field| order.split(' ').position(|name| name == field.name()).unwrap_or(usize::MAX));
        }
        let as_json = of.model_name().starts_with("io.k8s.apimachinery.");
        for field in fields {
            // Internal types have their metadata without a name of its own.
            let bare = !as_json && field.name() == "metadata";
            if bare || field.is_inline() {
                let value = if bare { &value["metadata"] } else { value };
                if let Some(inner) = field.ty().as_struct() {
                    self.own(value, inner, first);
                }
                continue;
            }
            let given = &value[field.name()];
            if as_json {
                if given.is_null() {
                    continue;
                }
                self.next(first);
                self.key(field.name());
            } else {
                self.next(first);
                self.key(&go_name(of.name(), field.name()));
            }
            if given.is_null() && field.is_pointer() {
                self.out.push_str("null");
            } else {
                self.value(given, field.ty());
            }
        }
    }

    fn value(&mut self, value: &Value, ty: Type<'static>) {
        match ty.shape() {
            Shape::Struct(inner) => self.fields(value, inner),
            Shape::List { item, .. } => match value.as_array() {
                None => self.out.push_str("null"),
                Some(list) => {
                    self.open('[');
                    let mut first = true;
                    for one in list {
                        self.next(&mut first);
                        self.value(one, item);
                    }
                    self.close(']', first);
                }
            },
            Shape::Map { value: inner, .. } => match value.as_object() {
                None => self.out.push_str("null"),
                Some(map) => {
                    self.open('{');
                    let mut first = true;
                    for (key, one) in map {
                        self.next(&mut first);
                        self.key(key);
                        self.value(one, inner);
                    }
                    self.close('}', first);
                }
            },
            Shape::Scalar(scalar) if value.is_null() => self.out.push_str(match scalar {
                Scalar::Bool => "false",
                Scalar::Int32 | Scalar::Int64 | Scalar::Float | Scalar::IntOrString => "0",
                Scalar::Quantity => "\"0\"",
                Scalar::Bytes | Scalar::Time | Scalar::MicroTime => "null",
                Scalar::String | Scalar::Duration => "\"\"",
            }),
            _ => self.out.push_str(&value.to_string()),
        }
    }
}

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

/// One line of a difference: a mark and its text, with the numbers of lines before it on both sides.
struct Line<'a> {
    mark: char,
    text: &'a str,
    old: usize,
    new: usize,
}

fn hunks(old: &[&str], new: &[&str]) -> String {
    let mut all = align(old, new);
    slide(&mut all);
    let changed = |line: &Line| line.mark != ' ';
    let mut out = String::new();
    let mut at = 0;
    while let Some(first) = all.iter().skip(at).position(changed).map(|skip| at + skip) {
        let begin = first.saturating_sub(CONTEXT).max(at);
        let mut last = first;
        while let Some(next) = all.iter().skip(last + 1).position(changed).map(|skip| last + 1 + skip)
            && next - last <= 2 * CONTEXT + 1
        {
            last = next;
        }
        let end = (last + 1 + CONTEXT).min(all.len());
        let hunk = all.get(begin..end).unwrap_or_default();
        let olds = hunk.iter().filter(|line| line.mark != '+').count();
        let news = hunk.iter().filter(|line| line.mark != '-').count();
        let (from_old, from_new) = hunk.first().map_or((0, 0), |line| (line.old, line.new));
        out.push_str(&format!("@@ -{} +{} @@\n", span(from_old, olds), span(from_new, news)));
        for line in hunk {
            out.push(line.mark);
            out.push_str(line.text);
            out.push('\n');
        }
        at = end;
    }
    out
}

/// Moves a block that was only added or only taken away to the earlier of its possible places, where
/// more lines are the same behind it than before it.
fn slide(all: &mut [Line]) {
    let Some(begin) = all.iter().position(|line| line.mark != ' ') else { return };
    let mark = all.get(begin).map_or(' ', |line| line.mark);
    let length = all.iter().skip(begin).take_while(|line| line.mark == mark).count();
    let alone = all.iter().skip(begin + length).all(|line| line.mark == ' ');
    if !alone || all.len() - begin - length < begin {
        return;
    }
    let (mut begin, mut end) = (begin, begin + length);
    while begin > 0 && end > 0 {
        let text = |index: usize| all.get(index).map(|line| line.text);
        if text(begin - 1) != text(end - 1) {
            break;
        }
        all.swap(begin - 1, end - 1);
        (begin, end) = (begin - 1, end - 1);
    }
    let (mut old, mut new) = (0, 0);
    for line in all {
        (line.old, line.new) = (old, new);
        old += usize::from(line.mark != '+');
        new += usize::from(line.mark != '-');
    }
}

fn span(before: usize, count: usize) -> String {
    match count {
        1 => format!("{}", before + 1),
        0 => format!("{before},0"),
        _ => format!("{},{count}", before + 1),
    }
}

/// Both texts line by line: what is only in the old one, only in the new one, and what is in both
/// (a longest common subsequence of what lies between the equal beginning and the equal end).
fn align<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let old_middle = old_rest.get(..old_rest.len() - tail).unwrap_or_default();
    let new_middle = new_rest.get(..new_rest.len() - tail).unwrap_or_default();
    let keep = common(old_middle, new_middle);
    let mut out: Vec<Line<'a>> = Vec::with_capacity(old.len() + new_middle.len());
    let (mut at_old, mut at_new) = (0, 0);
    let mut push = |mark: char, text: &'a str| {
        out.push(Line { mark, text, old: at_old, new: at_new });
        at_old += usize::from(mark != '+');
        at_new += usize::from(mark != '-');
    };
    old.iter().take(head).for_each(|text| push(' ', text));
    let (mut from_old, mut from_new) = (0, 0);
    for (keep_old, keep_new) in keep.iter().copied().chain([(old_middle.len(), new_middle.len())]) {
        old_middle.iter().take(keep_old).skip(from_old).for_each(|text| push('-', text));
        new_middle.iter().take(keep_new).skip(from_new).for_each(|text| push('+', text));
        if let Some(text) = old_middle.get(keep_old) {
            push(' ', text);
        }
        (from_old, from_new) = (keep_old + 1, keep_new + 1);
    }
    old.iter().skip(old.len() - tail).for_each(|text| push(' ', text));
    out
}

/// Pairs of equal lines, in order; none where the texts are too large to compare.
fn common(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    if old.len().saturating_mul(new.len()) > 1_000_000 {
        return Vec::new();
    }
    let mut length = vec![0u32; (old.len() + 1) * width];
    let cell = |length: &[u32], i: usize, j: usize| length.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let best = if a == b {
                cell(&length, i + 1, j + 1) + 1
            } else {
                cell(&length, i + 1, j).max(cell(&length, i, j + 1))
            };
            if let Some(slot) = length.get_mut(i * width + j) {
                *slot = best;
            }
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while let (Some(a), Some(b)) = (old.get(i), new.get(j)) {
        if a == b {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if cell(&length, i + 1, j) >= cell(&length, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_struct_is_shown_with_all_its_fields() {
        let context = json!({"privileged": true, "allowPrivilegeEscalation": false});
        assert_eq!(
            line(&context, "core.v1.SecurityContext"),
            "{\"Capabilities\":null,\"Privileged\":true,\"SELinuxOptions\":null,\"WindowsOptions\":null,\
             \"RunAsUser\":null,\"RunAsGroup\":null,\"RunAsNonRoot\":null,\"ReadOnlyRootFilesystem\":null,\
             \"AllowPrivilegeEscalation\":false,\"ProcMount\":null,\"SeccompProfile\":null,\"AppArmorProfile\":null}"
        );
    }

    #[test]
    fn a_changed_line_is_shown_among_its_neighbours() {
        let old = json!({"path": "/srv/disk", "type": ""});
        let new = json!({"path": "/other", "type": ""});
        assert_eq!(
            difference(&old, &new, "core.v1.HostPathVolumeSource"),
            "@@ -1,4 +1,4 @@\n {\n- \"Path\": \"/srv/disk\",\n+ \"Path\": \"/other\",\n  \"Type\": \"\"\n }\n"
        );
    }
}
