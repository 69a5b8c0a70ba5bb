//! The one place that turns a failure into a `metav1.Status`: code, reason, message and details
//! as a kube-apiserver 1.37 gives them.

use std::fmt;

use serde_json::{Map, Value, json};

use super::field::Errors;

/// One entry of `details.causes`. A part that is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// A word for programs, such as `FieldValueRequired`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The path of the field that the cause is about.
    pub field: String,
}

/// `metav1.StatusDetails`. A part that is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Name of the object.
    pub name: String,
    /// API group of the resource.
    pub group: String,
    /// The plural resource name, or the kind for a validation failure.
    pub kind: String,
    /// Identity of the object.
    pub uid: String,
    /// All that is wrong, one by one.
    pub causes: Vec<Cause>,
    /// Seconds after which to try again; 0 where that is not said.
    pub retry_after_seconds: u32,
}

/// A failed request, ready to be shown as `metav1.Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// The word that clients switch on; empty where upstream says none.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    /// What the failure is about; `None` leaves `details` out, an empty one shows as `{}`.
    pub details: Option<Box<Details>>,
    /// Sentences for `Warning:` headers that were found before the failure.
    pub warnings: Vec<String>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

impl Status {
    /// A status of any code and reason, without details.
    #[must_use]
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, warnings: Vec::new() }
    }

    /// The same status with `details`.
    #[must_use]
    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The same status with what is to be warned of beside it.
    #[must_use]
    pub fn with_warnings(mut self, warnings: &[String]) -> Self {
        self.warnings.extend_from_slice(warnings);
        self
    }

    /// The same status with what was to be warned of before what it warns of itself.
    #[must_use]
    pub fn after(mut self, earlier: &[String]) -> Self {
        self.warnings.splice(0..0, earlier.iter().cloned());
        self
    }

    /// The same status with one more cause.
    #[must_use]
    pub fn with_cause(mut self, reason: &str, message: &str, field: &str) -> Self {
        let cause = Cause { reason: reason.into(), message: message.into(), field: field.into() };
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// 400: the request cannot be understood.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401: nothing more is told.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403 about one object: `pods "a" is forbidden: detail`.
    #[must_use]
    pub fn forbidden(group: &str, resource: &str, name: &str, detail: &str) -> Self {
        let subject = qualified(group, resource);
        let message = if name.is_empty() {
            format!("{subject} is forbidden: {detail}")
        } else {
            format!("{subject} {name:?} is forbidden: {detail}")
        };
        Self::new(403, "Forbidden", message).with_details(about(group, resource, name))
    }

    /// 404: no such object.
    #[must_use]
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", qualified(group, resource)))
            .with_details(about(group, resource, name))
    }

    /// 404: no such resource or path.
    #[must_use]
    pub fn unknown_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with_details(Details::default())
    }

    /// 405: the resource is there, the verb is not.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
            .with_details(Details::default())
    }

    /// 409: the name is taken.
    #[must_use]
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", qualified(group, resource)))
            .with_details(about(group, resource, name))
    }

    /// 409: `Operation cannot be fulfilled on …`.
    #[must_use]
    pub fn conflict(group: &str, resource: &str, name: &str, detail: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {detail}", qualified(group, resource));
        Self::new(409, "Conflict", message).with_details(about(group, resource, name))
    }

    /// 409: somebody else has changed the object since it was read.
    #[must_use]
    pub fn modified(group: &str, resource: &str, name: &str) -> Self {
        let detail = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, detail)
    }

    /// 410: the version asked for is no longer known.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 422: `Kind.group "name" is invalid: …` with a cause for each mistake.
    #[must_use]
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &Errors) -> Self {
        let shown: Vec<String> = {
            // Upstream's aggregate shows a sentence once, however often it was found.
            let mut unique: Vec<String> = Vec::new();
            for error in errors.iter() {
                let text = error.to_string();
                if !unique.contains(&text) {
                    unique.push(text);
                }
            }
            unique
        };
        let list = match shown.as_slice() {
            [] => "<nil>".to_owned(),
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let causes = errors
            .iter()
            .map(|e| Cause {
                reason: e.reason.as_str().to_owned(),
                message: e.message.clone(),
                field: if e.field.as_str().is_empty() { "<nil>".to_owned() } else { e.field.to_string() },
            })
            .collect();
        let details = Details { causes, ..about(group, kind, name) };
        Self::new(422, "Invalid", format!("{} {name:?} is invalid: {list}", qualified(group, kind)))
            .with_details(details)
    }

    /// 429 or 503 kind of failure: try again after `seconds`.
    #[must_use]
    pub fn too_many_requests(message: impl Into<String>, seconds: u32) -> Self {
        Self::new(429, "TooManyRequests", message)
            .with_details(Details { retry_after_seconds: seconds, ..Details::default() })
    }

    /// 500 with reason `InternalError`: `Internal error occurred: …`.
    #[must_use]
    pub fn internal(detail: impl fmt::Display) -> Self {
        let mut status = Self::new(500, "InternalError", format!("Internal error occurred: {detail}"));
        status = status.with_cause("", &detail.to_string(), "");
        status
    }

    /// 500 without a reason: what upstream answers for an error that it does not classify.
    #[must_use]
    pub fn unclassified(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// The status as the object that is sent.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "Status",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            object["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            object["details"] = details.to_value();
        }
        object
    }
}

impl Details {
    /// The details as JSON, without the parts that are empty.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        for (key, text) in [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)] {
            put(&mut map, key, text);
        }
        if !self.causes.is_empty() {
            let causes = self.causes.iter().map(|cause| {
                let mut map = Map::new();
                put(&mut map, "reason", &cause.reason);
                put(&mut map, "message", &cause.message);
                put(&mut map, "field", &cause.field);
                Value::Object(map)
            });
            map.insert("causes".into(), causes.collect());
        }
        if self.retry_after_seconds > 0 {
            map.insert("retryAfterSeconds".into(), self.retry_after_seconds.into());
        }
        Value::Object(map)
    }
}

/// The answer to a delete that leaves nothing behind: `Status` with `status: Success`.
#[must_use]
pub fn success(details: &Details) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Success",
        "details": details.to_value(),
    })
}

fn put(map: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key.to_owned(), text.into());
    }
}

fn about(group: &str, kind: &str, name: &str) -> Details {
    Details { name: name.into(), group: group.into(), kind: kind.into(), ..Details::default() }
}

fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::field::Path;

    #[test]
    fn an_absent_object_is_told_with_its_group() {
        let status = Status::not_found("apps", "deployments", "a").to_value();
        assert_eq!(status["message"], "deployments.apps \"a\" not found");
        assert_eq!(status["details"], json!({"name": "a", "group": "apps", "kind": "deployments"}));
        assert_eq!(status["code"], 404);
    }

    #[test]
    fn several_mistakes_stand_in_brackets() {
        let mut errors = Errors::new();
        errors.required(&Path::new("a"), "");
        errors.required(&Path::new("b"), "");
        let status = Status::invalid("", "Pod", "x", &errors);
        assert_eq!(status.message, "Pod \"x\" is invalid: [a: Required value, b: Required value]");
    }
}
