//! The text form of label selectors: `tier in (edge,core),line>1,!old`.
//!
//! The grammar, with its tolerances (`in` may be a value, lists may have holes), is that of
//! apimachinery's `labels.Parse`. It knows text alone, never an object.

use std::collections::BTreeSet;

use super::{Operator, Requirement, SelectorError, go_int};
use crate::schema::field::{Errors, Path};
use crate::schema::names;

const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

/// Reads a whole selector; the requirements are in the order of the text.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { text, position: 0, ahead: None };
    let mut found = Vec::new();
    loop {
        match parser.peek_value() {
            (Token::Identifier | Token::Not, _) => {
                let requirement = parser.requirement().map_err(|error| {
                    let SelectorError(words) = error;
                    SelectorError(format!("unable to parse requirement: {words}"))
                })?;
                found.push(requirement);
                match parser.next_value() {
                    (Token::End, _) => return Ok(found),
                    (Token::Comma, _) => {
                        let (token, literal) = parser.peek_value();
                        if !matches!(token, Token::Identifier | Token::Not) {
                            return fail(literal, ", expected: identifier after ','");
                        }
                    }
                    (_, literal) => return fail(literal, ", expected: ',' or 'end of string'"),
                }
            }
            (Token::End, _) => return Ok(found),
            (_, literal) => return fail(literal, ", expected: !, identifier, or 'end of string'"),
        }
    }
}

fn fail<T>(literal: &str, rest: &str) -> Result<T, SelectorError> {
    Err(SelectorError(format!("found '{literal}'{rest}")))
}

/// Makes a requirement of its parts, checked as upstream does. `path` is where they stand in an
/// object; the root for text.
pub(super) fn requirement(
    key: &str,
    operator: Operator,
    values: Vec<String>,
    path: &Path,
) -> Result<Requirement, SelectorError> {
    let mut errors = Errors::new();
    check_key(&mut errors, key, &path.child("key"));
    let place = path.child("values");
    let shown = || serde_json::Value::from(values.clone());
    match operator {
        Operator::In | Operator::NotIn => {
            if values.is_empty() {
                errors.invalid(&place, &shown(), "for 'in', 'notin' operators, values set can't be empty");
            }
        }
        Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => {
            if values.len() != 1 {
                errors.invalid(&place, &shown(), "exact-match compatibility requires one single value");
            }
        }
        Operator::Exists | Operator::DoesNotExist => {
            if !values.is_empty() {
                errors.invalid(&place, &shown(), "values set must be empty for exists and does not exist");
            }
        }
        Operator::GreaterThan | Operator::LessThan => {
            if values.len() != 1 {
                errors.invalid(&place, &shown(), "for 'Gt', 'Lt' operators, exactly one value is required");
            }
            for (index, value) in values.iter().enumerate() {
                if go_int(value).is_none() {
                    let words = "for 'Gt', 'Lt' operators, the value must be an integer";
                    errors.invalid_text(&place.index(index), value, words);
                }
            }
        }
    }
    for (index, value) in values.iter().enumerate() {
        let faults = names::label_value(value);
        if !faults.is_empty() {
            errors.invalid_text(&place.index(index).key(key), value, &faults.join("; "));
        }
    }
    if errors.is_empty() {
        return Ok(Requirement { key: key.to_owned(), operator, values });
    }
    Err(aggregate(&errors))
}

/// The words of several errors as upstream's aggregate shows them.
fn aggregate(errors: &Errors) -> SelectorError {
    let mut shown: Vec<String> = Vec::new();
    for error in errors.iter() {
        let text = error.to_string();
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    match shown.as_slice() {
        [one] => SelectorError(one.clone()),
        many => SelectorError(format!("[{}]", many.join(", "))),
    }
}

fn check_key(errors: &mut Errors, key: &str, path: &Path) {
    let faults = names::qualified_name(key);
    if !faults.is_empty() {
        errors.invalid_text(path, key, &faults.join("; "));
    }
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    ahead: Option<(Token, &'a str)>,
}

impl<'a> Parser<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// The text from `start` to here. Tokens begin and end beside ASCII bytes, so that the cut is
    /// always between characters.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.position).unwrap_or_default()
    }

    fn scan(&mut self) -> (Token, &'a str) {
        while self.byte().is_some_and(is_blank) {
            self.position += 1;
        }
        let start = self.position;
        // Upstream's lexer takes a NUL for the end of the text.
        let Some(first) = self.byte().filter(|&byte| byte != 0) else { return (Token::End, "") };
        if is_special(first) {
            self.position += 1;
            let token = match (first, self.byte()) {
                (b'=', Some(b'=')) => Token::DoubleEquals,
                (b'!', Some(b'=')) => Token::NotEquals,
                (b'=', _) => Token::Equals,
                (b'!', _) => Token::Not,
                (b'(', _) => Token::Open,
                (b')', _) => Token::Close,
                (b',', _) => Token::Comma,
                (b'>', _) => Token::Greater,
                _ => Token::Less,
            };
            if matches!(token, Token::DoubleEquals | Token::NotEquals) {
                self.position += 1;
            }
            return (token, self.since(start));
        }
        while self.byte().is_some_and(|byte| byte != 0 && !is_special(byte) && !is_blank(byte)) {
            self.position += 1;
        }
        let literal = self.since(start);
        if self.byte() == Some(0) {
            self.position += 1;
        }
        match literal {
            "in" => (Token::In, literal),
            "notin" => (Token::NotIn, literal),
            _ => (Token::Identifier, literal),
        }
    }

    fn peek(&mut self) -> (Token, &'a str) {
        if let Some(item) = self.ahead {
            return item;
        }
        let item = self.scan();
        self.ahead = Some(item);
        item
    }

    fn next(&mut self) -> (Token, &'a str) {
        let item = self.peek();
        if item.0 != Token::End {
            self.ahead = None;
        }
        item
    }

    /// Where a value is expected, `in` and `notin` are words like others.
    fn peek_value(&mut self) -> (Token, &'a str) {
        as_value(self.peek())
    }

    fn next_value(&mut self) -> (Token, &'a str) {
        as_value(self.next())
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let (key, operator) = self.key()?;
        if let Some(operator) = operator {
            return requirement(key, operator, Vec::new(), &Path::root());
        }
        let operator = match self.next() {
            (Token::In, _) => Operator::In,
            (Token::NotIn, _) => Operator::NotIn,
            (Token::Equals, _) => Operator::Equals,
            (Token::DoubleEquals, _) => Operator::DoubleEquals,
            (Token::NotEquals, _) => Operator::NotEquals,
            (Token::Greater, _) => Operator::GreaterThan,
            (Token::Less, _) => Operator::LessThan,
            (_, literal) => return fail(literal, &format!(", expected: {OPERATORS}")),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.exact()?.to_owned()],
        };
        requirement(key, operator, values, &Path::root())
    }

    /// The key, and the operator where none follows.
    fn key(&mut self) -> Result<(&'a str, Option<Operator>), SelectorError> {
        let (mut token, mut literal) = self.next_value();
        let negated = token == Token::Not;
        if negated {
            (token, literal) = self.next_value();
        }
        if token != Token::Identifier {
            return fail(literal, ", expected: identifier");
        }
        let mut errors = Errors::new();
        check_key(&mut errors, literal, &Path::root());
        if !errors.is_empty() {
            return Err(aggregate(&errors));
        }
        if negated {
            return Ok((literal, Some(Operator::DoesNotExist)));
        }
        let bare = matches!(self.peek_value().0, Token::End | Token::Comma);
        Ok((literal, bare.then_some(Operator::Exists)))
    }

    /// `(x,y)`, sorted and without doubles; a hole in the list is the empty value.
    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        let (token, literal) = self.next_value();
        if token != Token::Open {
            return fail(literal, " expected: '('");
        }
        match self.peek_value() {
            (Token::Identifier | Token::Comma, _) => {
                let values = self.list()?;
                self.next();
                Ok(values.into_iter().map(str::to_owned).collect())
            }
            (Token::Close, _) => {
                self.next();
                Ok(vec![String::new()])
            }
            (_, literal) => fail(literal, ", expected: ',', ')' or identifier"),
        }
    }

    /// The values up to the closing parenthesis, which stays ahead.
    fn list(&mut self) -> Result<BTreeSet<&'a str>, SelectorError> {
        let mut values = BTreeSet::new();
        loop {
            match self.next_value() {
                (Token::Identifier, literal) => {
                    values.insert(literal);
                    match self.peek_value() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values),
                        (_, literal) => return fail(literal, ", expected: ',' or ')'"),
                    }
                }
                (Token::Comma, _) => {
                    if values.is_empty() {
                        values.insert("");
                    }
                    match self.peek_value().0 {
                        Token::Close => {
                            values.insert("");
                            return Ok(values);
                        }
                        Token::Comma => {
                            values.insert("");
                        }
                        _ => {}
                    }
                }
                (_, literal) => return fail(literal, ", expected: ',', or identifier"),
            }
        }
    }

    fn exact(&mut self) -> Result<&'a str, SelectorError> {
        if matches!(self.peek_value().0, Token::End | Token::Comma) {
            return Ok("");
        }
        match self.next_value() {
            (Token::Identifier, literal) => Ok(literal),
            (_, literal) => fail(literal, ", expected: identifier"),
        }
    }
}

fn as_value((token, literal): (Token, &str)) -> (Token, &str) {
    if matches!(token, Token::In | Token::NotIn) { (Token::Identifier, literal) } else { (token, literal) }
}
