//! What the node says of itself on `/healthz` and `/metrics`, and which requests are logged.

use std::sync::Arc;

use crate::api::audit::Audit;
use crate::api::metrics::text::Text;
use crate::api::metrics::{NoVitals, Vitals};
use crate::config::{AuditLog, Config};
use crate::pods::Node;

/// Which requests are logged.
pub fn audit(config: &Config) -> Audit {
    match config.log.audit {
        AuditLog::Off => Audit::Off,
        AuditLog::Refused => Audit::Refused,
        AuditLog::Writes => Audit::Writes,
    }
}

/// The vitals of a node, where there is one.
pub fn of(node: Option<&Node>) -> Arc<dyn Vitals> {
    match node {
        Some(node) => Arc::new(NodeVitals(node.clone())),
        None => Arc::new(NoVitals),
    }
}

struct NodeVitals(Node);

impl Vitals for NodeVitals {
    fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        let (connected, _) = self.0.engine();
        vec![("engine", if connected { Ok(()) } else { Err("the engine cannot be reached".to_owned()) })]
    }

    fn figures(&self, out: &mut Text) {
        let (connected, losses) = self.0.engine();
        out.gauge("k2d_engine_connected", "Whether the engine can be reached.");
        out.sample("k2d_engine_connected", &[], u8::from(connected));
        out.counter("k2d_engine_losses_total", "How often the connection to the engine broke.");
        out.sample("k2d_engine_losses_total", &[], losses);
    }
}
