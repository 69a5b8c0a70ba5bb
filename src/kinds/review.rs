//! Reviews: questions about who one is and what one may do, which are answered and not stored. The
//! kinds of the groups `authentication.k8s.io` and `authorization.k8s.io` with the rules of their
//! questions; who knows the answers is not known here.

use serde_json::Value;

use super::parts::show;
use super::{Kind, Strategy, Verbs};
use crate::schema::field::{Errors, Path, quote};
use crate::schema::rules::{entries, is_empty, items, text};

/// The group of the reviews about who one is.
pub const AUTHENTICATION: &str = "authentication.k8s.io";
/// The group of the reviews about what one may do.
pub const AUTHORIZATION: &str = "authorization.k8s.io";

/// SelfSubjectReview: who am I?
#[must_use]
pub fn self_subject() -> Kind {
    kind(AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews", Review::Plain)
}

/// TokenReview: whose token is this?
#[must_use]
pub fn token() -> Kind {
    kind(AUTHENTICATION, "TokenReview", "tokenreviews", Review::Plain)
}

/// LocalSubjectAccessReview: may somebody do something in this namespace?
#[must_use]
pub fn local_access() -> Kind {
    let review = Review::Local;
    Kind::new(AUTHORIZATION, "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", review)
        .verbs(Verbs::CreateOnly)
}

/// SelfSubjectAccessReview: may I do something?
#[must_use]
pub fn self_access() -> Kind {
    kind(AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews", Review::OneSelf)
}

/// SelfSubjectRulesReview: what may I do in a namespace?
#[must_use]
pub fn self_rules() -> Kind {
    kind(AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews", Review::Plain)
}

/// SubjectAccessReview: may somebody do something?
#[must_use]
pub fn access() -> Kind {
    kind(AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews", Review::Anybody)
}

fn kind(group: &'static str, name: &'static str, plural: &'static str, review: Review) -> Kind {
    Kind::new(group, "v1", name, plural, review).cluster().verbs(Verbs::CreateOnly)
}

/// The rules that a review has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Review {
    Plain,
    OneSelf,
    Anybody,
    Local,
}

impl Strategy for Review {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        if *self == Self::Plain {
            return;
        }
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
        if resource.is_null() == other.is_null() {
            let shown = show::line(other, "authorization.v1.NonResourceAttributes");
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.invalid_raw(&path, &shown, detail);
        }
        if *self != Self::OneSelf && text(&spec["user"]).is_empty() && is_empty(&spec["groups"]) {
            errors.invalid_text(&path.child("user"), "", "at least one of user or group must be specified");
        }
        for key in ["fieldSelector", "labelSelector"] {
            selector(&resource[key], &path.child("resourceAttributes").child(key), errors);
        }
        self.metadata(&object["metadata"], errors);
        if *self == Self::Local {
            let namespace = text(&resource["namespace"]);
            if !resource.is_null() && namespace != text(&object["metadata"]["namespace"]) {
                let path = path.child("resourceAttributes").child("namespace");
                errors.invalid_text(&path, namespace, "must match metadata.namespace");
            }
            if !other.is_null() {
                let shown = show::line(other, "authorization.v1.NonResourceAttributes");
                errors.invalid_raw(&path.child("nonResourceAttributes"), &shown, "disallowed on this kind of request");
            }
        }
    }
}

impl Review {
    /// Nothing is stored, so nothing is named.
    fn metadata(self, metadata: &Value, errors: &mut Errors) {
        let local = self == Self::Local;
        let counts = |key: &str| key != "managedFields" && !(local && key == "namespace");
        if entries(metadata).any(|(key, value)| counts(key) && !is_empty(value)) {
            let detail = if local { "must be empty except for namespace" } else { "must be empty" };
            errors.invalid_raw(&Path::new("metadata"), &in_order(metadata), detail);
        }
    }
}

/// Metadata as JSON, its fields in the order of the API reference.
fn in_order(metadata: &Value) -> String {
    const ORDER: &[&str] = &[
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ];
    let given = ORDER.iter().filter_map(|key| metadata.get(*key).map(|value| format!("{}:{value}", quote(key))));
    format!("{{{}}}", given.collect::<Vec<_>>().join(","))
}

/// The selector that a list or watch would have.
fn selector(selector: &Value, path: &Path, errors: &mut Errors) {
    if selector.is_null() {
        return;
    }
    let (raw, requirements) = (text(&selector["rawSelector"]), items(&selector["requirements"]));
    if !raw.is_empty() && !requirements.is_empty() {
        let detail = "may not specified at the same time as requirements";
        errors.invalid_text(&path.child("rawSelector"), raw, detail);
    }
    if raw.is_empty() && requirements.is_empty() {
        let detail = format!("when {path} is specified, requirements or rawSelector is required");
        errors.required(&path.child("requirements"), &detail);
    }
    for (index, one) in requirements.iter().enumerate() {
        let at = path.child("requirements").index(index);
        if text(&one["key"]).is_empty() {
            errors.required(&at.child("key"), "must be specified");
        }
        let (values, filled) = (at.child("values"), !items(&one["values"]).is_empty());
        match text(&one["operator"]) {
            "In" | "NotIn" if !filled => {
                errors.required(&values, "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if filled => {
                errors.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mistakes(kind: &Kind, object: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        kind.strategy.validate(object, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_question_is_about_one_thing_and_somebody() {
        assert_eq!(
            mistakes(&access(), &json!({"spec": {}})),
            [
                "spec: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be \
                 specified",
                "spec.user: Invalid value: \"\": at least one of user or group must be specified",
            ]
        );
        let fine = json!({"metadata": {}, "spec": {"resourceAttributes": {"verb": "get"}}});
        assert!(mistakes(&self_access(), &fine).is_empty());
    }

    #[test]
    fn a_local_question_stays_in_its_namespace() {
        let object = json!({"metadata": {"namespace": "a"}, "spec": {"user": "u", "nonResourceAttributes": {}}});
        let found = mistakes(&local_access(), &object);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.iter().all(|text| text.ends_with("disallowed on this kind of request")));
        let object = json!({"metadata": {"namespace": "a"}, "spec": {"user": "u", "resourceAttributes": {}}});
        assert_eq!(
            mistakes(&local_access(), &object),
            ["spec.resourceAttributes.namespace: Invalid value: \"\": must match metadata.namespace"]
        );
    }

    #[test]
    fn a_question_has_no_name() {
        let object = json!({"metadata": {"name": "x"}, "spec": {"resourceAttributes": {"verb": "get"}}});
        assert_eq!(mistakes(&self_access(), &object), ["metadata: Invalid value: {\"name\":\"x\"}: must be empty"]);
    }
}
