//! Arithmetic, conversions between numbers, quantities.

use std::sync::Arc;

use jiff::SignedDuration;

use super::Out;
use crate::schema::cel::ast::Binary;
use crate::schema::cel::value::{Fault, Val};
use crate::schema::json::go_quote;
use crate::schema::quantity::Quantity;

fn overflow() -> Fault {
    Fault::new("integer overflow")
}

/// `+`, `-`, `*`, `/` and `%`.
pub(in crate::schema::cel) fn arithmetic<'a>(operator: Binary, left: &Val<'a>, right: &Val<'a>) -> Out<'a> {
    match (left, right) {
        (Val::Int(a), Val::Int(b)) => int(operator, *a, *b),
        (Val::Uint(a), Val::Uint(b)) => {
            let wide =
                int(operator, i64::try_from(*a).map_err(|_| overflow())?, i64::try_from(*b).map_err(|_| overflow())?)?;
            match wide {
                Val::Int(number) => u64::try_from(number).map(Val::Uint).map_err(|_| overflow()),
                other => Ok(other),
            }
        }
        (Val::Double(a), Val::Double(b)) => Ok(Val::Double(match operator {
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            _ => return Err(Fault::overload()),
        })),
        (Val::Text(a), Val::Text(b)) if super::is_addition(operator) => Ok(Val::text(format!("{a}{b}"))),
        (Val::Bytes(a), Val::Bytes(b)) if super::is_addition(operator) => {
            Ok(Val::Bytes(a.iter().chain(b.iter()).copied().collect()))
        }
        (Val::Time(a), Val::Duration(b)) | (Val::Duration(b), Val::Time(a)) if super::is_addition(operator) => {
            a.checked_add(SignedDuration::from_nanos(*b)).map(Val::Time).map_err(|_| Fault::new("timestamp overflow"))
        }
        (Val::Duration(a), Val::Duration(b)) => match int(operator, *a, *b)? {
            Val::Int(nanos) if matches!(operator, Binary::Add | Binary::Subtract) => Ok(Val::Duration(nanos)),
            _ => Err(Fault::overload()),
        },
        (Val::Time(a), Val::Duration(b)) if operator == Binary::Subtract => {
            a.checked_sub(SignedDuration::from_nanos(*b)).map(Val::Time).map_err(|_| Fault::new("timestamp overflow"))
        }
        (Val::Time(a), Val::Time(b)) if operator == Binary::Subtract => i64::try_from(a.duration_since(*b).as_nanos())
            .map(Val::Duration)
            .map_err(|_| Fault::new("duration overflow")),
        (a, b) if super::is_addition(operator) && a.length().is_some() && b.length().is_some() => {
            let mut items = a.items()?;
            items.extend(b.items()?);
            Ok(Val::list(items))
        }
        _ => Err(Fault::overload()),
    }
}

fn int<'a>(operator: Binary, a: i64, b: i64) -> Out<'a> {
    let number = match operator {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        Binary::Divide if b == 0 => return Err(Fault::new("division by zero")),
        Binary::Divide => a.checked_div(b),
        Binary::Modulo if b == 0 => return Err(Fault::new("modulus by zero")),
        Binary::Modulo => a.checked_rem(b),
        _ => return Err(Fault::overload()),
    };
    number.map(Val::Int).ok_or_else(overflow)
}

/// `int()`, `uint()`, `double()` and `bool()`.
pub(super) fn convert<'a>(name: &str, value: &Val<'a>) -> Out<'a> {
    let syntax =
        |what: &str, text: &str| Fault::new(format!("strconv.{what}: parsing {}: invalid syntax", go_quote(text)));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "ranges are checked"
    )]
    Ok(match (name, value) {
        ("int", Val::Int(_)) | ("uint", Val::Uint(_)) | ("double", Val::Double(_)) | ("bool", Val::Bool(_)) => {
            value.clone()
        }
        ("int", Val::Uint(number)) => Val::Int(i64::try_from(*number).map_err(|_| overflow())?),
        ("int", Val::Double(number)) if number.abs() < 9.2e18 => Val::Int(*number as i64),
        ("int", Val::Double(_)) => return Err(overflow()),
        ("int", Val::Text(text)) => Val::Int(text.parse().map_err(|_| syntax("ParseInt", text))?),
        ("int", Val::Time(at)) => Val::Int(at.as_second()),
        ("int", Val::Duration(nanos)) => Val::Int(*nanos),
        ("uint", Val::Int(number)) => {
            Val::Uint(u64::try_from(*number).map_err(|_| Fault::new("unsigned integer overflow"))?)
        }
        ("uint", Val::Double(number)) if *number >= 0.0 && *number < 1.8e19 => Val::Uint(*number as u64),
        ("uint", Val::Text(text)) => Val::Uint(text.parse().map_err(|_| syntax("ParseUint", text))?),
        ("double", Val::Int(number)) => Val::Double(*number as f64),
        ("double", Val::Uint(number)) => Val::Double(*number as f64),
        ("double", Val::Text(text)) => Val::Double(text.parse().map_err(|_| syntax("ParseFloat", text))?),
        ("bool", Val::Text(text)) => match text.as_ref() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Val::Bool(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Val::Bool(false),
            _ => return Err(syntax("ParseBool", text)),
        },
        _ => return Err(Fault::overload()),
    })
}

/// A double as Go's `%g` shows it, about.
pub(super) fn show(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e21 { format!("{number:.0}") } else { number.to_string() }
}

/// What can be asked of a quantity.
pub(super) fn quantity<'a>(name: &str, one: &Arc<Quantity>, args: &[Val<'a>]) -> Out<'a> {
    let other = |value: &Val<'a>| match value {
        Val::Quantity(other) => Ok(Arc::clone(other)),
        Val::Int(number) => {
            Quantity::parse(&number.to_string()).map(Arc::new).map_err(|error| Fault::new(error.to_string()))
        }
        _ => Err(Fault::overload()),
    };
    let whole = || one.is_multiple_of(0) && one.approximate().abs() < 9.2e18;
    let compared = |value: &Val<'a>| match value {
        Val::Quantity(other) => Ok(one.sub(other).sign()),
        _ => Err(Fault::overload()),
    };
    Ok(match (name, args) {
        ("isInteger", []) => Val::Bool(whole()),
        ("asInteger", []) if whole() => Val::Int(one.value()),
        ("asInteger", []) => return Err(Fault::new("cannot convert value to integer")),
        ("asApproximateFloat", []) => Val::Double(one.approximate()),
        ("sign", []) => Val::Int(i64::from(one.sign())),
        ("add", [value]) => Val::Quantity(Arc::new(one.add(&*other(value)?))),
        ("sub", [value]) => Val::Quantity(Arc::new(one.sub(&*other(value)?))),
        ("isLessThan", [value]) => Val::Bool(compared(value)? < 0),
        ("isGreaterThan", [value]) => Val::Bool(compared(value)? > 0),
        ("compareTo", [value]) => Val::Int(i64::from(compared(value)?)),
        _ => return Err(Fault::overload()),
    })
}
