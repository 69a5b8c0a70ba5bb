//! Pods that want to be beside others, or not beside them, and pods that are to be spread: on one node (API
//! reference of `PodAffinity`, `PodAntiAffinity` and `TopologySpreadConstraint`).

use serde_json::Value;

use super::{Cluster, Unfit};
use crate::schema::object::Object;
use crate::schema::selector::Selector;

const NEAR: &str = "/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution";
const APART: &str = "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution";

/// Whether a pod or one of others names namespaces by a selector.
pub(super) fn needs_namespaces(pods: &[&Value]) -> bool {
    let terms = pods.iter().flat_map(|pod| pod.list(NEAR).iter().chain(pod.list(APART)));
    terms.into_iter().any(|term| term.map("/namespaceSelector").is_some_and(|selector| !selector.is_empty()))
}

/// Affinity and anti-affinity between pods.
pub(super) fn check(pod: &Value, cluster: &Cluster<'_>) -> Result<(), Unfit> {
    let beside = |other: &Value, terms: &[Value]| terms.iter().all(|term| means(term, pod, other, cluster));
    let near = pod.list(NEAR);
    let placed = near.iter().all(|term| has_label(cluster.node, term.text("/topologyKey")));
    let found = cluster.others.iter().any(|other| beside(other, near));
    // The first of pods that want to be beside each other begins.
    if !near.is_empty() && !(placed && (found || beside(pod, near))) {
        return Err(Unfit::new("node(s) didn't match pod affinity rules", false));
    }
    let here = |term: &&Value| has_label(cluster.node, term.text("/topologyKey"));
    let shuns =
        |of: &Value, other: &Value| of.list(APART).iter().filter(here).any(|term| means(term, of, other, cluster));
    if cluster.others.iter().any(|other| shuns(pod, other)) {
        return Err(Unfit::new("node(s) didn't match pod anti-affinity rules", true));
    }
    if cluster.others.iter().any(|other| shuns(other, pod)) {
        return Err(Unfit::new("node(s) didn't satisfy existing pods anti-affinity rules", true));
    }
    Ok(())
}

/// Whether a term of the pod `of` means `other`.
fn means(term: &Value, of: &Value, other: &Value, cluster: &Cluster<'_>) -> bool {
    let named = term.list("/namespaces");
    let selector = term.get("namespaceSelector").filter(|selector| !selector.is_null());
    let namespace = other.namespace();
    let fits = match (named.is_empty(), selector) {
        (true, None) => namespace == of.namespace(),
        (_, selector) => {
            named.iter().any(|name| name == namespace)
                || selector.is_some_and(|selector| selects_namespace(selector, namespace, cluster.namespaces))
        }
    };
    fits && selected(&term["labelSelector"], other)
}

fn selects_namespace(selector: &Value, name: &str, namespaces: &[Value]) -> bool {
    let Ok(selector) = Selector::from_object(selector) else { return false };
    let labels = namespaces.iter().find(|one| one.name() == name).and_then(|one| one.map("/metadata/labels"));
    selector.is_everything() || selector.matches(labels)
}

fn selected(selector: &Value, pod: &Value) -> bool {
    !selector.is_null()
        && Selector::from_object(selector).is_ok_and(|selector| selector.matches(pod.map("/metadata/labels")))
}

fn has_label(node: &Value, key: &str) -> bool {
    node.map("/metadata/labels").is_some_and(|labels| labels.contains_key(key))
}

/// `topologySpreadConstraints`: one node is one domain, so only a minimum of domains can be missed.
pub(super) fn spread(pod: &Value, cluster: &Cluster<'_>) -> Result<(), Unfit> {
    for rule in pod.list("/spec/topologySpreadConstraints") {
        if rule["whenUnsatisfiable"] == "ScheduleAnyway" {
            continue;
        }
        if !has_label(cluster.node, rule.text("/topologyKey")) {
            let reason = "node(s) didn't match pod topology spread constraints (missing required label)";
            return Err(Unfit::new(reason, false));
        }
        let counted = |other: &&&Value| {
            other.namespace() == pod.namespace() && !other.is_deleting() && selected(&rule["labelSelector"], other)
        };
        let there = i64::try_from(cluster.others.iter().filter(counted).count()).unwrap_or(i64::MAX);
        let own = i64::from(selected(&rule["labelSelector"], pod));
        let least = if rule.int("/minDomains").unwrap_or(1) > 1 { 0 } else { there };
        if there.saturating_add(own).saturating_sub(least) > rule.int("/maxSkew").unwrap_or(1) {
            return Err(Unfit::new("node(s) didn't match pod topology spread constraints", true));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, label: &str, spec: Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "ns", "labels": {"app": label}}, "spec": spec})
    }

    fn term(label: &str) -> Value {
        json!([{"topologyKey": "host", "labelSelector": {"matchLabels": {"app": label}}}])
    }

    fn near(label: &str) -> Value {
        json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term(label)}}})
    }

    fn apart(label: &str) -> Value {
        json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term(label)}}})
    }

    fn why(pod: &Value, others: &[&Value]) -> String {
        let node = json!({"metadata": {"labels": {"host": "n"}}});
        let cluster = Cluster { node: &node, others, namespaces: &[] };
        spread(pod, &cluster).and_then(|()| check(pod, &cluster)).err().map_or(String::new(), |unfit| unfit.counted())
    }

    #[test]
    fn pods_are_beside_those_that_they_name() {
        let web = pod("web", "web", json!({}));
        let wants = pod("a", "a", near("web"));
        assert_eq!(why(&wants, &[&web]), "");
        assert_eq!(why(&wants, &[]), "1 node(s) didn't match pod affinity rules");
        assert_eq!(why(&pod("web-2", "web", near("web")), &[]), "", "the first one begins");
        let mut elsewhere = web.clone();
        elsewhere["metadata"]["namespace"] = "other".into();
        assert_eq!(why(&wants, &[&elsewhere]), "1 node(s) didn't match pod affinity rules");
        let mut all = wants.clone();
        all["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]["namespaceSelector"] =
            json!({});
        assert_eq!(why(&all, &[&elsewhere]), "");
    }

    #[test]
    fn pods_shun_each_other_both_ways() {
        let (one, shy) = (pod("one", "x", json!({})), pod("shy", "y", apart("x")));
        assert_eq!(why(&shy, &[&one]), "1 node(s) didn't match pod anti-affinity rules");
        assert_eq!(why(&one, &[&shy]), "1 node(s) didn't satisfy existing pods anti-affinity rules");
        assert_eq!(why(&shy, &[]), "");
    }

    #[test]
    fn one_node_is_one_domain() {
        let rule = |key: &str, least: i64| {
            json!({"topologySpreadConstraints": [{"topologyKey": key, "maxSkew": 1, "minDomains": least,
                "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "x"}}}]})
        };
        let there = pod("there", "x", json!({}));
        assert_eq!(why(&pod("p", "x", rule("host", 1)), &[&there]), "");
        assert_eq!(
            why(&pod("p", "x", rule("host", 2)), &[&there]),
            "1 node(s) didn't match pod topology spread constraints"
        );
        assert!(why(&pod("p", "x", rule("zone", 1)), &[]).ends_with("(missing required label)"));
    }
}
