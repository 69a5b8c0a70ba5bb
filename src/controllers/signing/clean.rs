//! How long a request stays: an hour after it was decided, a day when nobody decides, and not beyond
//! the end of its certificate.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::certificates::signing_request::certificate_end;
use crate::schema::object::Object;
use crate::schema::rules::{items, text};

const DECIDED: Duration = Duration::from_secs(3600);
const PENDING: Duration = Duration::from_secs(24 * 3600);

/// How long a request still stays; `None` where it is to go.
pub fn left(request: &Value, now: Timestamp) -> Option<Duration> {
    let after =
        |from: &str, life: Duration| from.parse::<Timestamp>().ok().and_then(|from| from.checked_add(life).ok());
    let conditions = items(&request["status"]["conditions"]);
    let decided = conditions
        .iter()
        .filter(|one| matches!(text(&one["type"]), "Approved" | "Denied" | "Failed"))
        .filter_map(|one| after(text(&one["lastUpdateTime"]), DECIDED));
    let pending = conditions.is_empty().then(|| after(request.text("/metadata/creationTimestamp"), PENDING)).flatten();
    let certificate = certificate_end(request.text("/status/certificate"));
    match decided.chain(pending).chain(certificate).min() {
        // Without a time there is none to be over.
        None => Some(PENDING),
        Some(end) => Duration::try_from(end.duration_since(now)).ok().filter(|left| !left.is_zero()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_stays_an_hour_after_it_was_decided_and_a_day_undecided() {
        let at = |hours: i64| Timestamp::from_second(hours * 3600).expect("a time");
        let mut request = json!({"metadata": {"creationTimestamp": "1970-01-01T00:00:00Z"}});
        assert_eq!(left(&request, at(1)), Some(Duration::from_secs(23 * 3600)));
        assert_eq!(left(&request, at(24)), None);
        for kind in ["Approved", "Denied", "Failed"] {
            request["status"]["conditions"] = json!([{"type": kind, "lastUpdateTime": "1970-01-01T02:00:00Z"}]);
            assert_eq!(left(&request, at(2)), Some(Duration::from_secs(3600)));
            assert_eq!(left(&request, at(3)), None);
        }
    }
}
