//! A `resource.Quantity` as Go holds it once it has read a canonical text: a number with a decimal
//! scale where that is exact and short, else a big number. Source: apimachinery's `ParseQuantity`.

use std::fmt::Write;

/// Decimal digits that always fit the short form.
const SHORT_DIGITS: i64 = 18;

/// Decimal places of a big number.
const NANO: i64 = 9;

/// Prints the fields of a quantity; the empty text is the zero value.
pub fn dump(out: &mut impl Write, text: &str) -> std::fmt::Result {
    let Some(parts) = Parts::read(text) else {
        return show(out, 0, 0, None, "", if text.is_empty() { "" } else { "DecimalSI" });
    };
    match parts.short() {
        Some((value, scale)) => {
            let kept = if parts.keeps_text(scale) { text } else { "" };
            show(out, value, scale, None, kept, parts.format)
        }
        None => {
            let (number, scale) = parts.long();
            show(out, 0, 0, Some((number, scale)), "", parts.format)
        }
    }
}

fn show(
    out: &mut impl Write,
    value: i64,
    scale: i64,
    big: Option<(i128, i64)>,
    text: &str,
    format: &str,
) -> std::fmt::Result {
    write!(out, "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}} ")?;
    match big {
        None => out.write_str("d:(resource.infDecAmount){Dec:(*inf.Dec)<nil>} ")?,
        Some((number, scale)) => {
            write!(out, "d:(resource.infDecAmount){{Dec:(*inf.Dec){{unscaled:(big.Int){{neg:(bool){} ", number < 0)?;
            out.write_str("abs:(big.nat)")?;
            let mut rest = number.unsigned_abs();
            out.write_str(if rest == 0 { "<nil>" } else { "[" })?;
            let mut first = true;
            while rest > 0 {
                if !first {
                    out.write_char(' ')?;
                }
                first = false;
                write!(out, "{}", rest & u128::from(u64::MAX))?;
                rest >>= 64;
            }
            out.write_str(if first { "" } else { "]" })?;
            write!(out, "}} scale:(inf.Scale){scale}}}}} ")?;
        }
    }
    write!(out, "s:(string){text} Format:(resource.Format){format}}}")
}

/// A text in its parts.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    /// Exponent of ten, or of two.
    exponent: i64,
    binary: bool,
    format: &'static str,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let negative = text.starts_with('-');
        let text = text.trim_start_matches(['-', '+']);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole = whole.trim_start_matches('0');
        let (exponent, binary, format) = suffix_of(suffix)?;
        Some(Self { negative, whole: if whole.is_empty() { "0" } else { whole }, fraction, exponent, binary, format })
    }

    /// The number and its decimal scale, where the short way of reading takes it.
    fn short(&self) -> Option<(i64, i64)> {
        let (whole, fraction) = (self.whole.len() as i64, self.fraction.len() as i64);
        let (precision, shift, scale) = match self.binary {
            false => (SHORT_DIGITS - whole - fraction, 0, self.exponent),
            true if self.fraction.is_empty() => (15 - whole - self.exponent * 3 / 10 - 1, self.exponent, 0),
            true => return None,
        };
        let scale = scale - fraction;
        if precision < 0 || scale < -9 {
            return None;
        }
        let number: i64 = format!("{}{}", self.whole, self.fraction).parse().ok()?;
        let number = number.checked_mul(1_i64.checked_shl(u32::try_from(shift).ok()?)?)?;
        Some((if self.negative { -number } else { number }, scale))
    }

    /// Whether Go keeps the text beside the number: where it is sure that it is canonical.
    fn keeps_text(&self, scale: i64) -> bool {
        if self.binary {
            let last = self.whole.parse::<u64>().unwrap_or_default();
            return last % 8 != 0;
        }
        let zeros = format!("{}{}", self.whole, self.fraction).ends_with("000");
        self.whole == "0" && self.fraction.is_empty() && self.exponent == 0
            || scale % 3 == 0 && !zeros && !self.whole.starts_with('0')
    }

    /// The number in units of 10⁻⁹, rounded away from zero.
    fn long(&self) -> (i128, i64) {
        let number: i128 = format!("{}{}", self.whole, self.fraction).parse().unwrap_or(i128::MAX);
        let fraction = self.fraction.len() as i64;
        let (mut number, mut scale) = if self.binary {
            let factor = u32::try_from(self.exponent).ok().and_then(|by| 1_i128.checked_shl(by)).unwrap_or(1);
            (number.saturating_mul(factor), fraction)
        } else {
            (number, fraction - self.exponent)
        };
        while scale < NANO {
            number = number.saturating_mul(10);
            scale += 1;
        }
        while scale > NANO {
            number = number / 10 + i128::from(number % 10 != 0);
            scale -= 1;
        }
        (if self.negative { -number } else { number }, scale)
    }
}

fn suffix_of(suffix: &str) -> Option<(i64, bool, &'static str)> {
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(at) = decimal.iter().position(|known| *known == suffix) {
        return Some((at as i64 * 3 - 9, false, "DecimalSI"));
    }
    if let Some(at) = binary.iter().position(|known| *known == suffix) {
        return Some((at as i64 * 10 + 10, true, "BinarySI"));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((exponent, false, "DecimalExponent"))
}
