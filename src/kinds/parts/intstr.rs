//! Fields that hold a number or a text: ports by number or name, counts as numbers or percents.

use serde_json::Value;

use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{formatted, number};

/// A port by number or by name.
pub fn port(value: &Value, path: &Path, errors: &mut Errors) {
    match value.as_str() {
        Some(name) => formatted(name, names::port_name, path, errors),
        None => port_number(number(value), path, errors),
    }
}

/// A port by number.
pub fn port_number(port: i64, path: &Path, errors: &mut Errors) {
    for fault in names::port_number(port) {
        errors.invalid(path, &port.into(), &fault);
    }
}

/// A count: a number that is 0 or more, or a percentage.
pub fn count(value: &Value, path: &Path, errors: &mut Errors) {
    match value.as_str() {
        Some(text) => formatted(text, names::percent, path, errors),
        None => {
            if number(value) < 0 {
                errors.invalid(path, &number(value).into(), "must be greater than or equal to 0");
            }
        }
    }
}

/// A percentage may not be above 100.
pub fn at_most_whole(value: &Value, path: &Path, errors: &mut Errors) {
    if percent(value).is_some_and(|percent| percent > 100) {
        errors.invalid(path, value, "must not be greater than 100%");
    }
}

/// The percentage, where the value is one.
#[must_use]
pub fn percent(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    if !names::percent(text).is_empty() {
        return None;
    }
    text.strip_suffix('%')?.parse().ok()
}

/// The number, or the percentage of `total`, rounded up or down.
#[must_use]
pub fn scaled(value: &Value, total: i64, up: bool) -> i64 {
    let Some(percent) = percent(value) else { return number(value) };
    let hundredfold = percent.saturating_mul(total);
    if up { hundredfold.saturating_add(99).div_euclid(100) } else { hundredfold.div_euclid(100) }
}

/// The number or the percentage; 0 for other text.
#[must_use]
pub fn amount(value: &Value) -> i64 {
    percent(value).unwrap_or_else(|| number(value))
}
