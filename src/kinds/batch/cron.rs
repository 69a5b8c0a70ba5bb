//! The syntax of the schedule of a cron job.

use crate::schema::duration;

/// Smallest and largest value of a field, and names for values.
type Bounds = (u64, u64, &'static [&'static str], u64);

const FIELDS: [Bounds; 5] = [
    (0, 59, &[], 0),
    (0, 23, &[], 0),
    (1, 31, &[], 0),
    (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1),
    (0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"], 0),
];
const DESCRIPTORS: &[&str] = &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Whether a schedule can be read.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(schedule: &str) -> Result<(), String> {
    if schedule.is_empty() {
        return Err("empty spec string".to_owned());
    }
    let mut rest = schedule;
    if schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=") {
        rest = schedule.split_once(' ').map_or("", |(_, rest)| rest.trim());
    }
    if rest.starts_with('@') {
        return descriptor(rest);
    }
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    for (field, bounds) in fields.iter().zip(FIELDS) {
        for part in field.split(',').filter(|part| !part.is_empty()) {
            range(part, bounds)?;
        }
    }
    Ok(())
}

fn descriptor(text: &str) -> Result<(), String> {
    if DESCRIPTORS.contains(&text) {
        return Ok(());
    }
    match text.strip_prefix("@every ") {
        Some(span) => match duration::parse(span) {
            Ok(_) => Ok(()),
            Err(fault) => Err(format!("failed to parse duration {text}: {fault}")),
        },
        None => Err(format!("unrecognized descriptor: {text}")),
    }
}

fn range(expression: &str, bounds: Bounds) -> Result<(), String> {
    let (min, max, ..) = bounds;
    let parts: Vec<&str> = expression.split('/').collect();
    let limits: Vec<&str> = parts[0].split('-').collect();
    let (start, mut end) = if matches!(limits[0], "*" | "?") {
        (min, max)
    } else {
        let start = value(limits[0], bounds)?;
        match limits.len() {
            1 => (start, start),
            2 => (start, value(limits[1], bounds)?),
            _ => return Err(format!("too many hyphens: {expression}")),
        }
    };
    let step = match parts.len() {
        1 => 1,
        2 => {
            let step = whole(parts[1])?;
            if limits.len() == 1 {
                end = max;
            }
            step
        }
        _ => return Err(format!("too many slashes: {expression}")),
    };
    if start < min {
        return Err(format!("beginning of range ({start}) below minimum ({min}): {expression}"));
    }
    if end > max {
        return Err(format!("end of range ({end}) above maximum ({max}): {expression}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {expression}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {expression}"));
    }
    Ok(())
}

fn value(text: &str, (_, _, names, first): Bounds) -> Result<u64, String> {
    let lower = text.to_lowercase();
    match names.iter().position(|name| *name == lower) {
        Some(place) => Ok(place as u64 + first),
        None => whole(text),
    }
}

fn whole(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"));
    }
    let Ok(number) = text.parse::<i64>() else {
        return Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: value out of range"));
    };
    u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_steps_and_ranges_are_understood() {
        for schedule in ["*/15 0-6 1,15 jan-mar MON", "@hourly", "@every 1h30m", "5/10 ? * * 0"] {
            assert_eq!(check(schedule), Ok(()), "{schedule}");
        }
    }

    #[test]
    fn mistakes_are_told_with_the_part_that_is_wrong() {
        let told = |schedule| check(schedule).unwrap_err();
        assert_eq!(told("* * * *"), "expected exactly 5 fields, found 4: [* * * *]");
        assert_eq!(told("61 * * * *"), "end of range (61) above maximum (59): 61");
        assert_eq!(told("*/0 * * * *"), "step of range should be a positive number: */0");
        assert_eq!(told("a * * * *"), "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax");
        assert_eq!(told("1-2-3 * * * *"), "too many hyphens: 1-2-3");
    }
}
