//! `resource.Quantity`: fixed-point numbers with suffixes, such as `100m`, `1.5Gi` and `1e3`.
//!
//! Numbers are exact down to 10⁻⁹ and up to 38 digits; smaller amounts are rounded away from zero
//! when they are read. Source: the API reference of Quantity, and the behaviour of apimachinery
//! (which text is kept as it is, where binary amounts are capped, how rounding goes).

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;
use thiserror::Error;

/// Smallest decimal exponent that is kept: 10⁻⁹.
const NANO: i32 = -9;

/// The notation in which a quantity is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `1k`, `5m`.
    #[default]
    DecimalSi,
    /// `1Ki`.
    BinarySi,
    /// `1e3`.
    DecimalExponent,
}

/// An exact amount. Equality and order are those of the amounts, whatever the notation.
#[derive(Clone, Debug, Default)]
pub struct Quantity {
    mantissa: i128,
    exponent: i32,
    format: Format,
    /// The text that was read, where upstream shows it unchanged.
    text: Option<Box<str>>,
}

/// Why a text is no quantity, in upstream's words.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum QuantityError {
    /// It does not have the form of a quantity.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The number cannot be read.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The suffix is unknown.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// The parts of a text that has the form of a quantity.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// The text has not the form of a quantity, an unknown suffix, or more than 38 digits.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let parts = split(text)?;
        let (base, power, mut format) = suffix(parts.suffix).ok_or(QuantityError::Suffix)?;
        let fast = match format {
            Format::BinarySi => 13 - power * 3 / 10 >= 0,
            _ => power >= NANO,
        };
        // Upstream reads a number without digits as zero, but only in its quick way of reading.
        let number = text.strip_suffix(parts.suffix).unwrap_or(text);
        if !fast && !number.contains(|c: char| c.is_ascii_digit()) {
            return Err(QuantityError::Numeric);
        }
        let digits = format!("{}{}", parts.whole, parts.fraction);
        let fraction = i32::try_from(parts.fraction.len()).map_err(|_| QuantityError::Numeric)?;
        let significant = digits.trim_start_matches('0');
        let mut mantissa: i128 =
            if significant.is_empty() { 0 } else { significant.parse().map_err(|_| QuantityError::Numeric)? };
        let mut exponent = -fraction;
        if base == 2 {
            // What overflows here is beyond the cap of binary amounts.
            mantissa = mantissa.checked_mul(1 << power).unwrap_or(i128::MAX);
        } else {
            exponent = exponent.saturating_add(power);
        }
        let text = (keeps_text(&parts, &digits, format, power, mantissa)).then(|| text.into());
        (mantissa, exponent) = round_to(mantissa, exponent, NANO);
        if format == Format::BinarySi {
            let max = Self { mantissa: i128::from(i64::MAX), ..Self::default() };
            let amount = Self { mantissa, exponent, ..Self::default() };
            if amount > max {
                (mantissa, exponent) = (max.mantissa, 0);
            } else if mantissa != 0 && amount < Self::from(1) {
                format = Format::DecimalSi;
            }
        }
        if parts.negative {
            mantissa = -mantissa;
        }
        Ok(Self { mantissa, exponent, format, text })
    }

    /// Reads the quantity of a JSON value: text or a number; `null` is zero.
    ///
    /// # Errors
    /// As [`Quantity::parse`]; other values do not have the form of a quantity.
    pub fn of(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => Self::parse(text.trim()),
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::Null => Ok(Self::default()),
            _ => Err(QuantityError::Format),
        }
    }

    /// `value` thousandths.
    #[must_use]
    pub fn from_milli(value: i64) -> Self {
        Self { mantissa: i128::from(value), exponent: -3, ..Self::default() }
    }

    /// The same amount in another notation.
    #[must_use]
    pub fn with_format(self, format: Format) -> Self {
        Self { format, text: None, ..self }
    }

    /// The notation in which it is shown.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// -1, 0 or 1.
    #[must_use]
    pub fn sign(&self) -> i32 {
        match self.mantissa.cmp(&0) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// The amount as a whole number, rounded away from zero, within the range of `i64`.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.scaled(0)
    }

    /// The amount in thousandths, rounded away from zero, within the range of `i64`.
    #[must_use]
    pub fn milli_value(&self) -> i64 {
        self.scaled(-3)
    }

    /// Whether the amount is a whole number of 10^`exponent`.
    #[must_use]
    pub fn is_multiple_of(&self, exponent: i32) -> bool {
        let rounded = round_to(self.mantissa, self.exponent, exponent);
        Self { mantissa: rounded.0, exponent: rounded.1, ..Self::default() } == *self
    }

    /// The amount as a number, for ratios alone.
    #[must_use]
    pub fn approximate(&self) -> f64 {
        // Precision is given up on purpose here.
        #[allow(clippy::cast_precision_loss)]
        let mantissa = self.mantissa as f64;
        mantissa * 10f64.powi(self.exponent)
    }

    /// The sum, in this notation (in the other's where this is zero).
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let (left, right, exponent) = align(self, other);
        let format = if self.is_zero() { other.format } else { self.format };
        Self { mantissa: left.saturating_add(right), exponent, format, text: None }
    }

    /// The difference, in this notation (in the other's where this is zero).
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&other.neg())
    }

    /// The amount with the other sign.
    #[must_use]
    pub fn neg(&self) -> Self {
        Self { mantissa: -self.mantissa, exponent: self.exponent, format: self.format, text: None }
    }

    /// The amount `factor` times.
    #[must_use]
    pub fn times(&self, factor: i64) -> Self {
        let mantissa = self.mantissa.saturating_mul(i128::from(factor));
        Self { mantissa, exponent: self.exponent, format: self.format, text: None }
    }

    fn scaled(&self, exponent: i32) -> i64 {
        let (mut mantissa, from) = round_to(self.mantissa, self.exponent, exponent);
        for _ in exponent..from.min(exponent.saturating_add(40)) {
            mantissa = mantissa.saturating_mul(10);
        }
        let limit = if mantissa < 0 { i64::MIN } else { i64::MAX };
        i64::try_from(mantissa).unwrap_or(limit)
    }

    /// Number and exponent, with an exponent that three divides and no factor of ten beyond that.
    fn canonical(&self) -> (i128, i32) {
        let (mut mantissa, mut exponent) = (self.mantissa, self.exponent);
        while mantissa != 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            exponent = exponent.saturating_add(1);
        }
        match exponent.rem_euclid(3) {
            1 => (mantissa.saturating_mul(10), exponent - 1),
            2 => (mantissa.saturating_mul(100), exponent - 2),
            _ => (mantissa, exponent),
        }
    }
}

impl From<i64> for Quantity {
    fn from(value: i64) -> Self {
        Self { mantissa: i128::from(value), ..Self::default() }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right, _) = align(self, other);
        left.cmp(&right)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.format == Format::BinarySi
            && (*self <= Self::from(-1024) || *self >= Self::from(1024))
            && self.is_multiple_of(0)
        {
            let mut amount = self.value();
            let mut power = 0;
            while amount % 1024 == 0 && power < 6 {
                amount /= 1024;
                power += 1;
            }
            return write!(f, "{amount}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(power).unwrap_or(&""));
        }
        let (number, exponent) = self.canonical();
        if self.format == Format::DecimalExponent {
            return if exponent == 0 { write!(f, "{number}") } else { write!(f, "{number}e{exponent}") };
        }
        let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent).map_or("", |(suffix, _)| suffix);
        write!(f, "{number}{suffix}")
    }
}

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

const BINARY: [(&str, i32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// Base, power and notation of a suffix.
fn suffix(text: &str) -> Option<(i32, i32, Format)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(suffix, _)| *suffix == text) {
        return Some((10, *power, Format::DecimalSi));
    }
    if let Some((_, power)) = BINARY.iter().find(|(suffix, _)| *suffix == text) {
        return Some((2, *power, Format::BinarySi));
    }
    let power = text.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((10, power, Format::DecimalExponent))
}

/// Splits `[+-]digits[.digits]suffix`.
fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let negative = text.starts_with('-');
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let rest = rest.trim_start_matches('0');
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (whole, rest) = rest.split_at(end);
    let whole = if whole.is_empty() { "0" } else { whole };
    let (fraction, suffix) = match rest.strip_prefix('.') {
        None => ("", rest),
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
    };
    let tail = suffix.trim_start_matches(['e', 'E', 'i', 'n', 'u', 'm', 'k', 'K', 'M', 'G', 'T', 'P']);
    let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
    if !tail.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    // A sign or nothing at all counts as zero upstream; so does a lone dot.
    Ok(Parts { negative, whole, fraction, suffix })
}

/// Whether upstream shows the text as it was read; it takes it for canonical by these signs.
fn keeps_text(parts: &Parts<'_>, digits: &str, format: Format, power: i32, amount: i128) -> bool {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if i64::try_from(amount).is_err() {
        return false;
    }
    if format == Format::BinarySi {
        let odd = digits.parse::<i64>().is_ok_and(|value| value & 7 != 0);
        return parts.fraction.is_empty() && 15 - count - power * 3 / 10 > 0 && odd;
    }
    let scale = power.saturating_sub(i32::try_from(parts.fraction.len()).unwrap_or(i32::MAX));
    count <= 18 && scale >= NANO && scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
}

/// The amount with an exponent of at least `least`, rounded away from zero.
fn round_to(mantissa: i128, exponent: i32, least: i32) -> (i128, i32) {
    if exponent >= least {
        return (mantissa, exponent);
    }
    let drop = least.saturating_sub(exponent);
    let Some(divisor) = u32::try_from(drop).ok().and_then(|drop| 10i128.checked_pow(drop)) else {
        return (mantissa.signum(), least);
    };
    let rounded = mantissa / divisor;
    (if mantissa % divisor == 0 { rounded } else { rounded + mantissa.signum() }, least)
}

/// Both mantissas at one exponent; what does not fit is as large as can be.
fn align(left: &Quantity, right: &Quantity) -> (i128, i128, i32) {
    let exponent = match (left.is_zero(), right.is_zero()) {
        (true, _) => right.exponent,
        (_, true) => left.exponent,
        _ => left.exponent.min(right.exponent),
    };
    let at = |quantity: &Quantity| {
        let factor = u32::try_from(quantity.exponent.saturating_sub(exponent)).unwrap_or(0);
        let limit = if quantity.mantissa < 0 { i128::MIN } else { i128::MAX };
        if quantity.is_zero() {
            return 0;
        }
        10i128.checked_pow(factor).and_then(|factor| quantity.mantissa.checked_mul(factor)).unwrap_or(limit)
    };
    (at(left), at(right), exponent)
}

#[cfg(test)]
mod tests;
