//! Which objects a list or a watch is about: by namespace, labels and fields.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::kinds::Kind;
use crate::schema::selector::Selector;
use crate::schema::selector::field::FieldSelector;
use crate::schema::status::Status;
use crate::store::Record;

/// A namespace, a label selector and a field selector, checked against a kind.
#[derive(Clone, Debug)]
pub struct Filter {
    namespace: Option<String>,
    name: Option<String>,
    labels: Selector,
    fields: FieldSelector,
}

/// The part of an object that most selectors look at; nothing else is read of it.
#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    metadata: Labels,
}

#[derive(Default, Deserialize)]
struct Labels {
    #[serde(default)]
    labels: Map<String, Value>,
}

impl Filter {
    /// A filter for requests about `kind` in `namespace` (`None`: everywhere).
    ///
    /// # Errors
    /// 400 where a selector does not parse or names a field that the kind does not offer.
    pub fn new(kind: &Kind, namespace: Option<&str>, labels: &str, fields: &str) -> Result<Self, Status> {
        let labels = Selector::parse(labels).map_err(|error| Status::bad_request(error.to_string()))?;
        let fields = FieldSelector::parse(fields).map_err(|error| Status::bad_request(error.to_string()))?;
        for term in fields.terms() {
            let known = matches!(term.field.as_str(), "metadata.name" | "metadata.namespace")
                || kind.selectable.iter().any(|field| *field == term.field);
            if !known {
                return Err(Status::bad_request(kind.unknown_field(&term.field)));
            }
        }
        let mut namespace = namespace.map(ToOwned::to_owned);
        if namespace.is_none()
            && let Some(exact) = fields.exact("metadata.namespace")
            && !exact.is_empty()
        {
            namespace = Some(exact.to_owned());
        }
        let name = fields.exact("metadata.name").filter(|name| !name.is_empty()).map(ToOwned::to_owned);
        Ok(Self { namespace, name, labels, fields })
    }

    /// Everything of a kind, in a namespace or everywhere.
    #[must_use]
    pub fn everything(namespace: Option<&str>) -> Self {
        Self {
            namespace: namespace.map(ToOwned::to_owned),
            name: None,
            labels: Selector::everything(),
            fields: FieldSelector::default(),
        }
    }

    /// The same filter with a label selector.
    #[must_use]
    pub fn with_labels(mut self, labels: Selector) -> Self {
        self.labels = labels;
        self
    }

    /// The namespace it is limited to.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether labels or fields are looked at.
    #[must_use]
    pub fn selects(&self) -> bool {
        !self.labels.is_everything() || !self.fields.is_everything()
    }

    /// Whether a stored object is meant.
    #[must_use]
    pub fn matches(&self, kind: &Kind, record: &Record) -> bool {
        if self.namespace.as_deref().is_some_and(|namespace| namespace != record.key.namespace) {
            return false;
        }
        if self.name.as_deref().is_some_and(|name| name != record.key.name) {
            return false;
        }
        if !self.labels.is_everything() {
            let Ok(object) = serde_json::from_slice::<Labelled>(&record.head) else { return false };
            if !self.labels.matches(Some(&object.metadata.labels)) {
                return false;
            }
        }
        // The commonest selector, one name, has been looked at.
        let terms = self.fields.terms();
        if terms.is_empty() || (terms.len() == 1 && self.name.is_some()) {
            return true;
        }
        let object = record.to_value();
        self.fields.matches(|field| match field {
            "metadata.name" => record.key.name.clone(),
            "metadata.namespace" => record.key.namespace.clone(),
            other => kind.strategy.field(&object, other),
        })
    }
}
