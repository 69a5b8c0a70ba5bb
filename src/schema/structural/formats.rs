//! The formats that a schema may ask of a text.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;

use crate::schema::{duration, time};

/// Whether a format is checked at all; others are taken as they come.
pub(super) fn is_known(format: &str) -> bool {
    matches!(
        normal(format).as_str(),
        "datetime"
            | "date"
            | "byte"
            | "duration"
            | "ipv4"
            | "ipv6"
            | "cidr"
            | "mac"
            | "uuid"
            | "uuid3"
            | "uuid4"
            | "uuid5"
            | "uri"
            | "email"
            | "hostname"
            | "hexcolor"
            | "ssn"
            | "bsonobjectid"
            | "k8sshortname"
            | "k8slongname"
    )
}

/// Whether a text has a format; one that is not known is had by all.
pub(super) fn fits(format: &str, text: &str) -> bool {
    match normal(format).as_str() {
        "datetime" => time::parse_time(text).is_ok(),
        "date" => text.len() == 10 && time::parse_time(&format!("{text}T00:00:00Z")).is_ok(),
        "byte" => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
        "duration" => duration::parse(text).is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => mac(text),
        "uuid" => uuid(text, None),
        "uuid3" => uuid(text, Some('3')),
        "uuid4" => uuid(text, Some('4')),
        "uuid5" => uuid(text, Some('5')),
        "uri" => uri(text),
        "email" => email(text),
        "hostname" => hostname(text),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && hex(digits)
        }
        "ssn" => {
            let digits: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
            digits.len() == 9 && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        "bsonobjectid" => text.len() == 24 && hex(text),
        "k8sshortname" => label(text, 63),
        "k8slongname" => text.len() <= 253 && !text.is_empty() && text.split('.').all(|part| label(part, 253)),
        _ => true,
    }
}

/// Names of formats are compared without hyphens.
fn normal(format: &str) -> String {
    format.replace('-', "")
}

fn hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match (address.parse::<Ipv4Addr>(), address.parse::<Ipv6Addr>()) {
        (Ok(_), _) => 32,
        (_, Ok(_)) => 128,
        _ => return false,
    };
    bits.bytes().all(|byte| byte.is_ascii_digit()) && bits.parse::<u32>().is_ok_and(|bits| bits <= most)
}

fn mac(text: &str) -> bool {
    ['-', ':'].iter().any(|separator| {
        let parts: Vec<&str> = text.split(*separator).collect();
        matches!(parts.len(), 6 | 8 | 20) && parts.iter().all(|part| part.len() == 2 && hex(part))
    })
}

fn uuid(text: &str, version: Option<char>) -> bool {
    let digits = text.replace('-', "");
    let hyphens = text.len() - digits.len();
    let placed = text.char_indices().filter(|(_, c)| *c == '-').count() <= 4 && hyphens <= 4;
    digits.len() == 32 && hex(&digits) && placed && version.is_none_or(|v| digits.chars().nth(12) == Some(v))
}

fn uri(text: &str) -> bool {
    if text.starts_with('/') {
        return !text.contains(' ');
    }
    let Some((scheme, _)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !text.chars().any(|c| c.is_control() || c == ' ')
}

fn email(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace) && !user.contains('@')
    })
}

fn hostname(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    text.len() <= 255
        && !name.is_empty()
        && name.split('.').all(|part| {
            (1..=63).contains(&part.len())
                && part.chars().all(|c| c.is_alphanumeric() || c == '-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        })
}

fn label(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        for (format, good, bad) in [
            ("date-time", "2024-01-01T00:00:00Z", "yesterday"),
            ("date", "2024-02-29", "2024-02-30"),
            ("byte", "dg==", "***"),
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv6", "fe80::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "00:11:22:33:44:55", "00:11:22"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
            ("uri", "https://a.example/x", "no uri"),
            ("email", "a@b.example", "a"),
            ("hostname", "gw-1.plant", "-gw"),
            ("duration", "1h30m", "soon"),
        ] {
            assert!(is_known(format) && fits(format, good) && !fits(format, bad), "{format}");
        }
        assert!(!is_known("colour") && fits("colour", "any"));
    }
}
