//! Field selectors: `metadata.name=a,status.phase!=Running`.
//!
//! The text form is that of apimachinery's `fields.ParseSelector`. Which fields a kind lets one
//! select by, and what their values are, is for the kind to say.

use std::fmt;

use super::SelectorError;

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The field as it was written, such as `spec.nodeName`.
    pub field: String,
    /// Whether the value must be equal (or must differ).
    pub equal: bool,
    /// The value, without escapes.
    pub value: String,
}

/// A conjunction of terms, in the order of their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

impl FieldSelector {
    /// Reads the text form, as in the `fieldSelector` of a query.
    ///
    /// # Errors
    /// What upstream says of text that is not a selector.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut parts = split(text);
        parts.sort_unstable();
        let mut terms = Vec::new();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let Some((field, equal, value)) = term(part) else {
                return Err(SelectorError(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            terms.push(Term { field: field.to_owned(), equal, value: unescape(value)? });
        }
        Ok(Self { terms })
    }

    /// The terms.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether every object matches.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an object matches whose fields `value` gives as text, empty for an absent one.
    pub fn matches<T: AsRef<str>>(&self, value: impl Fn(&str) -> T) -> bool {
        self.terms.iter().all(|term| (value(&term.field).as_ref() == term.value) == term.equal)
    }

    /// The value that the field must have, where a term says so.
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let sign = if term.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{sign}{}", term.field, escape(&term.value))?;
        }
        Ok(())
    }
}

/// A value as it may stand in a field selector.
#[must_use]
pub fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=")
}

/// The terms between commas that have no backslash before them.
fn split(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(|letter: char| {
        let was = escaped;
        escaped = letter == '\\' && !was;
        letter == ',' && !was
    })
    .collect()
}

/// Field, whether equal, and value with its escapes; the first operator from the left counts.
fn term(part: &str) -> Option<(&str, bool, &str)> {
    part.char_indices().find_map(|(index, _)| {
        let (field, rest) = part.split_at_checked(index)?;
        let found = |sign, equal| rest.strip_prefix(sign).map(|value| (field, equal, value));
        found("!=", false).or_else(|| found("==", true)).or_else(|| found("=", true))
    })
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let bad = |sequence: &str| SelectorError(format!("invalid field selector: invalid escape sequence: {sequence}"));
    let mut plain = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(letter @ ('\\' | ',' | '=')) => plain.push(letter),
                Some(letter) => return Err(bad(&format!("\\{letter}"))),
                None => return Err(bad("\\")),
            },
            ',' | '=' => {
                let code = u32::from(letter);
                return Err(SelectorError(format!("invalid field selector: unescaped character in value: {code}")));
            }
            letter => plain.push(letter),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        FieldSelector::parse(text).map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    }

    #[test]
    fn terms_are_read_and_match() {
        let selector = FieldSelector::parse("b!=2,a=1,,c==x\\,y\\=\\\\").unwrap();
        let shown: Vec<_> = selector.terms().iter().map(|t| (t.field.as_str(), t.equal, t.value.as_str())).collect();
        assert_eq!(shown, [("a", true, "1"), ("b", false, "2"), ("c", true, "x,y=\\")]);
        assert_eq!(selector.to_string(), "a=1,b!=2,c=x\\,y\\=\\\\");
        let value = |field: &str| match field {
            "a" => "1",
            "c" => "x,y=\\",
            _ => "",
        };
        assert!(selector.matches(value));
        assert!(!FieldSelector::parse("a!=1").unwrap().matches(value));
        assert_eq!(selector.exact("a"), Some("1"));
        assert_eq!(selector.exact("b"), None);
        assert!(FieldSelector::parse("").unwrap().is_everything());
    }

    #[test]
    fn refused_in_the_words_of_upstream() {
        assert_eq!(words("metadata.name"), "invalid selector: 'metadata.name'; can't understand 'metadata.name'");
        assert_eq!(words("a=b,x>y"), "invalid selector: 'a=b,x>y'; can't understand 'x>y'");
        assert_eq!(words("a=b=c"), "invalid field selector: unescaped character in value: 61");
        assert_eq!(words("a=\\x"), "invalid field selector: invalid escape sequence: \\x");
        assert_eq!(words("a=x\\"), "invalid field selector: invalid escape sequence: \\");
        assert_eq!(words("a=b\\,c"), "taken");
    }
}
