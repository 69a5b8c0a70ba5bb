//! The descriptions of types and fields, read from their compressed form as they are needed: they are
//! asked for in the order in which they are kept.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use flate2::read::GzDecoder;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.gz"));

/// The description of a field of a model (`io.k8s.api.core.v1.Pod`); empty where it is not known.
/// Costs a pass over the packed text: keep what it says.
#[must_use]
pub fn field(model: &str, field: &str) -> String {
    Descriptions::new().of(model).remove(field).unwrap_or_default()
}

/// A place in the descriptions.
pub(super) struct Descriptions {
    lines: BufReader<GzDecoder<&'static [u8]>>,
    line: String,
}

/// The descriptions of one model; the empty field is the model itself.
pub(super) type Texts = BTreeMap<String, String>;

impl Descriptions {
    pub(super) fn new() -> Self {
        let mut descriptions =
            Self { lines: BufReader::with_capacity(4096, GzDecoder::new(PACKED)), line: String::new() };
        descriptions.advance();
        descriptions
    }

    /// The descriptions of a model. Models must be asked for in the order of their names.
    pub(super) fn of(&mut self, model: &str) -> Texts {
        let mut texts = Texts::new();
        loop {
            let Some(found) = self.line.strip_prefix('M').and_then(|rest| rest.split('\t').next()) else {
                if self.line.is_empty() {
                    return texts;
                }
                self.advance();
                continue;
            };
            match found.cmp(model) {
                std::cmp::Ordering::Less => self.advance(),
                std::cmp::Ordering::Greater => return texts,
                std::cmp::Ordering::Equal => break,
            }
        }
        texts.insert(String::new(), self.text().1);
        self.advance();
        while self.line.starts_with('F') {
            let (name, text) = self.text();
            texts.insert(name, text);
            self.advance();
        }
        texts
    }

    /// Name and text of the line.
    fn text(&self) -> (String, String) {
        let (name, text) = self.line.get(1..).and_then(|rest| rest.split_once('\t')).unwrap_or_default();
        let text = serde_json::from_str(&format!("\"{text}\"")).unwrap_or_default();
        (name.to_owned(), text)
    }

    fn advance(&mut self) {
        self.line.clear();
        if self.lines.read_line(&mut self.line).is_err() {
            self.line.clear();
        }
        if self.line.ends_with('\n') {
            self.line.pop();
        }
    }
}
