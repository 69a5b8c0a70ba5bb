//! The pod template of workloads: its defaults and rules, and the rules between a selector and the
//! labels of the template.

use serde_json::Value;

use super::{pod, security, selector};
use crate::schema::field::{Errors, Path};
use crate::schema::meta;
use crate::schema::rules::{Rule, check, items};
use crate::schema::selector::Selector;

/// The rules of a pod template.
pub fn validate(template: &Value, path: &Path, errors: &mut Errors) {
    let (metadata, spec) = (&template["metadata"], &template["spec"]);
    meta::labels(&metadata["labels"], &path.child("labels"), errors);
    meta::annotations(&metadata["annotations"], &path.child("annotations"), errors);
    pod::annotations(metadata, spec, &path.child("annotations"), errors);
    let at = path.child("spec");
    pod::spec(spec, None, &at, errors);
    security::annotations(metadata, spec, &at, errors);
    if !items(&spec["ephemeralContainers"]).is_empty() {
        errors.forbidden(&at.child("ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }
}

/// Pods that are always kept running restart always and have no deadline. `kind` is the kind that is
/// named in the message.
pub fn runs_forever(template: &Value, kind: &str, path: &Path, errors: &mut Errors) {
    let (spec, at) = (&template["spec"], path.child("spec"));
    check(&[Rule::At("restartPolicy", &[Rule::OneOf(&["Always"])])], spec, &at, errors);
    if !spec["activeDeadlineSeconds"].is_null() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden(&at.child("activeDeadlineSeconds"), &detail);
    }
}

/// Whether a selector can be used at all; one that cannot is told with `detail`, and then nothing is
/// said of the template that it is for.
pub fn selector_works(selector: &Value, detail: &str, path: &Path, errors: &mut Errors) -> bool {
    let works = Selector::from_object(selector).is_ok();
    if !works {
        errors.invalid_raw(path, &selector::show(selector), detail);
    }
    works
}

/// The template must carry the labels that the selector asks for.
pub fn labels_match(selector: &Value, template: &Value, path: &Path, errors: &mut Errors) {
    let labels = &template["metadata"]["labels"];
    // A selector that cannot be used is told elsewhere; an absent one fits nothing.
    let Ok(wanted) = Selector::from_object(selector) else { return };
    if selector.is_null() || !wanted.matches(labels.as_object()) {
        let at = path.child("metadata").child("labels");
        errors.invalid(&at, labels, "`selector` does not match template `labels`");
    }
}

/// A selector that must be there and ask for something. `what` names the kind in the message.
pub fn selector_given(selector: &Value, what: &str, path: &Path, errors: &mut Errors) {
    if selector.is_null() {
        errors.required(path, "");
        return;
    }
    selector::validate(selector, path, errors);
    if selector::is_empty(selector) {
        let detail = format!("empty selector is invalid for {what}");
        errors.invalid_raw(path, &selector::show(selector), &detail);
    }
}

/// The selector of a workload stays as it is.
pub fn selector_stays(object: &Value, old: &Value, errors: &mut Errors) {
    let (new, old) = (&object["spec"]["selector"], &old["spec"]["selector"]);
    if new != old {
        errors.invalid_raw(&Path::new("spec").child("selector"), &selector::show(new), "field is immutable");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(selector: &Value, labels: &Value) -> Vec<String> {
        let (template, path) = (json!({"metadata": {"labels": labels}}), Path::new("spec"));
        let mut errors = Errors::new();
        if selector_works(selector, "invalid label selector", &path.child("selector"), &mut errors) {
            labels_match(selector, &template, &path.child("template"), &mut errors);
        }
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_selector_that_cannot_be_used_is_told_instead_of_the_template() {
        let selector = json!({"matchExpressions": [{"key": "a", "operator": "In"}]});
        assert_eq!(
            said(&selector, &json!({"a": "b"})),
            ["spec.selector: Invalid value: {\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}: invalid \
              label selector"]
        );
    }

    #[test]
    fn an_absent_selector_fits_no_labels() {
        let fault = "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template \
                     `labels`";
        assert_eq!(said(&Value::Null, &json!({"a": "b"})), [fault]);
        assert_eq!(said(&json!({"matchLabels": {"a": "b"}}), &json!({"a": "b"})), [""; 0]);
    }
}
