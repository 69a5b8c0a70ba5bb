//! Objects in the version that a client speaks and in the one in which they are stored.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::Registry;
use super::create::{normalise, prepare_type};
use crate::kinds::Kind;

impl Registry {
    /// Gives an object of `kind` the form in which it is stored, and names the kind of that form.
    pub(super) fn to_stored(&self, kind: &Arc<Kind>, object: &mut Value) -> Arc<Kind> {
        let Some(conversion) = kind.conversion else { return Arc::clone(kind) };
        let stored = Arc::clone(self.catalog().stored(kind));
        conversion.store(object);
        prepare_type(&stored, object);
        stored.strategy.default(object);
        normalise(&stored, object);
        stored
    }
}

/// A stored object in the version of `kind`.
#[must_use]
pub fn shown<'a>(kind: &Kind, stored: &'a Value) -> Cow<'a, Value> {
    let Some(conversion) = kind.conversion else { return Cow::Borrowed(stored) };
    let mut object = stored.clone();
    conversion.show(&mut object);
    prepare_type(kind, &mut object);
    normalise(kind, &mut object);
    Cow::Owned(object)
}

/// An object of one version in another one.
pub(super) fn converted(from: &Kind, to: &Kind, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(conversion) = from.conversion {
        conversion.store(&mut object);
    }
    if let Some(conversion) = to.conversion {
        conversion.show(&mut object);
    }
    prepare_type(to, &mut object);
    normalise(to, &mut object);
    object
}
