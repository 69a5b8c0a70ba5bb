//! The log of writes: one structured line for each, with who, what, from where and how it ended. Never a
//! body, never a credential. In the journal its fields are those of all lines (`K2D_USER`, `K2D_NAMESPACE`,
//! `K2D_OBJECT`, …).

use super::trace::Trace;
use crate::host::logs;

/// Which requests get a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audit {
    /// None.
    Off,
    /// Writes that were refused: 401 and 403.
    Refused,
    /// All that write, allowed or not.
    #[default]
    Writes,
}

impl Audit {
    /// Logs a request that was answered with `code`.
    pub fn record(self, trace: &Trace, code: u16) {
        let refused = matches!(code, 401 | 403);
        if self == Self::Off || (self == Self::Refused && !refused) || !trace.is_write() {
            return;
        }
        let info = &trace.info;
        let verdict = if refused { "refused" } else { "allowed" };
        let source = trace.source.map(|source| source.ip().to_canonical().to_string());
        let some = |text: &str| (!text.is_empty()).then(|| clean(text));
        let name = if info.name.is_empty() { trace.made.as_deref().unwrap_or_default() } else { &info.name };
        tracing::info!(
            target: logs::AUDIT,
            user = some(&trace.user),
            as_user = trace.impersonated.as_deref().map(clean),
            source,
            agent = some(&trace.agent),
            verb = info.verb,
            group = some(&info.group),
            resource = clean(&info.resource),
            subresource = some(&info.subresource),
            namespace = some(&info.namespace),
            object = some(name),
            dry_run = trace.dry_run.then_some(true),
            verdict,
            code,
            "audit"
        );
    }
}

/// What a client says, so that it makes neither a line of its own nor a long one.
fn clean(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_stays_on_its_line() {
        assert_eq!(clean("a\nverdict=\u{1b}[0m\r"), "averdict=[0m");
        assert_eq!(clean(&"x".repeat(1000)).len(), 256);
    }
}
