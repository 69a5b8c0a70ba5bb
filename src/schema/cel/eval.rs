//! Evaluating an expression within a budget: every step costs, so that no rule runs long.

use std::sync::Arc;

use super::ast::{Binary, Macro, Node};
use super::functions;
use super::value::{Fault, Val};

/// What one evaluation may cost. Source: the limits of apiserver's CEL environment.
pub(super) const CALL_LIMIT: u64 = 1_000_000;

/// Nesting of what is evaluated beyond which nothing more is done.
const MAX_DEPTH: usize = 400;

/// What is told when the budget is used up.
pub(super) const EXCEEDED: &str = "operation cancelled: actual cost limit exceeded";

type Out<'a> = Result<Val<'a>, Fault>;

/// The names that are known, the innermost last, and what has been spent.
pub(super) struct Scope<'a> {
    names: Vec<(&'a str, Val<'a>)>,
    spent: u64,
    limit: u64,
    depth: usize,
}

impl<'a> Scope<'a> {
    pub(super) fn new(names: Vec<(&'a str, Val<'a>)>, limit: u64) -> Self {
        Self { names, spent: 0, limit: limit.min(CALL_LIMIT), depth: 0 }
    }

    /// What the evaluation has cost so far.
    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    /// Takes a cost from the budget.
    pub(super) fn spend(&mut self, cost: u64) -> Result<(), Fault> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > self.limit { Err(Fault::new(EXCEEDED)) } else { Ok(()) }
    }

    fn get(&self, name: &str) -> Option<&Val<'a>> {
        self.names.iter().rev().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The value of an expression.
    pub(super) fn eval(&mut self, node: &'a Node) -> Out<'a> {
        self.depth += 1;
        let result = if self.depth > MAX_DEPTH { Err(Fault::new(EXCEEDED)) } else { self.step(node) };
        self.depth -= 1;
        result
    }

    fn step(&mut self, node: &'a Node) -> Out<'a> {
        match node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Name(name) => {
                self.spend(1)?;
                match self.get(name) {
                    Some(value) => Ok(value.clone()),
                    None => {
                        functions::constant(name).ok_or_else(|| Fault::new(format!("no such attribute(s): {name}")))
                    }
                }
            }
            Node::Field(of, name) => {
                self.spend(1)?;
                let of = self.eval(of)?;
                if let Val::Maybe(inner) = &of {
                    let found = inner.as_ref().map(|inner| inner.field(name)).transpose()?.flatten();
                    return Ok(Val::Maybe(found.map(Arc::new)));
                }
                of.field(name)?.ok_or_else(|| Fault::new(format!("no such key: {name}")))
            }
            Node::Has(of, name) => {
                self.spend(1)?;
                let of = self.eval(of)?;
                Ok(Val::Bool(of.field(name)?.is_some()))
            }
            Node::Index(of, key) => {
                self.spend(1)?;
                let (of, key) = (self.eval(of)?, self.eval(key)?);
                if let Val::Maybe(inner) = &of {
                    let found = inner.as_ref().map(|inner| inner.at(&key)).transpose()?.flatten();
                    return Ok(Val::Maybe(found.map(Arc::new)));
                }
                self.spend_lookup(&of)?;
                let missing = match (&of, &key) {
                    (_, Val::Int(at)) if of.length().is_some() => format!("index out of bounds: {at}"),
                    (_, key) => format!("no such key: {}", functions::show(key).unwrap_or_default()),
                };
                of.at(&key)?.ok_or_else(|| Fault::new(missing))
            }
            Node::Maybe(of, key) => {
                self.spend(1)?;
                let (of, key) = (self.eval(of)?, self.eval(key)?);
                Ok(Val::Maybe(of.at(&key)?.map(Arc::new)))
            }
            Node::List(items) => {
                self.spend(10)?;
                Ok(Val::list(items.iter().map(|item| self.eval(item)).collect::<Result<_, _>>()?))
            }
            Node::Map(entries) => {
                self.spend(30)?;
                let entries = entries.iter().map(|(key, value)| Ok((self.eval(key)?, self.eval(value)?)));
                Ok(Val::Map(Arc::new(entries.collect::<Result<_, Fault>>()?)))
            }
            Node::And(left, right) => self.both(left, right, false),
            Node::Or(left, right) => self.both(left, right, true),
            Node::Not(inner) => {
                self.spend(1)?;
                Ok(Val::Bool(!self.flag(inner)?))
            }
            Node::Negative(inner) => {
                self.spend(1)?;
                match self.eval(inner)? {
                    Val::Int(number) => {
                        number.checked_neg().map(Val::Int).ok_or_else(|| Fault::new("integer overflow"))
                    }
                    Val::Double(number) => Ok(Val::Double(-number)),
                    _ => Err(Fault::overload()),
                }
            }
            Node::If(question, yes, no) => {
                self.spend(1)?;
                if self.flag(question)? { self.eval(yes) } else { self.eval(no) }
            }
            Node::Binary(operator, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.binary(*operator, &left, &right)
            }
            Node::Each(kind, name, range, question) => self.each(*kind, name, range, question),
            Node::Collect(name, range, filter, result) => self.collect(name, range, filter.as_deref(), result),
            Node::Call(name, args) => {
                self.spend(1)?;
                let args = args.iter().map(|one| self.eval(one)).collect::<Result<Vec<_>, _>>()?;
                functions::call(self, name, &args)
            }
            Node::Method(of, name, args) => {
                self.spend(1)?;
                if let Some(space) = functions::space(of) {
                    let args = args.iter().map(|one| self.eval(one)).collect::<Result<Vec<_>, _>>()?;
                    return functions::call(self, &format!("{space}.{name}"), &args);
                }
                let of = self.eval(of)?;
                let args = args.iter().map(|one| self.eval(one)).collect::<Result<Vec<_>, _>>()?;
                functions::method(self, name, &of, &args)
            }
        }
    }

    /// Maps that were made by an expression are searched.
    fn spend_lookup(&mut self, of: &Val<'_>) -> Result<(), Fault> {
        if let Val::Map(entries) = of { self.spend(entries.len() as u64) } else { Ok(()) }
    }

    fn flag(&mut self, node: &'a Node) -> Result<bool, Fault> {
        match self.eval(node)? {
            Val::Bool(flag) => Ok(flag),
            _ => Err(Fault::overload()),
        }
    }

    /// `&&` and `||`: what decides by itself makes up for a failure of the other side.
    fn both(&mut self, left: &'a Node, right: &'a Node, decides: bool) -> Out<'a> {
        let first = self.flag(left);
        if first == Ok(decides) {
            return Ok(Val::Bool(decides));
        }
        self.spend(0)?;
        let second = self.flag(right);
        match (first, second) {
            (_, Ok(flag)) if flag == decides => Ok(Val::Bool(decides)),
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
            _ => Ok(Val::Bool(!decides)),
        }
    }

    fn each(&mut self, kind: Macro, name: &'a str, range: &'a Node, question: &'a Node) -> Out<'a> {
        let items = self.eval(range)?.items()?;
        let mut fault = None;
        let mut count = 0;
        for item in items {
            self.spend(1)?;
            self.names.push((name, item));
            let answer = self.flag(question);
            self.names.pop();
            match (kind, answer) {
                (_, Err(Fault(text))) if text == EXCEEDED => return Err(Fault(text)),
                (Macro::All, Ok(false)) => return Ok(Val::Bool(false)),
                (Macro::Exists, Ok(true)) => return Ok(Val::Bool(true)),
                (Macro::ExistsOne, Ok(true)) => count += 1,
                (Macro::ExistsOne, Err(other)) => return Err(other),
                (_, Err(other)) => fault = Some(other),
                _ => {}
            }
        }
        match (fault, kind) {
            (Some(fault), _) => Err(fault),
            (None, Macro::All) => Ok(Val::Bool(true)),
            (None, Macro::Exists) => Ok(Val::Bool(false)),
            (None, Macro::ExistsOne) => Ok(Val::Bool(count == 1)),
        }
    }

    fn collect(&mut self, name: &'a str, range: &'a Node, filter: Option<&'a Node>, result: &'a Node) -> Out<'a> {
        let items = self.eval(range)?.items()?;
        let mut out = Vec::new();
        for item in items {
            self.spend(2)?;
            self.names.push((name, item));
            let value = self.gathered(filter, result);
            self.names.pop();
            out.extend(value?);
        }
        Ok(Val::list(out))
    }

    fn gathered(&mut self, filter: Option<&'a Node>, result: &'a Node) -> Result<Option<Val<'a>>, Fault> {
        if let Some(filter) = filter
            && !self.flag(filter)?
        {
            return Ok(None);
        }
        self.eval(result).map(Some)
    }

    fn binary(&mut self, operator: Binary, left: &Val<'a>, right: &Val<'a>) -> Out<'a> {
        let compared = matches!(operator, Binary::Equal | Binary::Unequal | Binary::In);
        let sizes = left.size().min(right.size()).max(if operator == Binary::In { right.size() } else { 0 });
        self.spend(1 + if compared || operator == Binary::Add { deep(left, right, sizes) } else { 0 })?;
        match operator {
            Binary::Equal => Ok(Val::Bool(left.same(right))),
            Binary::Unequal => Ok(Val::Bool(!left.same(right))),
            Binary::In => match right {
                Val::Fields(..) | Val::Map(_) => Ok(Val::Bool(right.at(left)?.is_some())),
                _ => Ok(Val::Bool(right.items()?.iter().any(|item| item.same(left)))),
            },
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                let order = left.order(right);
                if order.is_none() && !matches!((left, right), (Val::Double(_), _) | (_, Val::Double(_))) {
                    return Err(Fault::overload());
                }
                Ok(Val::Bool(order.is_some_and(|order| match operator {
                    Binary::Less => order.is_lt(),
                    Binary::LessOrEqual => order.is_le(),
                    Binary::Greater => order.is_gt(),
                    _ => order.is_ge(),
                })))
            }
            _ => functions::arithmetic(operator, left, right),
        }
    }
}

/// What it costs to look at all of two values.
fn deep(left: &Val<'_>, right: &Val<'_>, sizes: u64) -> u64 {
    match (left, right) {
        (Val::Text(_) | Val::Bytes(_), Val::Text(_) | Val::Bytes(_)) => sizes / 10,
        _ => weight(left).max(weight(right)),
    }
}

/// How much is in a value, with all below it.
fn weight(value: &Val<'_>) -> u64 {
    fn json(value: &serde_json::Value) -> u64 {
        match value {
            serde_json::Value::Array(items) => 1 + items.iter().map(json).sum::<u64>(),
            serde_json::Value::Object(map) => 1 + map.values().map(json).sum::<u64>(),
            serde_json::Value::String(text) => 1 + text.len() as u64 / 10,
            _ => 1,
        }
    }
    match value {
        Val::Items(items, _) => items.iter().map(json).sum(),
        Val::Fields(map, _) => map.values().map(json).sum(),
        Val::List(items) => items.iter().map(weight).sum(),
        Val::Map(entries) => entries.iter().map(|(_, value)| weight(value)).sum(),
        Val::Text(text) => 1 + text.len() as u64 / 10,
        _ => 1,
    }
}
