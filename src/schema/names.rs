//! The formats of names, keys and values that Kubernetes knows, and the words in which a
//! kube-apiserver 1.37 says what is wrong with one.
//!
//! Every check takes the text and returns what is wrong with it, in the order in which the
//! sentences are shown; nothing returned means that the text is well formed. Which field a name
//! stands in is not known here. Two notations of a limit exist upstream, `characters` and `bytes`;
//! both count bytes, and each check uses the one that its users see.

/// What is wrong with a text, one sentence each; empty for a good one.
pub type Faults = Vec<String>;

/// Longest DNS label, in bytes.
pub const LABEL_MAX: usize = 63;
/// Longest DNS subdomain, in bytes.
pub const SUBDOMAIN_MAX: usize = 253;
/// Longest value of a label, in bytes.
pub const LABEL_VALUE_MAX: usize = 63;

macro_rules! label_format {
    () => {
        "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    };
}
macro_rules! subdomain_format {
    () => {
        concat!(label_format!(), "(\\.", label_format!(), ")*")
    };
}
macro_rules! key_format {
    () => {
        "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
    };
}
macro_rules! underscore_format {
    () => {
        "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
    };
}

const LABEL: &str = concat!(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end ",
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '",
    label_format!(),
    "')"
);
const SUBDOMAIN: &str = concat!(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start ",
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '",
    subdomain_format!(),
    "')"
);
const SUBDOMAIN_UNDERSCORE: &str = concat!(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must ",
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '",
    underscore_format!(),
    "(\\.",
    underscore_format!(),
    ")*')"
);
const SUBDOMAIN_CASELESS: &str = concat!(
    "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an ",
    "alphanumeric character (e.g. 'Example.com', regex used for validation is '",
    subdomain_format!(),
    "')"
);
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
     alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
     validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const WILDCARD: &str = concat!(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of ",
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', ",
    "regex used for validation is '\\*\\.",
    subdomain_format!(),
    "')"
);
const KEY: &str = concat!(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric ",
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '",
    key_format!(),
    "')"
);
const LABEL_VALUE: &str = concat!(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start ",
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for ",
    "validation is '(",
    key_format!(),
    ")?')"
);
const IDENTIFIER: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of \
     alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is \
     '[A-Za-z_][A-Za-z0-9_]*')";
const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";
const ENV_NAME_STRICT: &str = "a valid environment variable name must consist of alphabetic characters, digits, '_', \
     '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex \
     used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
     'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
     '93%', regex used for validation is '[0-9]+%')";
const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex \
     used for validation is '[-A-Za-z0-9]+')";

/// Bytes of lower case letters and digits.
fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Text that begins with a byte of `first`, ends with one of `last`, and has bytes of `inner`
/// between them; never empty.
fn shaped(text: &str, first: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool, last: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let (Some(&head), Some(&tail)) = (bytes.first(), bytes.last()) else { return false };
    first(head) && (bytes.len() == 1 || last(tail)) && bytes.iter().all(|&byte| inner(byte))
}

/// Whether the form is that of a DNS label, whatever its length.
fn is_label(text: &str) -> bool {
    shaped(text, lower, |byte| lower(byte) || byte == b'-', lower)
}

/// Whether the form is that of a DNS subdomain, whatever its length.
fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// Whether the form is that of the name part of a label key, whatever its length.
fn is_key(text: &str) -> bool {
    let alnum = |byte: u8| byte.is_ascii_alphanumeric();
    shaped(text, alnum, |byte| alnum(byte) || matches!(byte, b'-' | b'_' | b'.'), alnum)
}

/// `must be no more than N characters`.
#[must_use]
pub fn max_characters(max: usize) -> String {
    format!("must be no more than {max} characters")
}

/// `must be no more than N bytes`.
#[must_use]
pub fn max_bytes(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// `must be between MIN and MAX, inclusive`.
#[must_use]
pub fn between(min: i64, max: i64) -> String {
    format!("must be between {min} and {max}, inclusive")
}

/// A length, then a form.
fn checked(text: &str, max: usize, good: bool, words: &str) -> Faults {
    let mut faults = Faults::new();
    if text.len() > max {
        faults.push(max_characters(max));
    }
    if !good {
        faults.push(words.to_owned());
    }
    faults
}

/// A label as in RFC 1123, lower case, at most 63 bytes.
#[must_use]
pub fn dns1123_label(text: &str) -> Faults {
    let good = is_label(text);
    let words = if !good && is_subdomain(text) { "must not contain dots" } else { LABEL };
    checked(text, LABEL_MAX, good, words)
}

/// A subdomain as in RFC 1123, lower case, at most 253 bytes.
#[must_use]
pub fn dns1123_subdomain(text: &str) -> Faults {
    checked(text, SUBDOMAIN_MAX, is_subdomain(text), SUBDOMAIN)
}

/// A subdomain whose labels may hold `_` but not end with it.
#[must_use]
pub fn dns1123_subdomain_underscore(text: &str) -> Faults {
    let label = |label: &str| {
        let rest = label.strip_prefix('_').unwrap_or(label);
        shaped(rest, lower, |byte| lower(byte) || matches!(byte, b'-' | b'_'), lower)
    };
    checked(text, SUBDOMAIN_MAX, text.split('.').all(label), SUBDOMAIN_UNDERSCORE)
}

/// A label as in RFC 1035: begins with a letter, lower case, at most 63 bytes.
#[must_use]
pub fn dns1035_label(text: &str) -> Faults {
    let good = shaped(text, |byte| byte.is_ascii_lowercase(), |byte| lower(byte) || byte == b'-', lower);
    checked(text, LABEL_MAX, good, LABEL_1035)
}

/// `*.` and a subdomain.
#[must_use]
pub fn wildcard_subdomain(text: &str) -> Faults {
    checked(text, SUBDOMAIN_MAX, text.strip_prefix("*.").is_some_and(is_subdomain), WILDCARD)
}

/// A label key or other qualified name: an optional subdomain and `/`, then a name of at most 63
/// bytes.
#[must_use]
pub fn qualified_name(text: &str) -> Faults {
    let mut faults = Faults::new();
    let mut parts = text.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                faults.push("prefix part must be non-empty".to_owned());
            } else {
                if prefix.len() > SUBDOMAIN_MAX {
                    faults.push(format!("prefix part {}", max_bytes(SUBDOMAIN_MAX)));
                }
                if !is_subdomain(prefix) {
                    faults.push(format!("prefix part {SUBDOMAIN}"));
                }
            }
            name
        }
        _ => {
            let tail = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {KEY} {tail}")];
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        faults.push(format!("name part {}", max_bytes(LABEL_MAX)));
    }
    if !is_key(name) {
        faults.push(format!("name part {KEY}"));
    }
    faults
}

/// An annotation key: a qualified name of which upper case is taken as lower case in the check of
/// its whole, so that old annotations stay valid.
#[must_use]
pub fn annotation_key(text: &str) -> Faults {
    qualified_name(&text.to_lowercase())
}

/// A subdomain in which upper case is allowed (the words of content checks, in bytes).
#[must_use]
pub fn dns1123_subdomain_caseless(text: &str) -> Faults {
    let mut faults = Faults::new();
    if text.len() > SUBDOMAIN_MAX {
        faults.push(max_bytes(SUBDOMAIN_MAX));
    }
    if !is_subdomain(&text.to_ascii_lowercase()) {
        faults.push(SUBDOMAIN_CASELESS.to_owned());
    }
    faults
}

/// The value of a label: empty, or like the name part of its key, at most 63 bytes.
#[must_use]
pub fn label_value(text: &str) -> Faults {
    let mut faults = Faults::new();
    if text.len() > LABEL_VALUE_MAX {
        faults.push(max_bytes(LABEL_VALUE_MAX));
    }
    if !text.is_empty() && !is_key(text) {
        faults.push(LABEL_VALUE.to_owned());
    }
    faults
}

/// A name that can stand as one segment of a path: neither `.` nor `..`, without `/` and `%`.
#[must_use]
pub fn path_segment(text: &str) -> Faults {
    if matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    path_segment_prefix(text)
}

/// The beginning of a name that will stand as one segment of a path.
#[must_use]
pub fn path_segment_prefix(text: &str) -> Faults {
    ["/", "%"].iter().filter(|bad| text.contains(**bad)).map(|bad| format!("may not contain '{bad}'")).collect()
}

/// An identifier of the C language; also the form of a condition's reason in newer kinds.
#[must_use]
pub fn c_identifier(text: &str) -> Faults {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = shaped(text, |byte| word(byte) && !byte.is_ascii_digit(), word, word);
    if good { Faults::new() } else { vec![IDENTIFIER.to_owned()] }
}

/// The name of an environment variable, as pods may have it since 1.32: printable ASCII but `=`.
#[must_use]
pub fn env_name(text: &str) -> Faults {
    if text.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
        return Faults::new();
    }
    vec![ENV_NAME.to_owned()]
}

/// The name of an environment variable in the older, stricter form.
#[must_use]
pub fn env_name_strict(text: &str) -> Faults {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let mut faults = Faults::new();
    if !shaped(text, |byte| word(byte) && !byte.is_ascii_digit(), word, word) {
        faults.push(ENV_NAME_STRICT.to_owned());
    }
    faults.extend(not_up(text));
    faults
}

/// A key of a ConfigMap or a Secret, which becomes a file name: at most 253 bytes.
#[must_use]
pub fn config_key(text: &str) -> Faults {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let mut faults = checked(text, SUBDOMAIN_MAX, shaped(text, word, word, word), CONFIG_KEY);
    faults.extend(not_up(text));
    faults
}

/// A file name that stays in its directory.
fn not_up(text: &str) -> Option<String> {
    match text {
        "." | ".." => Some(format!("must not be '{text}'")),
        _ if text.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// Digits and `%`.
#[must_use]
pub fn percent(text: &str) -> Faults {
    let digits = text.strip_suffix('%').unwrap_or_default();
    let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if good { Faults::new() } else { vec![PERCENT.to_owned()] }
}

/// The name of an HTTP header.
#[must_use]
pub fn http_header(text: &str) -> Faults {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if shaped(text, word, word, word) { Faults::new() } else { vec![HEADER.to_owned()] }
}

/// The name of a port (an IANA service name): at most 15 bytes, with a letter.
#[must_use]
pub fn port_name(text: &str) -> Faults {
    let mut faults = Faults::new();
    let mut fault = |bad: bool, words: &str| {
        if bad {
            faults.push(words.to_owned());
        }
    };
    let charset = |byte: u8| lower(byte) || byte == b'-';
    fault(text.len() > 15, "must be no more than 15 characters");
    fault(
        !shaped(text, charset, charset, charset),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    fault(!text.bytes().any(|byte| byte.is_ascii_lowercase()), "must contain at least one letter (a-z)");
    fault(text.contains("--"), "must not contain consecutive hyphens");
    fault(text.starts_with('-') || text.ends_with('-'), "must not begin or end with a hyphen");
    faults
}

/// The number of a port: 1 to 65535.
#[must_use]
pub fn port_number(port: i64) -> Faults {
    if (1..=65535).contains(&port) { Faults::new() } else { vec![between(1, 65535)] }
}

/// A user or group number: 0 to 2^32 - 1.
#[must_use]
pub fn id_number(id: i64) -> Faults {
    let max = i64::from(u32::MAX);
    if (0..=max).contains(&id) { Faults::new() } else { vec![between(0, max)] }
}

/// The form in which a `generateName` is checked by a rule for names: a dash at its end is no
/// mistake, since letters will follow.
#[must_use]
pub fn mask_trailing_dash(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(head) if !head.is_empty() => {
            let mut masked = head.to_owned();
            masked.pop();
            masked.push('a');
            masked
        }
        _ => prefix.to_owned(),
    }
}

#[cfg(test)]
mod tests;
