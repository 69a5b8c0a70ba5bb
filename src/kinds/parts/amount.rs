//! Amounts of resources inside objects, compared exactly.
//!
//! Objects that reach the rules carry amounts that were parsed already, so text that is none reads
//! as 0 here.

use std::cmp::Ordering;

use serde_json::Value;

const NANO: i128 = 1_000_000_000;

/// An amount in units of 1e-9, cut off where it is too large to tell.
#[must_use]
pub fn nano(value: &Value) -> i128 {
    match value {
        Value::String(text) => parse(text).unwrap_or(0),
        Value::Number(number) => parse(&number.to_string()).unwrap_or(0),
        _ => 0,
    }
}

/// The amount as text, as messages show it.
#[must_use]
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "0".to_owned(),
        other => other.to_string(),
    }
}

/// How two amounts compare.
#[must_use]
pub fn compare(left: &Value, right: &Value) -> Ordering {
    nano(left).cmp(&nano(right))
}

/// Whether there is no fraction.
#[must_use]
pub fn is_whole(value: &Value) -> bool {
    nano(value) % NANO == 0
}

/// Whether two amounts are the same, whatever their notation.
#[must_use]
pub fn same(left: &Value, right: &Value) -> bool {
    compare(left, right) == Ordering::Equal
}

/// The amount in whole units, rounded up.
#[must_use]
pub fn units(value: &Value) -> i128 {
    let nano = nano(value);
    nano.div_euclid(NANO) + i128::from(nano.rem_euclid(NANO) > 0)
}

/// The amount in thousandths, rounded up.
#[must_use]
pub fn milli(value: &Value) -> i128 {
    let (nano, step) = (nano(value), NANO / 1000);
    nano.div_euclid(step) + i128::from(nano.rem_euclid(step) > 0)
}

/// The sum of two amounts as text, in thousandths where it is not whole.
#[must_use]
pub fn add(left: &str, right: &Value) -> String {
    let sum = nano(&Value::from(left)) + nano(right);
    if sum % NANO == 0 { (sum / NANO).to_string() } else { format!("{}m", sum / (NANO / 1000)) }
}

fn parse(text: &str) -> Option<i128> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(end);
    let (scale, exponent): (i128, i32) = match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut number: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        number = number.saturating_mul(10).saturating_add(i128::from(digit.checked_sub(b'0')?));
    }
    let mut power = exponent + 9 - i32::try_from(fraction.len()).ok()?;
    number = number.saturating_mul(scale);
    while power > 0 && number != 0 && number < i128::MAX {
        number = number.saturating_mul(10);
        power -= 1;
    }
    while power < 0 && number != 0 {
        number = number / 10 + i128::from(number % 10 != 0);
        power += 1;
    }
    Some(sign * number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_compare_by_what_they_mean() {
        for (left, right) in [("1", "1000m"), ("1Gi", "1024Mi"), ("1e3", "1k"), ("0.5", "500m"), ("1.5Gi", "1536Mi")] {
            assert!(same(&json!(left), &json!(right)), "{left} {right}");
        }
        assert_eq!(compare(&json!("128Mi"), &json!("64Mi")), Ordering::Greater);
        assert!(!is_whole(&json!("1500m")));
        assert_eq!(units(&json!("1500m")), 2);
    }
}
