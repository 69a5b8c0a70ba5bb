use serde_json::json;

use super::body::{Expected, Format, object, strict};
use super::*;

fn builtin(group: &str, version: &str, kind: &str) -> Type<'static> {
    Type::builtin(group, version, kind).expect(kind)
}

fn pod(text: &str) -> Result<Decoded, String> {
    typed(text.as_bytes(), builtin("", "v1", "Pod"))
}

#[test]
fn unknown_and_doubled_fields_are_told_in_the_order_of_the_text() {
    let text = r#"{"spec": {"template": {"spec": {"containers": [{"name": "a", "imagePullPolcy": "Always",
        "ports": [{"containerPort": 1, "hostport": 2}]}]}}, "replica": 3, "Replicas": 2}, "metadata": {"name": "x",
        "name": "d", "labels": {"a.b": "1", "a.b": "2"}}, "spec": {"replicas": 2}}"#;
    let decoded = typed(text.as_bytes(), builtin("apps", "v1", "Deployment")).expect("a deployment");
    assert_eq!(
        decoded.strict,
        [
            "unknown field \"spec.template.spec.containers[0].imagePullPolcy\"",
            "unknown field \"spec.template.spec.containers[0].ports[0].hostport\"",
            "unknown field \"spec.replica\"",
            "unknown field \"spec.Replicas\"",
            "duplicate field \"metadata.name\"",
            "duplicate field \"metadata.labels.a.b\"",
            "duplicate field \"spec\"",
        ]
    );
    // A doubled struct is merged, as Go reads the second into the first.
    assert_eq!(decoded.value["spec"]["replicas"], 2);
    assert_eq!(decoded.value["spec"]["template"]["spec"]["containers"][0]["ports"], json!([{"containerPort": 1}]));
    assert_eq!(decoded.value["metadata"], json!({"name": "d", "labels": {"a.b": "2"}}));
}

#[test]
fn strict_errors_are_bounded_and_told_once() {
    let many: String = (0..200).map(|n| format!("\"x{n}\":1,\"x0\":2,")).collect();
    let decoded = pod(&format!("{{{many}\"y\":1}}")).expect("a pod");
    assert_eq!(decoded.strict.len(), 100);
    assert_eq!(decoded.strict.iter().filter(|error| error.contains("\"x0\"")).count(), 1);
}

#[test]
fn null_is_absence() {
    let decoded = pod(
        r#"{"metadata": null, "spec": {"containers": [null, {"name": null, "args": [null, "x"], "resources": null}],
            "nodeSelector": {"a": null}, "hostNetwork": null, "terminationGracePeriodSeconds": null, "volumes": null}}"#,
    );
    assert_eq!(
        decoded.map(|d| d.value),
        Ok(json!({"spec": {"containers": [{}, {"args": ["", "x"]}], "nodeSelector": {"a": ""}}}))
    );
    assert_eq!(pod("null").map(|d| d.value), Ok(json!({})));
}

#[test]
fn wrong_types_are_told_as_go_tells_them() {
    for (text, message) in [
        (
            r#"{"metadata": {"name": true}}"#,
            "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string",
        ),
        (
            r#"{"metadata": {"labels": ["a"]}}"#,
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            r#"{"metadata": {"labels": {"a": 1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (r#"{"metadata": []}"#, "json: cannot unmarshal array into Go struct field Pod.metadata of type v1.ObjectMeta"),
        (
            r#"{"spec": {"containers": "x"}}"#,
            "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            r#"{"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}}"#,
            "json: cannot unmarshal string into Go struct field \
             ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            r#"{"spec": {"containers": [{"ports": [{"containerPort": 80.5, "protocol": 1}]}]}}"#,
            "json: cannot unmarshal number 80.5 into Go struct field \
             ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            r#"{"spec": {"priority": 3000000000}}"#,
            "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            r#"{"spec": {"volumes": [{"emptyDir": 1}]}}"#,
            "json: cannot unmarshal number into Go struct field \
             Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
        ),
        // What reads itself ends the reading, and its error goes before one that was saved.
        (
            r#"{"metadata": {"name": 1, "creationTimestamp": "soon"}}"#,
            "parsing time \"soon\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"soon\" as \"2006\"",
        ),
        (r#"{"metadata": {"creationTimestamp": 5}}"#, "json: cannot unmarshal number into Go value of type string"),
        (
            r#"{"spec": {"containers": [{"resources": {"limits": {"cpu": "lots"}}}]}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            r#"{"spec": {"containers": [{"livenessProbe": {"httpGet": {"port": true}}}]}}"#,
            "json: cannot unmarshal bool into Go value of type int32",
        ),
    ] {
        assert_eq!(pod(text), Err(message.to_owned()), "{text}");
    }
    let secret = typed(br#"{"data": {"a": "dg==", "b": "x!"}}"#, builtin("", "v1", "Secret"));
    assert_eq!(secret, Err("illegal base64 data at input byte 1".to_owned()));
}

#[test]
fn scalars_with_a_form_of_their_own_come_out_canonical() {
    let decoded =
        pod(r#"{"metadata": {"creationTimestamp": "2024-01-01T01:00:00+01:00"}, "spec": {"containers": [{"resources":
            {"limits": {"cpu": 1.5, "memory": "1024Mi"}}, "livenessProbe": {"httpGet": {"port": "web"}}}]}}"#)
        .expect("a pod");
    assert_eq!(decoded.value["metadata"]["creationTimestamp"], "2024-01-01T00:00:00Z");
    let container = &decoded.value["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"], json!({"cpu": "1500m", "memory": "1Gi"}));
    assert_eq!(container["livenessProbe"]["httpGet"]["port"], "web");
}

#[test]
fn schemas_in_schemas_are_read_by_type_but_not_strictly() {
    let crd = |schema: &str| {
        let text = format!(r#"{{"spec": {{"versions": [{{"schema": {{"openAPIV3Schema": {schema}}}}}]}}}}"#);
        typed(text.as_bytes(), builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition"))
    };
    let decoded = crd(
        r#"{"type": "object", "odd": 1, "properties": {"a": {"type": "array", "items": {"type": "string", "odd": 1,
            "default": null, "enum": [1, "x", null]}, "minimum": 1.0}}, "additionalProperties": false}"#,
    )
    .expect("a definition");
    assert_eq!(decoded.strict, ["unknown field \"spec.versions[0].schema.openAPIV3Schema.odd\""]);
    let schema = &decoded.value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert_eq!(schema["properties"]["a"]["items"], json!({"type": "string", "enum": [1, "x", null]}));
    assert_eq!(schema["properties"]["a"]["minimum"].to_string(), "1");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(crd(r#"{"additionalProperties": 1}"#), Err("boolean or JSON schema expected".to_owned()));
    assert_eq!(
        crd(r#"{"items": {"type": 1}}"#),
        Err("json: cannot unmarshal number into Go struct field JSONSchemaProps.type of type string".to_owned())
    );
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{{\"data\": {}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let revision = builtin("apps", "v1", "ControllerRevision");
    assert!(typed(nested(100).as_bytes(), revision).is_ok());
    assert_eq!(typed(nested(9000).as_bytes(), revision), Err("exceeded max depth".to_owned()));
    // What is not kept may be deep.
    assert!(pod(&nested(9000)).is_ok());
}

#[test]
fn a_custom_resource_keeps_what_it_has() {
    let decoded = untyped(br#"{"spec": {"a": 1.0, "b": 1.5, "a": 2, "list": [{"x": 1, "x": 1}]}, "n": null}"#);
    let decoded = decoded.expect("an object");
    assert_eq!(decoded.value.to_string(), r#"{"n":null,"spec":{"a":2,"b":1.5,"list":[{"x":1}]}}"#);
    assert_eq!(decoded.strict, ["duplicate field \"spec.a\"", "duplicate field \"spec.list[0].x\""]);
}

const CONFIG_MAP: Expected<'static> = Expected { group: "", version: "v1", kind: "ConfigMap" };

fn config_map(text: &str, format: Format) -> Result<Decoded, String> {
    object(text.as_bytes(), format, &CONFIG_MAP).map_err(|status| status.message)
}

#[test]
fn a_body_is_of_the_kind_that_is_asked_for() {
    assert_eq!(config_map("{}", Format::Json).map(|d| d.value), Ok(json!({"apiVersion": "v1", "kind": "ConfigMap"})));
    for (text, message) in [
        (
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}"#,
            "Secret in version \"v1\" cannot be handled as a ConfigMap: \
             converting (v1.Secret) to (core.ConfigMap): unknown conversion",
        ),
        (
            r#"{"apiVersion":"a/b/c","kind":"ConfigMap"}"#,
            "the object provided is unrecognized (must be of type ConfigMap): \
             unexpected GroupVersion string: a/b/c ({\"apiVersion\":\"a/b/c\",\"kind\":\" ...)",
        ),
        (
            r#"{"apiVersion":1,"kind":"ConfigMap"}"#,
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse \
             error: json: cannot unmarshal number into Go struct field .apiVersion of type string \
             ({\"apiVersion\":1,\"kind\":\"Config ...)",
        ),
        (
            "x",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; \
             json parse error: invalid character 'x' looking for beginning of value (78)",
        ),
    ] {
        assert_eq!(config_map(text, Format::Json), Err(message.to_owned()));
    }
    let error = config_map(r#"{"apiVersion":"apps/v1","kind":"ConfigMap"}"#, Format::Json).expect_err("no such kind");
    assert!(error.starts_with(
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: \
         no kind \"ConfigMap\" is registered for version \"apps/v1\" in scheme"
    ));
}

#[test]
fn yaml_takes_the_same_way() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yam}\nfoo: 1\ndata:\n  a: b\n  a: c\n";
    let decoded = config_map(text, Format::Yaml).expect("a config map");
    assert_eq!(decoded.value["data"], json!({"a": "c"}));
    assert_eq!(decoded.warnings(), ["line 7: key \"a\" already set in map", "unknown field \"foo\""]);
    assert_eq!(
        strict(&decoded, &CONFIG_MAP).map_err(|status| status.message),
        Err("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: \
             yaml: unmarshal errors:\n  line 7: key \"a\" already set in map, unknown field \"foo\""
            .to_owned())
    );
    assert_eq!(
        config_map("metadata: {name: y}\n", Format::Yaml),
        Err("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: \
             json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string"
            .to_owned())
    );
}

#[test]
fn protobuf_takes_the_same_way() {
    use base64::Engine as _;
    let body = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    let read = |text: &str| object(&body(text), Format::Protobuf, &CONFIG_MAP).map_err(|status| status.message);
    let decoded =
        read("azhzAAoPCgJ2MRIJQ29uZmlnTWFwEhsKEQoBYRIAGgAiACoAMgA4AEIAEgYKAWsSAXYaACIA").expect("a config map");
    assert_eq!(
        decoded.value,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}})
    );
    assert_eq!(
        read("azhzAAoMCgJ2MRIGU2VjcmV0EhUKEQoBYRIAGgAiACoAMgA4AEIAGgAaACIA"),
        Err("Secret in version \"v1\" cannot be handled as a ConfigMap: \
             converting (v1.Secret) to (core.ConfigMap): unknown conversion"
            .to_owned())
    );
    assert_eq!(
        read("azhzAA=="),
        Err("the object provided is unrecognized (must be of type ConfigMap): empty body (6b387300)".to_owned())
    );
}

#[test]
fn a_custom_resource_is_read_by_its_schema() {
    let expected = Expected { group: "plant.example", version: "v1", kind: "Collector" };
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties":
        {"host": {"type": "string"}}}}});
    let read = |text: &str| {
        super::body::custom(text.as_bytes(), Format::Json, &expected, &schema).map_err(|status| status.message)
    };
    let decoded = read(
        r#"{"apiVersion": "plant.example/v1", "kind": "Collector", "more": 1, "spec": {"host": "a", "host": "b", "odd": 1}}"#,
    )
    .expect("a collector");
    assert_eq!(
        decoded.strict,
        ["duplicate field \"spec.host\"", "unknown field \"more\"", "unknown field \"spec.odd\""]
    );
    assert_eq!(decoded.value["spec"], json!({"host": "b"}));
    for (text, message) in [
        (
            r#"{"apiVersion": "plant.example/v2", "kind": "Collector"}"#,
            "the API version in the data (plant.example/v2) does not match the expected API version (plant.example/v1)",
        ),
        (
            r#"{"kind": "Collector"}"#,
            "the API version in the data () does not match the expected API version (plant.example/v1)",
        ),
        (
            r#"{"apiVersion": "plant.example/v1", "kind": "Collector", "metadata": {"labels": {"n": 5}}}"#,
            "Collector in version \"v1\" cannot be handled as a Collector: \
             json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string",
        ),
        (
            "{",
            "the object provided is unrecognized (must be of type Collector): couldn't get version/kind; \
             json parse error: unexpected end of JSON input ({)",
        ),
        (
            "{}",
            "the object provided is unrecognized (must be of type Collector): Object 'Kind' is missing in '{}' ({})",
        ),
    ] {
        assert_eq!(read(text), Err(message.to_owned()));
    }
    // Another kind of the same group is refused later, as invalid.
    let other = read(r#"{"apiVersion": "plant.example/v1", "kind": "Other"}"#).expect("an object");
    assert_eq!(other.value["kind"], "Other");
}
