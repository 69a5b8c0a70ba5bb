//! The engine's JSON as it is read: only what is needed, and leniently, since Go writes `null` for what is
//! empty, Podman knows words that Docker does not, and newer versions leave fields out.
//! Pure; it knows no connection.

mod event;
mod inspect;
mod list;
mod objects;
mod ports;
mod stats;
mod system;

use std::net::IpAddr;

use serde::{Deserialize, Deserializer};

pub(super) use event::EventBody;
pub(super) use inspect::InspectBody;
pub(super) use list::ListBody;
pub(super) use objects::{
    BRIDGE_NAME, ExecBody, ImageBody, ImageListBody, NetworkBody, TopBody, VolumeBody, VolumesBody, WaitBody,
};
pub(super) use stats::StatsBody;
pub(super) use system::{ErrorBody, InfoBody, VersionBody};

/// Reads `null` as the default.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A list of strings; one string is a list of one, as some versions write entry points.
#[derive(Default)]
pub(super) struct Strings(pub Vec<String>);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strings, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Many(Vec<String>),
            One(String),
            None(()),
        }
        Ok(Strings(match Form::deserialize(deserializer)? {
            Form::Many(many) => many,
            Form::One(one) if one.is_empty() => Vec::new(),
            Form::One(one) => vec![one],
            Form::None(()) => Vec::new(),
        }))
    }
}

/// A time in RFC 3339; Go's zero time (the year 1) is none.
pub(super) fn time(text: &str) -> Option<jiff::Timestamp> {
    if text.is_empty() || text.starts_with("0001-01-01") {
        return None;
    }
    text.parse().ok()
}

/// A time in seconds since 1970.
pub(super) fn seconds(seconds: i64) -> Option<jiff::Timestamp> {
    (seconds > 0).then(|| jiff::Timestamp::from_second(seconds).ok()).flatten()
}

/// An address; empty and unreadable ones are none.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// An image id with its algorithm, which Podman leaves out in some places.
pub(super) fn image_id(id: String) -> String {
    match id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => format!("sha256:{id}"),
        false => id,
    }
}

/// `None` for what Go writes for "not set".
pub(super) fn set(number: i64) -> Option<i64> {
    (number != 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_three_forms() {
        let read = |text| serde_json::from_str::<Strings>(text).unwrap().0;
        assert_eq!(read("null"), Vec::<String>::new());
        assert_eq!(read("[\"a\",\"b\"]"), ["a", "b"]);
        assert_eq!(read("\"a\""), ["a"]);
    }

    #[test]
    fn the_year_one_is_no_time() {
        assert_eq!(time("0001-01-01T00:00:00Z"), None);
        assert_eq!(time(""), None);
        assert!(time("2026-11-22T22:36:52.123456789Z").is_some());
        assert!(time("2026-11-22T22:36:52.1234+02:00").is_some());
        assert_eq!(seconds(0), None);
    }
}
