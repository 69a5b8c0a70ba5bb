use super::*;

#[test]
fn lines_read_as_rules() {
    assert_eq!(
        rules("read core,apps pods,a x/y\nget url /b,/a"),
        json!([
            {
                "verbs": ["get", "list", "watch"],
                "apiGroups": ["", "apps"],
                "resources": ["a", "pods"],
                "resourceNames": ["x/y"],
            },
            {"verbs": ["get"], "nonResourceURLs": ["/a", "/b"]},
        ])
    );
}

#[test]
fn an_editor_may_do_what_a_viewer_may_and_an_administrator_both() {
    let roles = cluster_roles();
    let rules = |name: &str| {
        let role = roles.iter().find(|role| role["metadata"]["name"] == name);
        role.and_then(|role| role["rules"].as_array()).cloned().unwrap_or_default()
    };
    let (view, edit, admin) = (rules("view"), rules("edit"), rules("admin"));
    assert!(!view.is_empty());
    assert!(view.iter().all(|rule| edit.contains(rule)));
    assert!(edit.iter().all(|rule| admin.contains(rule)));
    assert!(admin.len() > edit.len() && edit.len() > view.len());
}

#[test]
fn every_binding_has_its_role() {
    let roles = cluster_roles();
    for binding in cluster_role_bindings() {
        assert!(roles.iter().any(|role| role["metadata"]["name"] == binding["roleRef"]["name"]), "{binding}");
    }
}
