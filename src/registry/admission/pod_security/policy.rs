//! The labels of a namespace that say what pods in it may be, read as upstream reads them: what is
//! no level is `restricted` where it is enforced and nothing where it only warns.

use std::fmt;

use serde_json::{Map, Value};

use crate::schema::field::{Errors, Path};
use crate::schema::rules::text;

/// How strict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Anything goes.
    #[default]
    Privileged,
    /// What is known to break out of a container is refused.
    Baseline,
    /// What is not hardened is refused.
    Restricted,
}

/// A level in the form that it had in a version of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelVersion {
    /// The level.
    pub level: Level,
    /// Minor version; `None` is the latest.
    pub minor: Option<u32>,
}

/// What is enforced in a namespace and what is warned of. What is audited is read for its mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What pods must fulfil.
    pub enforce: LevelVersion,
    /// What people are warned of.
    pub warn: LevelVersion,
}

const PREFIX: &str = "pod-security.kubernetes.io/";
const LATEST: LevelVersion = LevelVersion { level: Level::Privileged, minor: None };

impl Level {
    fn parse(text: &str) -> Option<Self> {
        [Self::Privileged, Self::Baseline, Self::Restricted].into_iter().find(|level| level.as_str() == text)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

impl LevelVersion {
    /// The minor version whose checks hold; the latest is above all.
    #[must_use]
    pub fn minor(self) -> u32 {
        self.minor.unwrap_or(u32::MAX)
    }
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            Some(minor) => write!(f, "{}:v1.{minor}", self.level.as_str()),
            None => write!(f, "{}:latest", self.level.as_str()),
        }
    }
}

impl Policy {
    /// Reads the labels of a namespace; what is wrong with them is told beside it.
    #[must_use]
    pub fn of(labels: Option<&Map<String, Value>>) -> (Self, Errors) {
        let mut errors = Errors::new();
        let mut read = |mode: &str, on_mistake: Level| {
            let label = |suffix: &str| labels?.get(&format!("{PREFIX}{mode}{suffix}")).map(text);
            let mut refuse = |suffix: &str, value: &str, detail: &str| {
                let path = Path::new("metadata").child("labels").key(&format!("{PREFIX}{mode}{suffix}"));
                errors.invalid_text(&path, value, detail);
            };
            let mut policy = LATEST;
            if let Some(value) = label("") {
                policy.level = Level::parse(value).unwrap_or_else(|| {
                    refuse("", value, "must be one of privileged, baseline, restricted");
                    on_mistake
                });
            }
            if let Some(value) = label("-version") {
                policy.minor = version(value).unwrap_or_else(|| {
                    refuse("-version", value, "must be \"latest\" or \"v1.x\"");
                    None
                });
            }
            policy
        };
        let enforce = read("enforce", Level::Restricted);
        read("audit", Level::Privileged);
        let warn = read("warn", Level::Privileged);
        (Self { enforce, warn }, errors)
    }
}

/// `latest` is `Some(None)`.
#[allow(clippy::option_option)]
fn version(text: &str) -> Option<Option<u32>> {
    if text == "latest" {
        return Some(None);
    }
    let digits = text.strip_prefix("v1.")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok().map(Some) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(labels: &Value) -> (Policy, Vec<String>) {
        let (policy, errors) = Policy::of(labels.as_object());
        (policy, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn labels_name_a_level_and_a_version() {
        let (policy, errors) = of(&json!({
            "pod-security.kubernetes.io/enforce": "baseline",
            "pod-security.kubernetes.io/enforce-version": "v1.24",
            "pod-security.kubernetes.io/warn": "restricted",
        }));
        assert!(errors.is_empty());
        assert_eq!(policy.enforce.to_string(), "baseline:v1.24");
        assert_eq!(policy.warn.to_string(), "restricted:latest");
        assert_eq!(of(&json!({})).0.enforce.to_string(), "privileged:latest");
    }

    #[test]
    fn a_mistake_closes_what_is_enforced_and_opens_what_warns() {
        let (policy, errors) = of(&json!({
            "pod-security.kubernetes.io/enforce": "hard",
            "pod-security.kubernetes.io/warn": "",
            "pod-security.kubernetes.io/warn-version": "v1.01",
        }));
        assert_eq!((policy.enforce.level, policy.warn.level), (Level::Restricted, Level::Privileged));
        assert_eq!(
            errors,
            [
                "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"hard\": must be one of \
                 privileged, baseline, restricted",
                "metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: \"\": must be one of privileged, \
                 baseline, restricted",
                "metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"v1.01\": must be \
                 \"latest\" or \"v1.x\"",
            ]
        );
    }
}
