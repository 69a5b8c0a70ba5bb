//! Expressions in the form in which they are evaluated: the crate's tree with its macros told apart, so
//! that each is one node and lists grow in place.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::parser::PrattParser;

use super::value::Val;

/// Nesting of an expression beyond which it is refused.
const MAX_DEPTH: u16 = 48;
/// Parts of an expression beyond which it is refused.
const MAX_NODES: usize = 4_000;
/// Longest expression, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// An expression.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Val<'static>),
    Name(String),
    Field(Box<Node>, String),
    Has(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    /// `a.?b` and `a[?b]`.
    Maybe(Box<Node>, Box<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Negative(Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Each(Macro, String, Box<Node>, Box<Node>),
    /// Range, name, condition, result.
    Collect(String, Box<Node>, Option<Box<Node>>, Box<Node>),
    Call(String, Vec<Node>),
    Method(Box<Node>, String, Vec<Node>),
}

/// A macro that asks one thing of every item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Binary {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Add => operators::ADD,
            Self::Subtract => operators::SUBSTRACT,
            Self::Multiply => operators::MULTIPLY,
            Self::Divide => operators::DIVIDE,
            Self::Modulo => operators::MODULO,
            Self::Equal => operators::EQUALS,
            Self::Unequal => operators::NOT_EQUALS,
            Self::Less => operators::LESS,
            Self::LessOrEqual => operators::LESS_EQUALS,
            Self::Greater => operators::GREATER,
            Self::GreaterOrEqual => operators::GREATER_EQUALS,
            Self::In => operators::IN,
        }
    }

    fn of(name: &str) -> Option<Self> {
        [
            Self::Add,
            Self::Subtract,
            Self::Multiply,
            Self::Divide,
            Self::Modulo,
            Self::Equal,
            Self::Unequal,
            Self::Less,
            Self::LessOrEqual,
            Self::Greater,
            Self::GreaterOrEqual,
            Self::In,
        ]
        .into_iter()
        .find(|one| one.name() == name)
    }
}

/// Reads an expression.
///
/// # Errors
/// `ERROR: <input>:LINE:COLUMN: Syntax error: …`, as cel-go shows it.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("ERROR: <input>:-1:0: expression code point size exceeds limit: size: {}", text.len()));
    }
    if !is_flat(text) {
        return Err(place(text, 1, 1, &format!("expression recursion limit exceeded: {MAX_DEPTH}")));
    }
    let parser = PrattParser::new()
        .max_recursion_depth(MAX_DEPTH)
        .max_expression_node_count(MAX_NODES)
        .enable_optional_syntax(true)
        .enable_ident_escape_syntax(true);
    let tree = parser.parse(text).map_err(|errors| {
        let shown = errors.errors.iter().map(|error| {
            let (line, column) = (error.pos.0.max(1), error.pos.1.max(1));
            place(text, line.unsigned_abs(), column.unsigned_abs(), &error.msg)
        });
        shown.collect::<Vec<String>>().join("\n")
    })?;
    node(tree.expr).ok_or_else(|| place(text, 1, 1, "expression is not supported"))
}

/// Whether an expression nests no deeper than can be walked: neither brackets, nor signs in front, nor
/// operators and fields in a row.
fn is_flat(text: &str) -> bool {
    const NESTED: usize = 96;
    const IN_A_ROW: usize = 250;
    let (mut depth, mut signs, mut links, mut questions) = (0_usize, 0, 0, 0);
    let mut chars = text.chars();
    while let Some(letter) = chars.next() {
        match letter {
            '"' | '\'' => {
                while let Some(inside) = chars.next() {
                    match inside {
                        '\\' => drop(chars.next()),
                        inside if inside == letter => break,
                        _ => {}
                    }
                }
                signs = 0;
            }
            '(' | '{' => (depth, links, signs) = (depth + 1, 0, 0),
            '[' => (depth, links, signs) = (depth + 1, links + 1, 0),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' | '&' | '|' => (links, signs) = (0, 0),
            '?' => questions += 1,
            '!' | '-' => (signs, links) = (signs + 1, links + 1),
            '.' | '+' | '*' | '/' | '%' | '=' | '<' | '>' => (signs, links) = (0, links + 1),
            letter if letter.is_whitespace() => {}
            _ => signs = 0,
        }
        if depth > NESTED || signs > NESTED || links > IN_A_ROW || questions > IN_A_ROW {
            return false;
        }
    }
    true
}

/// A message with the line that it is about and a mark below.
pub(super) fn place(text: &str, line: usize, column: usize, message: &str) -> String {
    let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let dots = ".".repeat(column.saturating_sub(1));
    format!("ERROR: <input>:{line}:{column}: {message}\n | {shown}\n | {dots}^")
}

fn boxed(expr: Expr) -> Option<Box<Node>> {
    node(expr).map(Box::new)
}

fn node(expr: Expr) -> Option<Node> {
    Some(match expr {
        Expr::Literal(literal) => Node::Literal(match literal {
            LiteralValue::Boolean(flag) => Val::Bool(*flag.inner()),
            LiteralValue::Bytes(bytes) => Val::Bytes(bytes.inner().to_vec().into()),
            LiteralValue::Double(number) => Val::Double(*number.inner()),
            LiteralValue::Int(number) => Val::Int(*number.inner()),
            LiteralValue::Null => Val::Null,
            LiteralValue::String(text) => Val::text(text.inner().to_owned()),
            LiteralValue::UInt(number) => Val::Uint(*number.inner()),
        }),
        Expr::Ident(name) => Node::Name(name),
        Expr::Select(select) if select.test => Node::Has(boxed(select.operand.expr)?, select.field),
        Expr::Select(select) => Node::Field(boxed(select.operand.expr)?, select.field),
        Expr::List(list) => Node::List(list.elements.into_iter().map(|one| node(one.expr)).collect::<Option<_>>()?),
        Expr::Map(map) => {
            let entries = map.entries.into_iter().map(|entry| match entry.expr {
                EntryExpr::MapEntry(entry) => Some((node(entry.key.expr)?, node(entry.value.expr)?)),
                EntryExpr::StructField(_) => None,
            });
            Node::Map(entries.collect::<Option<_>>()?)
        }
        Expr::Call(call) => self::call(call)?,
        Expr::Comprehension(comprehension) => each(*comprehension)?,
        Expr::Struct(_) | Expr::Unspecified => return None,
    })
}

fn call(call: CallExpr) -> Option<Node> {
    let CallExpr { func_name, target, args } = call;
    let mut args = args.into_iter().map(|one| node(one.expr)).collect::<Option<Vec<Node>>>()?;
    if let Some(target) = target {
        return Some(Node::Method(boxed(target.expr)?, func_name, args));
    }
    let mut take = || args.pop().map(Box::new);
    Some(match func_name.as_str() {
        operators::LOGICAL_NOT => Node::Not(take()?),
        operators::NEGATE => Node::Negative(take()?),
        operators::CONDITIONAL => {
            let (no, yes, question) = (take()?, take()?, take()?);
            Node::If(question, yes, no)
        }
        operators::LOGICAL_AND | operators::LOGICAL_OR => {
            let mut right = take()?;
            // Some parsers put a chain into one call.
            while let Some(left) = take() {
                let joined =
                    if func_name == operators::LOGICAL_AND { Node::And(left, right) } else { Node::Or(left, right) };
                right = Box::new(joined);
            }
            *right
        }
        operators::INDEX => {
            let (key, of) = (take()?, take()?);
            Node::Index(of, key)
        }
        operators::OPT_INDEX | operators::OPT_SELECT => {
            let (key, of) = (take()?, take()?);
            Node::Maybe(of, key)
        }
        name => match Binary::of(name) {
            Some(operator) => {
                let (right, left) = (take()?, take()?);
                Node::Binary(operator, left, right)
            }
            None => Node::Call(func_name, args),
        },
    })
}

/// Whether an expression is the name of what a macro gathers.
fn is_gathered(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Ident(own) if own == name)
}

fn each(comprehension: ComprehensionExpr) -> Option<Node> {
    let ComprehensionExpr { iter_range, iter_var, accu_var, loop_step, result, .. } = comprehension;
    let range = boxed(iter_range.expr)?;
    let Expr::Call(step) = loop_step.expr else { return None };
    let mut args = step.args.into_iter();
    let (first, second, third) = (args.next()?.expr, args.next()?.expr, args.next());
    let item = |list: Expr| match list {
        Expr::List(list) => list.elements.into_iter().next().and_then(|one| boxed(one.expr)),
        _ => None,
    };
    match step.func_name.as_str() {
        operators::LOGICAL_AND => Some(Node::Each(Macro::All, iter_var, range, boxed(second)?)),
        operators::LOGICAL_OR => Some(Node::Each(Macro::Exists, iter_var, range, boxed(second)?)),
        operators::ADD if is_gathered(&first, &accu_var) => Some(Node::Collect(iter_var, range, None, item(second)?)),
        operators::CONDITIONAL if !is_gathered(&result.expr, &accu_var) => {
            Some(Node::Each(Macro::ExistsOne, iter_var, range, boxed(first)?))
        }
        operators::CONDITIONAL => {
            let (Expr::Call(add), Some(_)) = (second, third) else { return None };
            let gathered = add.args.into_iter().nth(1)?.expr;
            Some(Node::Collect(iter_var, range, Some(boxed(first)?), item(gathered)?))
        }
        _ => None,
    }
}
