use super::*;

fn structure(group: &str, version: &str, kind: &str) -> Struct<'static> {
    Type::builtin(group, version, kind).and_then(Type::as_struct).expect(kind)
}

fn at<'t>(from: Struct<'t>, path: &str) -> Field<'t> {
    let mut here = from;
    let mut found = None;
    for name in path.split('.') {
        let field = here.field(name).unwrap_or_else(|| panic!("{path}: {name}"));
        let mut ty = field.ty();
        while let Shape::List { item: inner, .. } | Shape::Map { value: inner, .. } = ty.shape() {
            ty = inner;
        }
        if let Some(next) = ty.as_struct() {
            here = next;
        }
        found = Some(field);
    }
    found.expect("a path has a field")
}

fn keys(field: Field<'_>) -> String {
    match field.ty().shape() {
        Shape::List { topology: ListTopology::Atomic, .. } => "atomic".into(),
        Shape::List { topology: ListTopology::Set, .. } => "set".into(),
        Shape::List { topology: ListTopology::Map(keys), .. } => keys.collect::<Vec<_>>().join(","),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_pod_reads_as_its_go_type() {
    let pod = structure("", "v1", "Pod");
    assert_eq!(pod.model_name(), "io.k8s.api.core.v1.Pod");
    let names: Vec<&str> = pod.fields().map(Field::name).collect();
    assert_eq!(names, ["apiVersion", "kind", "metadata", "spec", "status"]);
    assert_eq!(at(pod, "spec.containers").ty().go_name(), "[]v1.Container");
    assert_eq!(at(pod, "spec.containers.ports.protocol").ty().go_name(), "v1.Protocol");
    assert_eq!(at(pod, "spec.containers.ports.protocol").default(), "\"TCP\"");
    assert_eq!(at(pod, "spec.containers.ports.protocol").ty().values().collect::<Vec<_>>(), ["SCTP", "TCP", "UDP"]);
    assert!(at(pod, "spec.containers").is_required());
    assert!(at(pod, "spec.terminationGracePeriodSeconds").is_pointer());
    assert_eq!(at(pod, "spec.volumes.hostPath").name(), "hostPath", "a field of an inlined struct");
    assert_eq!(at(pod, "spec.containers.resources.limits").ty().go_name(), "v1.ResourceList");
    assert_eq!(at(pod, "metadata.labels").ty().go_name(), "map[string]string");
    assert!(pod.field("Spec").is_none());
}

#[test]
fn list_keys_and_merge_keys_differ_where_upstream_differs() {
    let pod = structure("", "v1", "Pod");
    let ports = at(pod, "spec.containers.ports");
    assert_eq!((keys(ports).as_str(), ports.patch_merge_key()), ("containerPort,protocol", "containerPort"));
    let volumes = at(pod, "spec.volumes");
    assert!(volumes.patch_merge() && volumes.patch_retain_keys());
    let spread = at(pod, "spec.topologySpreadConstraints");
    assert_eq!((keys(spread).as_str(), spread.patch_merge_key()), ("topologyKey,whenUnsatisfiable", "topologyKey"));
    assert_eq!(keys(at(pod, "spec.containers.args")), "atomic");
    assert_eq!(keys(at(pod, "metadata.finalizers")), "set");
    let claims = at(pod, "spec.containers.resources.claims");
    assert_eq!((keys(claims).as_str(), claims.patch_merge()), ("name", false));
    let conditions = at(structure("batch", "v1", "Job"), "status.conditions");
    assert_eq!((keys(conditions).as_str(), conditions.patch_merge_key()), ("atomic", "type"));
    let strategy = at(structure("apps", "v1", "Deployment"), "spec.strategy");
    assert!(strategy.patch_retain_keys() && !strategy.patch_merge());
}

#[test]
fn atomic_structs_and_maps_are_known() {
    let deployment = structure("apps", "v1", "Deployment");
    let atomic = |field: Field<'_>| match field.ty().shape() {
        Shape::Struct(found) => found.is_atomic(),
        Shape::Map { atomic, .. } => atomic,
        _ => false,
    };
    assert!(atomic(at(deployment, "spec.selector")));
    assert!(!atomic(at(deployment, "spec.strategy")));
    assert!(atomic(at(structure("", "v1", "Service"), "spec.selector")));
    assert!(!atomic(at(deployment, "metadata.labels")));
    // The struct is atomic, and the field says that here it is not.
    assert!(!atomic(at(structure("", "v1", "PersistentVolume"), "spec.claimRef")));
}

#[test]
fn options_are_known_in_every_group_and_absent_kinds_in_none() {
    assert!(Type::builtin("apps", "v1", "DeleteOptions").is_some());
    assert!(Type::builtin("", "v1", "Status").is_some());
    assert!(Type::builtin("apps", "v1beta1", "Deployment").is_none());
    assert!(Type::builtin("", "v1", "pod").is_none());
}

#[test]
fn a_table_built_at_run_time_may_refer_to_itself() {
    let mut builder = TableBuilder::new();
    let node = builder.declare();
    let ty = builder.structure(node, false);
    let list = builder.list(ty, &Topology::Map(vec!["name".into()]), false, Name::default());
    let field = NewField {
        name: "children".into(),
        ty: list,
        number: 0,
        flags: 0,
        merge_key: String::new(),
        default: String::new(),
    };
    builder.define(node, Name::default(), vec![field], true);
    builder.kind("example.com", "v1", "Tree", ty);
    let table = Table::new(builder.finish().expect("small"));
    let tree = table.find("example.com", "v1", "Tree").and_then(Type::as_struct).expect("Tree");
    assert!(tree.preserves_unknown());
    let Some(Shape::List { item, topology: ListTopology::Map(mut keys) }) =
        tree.field("children").map(|f| f.ty().shape())
    else {
        panic!("children is a keyed list")
    };
    assert_eq!(keys.next(), Some("name"));
    assert!(item.as_struct() == Some(tree));
}

#[test]
fn bytes_that_are_no_table_hold_nothing() {
    for bytes in [vec![], vec![0xff; 40], vec![0x7f; 400]] {
        let table = Table::new(bytes);
        assert!(table.find("", "v1", "Pod").is_none());
    }
}
