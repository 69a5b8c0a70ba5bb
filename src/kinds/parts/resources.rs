//! Names and amounts of compute resources: `resources` of containers and pods, quotas, limits.

use std::cmp::Ordering;

use serde_json::Value;

use super::amount;
use crate::schema::field::{Errors, Path, Reason, quote};
use crate::schema::names;
use crate::schema::rules::{entries, formatted, items, text};

/// Resources of which a limit range and a pod may speak without a domain.
const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
const QUOTA: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
    "storage",
];
const WHOLE: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Whether a name is one of huge pages.
#[must_use]
pub fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether a name belongs to Kubernetes itself: without a domain, or of `kubernetes.io/`.
#[must_use]
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether a name is that of an extended resource.
#[must_use]
pub fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Whether more may be asked for than is set aside.
#[must_use]
pub fn allows_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

/// Whether amounts of the resource have no fraction.
fn is_whole_resource(name: &str) -> bool {
    WHOLE.contains(&name) || is_extended(name) || name.starts_with("count/")
}

/// Whether a name without a domain is one that quotas know.
#[must_use]
pub fn is_standard_quota(name: &str) -> bool {
    QUOTA.contains(&name) || is_huge_pages(name) || name.starts_with("requests.hugepages-")
}

/// The rules for any resource name; whether it follows them.
pub fn name(name: &str, path: &Path, errors: &mut Errors) -> bool {
    let before = errors.len();
    formatted(name, names::qualified_name, path, errors);
    if errors.len() == before
        && !name.contains('/')
        && !(STANDARD.contains(&name) || is_huge_pages(name) || name.starts_with("requests.hugepages-"))
    {
        errors.invalid_text(path, name, "must be a standard resource type or fully qualified");
    }
    errors.len() == before
}

/// The rules for the name of a resource of a container.
pub fn container_name(resource: &str, path: &Path, errors: &mut Errors) {
    name(resource, path, errors);
    if !resource.contains('/') {
        if !(matches!(resource, "cpu" | "memory" | "ephemeral-storage") || is_huge_pages(resource)) {
            errors.invalid_text(path, resource, "must be a standard resource for containers");
        }
    } else if !is_native(resource) && !is_extended(resource) {
        errors.invalid_text(path, resource, "doesn't follow extended resource name standard");
    }
}

/// The rules for the name of a resource of a whole pod.
pub fn pod_name(resource: &str, path: &Path, errors: &mut Errors) {
    if name(resource, path, errors) && !(matches!(resource, "cpu" | "memory") || is_huge_pages(resource)) {
        errors.not_supported(path, &resource.into(), &["cpu", "hugepages-", "memory"]);
    }
}

/// The rules for the name of a resource of a quota.
pub fn quota_name(resource: &str, path: &Path, errors: &mut Errors) {
    name(resource, path, errors);
    if !resource.contains('/') && !is_standard_quota(resource) {
        errors.invalid_text(path, resource, "must be a standard resource for quota");
    }
}

/// An amount of that resource: not negative, and whole where the resource has no parts.
pub fn value(resource: &str, value: &Value, path: &Path, errors: &mut Errors) {
    not_negative(value, path, errors);
    if is_whole_resource(resource) && !amount::is_whole(value) {
        errors.invalid_text(path, &amount::show(value), "must be an integer");
    }
}

/// An amount that is 0 or more.
pub fn not_negative(value: &Value, path: &Path, errors: &mut Errors) {
    if amount::nano(value) < 0 {
        errors.invalid_text(path, &amount::show(value), "must be greater than or equal to 0");
    }
}

/// An amount above 0.
pub fn positive(value: &Value, path: &Path, errors: &mut Errors) {
    if amount::nano(value) <= 0 {
        errors.invalid_text(path, &amount::show(value), "must be greater than zero");
    }
}

/// The rules of `limits` and `requests` of a container or a pod. `claims` are the names of
/// `spec.resourceClaims` of the pod.
pub fn requirements(
    resources: &Value,
    named: fn(&str, &Path, &mut Errors),
    claims: &[&str],
    path: &Path,
    errors: &mut Errors,
) {
    let (limits_path, requests_path) = (path.child("limits"), path.child("requests"));
    let limits = &resources["limits"];
    let (mut computes, mut huge) = (false, false);
    for (name, amount) in entries(limits) {
        let at = limits_path.key(name);
        named(name, &at, errors);
        value(name, amount, &at, errors);
        huge |= huge_pages(name, amount, &at, errors);
        computes |= matches!(name.as_str(), "cpu" | "memory");
    }
    for (name, amount) in entries(&resources["requests"]) {
        let at = requests_path.key(name);
        named(name, &at, errors);
        value(name, amount, &at, errors);
        if let Some(limit) = limits.get(name) {
            let order = amount::compare(amount, limit);
            let words = if order != Ordering::Equal && !allows_overcommit(name) {
                "equal to"
            } else if order == Ordering::Greater {
                "less than or equal to"
            } else {
                ""
            };
            if !words.is_empty() {
                let detail = format!("must be {words} {name} limit of {}", amount::show(limit));
                errors.invalid_text(&requests_path, &amount::show(amount), &detail);
            }
        } else if !allows_overcommit(name) {
            errors.required(&limits_path, "Limit must be set for non overcommitable resources");
        }
        huge |= huge_pages(name, amount, &at, errors);
        computes |= matches!(name.as_str(), "cpu" | "memory");
    }
    if huge && !computes {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
    claim_names(&resources["claims"], claims, &path.child("claims"), errors);
}

/// Huge pages come in whole pages; whether the resource is one of huge pages.
fn huge_pages(name: &str, amount: &Value, path: &Path, errors: &mut Errors) -> bool {
    let Some(size) = name.strip_prefix("hugepages-") else { return false };
    let page = amount::nano(&Value::from(size));
    let nano = amount::nano(amount);
    if page > 0 && nano > 0 && nano % page != 0 {
        let shown = amount::show(amount);
        errors.invalid_text(path, &shown, &format!("{shown} is not positive integer multiple of {name}"));
    }
    true
}

fn claim_names(list: &Value, claims: &[&str], path: &Path, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for (index, claim) in items(list).iter().enumerate() {
        let at = path.index(index);
        let (name, request) = (text(&claim["name"]), text(&claim["request"]));
        if name.is_empty() {
            errors.required(&at, "");
            continue;
        }
        let key = if request.is_empty() { name.to_owned() } else { format!("{name}/{request}") };
        let whole_claim = seen.iter().any(|one| one == name);
        if !whole_claim && !request.is_empty() {
            formatted(request, names::dns1123_label, &at.child("request"), errors);
        }
        let overlaps = request.is_empty() && seen.iter().any(|one| one.split('/').next() == Some(name));
        if whole_claim || overlaps {
            errors.duplicate(&at, &name.into());
        } else if seen.contains(&key) {
            errors.duplicate(&at, &key.as_str().into());
        }
        seen.push(key);
        if !claims.contains(&name) {
            let mut sorted = claims.to_vec();
            sorted.sort_unstable();
            let rest =
                if claims.is_empty() { " which is empty".to_owned() } else { format!(": {}", sorted.join(", ")) };
            errors.push(
                Reason::NotFound,
                &at,
                format!("Not found: {}: must be one of the names in pod.spec.resourceClaims{rest}", quote(name)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(resources: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        requirements(resources, container_name, &[], &Path::new("r"), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_request_stays_below_its_limit() {
        assert_eq!(
            said(&json!({"limits": {"memory": "64Mi"}, "requests": {"memory": "128Mi"}})),
            ["r.requests: Invalid value: \"128Mi\": must be less than or equal to memory limit of 64Mi"]
        );
    }

    #[test]
    fn huge_pages_need_a_limit_and_company() {
        assert_eq!(
            said(&json!({"requests": {"hugepages-2Mi": "4Mi"}})),
            [
                "r.limits: Required value: Limit must be set for non overcommitable resources",
                "r: Forbidden: HugePages require cpu or memory",
            ]
        );
    }
}
