//! Paths: for each resource and its parts the addresses, what can be done there, and with which query
//! parameters and media types.

use std::io;

use serde_json::{Map, Value, json};

use super::models::{custom_name, model_name, put, reference};
use super::{Edition, Gvk, Resource};

const MACHINERY: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Media types of a patch; the first four are for built-in kinds and custom resources alike but the
/// strategic one.
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
const ANSWERS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// What an operation is about.
struct Operation<'a> {
    edition: Edition,
    resource: &'a Resource<'a>,
    /// The kind in body and answer.
    gvk: Gvk<'a>,
    /// `Status`, `Scale`, …; empty for the resource itself.
    part: String,
    /// Whether the address names a namespace.
    in_namespace: bool,
}

/// Calls `visit` with each path of the resources.
pub(super) fn each(
    edition: Edition,
    resources: &[Resource<'_>],
    visit: &mut dyn FnMut(&str, &Value) -> io::Result<()>,
) -> io::Result<()> {
    let mut roots: Vec<String> = Vec::new();
    for resource in resources {
        let gvk = resource.gvk;
        let root = if gvk.group.is_empty() {
            format!("/api/{}", gvk.version)
        } else {
            format!("/apis/{}/{}", gvk.group, gvk.version)
        };
        let plural = resource.plural;
        let own = Operation { edition, resource, gvk, part: String::new(), in_namespace: resource.namespaced };
        if !roots.contains(&root) {
            visit(&format!("{root}/"), &json!({ "get": own.discovery() }))?;
            roots.push(root.clone());
        }
        let base = if resource.namespaced {
            if resource.verbs.contains(&"list") {
                let mut item = json!({});
                put(&mut item, "get", Operation { in_namespace: false, ..own.copy() }.list(true));
                visit(&format!("{root}/{plural}"), &parameters(edition, item, &[]))?;
            }
            format!("{root}/namespaces/{{namespace}}/{plural}")
        } else {
            format!("{root}/{plural}")
        };
        let namespace: &[&str] = if resource.namespaced { &["namespace"] } else { &[] };
        let named: &[&str] = if resource.namespaced { &["name", "namespace"] } else { &["name"] };

        let mut item = json!({});
        for verb in &resource.verbs {
            match *verb {
                "list" => put(&mut item, "get", own.list(false)),
                "create" => put(&mut item, "post", own.write("create", "post", &format!("create a {}", gvk.kind))),
                "deletecollection" => put(&mut item, "delete", own.delete_collection()),
                _ => {}
            }
        }
        if item.as_object().is_some_and(|map| !map.is_empty()) {
            visit(&base, &parameters(edition, item, namespace))?;
        }
        let item = own.single(&resource.verbs);
        if item.as_object().is_some_and(|map| !map.is_empty()) {
            visit(&format!("{base}/{{name}}"), &parameters(edition, item, named))?;
        }
        for sub in &resource.subresources {
            let mut part = sub.name.to_owned();
            if let Some(first) = part.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let operation = Operation { gvk: sub.gvk, part, ..own.copy() };
            let item = operation.single(&sub.verbs);
            if item.as_object().is_some_and(|map| !map.is_empty()) {
                visit(&format!("{base}/{{name}}/{}", sub.name), &parameters(edition, item, named))?;
            }
        }
    }
    Ok(())
}

impl<'a> Operation<'a> {
    fn copy(&self) -> Operation<'a> {
        Operation { part: self.part.clone(), ..*self }
    }

    /// All that can be done with one object, or with a part of it.
    fn single(&self, verbs: &[&str]) -> Value {
        let kind = self.resource.gvk.kind;
        let of = if self.part.is_empty() { String::new() } else { format!("{} of ", self.part.to_lowercase()) };
        let is_stream = matches!(self.part.as_str(), "Exec" | "Attach" | "Portforward" | "Proxy");
        let mut item = json!({});
        for verb in verbs {
            match *verb {
                "get" if is_stream => put(&mut item, "get", self.connect("get")),
                "create" if is_stream => put(&mut item, "post", self.connect("post")),
                "get" => {
                    let text = format!("read {of}the specified {kind}");
                    put(&mut item, "get", self.operation("read", "get", &text, &[], None, &self.model()));
                }
                "update" => {
                    put(&mut item, "put", self.write("replace", "put", &format!("replace {of}the specified {kind}")));
                }
                "patch" => {
                    let text = format!("partially update {of}the specified {kind}");
                    put(&mut item, "patch", self.write("patch", "patch", &text));
                }
                "delete" => put(&mut item, "delete", self.delete(&format!("delete a {kind}"))),
                "create" if !self.part.is_empty() => {
                    let text = format!("create {} of a {kind}", self.part.to_lowercase());
                    put(&mut item, "post", self.write("create", "post", &text));
                }
                _ => {}
            }
        }
        item
    }

    /// What is served in the group version.
    fn discovery(&self) -> Value {
        let model = format!("{MACHINERY}.APIResourceList");
        let mut operation = self.operation("get", "get", "get available resources", &[], None, &model);
        put(&mut operation, "operationId", format!("get{}APIResources", self.group_version()).into());
        if let Some(map) = operation.as_object_mut() {
            map.retain(|key, _| !key.starts_with("x-"));
        }
        operation
    }

    fn list(&self, everywhere: bool) -> Value {
        let kind = self.resource.gvk.kind;
        let model = match self.resource.schema {
            Some(_) => format!("{}List", custom_name(self.resource)),
            None => {
                let gvk = self.resource.gvk;
                model_name(gvk.group, gvk.version, &format!("{kind}List")).unwrap_or_default()
            }
        };
        let text = format!("list or watch objects of kind {kind}");
        let mut operation = self.operation("list", "list", &text, LIST, None, &model);
        if everywhere {
            let id = format!("list{}{kind}ForAllNamespaces", self.group_version());
            put(&mut operation, "operationId", id.into());
        }
        operation
    }

    fn write(&self, id: &str, action: &str, text: &str) -> Value {
        let model = self.model();
        let body = if action == "patch" { format!("{MACHINERY}.Patch") } else { model.clone() };
        let queries: &[&str] = if action == "patch" {
            &["dryRun", "fieldManager", "fieldValidation", "force"]
        } else {
            &["dryRun", "fieldManager", "fieldValidation"]
        };
        self.operation(id, action, text, queries, Some(&body), &model)
    }

    fn delete(&self, text: &str) -> Value {
        let body = format!("{MACHINERY}.DeleteOptions");
        self.operation("delete", "delete", text, DELETE, Some(&body), &format!("{MACHINERY}.Status"))
    }

    fn delete_collection(&self) -> Value {
        let kind = self.resource.gvk.kind;
        let body = format!("{MACHINERY}.DeleteOptions");
        let queries: Vec<&str> = DELETE.iter().chain(LIST.iter().filter(|name| **name != "watch")).copied().collect();
        let text = format!("delete collection of {kind}");
        let status = format!("{MACHINERY}.Status");
        let mut operation = self.operation("delete", "deletecollection", &text, &queries, Some(&body), &status);
        let scope = if self.in_namespace { "Namespaced" } else { "" };
        put(&mut operation, "operationId", format!("delete{}Collection{scope}{kind}", self.group_version()).into());
        operation
    }

    fn connect(&self, method: &str) -> Value {
        let kind = self.resource.gvk.kind;
        let text = format!("connect {} requests to {} of {kind}", method.to_uppercase(), self.part.to_lowercase());
        let mut operation = self.operation("connect", "connect", &text, &[], None, "");
        let scope = if self.in_namespace { "Namespaced" } else { "" };
        let mut verb = method.to_owned();
        if let Some(first) = verb.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let id = format!("connect{}{verb}{scope}{kind}{}", self.group_version(), self.part);
        put(&mut operation, "operationId", id.into());
        operation
    }

    fn operation(
        &self,
        id: &str,
        action: &str,
        text: &str,
        queries: &[&str],
        body: Option<&str>,
        answer: &str,
    ) -> Value {
        let scope = if self.in_namespace { "Namespaced" } else { "" };
        let kind = self.resource.gvk.kind;
        let gvk = json!({"group": self.gvk.group, "kind": self.gvk.kind, "version": self.gvk.version});
        let mut operation = json!({
            "description": text,
            "operationId": format!("{id}{}{scope}{kind}{}", self.group_version(), self.part),
            "tags": [self.tag()],
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
        });
        let mut list: Vec<Value> = queries.iter().map(|name| query(self.edition, name)).collect();
        let schema = |model: &str| match model {
            "" => json!({"type": "string"}),
            model if model.ends_with(".Patch") => json!({"type": "object"}),
            model => json!({"$ref": reference(self.edition, model)}),
        };
        let patches = if self.resource.schema.is_some() { PATCHES.get(..3) } else { PATCHES.get(..) };
        match self.edition {
            Edition::V3 => {
                if let Some(body) = body {
                    let types = if action == "patch" { patches.unwrap_or_default() } else { &["*/*"] };
                    let required = !action.starts_with("delete");
                    let content: Map<String, Value> =
                        types.iter().map(|ty| ((*ty).to_owned(), json!({"schema": schema(body)}))).collect();
                    let mut body = json!({ "content": content });
                    if required {
                        put(&mut body, "required", true.into());
                    }
                    put(&mut operation, "requestBody", body);
                }
                let content: Map<String, Value> =
                    ANSWERS.iter().map(|ty| ((*ty).to_owned(), json!({"schema": schema(answer)}))).collect();
                let responses = json!({"200": {"description": "OK", "content": content},
                    "401": {"description": "Unauthorized"}});
                put(&mut operation, "responses", responses);
            }
            Edition::V2 => {
                if let Some(body) = body {
                    let mut parameter = json!({"in": "body", "name": "body", "schema": schema(body)});
                    if !action.starts_with("delete") {
                        put(&mut parameter, "required", true.into());
                    }
                    list.insert(0, parameter);
                }
                let consumes = if action == "patch" { patches.unwrap_or_default() } else { &["*/*"] };
                put(&mut operation, "consumes", consumes.iter().copied().map(Value::from).collect());
                put(&mut operation, "produces", ANSWERS.iter().copied().map(Value::from).collect());
                put(&mut operation, "schemes", json!(["https"]));
                let responses = json!({"200": {"description": "OK", "schema": schema(answer)},
                    "401": {"description": "Unauthorized"}});
                put(&mut operation, "responses", responses);
            }
        }
        if !list.is_empty() {
            put(&mut operation, "parameters", list.into());
        }
        operation
    }

    fn model(&self) -> String {
        if self.resource.schema.is_some() && self.gvk == self.resource.gvk {
            return custom_name(self.resource);
        }
        model_name(self.gvk.group, self.gvk.version, self.gvk.kind).unwrap_or_default()
    }

    /// `CoreV1`, `RbacAuthorizationV1`.
    fn group_version(&self) -> String {
        let mut out = String::new();
        for word in self.group().split('.').chain([self.resource.gvk.version]) {
            let mut chars = word.chars();
            out.extend(chars.next().map(|first| first.to_ascii_uppercase()));
            out.push_str(chars.as_str());
        }
        out
    }

    /// `core_v1`, `rbacAuthorization_v1`.
    fn tag(&self) -> String {
        let mut words = self.group().split('.');
        let mut out = words.next().unwrap_or_default().to_owned();
        for word in words {
            let mut chars = word.chars();
            out.extend(chars.next().map(|first| first.to_ascii_uppercase()));
            out.push_str(chars.as_str());
        }
        format!("{out}_{}", self.resource.gvk.version)
    }

    fn group(&self) -> &'a str {
        match self.resource.gvk.group {
            "" => "core",
            group => group.strip_suffix(".k8s.io").unwrap_or(group),
        }
    }
}

const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];

/// One query parameter.
fn query(edition: Edition, name: &str) -> Value {
    let ty = match name {
        "allowWatchBookmarks" | "sendInitialEvents" | "watch" | "force" | "orphanDependents" => "boolean",
        "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
        _ => "string",
    };
    let text = match name {
        "dryRun" => "`All` runs every check and changes nothing.",
        "fieldManager" => "The name of the one who changes these fields.",
        "fieldValidation" => "What to do about unknown and doubled fields: Ignore, Warn or Strict.",
        "force" => "Takes over fields that others manage; for apply requests alone.",
        "pretty" => "Whether the answer is laid out for people.",
        "watch" => "Sends the changes to the described resources as they happen.",
        _ => "",
    };
    parameter(edition, "query", name, ty, text)
}

fn parameter(edition: Edition, place: &str, name: &str, ty: &str, text: &str) -> Value {
    let mut parameter = json!({"in": place, "name": name});
    if !text.is_empty() {
        put(&mut parameter, "description", text.into());
    }
    if place == "path" {
        put(&mut parameter, "required", true.into());
    }
    match edition {
        Edition::V2 => {
            put(&mut parameter, "type", ty.into());
            put(&mut parameter, "uniqueItems", true.into());
        }
        Edition::V3 => put(&mut parameter, "schema", json!({"type": ty, "uniqueItems": true})),
    }
    parameter
}

/// The path item with the parameters that all its operations have.
fn parameters(edition: Edition, mut item: Value, names: &[&str]) -> Value {
    let mut list: Vec<Value> = names
        .iter()
        .map(|name| {
            let text = match *name {
                "name" => "name of the object",
                _ => "object name and auth scope, such as for teams and projects",
            };
            parameter(edition, "path", name, "string", text)
        })
        .collect();
    list.push(query(edition, "pretty"));
    put(&mut item, "parameters", list.into());
    item
}
