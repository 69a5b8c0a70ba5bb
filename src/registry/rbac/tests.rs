use serde_json::json;

use super::*;
use crate::kinds;
use crate::registry::{Catalog, Part, Settings, WriteOptions, update::Changed};

fn registry() -> Registry {
    let settings = Settings { service_network: "10.43.0.0/16".into(), node_ports: (30000, 32767) };
    Registry::new(Store::in_memory().expect("a store"), Catalog::new(kinds::all()), settings)
}

fn user(name: &str, groups: &[&str]) -> User {
    User { name: name.into(), groups: groups.iter().map(|group| (*group).to_owned()).collect(), ..User::default() }
}

fn by(user: &User) -> WriteOptions {
    WriteOptions { user: Arc::new(user.clone()), manager: "test".into(), dry_run: false }
}

async fn make(
    registry: &Registry,
    plural: &str,
    namespace: &str,
    object: Value,
    by: &WriteOptions,
) -> Result<(), Status> {
    let group = if plural == "namespaces" { "" } else { "rbac.authorization.k8s.io" };
    let target = registry.target(group, plural, namespace, "")?;
    registry.create(&target, object, by).await.map(drop)
}

/// A cluster in which `olga` reads pods in `plant`.
async fn plant() -> Registry {
    let registry = registry();
    let admin = WriteOptions::internal("test");
    let objects = [
        ("namespaces", "", json!({"metadata": {"name": "plant"}})),
        (
            "roles",
            "plant",
            json!({"metadata": {"name": "read"}, "rules": [
                {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
            ]}),
        ),
        ("rolebindings", "plant", binding("olga", "Role", "read")),
    ];
    for (plural, namespace, object) in objects {
        make(&registry, plural, namespace, object, &admin).await.expect("made");
    }
    registry
}

fn binding(user: &str, kind: &str, role: &str) -> Value {
    json!({
        "metadata": {"name": format!("{user}-{role}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "User", "name": user}],
    })
}

fn pods<'a>(verb: &'a str, namespace: &'a str) -> Attributes<'a> {
    Attributes { verb, resource: "pods", namespace, ..Attributes::default() }
}

#[tokio::test]
async fn a_role_holds_in_its_namespace_and_for_its_subjects() {
    let registry = plant().await;
    let olga = user("olga", &[]);
    let verdict = registry.authorize(&olga, &pods("list", "plant")).await.expect("a verdict");
    assert!(verdict.allowed);
    assert_eq!(verdict.reason, "RBAC: allowed by RoleBinding \"olga-read/plant\" of Role \"read\" to User \"olga\"");
    for (who, what) in
        [(&olga, pods("list", "other")), (&olga, pods("delete", "plant")), (&user("otto", &[]), pods("list", "plant"))]
    {
        assert_eq!(registry.authorize(who, &what).await, Ok(Verdict::default()));
    }
    let master = user("x", &["system:masters"]);
    assert!(registry.authorize(&master, &pods("delete", "other")).await.is_ok_and(|verdict| verdict.allowed));
}

#[tokio::test]
async fn changes_count_at_once() {
    let registry = plant().await;
    let (olga, admin) = (user("olga", &[]), WriteOptions::internal("test"));
    let may = async |verb| registry.authorize(&olga, &pods(verb, "plant")).await.is_ok_and(|verdict| verdict.allowed);
    assert!(may("get").await);
    assert!(!may("delete").await);
    let target = registry.target("rbac.authorization.k8s.io", "roles", "plant", "read").expect("a target");
    let mut change = |old: &Value| {
        let mut object = old.clone();
        object["rules"][0]["verbs"] = json!(["delete"]);
        Ok(Changed::new(object))
    };
    registry.update(&target, Part::Main, &mut change, &admin).await.expect("changed");
    assert!(may("delete").await);
    assert!(!may("get").await);
    let target = registry.target("rbac.authorization.k8s.io", "rolebindings", "plant", "olga-read").expect("a target");
    registry.delete(&target, &Default::default(), &admin).await.expect("deleted");
    assert!(!may("delete").await);
}

#[tokio::test]
async fn a_missing_role_is_told_and_allows_nothing() {
    let registry = plant().await;
    let admin = WriteOptions::internal("test");
    make(&registry, "clusterrolebindings", "", binding("otto", "ClusterRole", "gone"), &admin).await.expect("made");
    let verdict = registry.authorize(&user("otto", &[]), &pods("get", "plant")).await.expect("a verdict");
    assert!(!verdict.allowed);
    assert_eq!(verdict.reason, "RBAC: clusterrole.rbac.authorization.k8s.io \"gone\" not found");
}

#[tokio::test]
async fn nobody_grants_more_than_one_has() {
    let registry = plant().await;
    let olga = by(&user("olga", &["ops"]));
    let role = |verbs: Value| json!({"metadata": {"name": "r"}, "rules": [{"verbs": verbs, "apiGroups": [""], "resources": ["pods"]}]});
    let refused = make(&registry, "roles", "plant", role(json!(["get", "watch", "delete"])), &olga).await;
    assert_eq!(
        refused.map_err(|status| (status.code, status.message)),
        Err((
            403,
            "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"olga\" (groups=[\"ops\"]) is attempting to \
             grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"watch\" \
             \"delete\"]}"
                .into()
        ))
    );
    assert_eq!(make(&registry, "roles", "plant", role(json!(["get"])), &olga).await, Ok(()));
}

#[tokio::test]
async fn nobody_binds_more_than_one_has_without_the_right_to_bind() {
    let registry = plant().await;
    let (olga, admin) = (by(&user("olga", &[])), WriteOptions::internal("test"));
    let all = json!({"metadata": {"name": "all"}, "rules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    ]});
    make(&registry, "clusterroles", "", all, &admin).await.expect("made");
    assert_eq!(make(&registry, "rolebindings", "plant", binding("otto", "Role", "read"), &olga).await, Ok(()));
    let wide = binding("otto", "ClusterRole", "all");
    let refused = make(&registry, "rolebindings", "plant", wide.clone(), &olga).await;
    assert_eq!(refused.map_err(|status| status.code), Err(403));
    let missing = make(&registry, "rolebindings", "plant", binding("otto", "ClusterRole", "gone"), &olga).await;
    assert_eq!(missing.map_err(|status| status.code), Err(404));
    let bind = json!({"metadata": {"name": "bind"}, "rules": [{
        "verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"],
        "resourceNames": ["all"],
    }]});
    make(&registry, "roles", "plant", bind, &admin).await.expect("made");
    make(&registry, "rolebindings", "plant", binding("olga", "Role", "bind"), &admin).await.expect("made");
    assert_eq!(make(&registry, "rolebindings", "plant", wide, &olga).await, Ok(()));
}
