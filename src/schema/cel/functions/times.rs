//! Points in time and spans of it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Out;
use crate::schema::cel::value::{Fault, Val};

/// What can be asked of a point in time; a zone may be given.
pub(super) fn of_time<'a>(name: &str, at: Timestamp, args: &[Val<'a>]) -> Out<'a> {
    let zone = match args {
        [] => TimeZone::UTC,
        [Val::Text(zone)] => self::zone(zone)?,
        _ => return Err(Fault::overload()),
    };
    let local = at.to_zoned(zone);
    let number = match name {
        "getFullYear" => i64::from(local.year()),
        "getMonth" => i64::from(local.month()) - 1,
        "getDate" => i64::from(local.day()),
        "getDayOfMonth" => i64::from(local.day()) - 1,
        "getDayOfWeek" => i64::from(local.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => i64::from(local.day_of_year()) - 1,
        "getHours" => i64::from(local.hour()),
        "getMinutes" => i64::from(local.minute()),
        "getSeconds" => i64::from(local.second()),
        "getMilliseconds" => i64::from(local.millisecond()),
        _ => return Err(Fault::overload()),
    };
    Ok(Val::Int(number))
}

/// `UTC` or an offset such as `+02:00`; there is no table of places here.
fn zone(text: &str) -> Result<TimeZone, Fault> {
    if text == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let unknown = || Fault::new(format!("unknown time zone {text}"));
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':').ok_or_else(unknown)?;
    let hours: i32 = hours.parse().map_err(|_| unknown())?;
    let minutes: i32 = minutes.parse().map_err(|_| unknown())?;
    let seconds = hours.saturating_mul(3600).saturating_add(minutes.saturating_mul(60)).saturating_mul(sign);
    jiff::tz::Offset::from_seconds(seconds).map(TimeZone::fixed).map_err(|_| unknown())
}

/// What can be asked of a span.
pub(super) fn of_duration<'a>(name: &str, nanos: i64, args: &[Val<'a>]) -> Out<'a> {
    if !args.is_empty() {
        return Err(Fault::overload());
    }
    let divisor = match name {
        "getHours" => 3_600_000_000_000,
        "getMinutes" => 60_000_000_000,
        "getSeconds" => 1_000_000_000,
        "getMilliseconds" => 1_000_000,
        _ => return Err(Fault::overload()),
    };
    Ok(Val::Int(nanos / divisor))
}

/// A span in seconds, as protobuf writes it: `5400s`, `1.5s`.
pub(super) fn seconds(nanos: i64) -> String {
    let (whole, rest) = (nanos / 1_000_000_000, (nanos % 1_000_000_000).abs());
    if rest == 0 {
        return format!("{whole}s");
    }
    let sign = if nanos < 0 && whole == 0 { "-" } else { "" };
    let rest = format!("{rest:09}");
    format!("{sign}{whole}.{}s", rest.trim_end_matches('0'))
}
