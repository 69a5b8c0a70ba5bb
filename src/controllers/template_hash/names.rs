//! Names of Go fields. Most are the JSON name with a capital; the rest stand here. It knows no values.

use std::borrow::Cow;

/// JSON names whose Go name is the same in every struct of a pod template.
const EVERYWHERE: &[(&str, &str)] = &[
    ("apiGroup", "APIGroup"),
    ("apiVersion", "APIVersion"),
    ("awsElasticBlockStore", "AWSElasticBlockStore"),
    ("cephfs", "CephFS"),
    ("chapAuthDiscovery", "DiscoveryCHAPAuth"),
    ("chapAuthSession", "SessionCHAPAuth"),
    ("csi", "CSI"),
    ("diskURI", "DataDiskURI"),
    ("dnsConfig", "DNSConfig"),
    ("dnsPolicy", "DNSPolicy"),
    ("fc", "FC"),
    ("fsGroup", "FSGroup"),
    ("fsGroupChangePolicy", "FSGroupChangePolicy"),
    ("fsType", "FSType"),
    ("gcePersistentDisk", "GCEPersistentDisk"),
    ("gmsaCredentialSpec", "GMSACredentialSpec"),
    ("gmsaCredentialSpecName", "GMSACredentialSpecName"),
    ("grpc", "GRPC"),
    ("httpGet", "HTTPGet"),
    ("httpHeaders", "HTTPHeaders"),
    ("ip", "IP"),
    ("iqn", "IQN"),
    ("iscsi", "ISCSI"),
    ("iscsiInterface", "ISCSIInterface"),
    ("metadata", "ObjectMeta"),
    ("nfs", "NFS"),
    ("os", "OS"),
    ("pdName", "PDName"),
    ("rbd", "RBD"),
    ("seLinuxChangePolicy", "SELinuxChangePolicy"),
    ("seLinuxOptions", "SELinuxOptions"),
    ("serviceAccount", "DeprecatedServiceAccount"),
    ("sslEnabled", "SSLEnabled"),
    ("storageos", "StorageOS"),
    ("tcpSocket", "TCPSocket"),
    ("tty", "TTY"),
    ("uid", "UID"),
    ("wwids", "WWIDs"),
];

/// Those that hold in one struct alone.
const IN_ONE: &[(&str, &str, &str)] = &[
    ("GlusterfsVolumeSource", "endpoints", "EndpointsName"),
    ("RBDVolumeSource", "image", "RBDImage"),
    ("RBDVolumeSource", "monitors", "CephMonitors"),
    ("RBDVolumeSource", "pool", "RBDPool"),
    ("RBDVolumeSource", "user", "RadosUser"),
];

/// The Go name of the field `name` of `of`.
pub fn go_field<'a>(of: &str, name: &'a str) -> Cow<'a, str> {
    if let Some((.., go)) = IN_ONE.iter().find(|(owner, json, _)| *owner == of && *json == name) {
        return Cow::Borrowed(go);
    }
    if let Ok(at) = EVERYWHERE.binary_search_by_key(&name, |(json, _)| json)
        && let Some((_, go)) = EVERYWHERE.get(at)
    {
        return Cow::Borrowed(go);
    }
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    Cow::Owned(first.into_iter().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(EVERYWHERE.is_sorted());
        assert_eq!(go_field("Container", "tty"), "TTY");
        assert_eq!(go_field("RBDVolumeSource", "image"), "RBDImage");
        assert_eq!(go_field("Container", "image"), "Image");
        assert_eq!(go_field("PodSpec", "hostPID"), "HostPID");
    }
}
