//! Texts.

use std::borrow::Cow;

use regex_lite::Regex;

use super::{Out, show};
use crate::schema::cel::eval::Scope;
use crate::schema::cel::value::{Fault, Val};
use crate::schema::structural;

/// Whether a text matches a pattern, anywhere.
pub(super) fn matches<'a>(scope: &mut Scope<'a>, of: &Val<'a>, pattern: &Val<'a>) -> Out<'a> {
    let (Val::Text(text), Val::Text(pattern)) = (of, pattern) else { return Err(Fault::overload()) };
    let regex = compile(scope, text, pattern)?;
    Ok(Val::Bool(regex.is_match(text)))
}

/// Patterns run in linear time; what they cost is their length times that of the text.
fn compile(scope: &mut Scope<'_>, text: &str, pattern: &str) -> Result<Regex, Fault> {
    if text.len() > structural::MATCHED_MAX {
        return Err(Fault::new("text is too long to be matched"));
    }
    let cost = (text.len() as u64 / 10 + 1).saturating_mul(pattern.len() as u64 / 4 + 1);
    scope.spend(cost)?;
    structural::regex(pattern).map_err(|error| Fault::new(format!("error parsing regexp: {error}")))
}

fn text<'v>(value: &'v Val<'_>) -> Result<&'v str, Fault> {
    match value {
        Val::Text(text) => Ok(text),
        _ => Err(Fault::overload()),
    }
}

fn number(value: &Val<'_>) -> Result<i64, Fault> {
    match value {
        Val::Int(number) => Ok(*number),
        _ => Err(Fault::overload()),
    }
}

/// What can be asked of a text.
pub(super) fn method<'a>(scope: &mut Scope<'a>, name: &str, of: &Cow<'a, str>, args: &[Val<'a>]) -> Out<'a> {
    scope.spend(of.len() as u64 / 10)?;
    match (name, args) {
        ("contains", [one]) => Ok(Val::Bool(of.contains(text(one)?))),
        ("startsWith", [one]) => Ok(Val::Bool(of.starts_with(text(one)?))),
        ("endsWith", [one]) => Ok(Val::Bool(of.ends_with(text(one)?))),
        ("matches", [pattern]) => matches(scope, &Val::Text(of.clone()), pattern),
        ("find", [pattern]) => {
            let regex = compile(scope, of, text(pattern)?)?;
            Ok(Val::text(regex.find(of).map_or("", |found| found.as_str()).to_owned()))
        }
        ("findAll", [pattern, rest @ ..]) => {
            let limit = rest.first().map_or(Ok(-1), number)?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let regex = compile(scope, of, text(pattern)?)?;
            let found: Vec<Val<'a>> =
                regex.find_iter(of).take(limit).map(|found| Val::text(found.as_str().to_owned())).collect();
            scope.spend(found.len() as u64)?;
            Ok(Val::list(found))
        }
        ("charAt", [at]) => {
            let at = number(at)?;
            let length = of.chars().count();
            let found = usize::try_from(at).ok().filter(|at| *at <= length);
            let found = found.ok_or_else(|| Fault::new(format!("index out of range: {at}")))?;
            Ok(Val::text(of.chars().nth(found).map(String::from).unwrap_or_default()))
        }
        ("indexOf" | "lastIndexOf", [one, rest @ ..]) => index(of, name == "indexOf", text(one)?, rest),
        ("lowerAscii", []) => Ok(Val::text(of.to_ascii_lowercase())),
        ("upperAscii", []) => Ok(Val::text(of.to_ascii_uppercase())),
        ("trim", []) => Ok(Val::text(of.trim().to_owned())),
        ("reverse", []) => Ok(Val::text(of.chars().rev().collect::<String>())),
        ("replace", [from, to, rest @ ..]) => {
            let limit = rest.first().map_or(Ok(-1), number)?;
            let (from, to) = (text(from)?, text(to)?);
            scope.spend((of.len() as u64 + 1).saturating_mul(to.len() as u64 + 1) / 10)?;
            let out = match usize::try_from(limit) {
                Ok(limit) => of.replacen(from, to, limit),
                Err(_) => of.replace(from, to),
            };
            Ok(Val::text(out))
        }
        ("split", [separator, rest @ ..]) => {
            let limit = rest.first().map_or(Ok(-1), number)?;
            let separator = text(separator)?;
            let parts: Vec<Val<'a>> = match (usize::try_from(limit), separator) {
                (Ok(0), _) => Vec::new(),
                (limit, "") => {
                    let most = limit.unwrap_or(usize::MAX);
                    let mut parts: Vec<String> = of.chars().take(most.saturating_sub(1)).map(String::from).collect();
                    let rest: String = of.chars().skip(parts.len()).collect();
                    parts.extend(Some(rest).filter(|rest| !rest.is_empty()));
                    parts.into_iter().map(Val::text).collect()
                }
                (Ok(limit), separator) => of.splitn(limit, separator).map(|part| Val::text(part.to_owned())).collect(),
                (Err(_), separator) => of.split(separator).map(|part| Val::text(part.to_owned())).collect(),
            };
            scope.spend(parts.len() as u64)?;
            Ok(Val::list(parts))
        }
        ("substring", [from, rest @ ..]) => {
            let length = i64::try_from(of.chars().count()).unwrap_or(i64::MAX);
            let from = number(from)?;
            let to = rest.first().map_or(Ok(length), number)?;
            for at in [from, to] {
                if at < 0 || at > length {
                    return Err(Fault::new(format!("index out of range: {at}")));
                }
            }
            if from > to {
                return Err(Fault::new(format!("invalid substring range. start: {from}, end: {to}")));
            }
            let (skip, take) = (usize::try_from(from).unwrap_or(0), usize::try_from(to - from).unwrap_or(0));
            Ok(Val::text(of.chars().skip(skip).take(take).collect::<String>()))
        }
        ("format", [list]) => format(scope, of, &list.items()?),
        _ => Err(Fault::overload()),
    }
}

/// The place of a part, counted in characters; -1 where it is not there.
fn index<'a>(of: &str, first: bool, part: &str, rest: &[Val<'a>]) -> Out<'a> {
    let length = i64::try_from(of.chars().count()).unwrap_or(i64::MAX);
    let start = rest.first().map(number).transpose()?;
    if let Some(start) = start.filter(|start| *start < 0 || *start > length) {
        return Err(Fault::new(format!("index out of range: {start}")));
    }
    let byte = |at: i64| {
        let at = usize::try_from(at).unwrap_or(0);
        of.char_indices().nth(at).map_or(of.len(), |(byte, _)| byte)
    };
    let found = if first {
        let from = byte(start.unwrap_or(0));
        of.get(from..).and_then(|rest| rest.find(part)).map(|at| at + from)
    } else {
        let mut end = start.map_or(of.len(), |start| byte(start).saturating_add(part.len())).min(of.len());
        while !of.is_char_boundary(end) {
            end += 1;
        }
        of.get(..end).and_then(|head| head.rfind(part))
    };
    let place = found.and_then(|at| of.get(..at)).and_then(|head| i64::try_from(head.chars().count()).ok());
    Ok(Val::Int(place.unwrap_or(-1)))
}

/// `%s`, `%d`, `%f`, `%e`, `%b`, `%o`, `%x` and `%X`.
fn format<'a>(scope: &mut Scope<'a>, pattern: &str, args: &[Val<'a>]) -> Out<'a> {
    let mut out = String::new();
    let mut args = args.iter();
    let mut chars = pattern.chars().peekable();
    while let Some(letter) = chars.next() {
        scope.spend(out.len() as u64 / 4096)?;
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut precision = None;
        if chars.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            precision = digits.parse::<usize>().ok().filter(|digits| *digits <= 100);
        }
        let clause = chars.next().ok_or_else(|| Fault::new("unexpected end of format string"))?;
        if clause == '%' {
            out.push('%');
            continue;
        }
        let value = args.next().ok_or_else(|| Fault::new("index 0 out of range"))?;
        out.push_str(&match (clause, value) {
            ('s', value) => shown(value)?,
            ('d', Val::Int(number)) => number.to_string(),
            ('d', Val::Uint(number)) => number.to_string(),
            ('f', Val::Double(number)) => format!("{number:.0$}", precision.unwrap_or(6)),
            ('e', Val::Double(number)) => format!("{number:.0$e}", precision.unwrap_or(6)),
            ('b', Val::Int(number)) => format!("{number:b}"),
            ('b', Val::Bool(flag)) => u8::from(*flag).to_string(),
            ('o', Val::Int(number)) => format!("{number:o}"),
            ('x', Val::Int(number)) => format!("{number:x}"),
            ('X', Val::Int(number)) => format!("{number:X}"),
            ('x', Val::Text(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('X', Val::Text(text)) => text.bytes().map(|byte| format!("{byte:02X}")).collect(),
            (clause, _) => {
                return Err(Fault::new(format!(
                    "could not parse formatting clause: unrecognized formatting clause \"{clause}\""
                )));
            }
        });
    }
    scope.spend(out.len() as u64 / 10)?;
    Ok(Val::text(out))
}

/// A value inside of a text that is made by `format`.
fn shown(value: &Val<'_>) -> Result<String, Fault> {
    match value {
        Val::Null => Ok("null".to_owned()),
        Val::List(_) | Val::Items(..) => {
            let items = value.items()?.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("[{}]", items.join(", ")))
        }
        Val::Map(_) | Val::Fields(..) => {
            let mut entries = Vec::new();
            for key in value.items()? {
                let found = value.at(&key)?.unwrap_or(Val::Null);
                entries.push(format!("{}: {}", shown(&key)?, shown(&found)?));
            }
            entries.sort();
            Ok(format!("{{{}}}", entries.join(", ")))
        }
        other => show(other),
    }
}
