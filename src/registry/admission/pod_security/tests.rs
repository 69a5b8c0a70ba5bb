use serde_json::json;

use super::*;

fn at(level: Level, minor: Option<u32>) -> LevelVersion {
    LevelVersion { level, minor }
}

fn detail(level: Level, minor: Option<u32>, pod: &Value) -> String {
    checks::evaluate(at(level, minor), pod).map(|found| found.detail()).unwrap_or_default()
}

fn hardened() -> Value {
    json!({"spec": {
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}}],
        "volumes": [{"name": "c", "configMap": {"name": "c"}}],
    }})
}

#[test]
fn a_plain_pod_lacks_four_things() {
    let pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
    assert_eq!(
        detail(Level::Restricted, None, &pod),
        "allowPrivilegeEscalation != false (containers \"a\", \"b\" must set \
         securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers \"a\", \"b\" must set \
         securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or containers \"a\", \"b\" must set \
         securityContext.runAsNonRoot=true), seccompProfile (pod or containers \"a\", \"b\" must set \
         securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
    );
    assert_eq!(detail(Level::Baseline, None, &pod), "");
    assert_eq!(detail(Level::Restricted, None, &hardened()), "");
    assert_eq!(detail(Level::Privileged, None, &json!({"spec": {"hostPID": true}})), "");
}

#[test]
fn baseline_names_everything_that_leads_out() {
    let pod = json!({
        "metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}},
        "spec": {
            "hostNetwork": true, "hostIPC": true,
            "securityContext": {
                "seLinuxOptions": {"type": "spc_t", "user": "u"}, "appArmorProfile": {"type": "Unconfined"},
                "sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_rmem"}],
            },
            "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
            "initContainers": [{"name": "i", "securityContext": {"procMount": "Unmasked"}}],
            "containers": [{
                "name": "a",
                "ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 9, "hostPort": 443}],
                "livenessProbe": {"httpGet": {"host": "10.0.0.1"}},
                "securityContext": {
                    "privileged": true, "capabilities": {"add": ["NET_RAW", "CHOWN"]},
                    "seccompProfile": {"type": "Unconfined"}, "windowsOptions": {"hostProcess": true},
                },
            }],
        },
    });
    assert_eq!(
        detail(Level::Baseline, None, &pod),
        "forbidden AppArmor profiles (pod and annotation must not set AppArmor profile type to \"Unconfined\", \
         \"container.apparmor.security.beta.kubernetes.io/a=\"unconfined\"\"), non-default capabilities (container \
         \"a\" must not include \"NET_RAW\" in securityContext.capabilities.add), host namespaces (hostNetwork=true, \
         hostIPC=true), hostPath volumes (volume \"v\"), hostPort (container \"a\" uses hostPorts 443, 80), probe or \
         lifecycle host (container \"a\" uses probe or lifecycle host \"10.0.0.1\"), privileged (container \"a\" must \
         not set securityContext.privileged=true), procMount (container \"i\" must not set securityContext.procMount \
         to \"Unmasked\"), seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may \
         not be set), seccompProfile (container \"a\" must not set securityContext.seccompProfile.type to \
         \"Unconfined\"), forbidden sysctls (kernel.msgmax), hostProcess (container \"a\" must not set \
         securityContext.windowsOptions.hostProcess=true)"
    );
}

#[test]
fn versions_decide() {
    let sysctl = json!({"spec": {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}}});
    assert_eq!(detail(Level::Baseline, Some(31), &sysctl), "forbidden sysctls (net.ipv4.tcp_rmem)");
    assert_eq!(detail(Level::Baseline, Some(32), &sysctl), "");
    let users = json!({"spec": {"hostUsers": false, "containers": [
        {"name": "a", "securityContext": {"runAsUser": 0, "procMount": "Unmasked"}}]}});
    assert!(detail(Level::Restricted, Some(34), &users).contains("runAsUser=0 (container \"a\" must not set"));
    let latest = detail(Level::Restricted, None, &users);
    assert!(!latest.contains("runAs") && latest.contains("procMount"), "{latest}");
    assert_eq!(detail(Level::Baseline, None, &users), "");
    let windows = json!({"spec": {"os": {"name": "windows"}, "securityContext": {"runAsNonRoot": true},
        "containers": [{"name": "a"}]}});
    assert_eq!(detail(Level::Restricted, None, &windows), "");
    assert!(detail(Level::Restricted, Some(24), &windows).starts_with("allowPrivilegeEscalation != false"));
}

#[test]
fn restricted_replaces_what_it_overrides() {
    let mut pod = hardened();
    pod["spec"]["volumes"] = json!([{"name": "v", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {}}]);
    assert_eq!(
        detail(Level::Restricted, None, &pod),
        "restricted volume types (volumes \"v\", \"n\" use restricted volume types \"hostPath\", \"nfs\")"
    );
}

#[test]
fn pods_with_the_same_faults_are_told_together() {
    let pod = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": spec});
    let pods = [
        pod("b", json!({"hostPID": true})),
        pod("a", json!({"hostPID": true})),
        pod("c", json!({"hostPID": true, "volumes": [{"name": "v", "hostPath": {}}]})),
        pod("d", json!({})),
    ];
    assert_eq!(
        violations("ns", at(Level::Baseline, None), &pods),
        [
            "existing pods in namespace \"ns\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a (and 1 other pod): host namespaces",
            "c: host namespaces, hostPath volumes",
        ]
    );
}

#[test]
fn only_images_and_ephemeral_containers_count_as_a_change() {
    let old = json!({"spec": {"containers": [{"name": "a", "image": "a"}]}});
    let mut new = old.clone();
    new["metadata"] = json!({"labels": {"x": "y"}});
    assert!(!is_significant(&new, &old));
    new["spec"]["ephemeralContainers"] = json!([{"name": "debug"}]);
    assert!(is_significant(&new, &old));
}
