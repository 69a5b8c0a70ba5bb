//! The roles and bindings that every cluster has, as data. The names and rights are those of
//! upstream's bootstrap policy, without the roles of controllers that k2d does not run as accounts of
//! their own and of groups that it does not serve.

use serde_json::{Value, json};

use crate::kinds::rbac::GROUP;

/// A role: name, the role that takes up its rules (`rbac.authorization.k8s.io/aggregate-to-…`), and
/// its rules, a line each: verbs, groups, resources, names. `read`, `write` and `all` stand for the
/// usual sets of verbs, `core` for the core group, `url` in the place of the group for paths.
type Role = (&'static str, &'static str, &'static str);

/// The roles whose rules are those of others, with the role that takes them up in turn.
pub const AGGREGATED: [(&str, &str); 3] = [("view", "edit"), ("edit", "admin"), ("admin", "")];

/// Takes an object to be brought up to date by hand alone, if it is not `true`.
pub const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

const ROLES: &[Role] = &[
    ("cluster-admin", "", "* * *\n* url *"),
    (
        "system:discovery",
        "",
        "get url /livez,/readyz,/healthz,/version,/version/,/openapi,/openapi/*,/api,/api/*,/apis,/apis/*",
    ),
    ("system:monitoring", "", "get url /metrics,/metrics/slis,/livez,/readyz,/healthz,/livez/*,/readyz/*,/healthz/*"),
    (
        "system:basic-user",
        "",
        "create authorization.k8s.io selfsubjectaccessreviews,selfsubjectrulesreviews\n\
         create authentication.k8s.io selfsubjectreviews",
    ),
    ("system:public-info-viewer", "", "get url /livez,/readyz,/healthz,/version,/version/"),
    (
        "system:aggregate-to-admin",
        "admin",
        "create authorization.k8s.io localsubjectaccessreviews\n\
         all rbac.authorization.k8s.io roles,rolebindings",
    ),
    (
        "system:aggregate-to-edit",
        "edit",
        "read core pods/attach,pods/proxy,pods/exec,pods/portforward,secrets,services/proxy\n\
         impersonate core serviceaccounts\n\
         write core pods,pods/attach,pods/proxy,pods/exec,pods/portforward\n\
         create core pods/eviction\n\
         write core replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/proxy,\
         persistentvolumeclaims,configmaps,secrets,events\n\
         create core serviceaccounts/token\n\
         write apps statefulsets,statefulsets/scale,daemonsets,deployments,deployments/scale,deployments/rollback,\
         replicasets,replicasets/scale\n\
         write autoscaling horizontalpodautoscalers\n\
         write batch jobs,cronjobs\n\
         write extensions daemonsets,deployments,deployments/scale,deployments/rollback,ingresses,replicasets,\
         replicasets/scale,replicationcontrollers/scale,networkpolicies\n\
         write policy poddisruptionbudgets\n\
         write networking.k8s.io networkpolicies,ingresses\n\
         all coordination.k8s.io leases",
    ),
    (
        "system:aggregate-to-view",
        "view",
        "read core pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status,\
         endpoints,persistentvolumeclaims,persistentvolumeclaims/status,configmaps\n\
         read core limitranges,resourcequotas,bindings,events,pods/status,resourcequotas/status,namespaces/status,\
         replicationcontrollers/status,pods/log\n\
         read core namespaces\n\
         read discovery.k8s.io endpointslices\n\
         read apps controllerrevisions,statefulsets,statefulsets/status,statefulsets/scale,daemonsets,\
         daemonsets/status,deployments,deployments/status,deployments/scale,replicasets,replicasets/status,\
         replicasets/scale\n\
         read autoscaling horizontalpodautoscalers,horizontalpodautoscalers/status\n\
         read batch jobs,cronjobs,cronjobs/status,jobs/status\n\
         read extensions daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,\
         ingresses/status,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale,\
         networkpolicies\n\
         read policy poddisruptionbudgets,poddisruptionbudgets/status\n\
         read networking.k8s.io networkpolicies,ingresses,ingresses/status",
    ),
    ("system:heapster", "", "read core events,pods,nodes,namespaces\nread extensions deployments"),
    (
        "system:node",
        "",
        "create authentication.k8s.io tokenreviews\n\
         create authorization.k8s.io subjectaccessreviews,localsubjectaccessreviews\n\
         read core services\n\
         create,get,list,watch core nodes\n\
         update,patch core nodes/status\n\
         update,patch core nodes\n\
         create,update,patch core events\n\
         read core pods\n\
         create,delete core pods\n\
         update,patch core pods/status\n\
         create core pods/eviction\n\
         read core secrets,configmaps\n\
         get core persistentvolumeclaims,persistentvolumes\n\
         get core endpoints\n\
         create,get,list,watch certificates.k8s.io certificatesigningrequests\n\
         get,create,update,patch,delete coordination.k8s.io leases\n\
         get storage.k8s.io volumeattachments\n\
         create core serviceaccounts/token\n\
         get,update,patch core persistentvolumeclaims/status\n\
         read storage.k8s.io csidrivers\n\
         get,create,update,patch,delete storage.k8s.io csinodes\n\
         read node.k8s.io runtimeclasses",
    ),
    (
        "system:node-problem-detector",
        "",
        "get core nodes\npatch core nodes/status\ncreate,update,patch core,events.k8s.io events",
    ),
    (
        "system:kubelet-api-admin",
        "",
        "read core nodes\nproxy core nodes\n* core nodes/proxy,nodes/metrics,nodes/stats,nodes/log",
    ),
    ("system:node-bootstrapper", "", "create,get,list,watch certificates.k8s.io certificatesigningrequests"),
    (
        "system:auth-delegator",
        "",
        "create authentication.k8s.io tokenreviews\ncreate authorization.k8s.io subjectaccessreviews",
    ),
    ("system:kube-aggregator", "", "read core services,endpoints"),
    (
        "system:kube-controller-manager",
        "",
        "create,update,patch core,events.k8s.io events\n\
         create coordination.k8s.io leases\n\
         get,update coordination.k8s.io leases kube-controller-manager\n\
         create core secrets,serviceaccounts\n\
         delete core secrets\n\
         get core namespaces,secrets,serviceaccounts,configmaps\n\
         update core secrets,serviceaccounts\n\
         create authentication.k8s.io tokenreviews\n\
         create authorization.k8s.io subjectaccessreviews\n\
         list,watch * *\n\
         create core serviceaccounts/token",
    ),
    ("system:kube-dns", "", "list,watch core endpoints,services"),
    (
        "system:persistent-volume-provisioner",
        "",
        "get,list,watch,create,delete core persistentvolumes\n\
         get,list,watch,update core persistentvolumeclaims\n\
         read storage.k8s.io storageclasses\n\
         watch core events\n\
         create,update,patch core,events.k8s.io events",
    ),
    (
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        "",
        "create certificates.k8s.io certificatesigningrequests/nodeclient",
    ),
    (
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        "",
        "create certificates.k8s.io certificatesigningrequests/selfnodeclient",
    ),
    (
        "system:volume-scheduler",
        "",
        "get,list,watch,update,patch core persistentvolumes\n\
         read storage.k8s.io storageclasses\n\
         get,list,watch,update,patch core persistentvolumeclaims",
    ),
    (
        "system:certificates.k8s.io:legacy-unknown-approver",
        "",
        "approve certificates.k8s.io signers kubernetes.io/legacy-unknown",
    ),
    (
        "system:certificates.k8s.io:kubelet-serving-approver",
        "",
        "approve certificates.k8s.io signers kubernetes.io/kubelet-serving",
    ),
    (
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        "",
        "approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client",
    ),
    (
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        "",
        "approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client-kubelet",
    ),
    (
        "system:service-account-issuer-discovery",
        "",
        "get url /.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,\
         /openid/v1/jwks/",
    ),
    (
        "system:node-proxier",
        "",
        "list,watch core services,endpoints\n\
         read core nodes\n\
         create,update,patch core,events.k8s.io events\n\
         list,watch discovery.k8s.io endpointslices",
    ),
    (
        "system:kube-scheduler",
        "",
        "create,update,patch core,events.k8s.io events\n\
         create coordination.k8s.io leases\n\
         get,update coordination.k8s.io leases kube-scheduler\n\
         read core nodes\n\
         get,list,watch,delete core pods\n\
         create core pods/binding,bindings\n\
         patch,update core pods/status\n\
         read core services,replicationcontrollers\n\
         read apps,extensions replicasets\n\
         read apps statefulsets\n\
         read policy poddisruptionbudgets\n\
         read core persistentvolumeclaims,persistentvolumes\n\
         create authentication.k8s.io tokenreviews\n\
         create authorization.k8s.io subjectaccessreviews\n\
         read storage.k8s.io csinodes\n\
         read core namespaces\n\
         read storage.k8s.io csidrivers\n\
         read storage.k8s.io csistoragecapacities",
    ),
];

/// Roles within a namespace: namespace, name, rules.
const LOCAL_ROLES: &[(&str, &str, &str)] = &[(
    "kube-system",
    "extension-apiserver-authentication-reader",
    "read core configmaps extension-apiserver-authentication",
)];

/// Bindings of cluster roles by name, which is that of the role too: whom they bind.
const BINDINGS: &[(&str, &[(&str, &str)])] = &[
    ("cluster-admin", &[("Group", "system:masters")]),
    ("system:monitoring", &[("Group", "system:monitoring")]),
    ("system:discovery", &[("Group", "system:authenticated")]),
    ("system:basic-user", &[("Group", "system:authenticated")]),
    ("system:public-info-viewer", &[("Group", "system:authenticated"), ("Group", "system:unauthenticated")]),
    ("system:node-proxier", &[("User", "system:kube-proxy")]),
    ("system:kube-controller-manager", &[("User", "system:kube-controller-manager")]),
    ("system:kube-dns", &[("ServiceAccount", "kube-dns")]),
    ("system:kube-scheduler", &[("User", "system:kube-scheduler")]),
    ("system:volume-scheduler", &[("User", "system:kube-scheduler")]),
    ("system:node", &[]),
    ("system:service-account-issuer-discovery", &[("Group", "system:serviceaccounts")]),
];

/// The cluster roles, those that are made of others last.
#[must_use]
pub fn cluster_roles() -> Vec<Value> {
    let mut out: Vec<Value> = ROLES
        .iter()
        .map(|(name, into, lines)| {
            let mut role = json!({"metadata": metadata("", name), "rules": rules(lines)});
            aggregate_into(&mut role, into);
            role
        })
        .collect();
    for (name, into) in AGGREGATED {
        let label = label(name);
        let mut rules: Vec<Value> = Vec::new();
        let mut parts: Vec<&Value> =
            out.iter().filter(|role| role["metadata"]["labels"][label.as_str()] == "true").collect();
        parts.sort_by_key(|role| role["metadata"]["name"].as_str());
        for rule in parts.into_iter().filter_map(|role| role["rules"].as_array()).flatten() {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
        let mut role = json!({
            "metadata": metadata("", name),
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]},
            "rules": rules,
        });
        aggregate_into(&mut role, into);
        out.push(role);
    }
    out
}

/// The roles within namespaces.
#[must_use]
pub fn roles() -> Vec<Value> {
    let role = |(namespace, name, lines): &(&str, &str, &str)| json!({"metadata": metadata(namespace, name), "rules": rules(lines)});
    LOCAL_ROLES.iter().map(role).collect()
}

/// The bindings of cluster roles.
#[must_use]
pub fn cluster_role_bindings() -> Vec<Value> {
    let subject = |(kind, name): &(&str, &str)| match *kind {
        "ServiceAccount" => json!({"kind": kind, "name": name, "namespace": "kube-system"}),
        _ => json!({"apiGroup": GROUP, "kind": kind, "name": name}),
    };
    let binding = |(name, subjects): &(&str, &[(&str, &str)])| {
        let mut binding = json!({
            "metadata": metadata("", name),
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        });
        if !subjects.is_empty() {
            binding["subjects"] = subjects.iter().map(subject).collect();
        }
        binding
    };
    BINDINGS.iter().map(binding).collect()
}

fn metadata(namespace: &str, name: &str) -> Value {
    let mut metadata = json!({
        "name": name,
        "annotations": {AUTO_UPDATE: "true"},
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
    });
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

fn label(into: &str) -> String {
    format!("{GROUP}/aggregate-to-{into}")
}

fn aggregate_into(role: &mut Value, into: &str) {
    if !into.is_empty() {
        role["metadata"]["labels"][label(into)] = "true".into();
    }
}

/// The rules of some lines; their words are sorted, as upstream has them.
fn rules(lines: &str) -> Value {
    lines
        .lines()
        .map(|line| {
            let mut fields = line.split(' ');
            let mut next = || fields.next().unwrap_or_default();
            let (verbs, groups, resources, names) = (next(), next(), next(), next());
            let verbs = match verbs {
                "read" => "get,list,watch",
                "write" => "create,delete,deletecollection,patch,update",
                "all" => "create,delete,deletecollection,get,list,patch,update,watch",
                other => other,
            };
            let mut rule = json!({"verbs": words(verbs)});
            if groups == "url" {
                rule["nonResourceURLs"] = words(resources);
                return rule;
            }
            rule["apiGroups"] = words(&groups.replace("core", ""));
            rule["resources"] = words(resources);
            if !names.is_empty() {
                rule["resourceNames"] = words(names);
            }
            rule
        })
        .collect()
}

fn words(list: &str) -> Value {
    let mut words: Vec<&str> = list.split(',').collect();
    words.sort_unstable();
    json!(words)
}

#[cfg(test)]
mod tests;
