//! Which names of a definition are accepted, and the conditions that follow from it. Source: the naming,
//! establishing and finalizing controllers of apiextensions-apiserver.

use serde_json::{Value, json};

use crate::schema::field::quote;
use crate::schema::object::Object;

/// The names that other definitions of the group have taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Plural, singular and short names.
    pub resources: Vec<String>,
    /// Kinds and kinds of lists.
    pub kinds: Vec<String>,
}

impl Taken {
    /// Adds the names that a definition has.
    pub fn add(&mut self, definition: &Value) {
        let accepted = |field: &str| definition.text(&format!("/status/acceptedNames/{field}")).to_owned();
        let full = |text: &String| !text.is_empty();
        self.resources.extend([accepted("plural"), accepted("singular")].into_iter().filter(full));
        let short = definition.list("/status/acceptedNames/shortNames");
        self.resources.extend(short.iter().filter_map(|name| name.as_str().map(str::to_owned)));
        self.kinds.extend([accepted("kind"), accepted("listKind")].into_iter().filter(full));
    }
}

/// Whether a condition of a definition is `True`.
#[must_use]
pub fn holds(definition: &Value, condition: &str) -> bool {
    definition.list("/status/conditions").iter().any(|one| one["type"] == condition && one["status"] == "True")
}

/// Sets a condition; its time changes with its status alone.
pub fn set(definition: &mut Value, kind: &str, value: &str, reason: &str, message: &str, now: &str) {
    let status = definition.section_mut("status");
    let conditions = status.entry("conditions").or_insert(Value::Null);
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(list) = conditions.as_array_mut() else { return };
    let found = list.iter_mut().find(|one| one["type"] == kind);
    let since = found.as_ref().filter(|one| one["status"] == value).map(|one| one["lastTransitionTime"].clone());
    let condition = json!({
        "type": kind, "status": value, "reason": reason, "message": message,
        "lastTransitionTime": since.unwrap_or_else(|| now.into()),
    });
    match found {
        Some(place) => *place = condition,
        None => list.push(condition),
    }
}

/// Brings names and conditions of a definition up to date, where `taken` is what others have.
pub fn settle(definition: &mut Value, taken: &Taken, now: &str) {
    let requested = definition["spec"]["names"].clone();
    let mut accepted = definition["status"]["acceptedNames"].clone();
    if !accepted.is_object() {
        accepted = json!({});
    }
    let mut conflict = None;
    let free = |name: &str, own: &str, used: &[String]| {
        if name == own || !used.iter().any(|other| other == name) {
            Ok(())
        } else {
            Err(format!("{} is already in use", quote(name)))
        }
    };
    for (field, reason, used) in [
        ("plural", "PluralConflict", &taken.resources),
        ("singular", "SingularConflict", &taken.resources),
        ("shortNames", "ShortNamesConflict", &taken.resources),
        ("kind", "KindConflict", &taken.kinds),
        ("listKind", "ListKindConflict", &taken.kinds),
    ] {
        let outcome = if field == "shortNames" {
            let own: Vec<&str> = accepted.list("/shortNames").iter().filter_map(Value::as_str).collect();
            let wrong: Vec<String> = requested
                .list("/shortNames")
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| !own.contains(name))
                .filter_map(|name| free(name, "", used).err())
                .collect();
            match wrong.as_slice() {
                [] => Ok(()),
                [one] => Err(one.clone()),
                many => Err(format!("[{}]", many.join(", "))),
            }
        } else {
            let pointer = format!("/{field}");
            free(requested.text(&pointer), accepted.text(&pointer), used)
        };
        match outcome {
            Ok(()) => put(&mut accepted, field, requested.get(field)),
            Err(message) => conflict = Some((reason, message)),
        }
    }
    put(&mut accepted, "categories", requested.get("categories"));
    definition.section_mut("status").insert("acceptedNames".into(), accepted);
    match &conflict {
        Some((reason, message)) => set(definition, "NamesAccepted", "False", reason, message, now),
        None => set(definition, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now),
    }
    if conflict.is_none() && !holds(definition, "Established") {
        let message = "the initial names have been accepted";
        set(definition, "Established", "True", "InitialNamesAccepted", message, now);
    } else if conflict.is_some() && !holds(definition, "Established") {
        set(definition, "Established", "False", "NotAccepted", "not all names are accepted", now);
    }
    approve(definition, now);
}

fn put(names: &mut Value, field: &str, value: Option<&Value>) {
    let Some(map) = names.as_object_mut() else { return };
    match value {
        Some(value) => map.insert(field.to_owned(), value.clone()),
        None => map.remove(field),
    };
}

/// Whether a group belongs to the community, so that its definitions need to be approved.
#[must_use]
pub fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].iter().any(|own| group == *own || group.ends_with(&format!(".{own}")))
}

/// The annotation by which a definition of such a group says who approved it.
pub const APPROVED: &str = "api-approved.kubernetes.io";

/// The condition of definitions of protected groups.
fn approve(definition: &mut Value, now: &str) {
    if !is_protected(definition.text("/spec/group")) {
        return;
    }
    let by = definition.annotation(APPROVED).unwrap_or_default().to_owned();
    let kind = "KubernetesAPIApprovalPolicyConformant";
    if by.starts_with("unapproved") {
        set(definition, kind, "False", "UnapprovedAnnotation", &format!("not approved: {}", quote(&by)), now);
    } else if !by.is_empty() {
        set(definition, kind, "True", "ApprovedAnnotation", &format!("approved in {by}"), now);
    }
}
