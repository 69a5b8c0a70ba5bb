//! Lists and sets.

use std::cmp::Ordering;

use super::Out;
use crate::schema::cel::eval::Scope;
use crate::schema::cel::value::{Fault, Val};

/// What can be asked of a list.
pub(super) fn method<'a>(scope: &mut Scope<'a>, name: &str, of: &Val<'a>, args: &[Val<'a>]) -> Out<'a> {
    let items = of.items()?;
    scope.spend(items.len() as u64)?;
    match (name, args) {
        ("isSorted", []) => {
            for pair in items.windows(2) {
                if let [a, b] = pair
                    && a.order(b).ok_or_else(Fault::overload)?.is_gt()
                {
                    return Ok(Val::Bool(false));
                }
            }
            Ok(Val::Bool(true))
        }
        ("sum", []) => {
            let mut total = match items.first() {
                Some(Val::Double(_)) => Val::Double(0.0),
                Some(Val::Uint(_)) => Val::Uint(0),
                Some(Val::Duration(_)) => Val::Duration(0),
                _ => Val::Int(0),
            };
            for item in &items {
                total = super::arithmetic(super::Binary::Add, &total, item)?;
            }
            Ok(total)
        }
        ("min" | "max", []) => extreme(&items, name == "max"),
        ("indexOf" | "lastIndexOf", [wanted]) => {
            let found = if name == "indexOf" {
                items.iter().position(|item| item.same(wanted))
            } else {
                items.iter().rposition(|item| item.same(wanted))
            };
            Ok(Val::Int(found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)))
        }
        ("join", args) => {
            let separator = match args {
                [] => "",
                [Val::Text(text)] => text,
                _ => return Err(Fault::overload()),
            };
            let mut words = Vec::with_capacity(items.len());
            for item in &items {
                let Val::Text(text) = item else { return Err(Fault::overload()) };
                words.push(text.as_ref());
            }
            let joined = words.join(separator);
            scope.spend(joined.len() as u64 / 10)?;
            Ok(Val::text(joined))
        }
        ("reverse", []) => Ok(Val::list(items.into_iter().rev().collect())),
        ("first", []) => Ok(Val::Maybe(items.into_iter().next().map(std::sync::Arc::new))),
        ("last", []) => Ok(Val::Maybe(items.into_iter().next_back().map(std::sync::Arc::new))),
        ("distinct", []) => {
            scope.spend((items.len() as u64).saturating_mul(items.len() as u64))?;
            let mut kept: Vec<Val<'a>> = Vec::new();
            for item in items {
                if !kept.iter().any(|own| own.same(&item)) {
                    kept.push(item);
                }
            }
            Ok(Val::list(kept))
        }
        ("slice", [Val::Int(from), Val::Int(to)]) => {
            let range = usize::try_from(*from).ok().zip(usize::try_from(*to).ok());
            let found = range.and_then(|(from, to)| items.get(from..to));
            found.map(|items| Val::list(items.to_vec())).ok_or_else(|| Fault::new("cannot slice, index out of bounds"))
        }
        ("sort", []) => {
            let mut items = items;
            let mut fault = false;
            items.sort_by(|a, b| {
                a.order(b).unwrap_or_else(|| {
                    fault = true;
                    Ordering::Equal
                })
            });
            if fault { Err(Fault::overload()) } else { Ok(Val::list(items)) }
        }
        _ => Err(Fault::overload()),
    }
}

/// The least or the greatest item.
pub(super) fn extreme<'a>(items: &[Val<'a>], greatest: bool) -> Out<'a> {
    let name = if greatest { "max" } else { "min" };
    let mut best = items.first().ok_or_else(|| Fault::new(format!("{name} called on empty list")))?;
    for item in items.iter().skip(1) {
        let order = item.order(best).ok_or_else(Fault::overload)?;
        if if greatest { order.is_gt() } else { order.is_lt() } {
            best = item;
        }
    }
    Ok(best.clone())
}

/// `sets.contains`, `sets.equivalent` and `sets.intersects`.
pub(super) fn sets<'a>(scope: &mut Scope<'a>, name: &str, a: &Val<'a>, b: &Val<'a>) -> Out<'a> {
    let (a, b) = (a.items()?, b.items()?);
    scope.spend((a.len() as u64).saturating_mul(b.len() as u64))?;
    let within =
        |inner: &[Val<'a>], outer: &[Val<'a>]| inner.iter().all(|one| outer.iter().any(|other| other.same(one)));
    Ok(Val::Bool(match name {
        "sets.contains" => within(&b, &a),
        "sets.equivalent" => within(&a, &b) && within(&b, &a),
        _ => a.iter().any(|one| b.iter().any(|other| other.same(one))),
    }))
}
