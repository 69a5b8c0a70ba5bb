//! JSON patch (RFC 6902) as a kube-apiserver applies it.
//!
//! Where the server's library is more lenient than the RFC, so is this: `replace` and `copy` take a
//! member that is absent for `null`, indices may count from the end, a path need not begin with a
//! slash. A failed operation is shown to clients in one sentence only, whatever its cause.

use serde_json::{Map, Value};

use crate::schema::status::{Details, Status};

/// Most operations in one patch.
pub const MAX_OPERATIONS: usize = 10_000;
/// Most bytes that the `copy` operations of one patch may add, counted as JSON.
pub const MAX_COPIED: usize = 3 * 1024 * 1024;
/// How deep a patched document may nest; what is kept nests far less.
const MAX_DEPTH: usize = 1_000;
/// Most elements of lists that one patch may push along by what it puts in or takes out before them.
const MAX_SHIFTED: usize = 20_000_000;

/// Why an operation does not apply; only tests look at it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error("missing value")]
    Missing,
    #[error("invalid index referenced")]
    Index,
    #[error("test failed")]
    Test,
    #[error("the accumulated size of copies exceeds the limit")]
    CopySize,
    #[error("the document nests too deep")]
    Depth,
    #[error("too many elements of lists change their places")]
    Shifted,
    #[error("unexpected kind of operation")]
    Kind,
}

/// Applies `patch`, an array of operations, to `document`. After an error the document is in an
/// undefined state.
///
/// # Errors
/// 400 for a patch that is no array of objects, 413 for too many operations, 422 for an operation
/// that does not apply.
pub fn apply(document: &mut Value, patch: Value) -> Result<(), Status> {
    let operations = match patch {
        Value::Array(operations) => operations,
        // An absent patch is an empty one, as Go reads `null` into a slice.
        Value::Null => Vec::new(),
        other => return Err(not_decoded(&other, "jsonpatch.Patch")),
    };
    if let Some(odd) = operations.iter().find(|one| !one.is_object() && !one.is_null()) {
        return Err(not_decoded(odd, "jsonpatch.Operation"));
    }
    if operations.len() > MAX_OPERATIONS {
        return Err(Status::new(
            413,
            "RequestEntityTooLarge",
            format!(
                "Request entity is too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
                operations.len()
            ),
        ));
    }
    let mut bounds = Bounds { copied: 0, depth: depth(document), shifted: 0 };
    for operation in operations {
        let mut fields = match operation {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        step(document, &mut fields, &mut bounds).map_err(|_| {
            Status::new(422, "Invalid", "the server rejected our request due to an error in our request")
                .with_details(Details::default())
        })?;
    }
    Ok(())
}

fn not_decoded(value: &Value, target: &str) -> Status {
    Status::bad_request(format!("json: cannot unmarshal {} into Go value of type {target}", go_type(value)))
}

/// What Go's JSON decoder calls the type of a value.
pub(super) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What the operations of a patch have cost so far, so that a small patch cannot cost much.
struct Bounds {
    /// Bytes of JSON that were copied.
    copied: usize,
    /// No less than the depth of the document.
    depth: usize,
    /// Elements of lists that changed their places.
    shifted: usize,
}

impl Bounds {
    /// Asks for room for `value`, of a depth known to be at most `below`, at `path`.
    fn nest(&mut self, document: &Value, path: &str, below: usize) -> Result<(), Failure> {
        let parts = path.bytes().filter(|byte| *byte == b'/').count();
        self.depth = self.depth.max(parts + below);
        if self.depth > MAX_DEPTH {
            // The sum over all operations says more than there is.
            self.depth = depth(document).max(parts + below);
        }
        if self.depth > MAX_DEPTH { Err(Failure::Depth) } else { Ok(()) }
    }

    fn shift(&mut self, elements: usize) -> Result<(), Failure> {
        self.shifted += elements;
        if self.shifted > MAX_SHIFTED { Err(Failure::Shifted) } else { Ok(()) }
    }
}

/// How many containers stand in one another.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn step(document: &mut Value, fields: &mut Map<String, Value>, bounds: &mut Bounds) -> Result<(), Failure> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(Failure::Missing);
    match text("op").unwrap_or_default().as_str() {
        "add" => {
            let path = text("path")?;
            let value = fields.remove("value").unwrap_or_default();
            bounds.nest(document, &path, depth(&value))?;
            add(document, &path, value, bounds)
        }
        "remove" => remove(document, &text("path")?, bounds).map(drop),
        "replace" => {
            let path = text("path")?;
            let value = fields.remove("value");
            bounds.nest(document, &path, value.as_ref().map_or(0, depth))?;
            replace(document, &path, value)
        }
        "move" => {
            let path = text("path")?;
            let value = remove(document, &text("from")?, bounds)?;
            let known = bounds.depth;
            if bounds.nest(document, &path, known).is_err() {
                bounds.nest(document, &path, depth(&value))?;
            }
            add(document, &path, value, bounds)
        }
        "copy" => {
            let value = find(document, &text("from")?)?.cloned().unwrap_or_default();
            let path = text("path")?;
            if !value.is_null() {
                bounds.copied += value.to_string().len();
            }
            if bounds.copied > MAX_COPIED {
                return Err(Failure::CopySize);
            }
            bounds.nest(document, &path, depth(&value))?;
            add(document, &path, value, bounds)
        }
        "test" => {
            let path = text("path")?;
            let expected = fields.get("value").unwrap_or(&Value::Null);
            let found = if path.is_empty() { Some(&*document) } else { find(document, &path)? };
            if found.unwrap_or(&Value::Null) == expected { Ok(()) } else { Err(Failure::Test) }
        }
        _ => Err(Failure::Kind),
    }
}

/// The parts of a pointer: those that lead to the parent, and the last one. What stands before the
/// first slash is not looked at.
fn split(path: &str) -> Result<(std::str::Split<'_, char>, String), Failure> {
    let (lead, last) = path.rsplit_once('/').ok_or(Failure::Missing)?;
    let mut parents = lead.split('/');
    parents.next();
    Ok((parents, unescape(last)))
}

/// `~1` is a slash and `~0` a tilde, read in one pass.
fn unescape(part: &str) -> String {
    if !part.contains('~') {
        return part.to_owned();
    }
    let mut plain = String::with_capacity(part.len());
    let mut rest = part;
    while let Some((head, tail)) = rest.split_once('~') {
        plain.push_str(head);
        rest = match tail.as_bytes().first() {
            Some(b'1') => {
                plain.push('/');
                tail.get(1..).unwrap_or_default()
            }
            Some(b'0') => {
                plain.push('~');
                tail.get(1..).unwrap_or_default()
            }
            _ => {
                plain.push('~');
                tail
            }
        };
    }
    plain.push_str(rest);
    plain
}

/// An index below `length`; a negative one counts from the end.
fn index(part: &str, length: usize) -> Result<usize, Failure> {
    let number: i64 = part.parse().map_err(|_| Failure::Index)?;
    let length = i64::try_from(length).map_err(|_| Failure::Index)?;
    let number = if number < 0 { number + length } else { number };
    if number >= length {
        return Err(Failure::Index);
    }
    usize::try_from(number).map_err(|_| Failure::Index)
}

fn child<'a>(value: &'a Value, part: &str) -> Result<Option<&'a Value>, Failure> {
    match value {
        Value::Object(map) => Ok(map.get(part)),
        Value::Array(list) => Ok(list.get(index(part, list.len())?)),
        _ => Err(Failure::Missing),
    }
}

/// The value at `path`, `None` for an absent member of a map.
fn find<'a>(document: &'a Value, path: &str) -> Result<Option<&'a Value>, Failure> {
    let (parents, last) = split(path)?;
    let mut value = document;
    for part in parents {
        value = child(value, &unescape(part))?.ok_or(Failure::Missing)?;
    }
    child(value, &last)
}

/// The container that `path` points into, and the name of the place in it.
fn parent<'a>(document: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), Failure> {
    let (parents, last) = split(path)?;
    let mut value = document;
    for part in parents {
        let part = unescape(part);
        value = match value {
            Value::Object(map) => map.get_mut(&part),
            Value::Array(list) => {
                let at = index(&part, list.len())?;
                list.get_mut(at)
            }
            _ => None,
        }
        .ok_or(Failure::Missing)?;
    }
    Ok((value, last))
}

fn add(document: &mut Value, path: &str, value: Value, bounds: &mut Bounds) -> Result<(), Failure> {
    let (place, last) = parent(document, path)?;
    match place {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            let at = index(&last, list.len() + 1)?;
            bounds.shift(list.len() - at)?;
            list.insert(at, value);
        }
        _ => return Err(Failure::Missing),
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str, bounds: &mut Bounds) -> Result<Value, Failure> {
    let (place, last) = parent(document, path)?;
    match place {
        Value::Object(map) => map.remove(&last).ok_or(Failure::Missing),
        Value::Array(list) => {
            let at = index(&last, list.len())?;
            bounds.shift(list.len() - at)?;
            Ok(list.remove(at))
        }
        _ => Err(Failure::Missing),
    }
}

fn replace(document: &mut Value, path: &str, value: Option<Value>) -> Result<(), Failure> {
    if path.is_empty() {
        *document = value.filter(|value| value.is_object() || value.is_array()).ok_or(Failure::Missing)?;
        return Ok(());
    }
    let value = value.unwrap_or_default();
    let (place, last) = parent(document, path)?;
    match place {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(list) => {
            let at = index(&last, list.len())?;
            *list.get_mut(at).ok_or(Failure::Index)? = value;
        }
        _ => return Err(Failure::Missing),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(document: &Value, patch: Value) -> Result<Value, Status> {
        let mut document = document.clone();
        apply(&mut document, patch).map(|()| document)
    }

    #[test]
    fn every_operation() {
        let document = json!({"data": {"one": "1", "two": "2"}, "list": ["a", "b"], "x/y": {"m~n": 1}});
        for (patch, expected) in [
            (
                json!([{"op": "add", "path": "/data/three", "value": "3"}]),
                json!({"one": "1", "two": "2", "three": "3"}),
            ),
            (
                json!([{"op": "replace", "path": "/data/none", "value": "x"}]),
                json!({"one": "1", "two": "2", "none": "x"}),
            ),
            (json!([{"op": "replace", "path": "/data/one"}]), json!({"one": null, "two": "2"})),
            (json!([{"op": "remove", "path": "/data/one"}]), json!({"two": "2"})),
            (json!([{"op": "move", "from": "/data/one", "path": "/data/x"}]), json!({"two": "2", "x": "1"})),
            (json!([{"op": "copy", "from": "/data/one", "path": "/data/two"}]), json!({"one": "1", "two": "1"})),
            (json!([{"op": "copy", "from": "/data/none", "path": "/data/two"}]), json!({"one": "1", "two": null})),
            (json!([{"op": "move", "from": "/x~1y/m~0n", "path": "/data/two"}]), json!({"one": "1", "two": 1})),
            (
                json!([{"op": "test", "path": "/data", "value": {"two": "2", "one": "1"}}]),
                json!({"one": "1", "two": "2"}),
            ),
            (json!([{"op": "test", "path": "/data/none"}]), json!({"one": "1", "two": "2"})),
        ] {
            let found = patched(&document, patch.clone()).unwrap();
            assert_eq!(found["data"], expected, "{patch}");
        }
        assert_eq!(patched(&document, json!([{"op": "add", "path": "data/one", "value": 1}])).unwrap()["one"], 1);
        let whole = patched(&document, json!([{"op": "replace", "path": "", "value": {"a": 1}}])).unwrap();
        assert_eq!(whole, json!({"a": 1}));
        assert_eq!(patched(&document, Value::Null).unwrap(), document);
    }

    #[test]
    fn indices_of_lists() {
        let document = json!({"l": ["a", "b"]});
        for (op, path, expected) in [
            ("add", "/l/-", Some(json!(["a", "b", "z"]))),
            ("add", "/l/2", Some(json!(["a", "b", "z"]))),
            ("add", "/l/0", Some(json!(["z", "a", "b"]))),
            ("add", "/l/-1", Some(json!(["a", "b", "z"]))),
            ("add", "/l/-3", Some(json!(["z", "a", "b"]))),
            ("add", "/l/3", None),
            ("add", "/l/x", None),
            ("replace", "/l/-1", Some(json!(["a", "z"]))),
            ("replace", "/l/2", None),
            ("remove", "/l/-2", Some(json!(["b"]))),
            ("remove", "/l/-3", None),
            ("remove", "/l/-", None),
        ] {
            let found = patched(&document, json!([{"op": op, "path": path, "value": "z"}]));
            assert_eq!(found.ok().map(|found| found["l"].clone()), expected, "{op} {path}");
        }
    }

    #[test]
    fn failures_are_told_in_one_sentence() {
        let document = json!({"data": {"one": "1"}});
        for patch in [
            json!([{"op": "test", "path": "/data/one", "value": "2"}]),
            json!([{"op": "remove", "path": "/data/none"}]),
            json!([{"op": "remove", "path": ""}]),
            json!([{"op": "add", "path": "/nowhere/x", "value": "x"}]),
            json!([{"op": "add", "path": "/data/one/x", "value": "x"}]),
            json!([{"op": "add", "value": "x"}]),
            json!([{"op": "replace", "path": "", "value": 1}]),
            json!([{"op": "shuffle", "path": "/data/one"}]),
            json!([{"path": "/data/one"}]),
            json!([null]),
        ] {
            let status = patched(&document, patch.clone()).unwrap_err();
            assert_eq!((status.code, status.reason), (422, "Invalid"), "{patch}");
            assert_eq!(status.message, "the server rejected our request due to an error in our request");
        }
        for patch in [json!("text"), json!([5]), json!({"op": "add"})] {
            assert_eq!(patched(&document, patch).unwrap_err().code, 400);
        }
        let many = vec![json!({"op": "test", "path": "/x"}); MAX_OPERATIONS + 1];
        let status = patched(&document, Value::Array(many)).unwrap_err();
        assert_eq!(status.code, 413);
        assert!(status.message.ends_with("The allowed maximum operations in a JSON patch is 10000, got 10001"));
    }

    #[test]
    fn nesting_cannot_explode() {
        let mut doubled = vec![json!({"op": "add", "path": "/a", "value": {}})];
        let mut path = "/a".to_owned();
        for _ in 0..18 {
            doubled.push(json!({"op": "copy", "from": "/a", "path": format!("{path}/a")}));
            path = format!("{path}{path}");
        }
        assert_eq!(patched(&json!({}), Value::Array(doubled)).unwrap_err().code, 422);
        // Moves that go to and fro leave the depth as it is, however many there are.
        let mut moved = vec![
            json!({"op": "add", "path": "/a", "value": {"b": {}}}),
            json!({"op": "add", "path": "/c", "value": {}}),
        ];
        for _ in 0..2_000 {
            moved.push(json!({"op": "move", "from": "/a", "path": "/c/a"}));
            moved.push(json!({"op": "move", "from": "/c/a", "path": "/a"}));
        }
        assert_eq!(patched(&json!({}), Value::Array(moved)).unwrap(), json!({"a": {"b": {}}, "c": {}}));
        // Each puts what is there into what is new.
        let mut deeper = vec![json!({"op": "add", "path": "/a", "value": {}})];
        for _ in 0..1_200 {
            deeper.push(json!({"op": "move", "from": "/a", "path": "/b"}));
            deeper.push(json!({"op": "add", "path": "/a", "value": {}}));
            deeper.push(json!({"op": "move", "from": "/b", "path": "/a/b"}));
        }
        assert_eq!(patched(&json!({}), Value::Array(deeper)).unwrap_err().code, 422);
    }

    #[test]
    fn long_lists_are_not_pushed_along_for_ever() {
        let mut patch = vec![json!({"op": "add", "path": "/l", "value": vec![0; 50_000]})];
        patch.extend((0..9_000).map(|_| json!({"op": "remove", "path": "/l/0"})));
        assert_eq!(patched(&json!({}), Value::Array(patch.clone())).unwrap_err().code, 422);
        patch.truncate(100);
        assert_eq!(patched(&json!({}), Value::Array(patch)).unwrap()["l"].as_array().map(Vec::len), Some(50_000 - 99));
    }

    #[test]
    fn copies_cannot_explode() {
        let mut patch = vec![json!({"op": "add", "path": "/a", "value": ["0123456789"]})];
        patch.extend((0..40).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"})));
        assert_eq!(patched(&json!({}), Value::Array(patch)).unwrap_err().code, 422);
    }
}
