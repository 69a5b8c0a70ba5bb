//! The functions that expressions may call: those of the language and of Kubernetes' libraries.
//!
//! Source: the CEL specification and the documentation "Common Expression Language in Kubernetes".

mod lists;
mod numbers;
mod strings;
mod times;

use std::borrow::Cow;
use std::sync::Arc;

use super::ast::{Binary, Node};
use super::eval::Scope;
use super::net::{self, Url};
use super::value::{Fault, Val};
use crate::schema::quantity::Quantity;
use crate::schema::{duration, json};

pub(super) use numbers::arithmetic;

type Out<'a> = Result<Val<'a>, Fault>;

/// Names that stand for themselves: types.
pub(super) fn constant(name: &str) -> Option<Val<'static>> {
    const TYPES: [&str; 10] = ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];
    TYPES.iter().find(|own| **own == name).map(|name| Val::Type(name))
}

/// The name before the dot of a function that belongs to no value, such as `optional.of`.
pub(super) fn space(node: &Node) -> Option<&str> {
    match node {
        Node::Name(name) if matches!(name.as_str(), "optional" | "ip" | "sets" | "math" | "strings") => Some(name),
        _ => None,
    }
}

/// Whether a function of that name is known at all.
pub(super) fn is_known(name: &str) -> bool {
    const NAMES: [&str; 34] = [
        "size",
        "int",
        "uint",
        "double",
        "string",
        "bool",
        "bytes",
        "timestamp",
        "duration",
        "type",
        "dyn",
        "quantity",
        "isQuantity",
        "url",
        "isURL",
        "ip",
        "isIP",
        "cidr",
        "isCIDR",
        "matches",
        "optional.of",
        "optional.none",
        "optional.ofNonZeroValue",
        "ip.isCanonical",
        "sets.contains",
        "sets.equivalent",
        "sets.intersects",
        "has",
        "math.greatest",
        "math.least",
        "math.abs",
        "strings.quote",
        "min",
        "max",
    ];
    NAMES.contains(&name)
}

/// Calls a function.
pub(super) fn call<'a>(scope: &mut Scope<'a>, name: &str, args: &[Val<'a>]) -> Out<'a> {
    match (name, args) {
        ("dyn", [value]) => Ok(value.clone()),
        ("type", [value]) => Ok(Val::Type(value.kind())),
        ("size", [value]) => size(value),
        ("matches", [value, pattern]) => strings::matches(scope, value, pattern),
        ("int" | "uint" | "double" | "bool", [value]) => numbers::convert(name, value),
        ("string", [value]) => show(value).map(Val::text),
        ("bytes", [Val::Text(text)]) => Ok(Val::Bytes(text.as_bytes().into())),
        ("timestamp", [Val::Time(at)]) => Ok(Val::Time(*at)),
        ("timestamp", [Val::Int(seconds)]) => {
            jiff::Timestamp::from_second(*seconds).map(Val::Time).map_err(|_| Fault::new("timestamp overflow"))
        }
        ("timestamp", [Val::Text(text)]) => {
            Val::time(text).ok_or_else(|| Fault::new(format!("parsing time {} failed", json::go_quote(text))))
        }
        ("duration", [Val::Duration(nanos)]) => Ok(Val::Duration(*nanos)),
        ("duration", [Val::Text(text)]) => {
            duration::parse(text).map(Val::Duration).map_err(|error| Fault::new(format!("time: {error}")))
        }
        ("quantity", [Val::Text(text)]) => {
            Quantity::parse(text).map(|one| Val::Quantity(Arc::new(one))).map_err(|error| Fault::new(error.to_string()))
        }
        ("isQuantity", [Val::Text(text)]) => Ok(Val::Bool(Quantity::parse(text).is_ok())),
        ("url", [Val::Text(text)]) => Url::parse(text).map(|url| Val::Url(Arc::new(url))).ok_or_else(|| {
            let quoted = json::go_quote(text);
            Fault::new(format!(
                "URL parse error during conversion from string: parse {quoted}: invalid URI for request"
            ))
        }),
        ("isURL", [Val::Text(text)]) => Ok(Val::Bool(Url::parse(text).is_some())),
        ("ip", [Val::Text(text)]) => net::ip(text).map(Val::Ip).ok_or_else(|| {
            let quoted = json::go_quote(text);
            Fault::new(format!(
                "IP Address {quoted} parse error during conversion from string: ParseAddr({quoted}): unable to parse IP"
            ))
        }),
        ("isIP", [Val::Text(text)]) => Ok(Val::Bool(net::ip(text).is_some())),
        ("ip.isCanonical", [Val::Text(text)]) => match net::ip(text) {
            Some(address) => Ok(Val::Bool(address.to_string() == *text)),
            None => Err(Fault::new(format!(
                "IP Address {} parse error during conversion from string",
                json::go_quote(text)
            ))),
        },
        ("cidr", [Val::Text(text)]) => {
            net::cidr(text).map(|(address, bits)| Val::Cidr(address, bits)).ok_or_else(|| {
                Fault::new(format!(
                    "network address parse error during conversion from string: netip.ParsePrefix({})",
                    json::go_quote(text)
                ))
            })
        }
        ("isCIDR", [Val::Text(text)]) => Ok(Val::Bool(net::cidr(text).is_some())),
        ("optional.of", [value]) => Ok(Val::Maybe(Some(Arc::new(value.clone())))),
        ("optional.none", []) => Ok(Val::Maybe(None)),
        ("optional.ofNonZeroValue", [value]) => Ok(Val::Maybe((!is_zero(value)).then(|| Arc::new(value.clone())))),
        ("sets.contains" | "sets.equivalent" | "sets.intersects", [a, b]) => lists::sets(scope, name, a, b),
        ("math.greatest" | "math.least", args) if !args.is_empty() => {
            let items = match args {
                [one] if one.length().is_some() => one.items()?,
                many => many.to_vec(),
            };
            lists::extreme(&items, name == "math.greatest")
        }
        ("math.abs", [Val::Int(number)]) => {
            number.checked_abs().map(Val::Int).ok_or_else(|| Fault::new("integer overflow"))
        }
        ("math.abs", [Val::Double(number)]) => Ok(Val::Double(number.abs())),
        ("strings.quote", [Val::Text(text)]) => Ok(Val::text(json::go_quote(text))),
        _ => Err(Fault::overload()),
    }
}

/// Calls a function of a value.
pub(super) fn method<'a>(scope: &mut Scope<'a>, name: &str, of: &Val<'a>, args: &[Val<'a>]) -> Out<'a> {
    if name == "size" && args.is_empty() {
        return size(of);
    }
    match of {
        Val::Text(text) => strings::method(scope, name, text, args),
        Val::List(_) | Val::Items(..) => lists::method(scope, name, of, args),
        Val::Time(at) => times::of_time(name, *at, args),
        Val::Duration(nanos) => times::of_duration(name, *nanos, args),
        Val::Quantity(one) => numbers::quantity(name, one, args),
        Val::Maybe(inner) => maybe(name, inner.as_deref(), args),
        Val::Url(url) => address(name, url, args),
        Val::Ip(ip) => self::ip(name, *ip, args),
        Val::Cidr(ip, bits) => cidr(name, (*ip, *bits), args),
        _ => Err(Fault::overload()),
    }
}

fn size<'a>(value: &Val<'a>) -> Out<'a> {
    let length = match value {
        Val::Text(text) => text.chars().count(),
        Val::Bytes(bytes) => bytes.len(),
        Val::List(_) | Val::Items(..) => value.length().unwrap_or(0),
        Val::Map(entries) => entries.len(),
        Val::Fields(map, _) => map.len(),
        _ => return Err(Fault::overload()),
    };
    Ok(Val::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn is_zero(value: &Val<'_>) -> bool {
    match value {
        Val::Null => true,
        Val::Bool(flag) => !flag,
        Val::Int(number) => *number == 0,
        Val::Uint(number) => *number == 0,
        Val::Double(number) => *number == 0.0,
        Val::Duration(number) => *number == 0,
        other => other.size() == 0,
    }
}

/// A value as `string()` shows it.
pub(super) fn show(value: &Val<'_>) -> Result<String, Fault> {
    Ok(match value {
        Val::Text(text) => text.clone().into_owned(),
        Val::Bool(flag) => flag.to_string(),
        Val::Int(number) => number.to_string(),
        Val::Uint(number) => number.to_string(),
        Val::Double(number) => numbers::show(*number),
        Val::Bytes(bytes) => String::from_utf8(bytes.to_vec())
            .map_err(|_| Fault::new("invalid UTF-8 in bytes, cannot convert to string"))?,
        Val::Time(at) => at.to_string(),
        Val::Duration(nanos) => times::seconds(*nanos),
        Val::Type(name) => (*name).to_owned(),
        Val::Ip(ip) => ip.to_string(),
        Val::Cidr(ip, bits) => format!("{ip}/{bits}"),
        _ => return Err(Fault::overload()),
    })
}

fn maybe<'a>(name: &str, inner: Option<&Val<'a>>, args: &[Val<'a>]) -> Out<'a> {
    match (name, args, inner) {
        ("hasValue", [], inner) => Ok(Val::Bool(inner.is_some())),
        ("value", [], Some(value)) => Ok(value.clone()),
        ("value", [], None) => Err(Fault::new("optional.none() dereference")),
        ("orValue", [_], Some(value)) => Ok(value.clone()),
        ("orValue", [other], None) => Ok(other.clone()),
        ("or", [_], Some(value)) => Ok(Val::Maybe(Some(Arc::new(value.clone())))),
        ("or", [other], None) => Ok(other.clone()),
        _ => Err(Fault::overload()),
    }
}

fn address<'a>(name: &str, url: &Url, args: &[Val<'a>]) -> Out<'a> {
    if !args.is_empty() {
        return Err(Fault::overload());
    }
    let (host, port) = url.name_and_port();
    Ok(match name {
        "getScheme" => Val::text(url.scheme.clone()),
        "getHost" => Val::text(url.host.clone()),
        "getHostname" => Val::text(host.to_owned()),
        "getPort" => Val::text(port.to_owned()),
        "getEscapedPath" => Val::text(url.path.clone()),
        "getQuery" => {
            let entries = url
                .parameters()
                .into_iter()
                .map(|(key, values)| (Val::text(key), Val::list(values.into_iter().map(Val::text).collect())));
            Val::Map(Arc::new(entries.collect()))
        }
        _ => return Err(Fault::overload()),
    })
}

fn ip<'a>(name: &str, ip: std::net::IpAddr, args: &[Val<'a>]) -> Out<'a> {
    if !args.is_empty() {
        return Err(Fault::overload());
    }
    let link = match ip {
        std::net::IpAddr::V4(ip) => (ip.is_link_local(), ip.octets().starts_with(&[224, 0, 0])),
        std::net::IpAddr::V6(ip) => ((ip.segments()[0] & 0xffc0) == 0xfe80, (ip.segments()[0] & 0xff0f) == 0xff02),
    };
    Ok(match name {
        "family" => Val::Int(if ip.is_ipv4() { 4 } else { 6 }),
        "isUnspecified" => Val::Bool(ip.is_unspecified()),
        "isLoopback" => Val::Bool(ip.is_loopback()),
        "isLinkLocalUnicast" => Val::Bool(link.0),
        "isLinkLocalMulticast" => Val::Bool(link.1),
        "isGlobalUnicast" => {
            let broadcast = ip == std::net::IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
            Val::Bool(!ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !link.0 && !broadcast)
        }
        _ => return Err(Fault::overload()),
    })
}

fn cidr<'a>(name: &str, network: (std::net::IpAddr, u8), args: &[Val<'a>]) -> Out<'a> {
    let text = |text: &Cow<'a, str>| text.clone().into_owned();
    let wrong = |text: &str| Fault::new(format!("parse error during conversion from string: {}", json::go_quote(text)));
    Ok(match (name, args) {
        ("containsIP", [Val::Ip(ip)]) => Val::Bool(net::contains(network, *ip)),
        ("containsIP", [Val::Text(one)]) => {
            Val::Bool(net::contains(network, net::ip(one).ok_or_else(|| wrong(&text(one)))?))
        }
        ("containsCIDR", [one]) => {
            let (ip, bits) = match one {
                Val::Cidr(ip, bits) => (*ip, *bits),
                Val::Text(one) => net::cidr(one).ok_or_else(|| wrong(&text(one)))?,
                _ => return Err(Fault::overload()),
            };
            Val::Bool(bits >= network.1 && net::contains(network, ip))
        }
        ("ip", []) => Val::Ip(network.0),
        ("masked", []) => Val::Cidr(net::masked(network.0, network.1), network.1),
        ("prefixLength", []) => Val::Int(i64::from(network.1)),
        _ => return Err(Fault::overload()),
    })
}

/// The operators on numbers, and what else can be added up.
pub(super) fn is_addition(operator: Binary) -> bool {
    operator == Binary::Add
}
