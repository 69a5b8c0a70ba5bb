//! Points in time as the API writes them, read with Go's rules and refused in Go's words.

use super::json::go_quote;

/// The layout of `metav1.Time` in Go's notation.
const SECONDS: &str = "2006-01-02T15:04:05Z07:00";
/// The layout of `metav1.MicroTime` in Go's notation.
const MICROS: &str = "2006-01-02T15:04:05.000000Z07:00";

/// A point in time: seconds since 1970, and the nanoseconds above them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    pub seconds: i64,
    /// 0 to 999 999 999.
    pub nanos: u32,
}

/// Go's zero time, which the API shows as `null`.
pub const ZERO_SECONDS: i64 = -62_135_596_800;

impl Instant {
    /// Whether it is Go's zero time, the begin of the year 1.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.seconds == ZERO_SECONDS && self.nanos == 0
    }

    /// RFC 3339 in UTC, to the second.
    #[must_use]
    pub fn to_seconds(self) -> String {
        let (year, month, day) = civil(self.seconds.div_euclid(86_400));
        let rest = self.seconds.rem_euclid(86_400);
        format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
    }

    /// RFC 3339 in UTC, with six digits behind the second.
    #[must_use]
    pub fn to_micros(self) -> String {
        let text = self.to_seconds();
        format!("{}.{:06}Z", text.trim_end_matches('Z'), self.nanos / 1000)
    }
}

/// Reads a `metav1.Time`: RFC 3339, with any fraction of a second.
///
/// # Errors
/// Go's message, such as `parsing time "x" as "2006-…": cannot parse "x" as "2006"`.
pub fn parse_time(text: &str) -> Result<Instant, String> {
    Reader { text, rest: text, layout: SECONDS }.read(false)
}

/// Reads a `metav1.MicroTime`: RFC 3339 with exactly six digits behind the second.
///
/// # Errors
/// As [`parse_time`].
pub fn parse_micro_time(text: &str) -> Result<Instant, String> {
    Reader { text, rest: text, layout: MICROS }.read(true)
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    layout: &'static str,
}

impl<'a> Reader<'a> {
    fn read(mut self, micros: bool) -> Result<Instant, String> {
        let hold = self.rest;
        let year = match hold.get(..4) {
            Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => {
                self.rest = hold.get(4..).unwrap_or_default();
                digits.parse::<i64>().map_err(|_| self.cannot(hold, "2006"))?
            }
            _ => return Err(self.cannot(hold, "2006")),
        };
        let month = self.part("-", "01", true)?;
        if !(1..=12).contains(&month) {
            return Err(self.range("month"));
        }
        let day = self.part("-", "02", true)?;
        let hour = self.part("T", "15", false)?;
        if hour >= 24 {
            return Err(self.range("hour"));
        }
        let minute = self.part(":", "04", true)?;
        if minute >= 60 {
            return Err(self.range("minute"));
        }
        let second = self.part(":", "05", true)?;
        if second >= 60 {
            return Err(self.range("second"));
        }
        let nanos = self.fraction(micros)?;
        let offset = self.zone()?;
        if !self.rest.is_empty() {
            return Err(format!("parsing time {}: extra text: {}", go_quote(self.text), go_quote(self.rest)));
        }
        if day < 1 || day > days_in(year, month) {
            return Err(self.range("day"));
        }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Ok(Instant { seconds, nanos })
    }

    /// A number of two digits (one will do where the layout does not say zero) behind `prefix`.
    fn part(&mut self, prefix: &str, layout: &str, two: bool) -> Result<i64, String> {
        self.rest = self.rest.strip_prefix(prefix).ok_or_else(|| self.cannot(self.rest, prefix))?;
        let hold = self.rest;
        let mut digits = hold.bytes();
        let length = match (digits.next(), digits.next()) {
            (Some(b'0'..=b'9'), Some(b'0'..=b'9')) => 2,
            (Some(b'0'..=b'9'), _) if !two => 1,
            _ => return Err(self.cannot(hold, layout)),
        };
        let (number, rest) = hold.split_at(length);
        self.rest = rest;
        number.parse().map_err(|_| self.cannot(hold, layout))
    }

    fn fraction(&mut self, micros: bool) -> Result<u32, String> {
        let hold = self.rest;
        let begins = |text: &str| text.strip_prefix(['.', ',']).map(str::to_owned);
        let Some(behind) = begins(hold) else {
            return if micros { Err(self.cannot(hold, ".000000")) } else { Ok(0) };
        };
        let count = behind.bytes().take_while(u8::is_ascii_digit).count();
        let take = if micros { 6 } else { count };
        if count < take || count == 0 {
            return if micros { Err(self.cannot(hold, ".000000")) } else { Ok(0) };
        }
        self.rest = hold.get(1 + take..).unwrap_or_default();
        let digits = behind.get(..take.min(9)).unwrap_or_default();
        Ok(format!("{digits:0<9}").parse().unwrap_or(0))
    }

    /// Seconds east of UTC.
    fn zone(&mut self) -> Result<i64, String> {
        let hold = self.rest;
        if let Some(rest) = hold.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let wrong = || self.cannot(hold, "Z07:00");
        let zone = hold.get(..6).ok_or_else(wrong)?;
        let number = |text: Option<&str>| {
            text.filter(|t| t.bytes().all(|b| b.is_ascii_digit())).and_then(|t| t.parse::<i64>().ok())
        };
        let (sign, colon) = (zone.get(..1), zone.get(3..4));
        let (Some(hours), Some(minutes), Some(":")) = (number(zone.get(1..3)), number(zone.get(4..6)), colon) else {
            return Err(wrong());
        };
        let sign = match sign {
            Some("+") => 1,
            Some("-") => -1,
            _ => return Err(wrong()),
        };
        self.rest = hold.get(6..).unwrap_or_default();
        if hours > 24 {
            return Err(self.range("time zone offset hour"));
        }
        if minutes > 60 {
            return Err(self.range("time zone offset minute"));
        }
        Ok(sign * (hours * 3600 + minutes * 60))
    }

    fn cannot(&self, rest: &str, element: &str) -> String {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            go_quote(self.text),
            go_quote(self.layout),
            go_quote(rest),
            go_quote(element)
        )
    }

    fn range(&self, what: &str) -> String {
        format!("parsing time {}: {what} out of range", go_quote(self.text))
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day counted from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc() {
        let shown = |text| parse_time(text).map(Instant::to_seconds);
        assert_eq!(shown("2024-02-29T23:30:00+01:30").as_deref(), Ok("2024-02-29T22:00:00Z"));
        assert_eq!(shown("1969-12-31T23:59:59.999Z").as_deref(), Ok("1969-12-31T23:59:59Z"));
        assert_eq!(parse_time("0001-01-01T00:00:00Z").map(Instant::is_zero), Ok(true));
        let micro = parse_micro_time("2024-01-01T00:00:01.500000Z").map(Instant::to_micros);
        assert_eq!(micro.as_deref(), Ok("2024-01-01T00:00:01.500000Z"));
    }

    #[test]
    fn what_is_no_time_is_refused_in_go_s_words() {
        let layout = "as \"2006-01-02T15:04:05Z07:00\": cannot parse";
        for (text, message) in [
            ("soon", format!("parsing time \"soon\" {layout} \"soon\" as \"2006\"")),
            (
                "2024-1-01T00:00:00Z",
                format!("parsing time \"2024-1-01T00:00:00Z\" {layout} \"1-01T00:00:00Z\" as \"01\""),
            ),
            ("2024-01-01", format!("parsing time \"2024-01-01\" {layout} \"\" as \"T\"")),
            ("2024-01-01T00:00:00", format!("parsing time \"2024-01-01T00:00:00\" {layout} \"\" as \"Z07:00\"")),
            ("2024-13-01T00:00:00Z", "parsing time \"2024-13-01T00:00:00Z\": month out of range".into()),
            ("2024-02-30T00:00:00Z", "parsing time \"2024-02-30T00:00:00Z\": day out of range".into()),
            ("2024-01-01T00:00:00Zx", "parsing time \"2024-01-01T00:00:00Zx\": extra text: \"x\"".into()),
        ] {
            assert_eq!(parse_time(text), Err(message));
        }
        assert_eq!(
            parse_micro_time("2024-01-01T00:00:01.5Z").map(Instant::to_micros),
            Err("parsing time \"2024-01-01T00:00:01.5Z\" as \"2006-01-02T15:04:05.000000Z07:00\": \
                 cannot parse \".5Z\" as \".000000\""
                .to_owned())
        );
    }
}
