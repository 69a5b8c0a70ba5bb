//! metrics.k8s.io: what nodes and pods use, measured when somebody asks and stored nowhere.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy, Verbs};
use crate::schema::quantity::Quantity;
use crate::schema::rules::items;

const COLUMNS: &[Row] = &[
    NAME,
    text_column("CPU", About::Text("Processor time used per second, in processors.")),
    text_column("Memory", About::Text("Bytes of memory in use that cannot be taken back at once.")),
    text_column("Window", About::Text("The time over which the use was measured.")),
];

/// The kinds, which are served only where there is something that measures.
#[must_use]
pub fn all() -> Vec<Kind> {
    let kind = |kind, plural| {
        let mut kind = Kind::new("metrics.k8s.io", "v1beta1", kind, plural, Measured).verbs(Verbs::ReadOnly);
        kind.singular = "".into();
        kind
    };
    vec![kind("NodeMetrics", "nodes").cluster(), kind("PodMetrics", "pods")]
}

struct Measured;

impl Strategy for Measured {
    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, _now: Timestamp) -> Vec<Value> {
        vec![
            object["metadata"]["name"].clone(),
            sum(object, "cpu").into(),
            sum(object, "memory").into(),
            object["window"].clone(),
        ]
    }
}

/// An amount of the node, or of all containers of the pod.
fn sum(object: &Value, resource: &str) -> String {
    let own = [&object["usage"]];
    let parts = items(&object["containers"]).iter().map(|container| &container["usage"]);
    let amounts = own.into_iter().chain(parts).filter_map(|usage| Quantity::of(&usage[resource]).ok());
    let first = amounts.filter(|amount| !amount.is_zero()).reduce(|sum, amount| sum.add(&amount));
    first.unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_adds_up_the_containers() {
        let pod = json!({"metadata": {"name": "p"}, "window": "1s", "containers": [
            {"name": "a", "usage": {"cpu": "1500u", "memory": "1Mi"}},
            {"name": "b", "usage": {"cpu": "500u", "memory": "1Ki"}}]});
        assert_eq!(Measured.cells(&pod, Timestamp::now()), [json!("p"), json!("2m"), json!("1025Ki"), json!("1s")]);
        let node = json!({"metadata": {"name": "n"}, "window": "1s", "usage": {"cpu": "0", "memory": "5Ki"}});
        assert_eq!(Measured.cells(&node, Timestamp::now())[1..3], [json!("0"), json!("5Ki")]);
    }
}
