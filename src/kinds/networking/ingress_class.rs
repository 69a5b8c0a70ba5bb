//! IngressClass: which controller answers for ingresses.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::batch::job::prefixed_path;
use crate::kinds::parts::conditions::typed_reference;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{Fill, Fills, fill, formatted, text};

const CONTROLLER_MAX: usize = 250;
const FILLS: Fills = &[("", &[("spec", Fill::Map)]), ("spec.parameters", &[("scope", Fill::TextPointer("Cluster"))])];
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Controller", About::Text("Controller that is responsible for handling this class")),
    text_column("Parameters", About::Text("A reference to a resource with additional parameters")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("networking.k8s.io", "v1", "IngressClass", "ingressclasses", IngressClass).cluster()
}

struct IngressClass;

impl Strategy for IngressClass {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let (controller, at) = (text(&spec["controller"]), path.child("controller"));
        if controller.len() > CONTROLLER_MAX {
            errors.too_long(&at, CONTROLLER_MAX);
        }
        prefixed_path(controller, &at, errors);
        parameters(&spec["parameters"], &path.child("parameters"), errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        let controller = &object["spec"]["controller"];
        if controller != &old["spec"]["controller"] {
            errors.invalid(&Path::new("spec").child("controller"), controller, "field is immutable");
        }
        self.validate(object, errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, parameters) = (&object["spec"], &object["spec"]["parameters"]);
        let shown = if parameters.is_null() {
            "<none>".to_owned()
        } else {
            let group = text(&parameters["apiGroup"]);
            let dot = if group.is_empty() { "" } else { "." };
            format!("{}{dot}{group}/{}", text(&parameters["kind"]), text(&parameters["name"]))
        };
        vec![
            object["metadata"]["name"].clone(),
            table::string(&spec["controller"]),
            shown.into(),
            table::age(object, now),
        ]
    }
}

fn parameters(parameters: &Value, path: &Path, errors: &mut Errors) {
    if parameters.is_null() {
        return;
    }
    typed_reference(parameters, path, errors);
    let (namespace, at) = (&parameters["namespace"], path.child("namespace"));
    match parameters["scope"].as_str() {
        None => errors.required(&path.child("scope"), ""),
        Some("Namespace") => match text(namespace) {
            "" => errors.required(&at, "`parameters.scope` is set to 'Namespace'"),
            name => formatted(name, names::dns1123_label, &at, errors),
        },
        Some("Cluster") => {
            if !namespace.is_null() {
                errors.forbidden(&at, "`parameters.scope` is set to 'Cluster'");
            }
        }
        Some(other) => errors.not_supported(&path.child("scope"), &other.into(), &["Cluster", "Namespace"]),
    }
}
