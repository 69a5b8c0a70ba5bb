//! Reading of the layers and finding where a key stands. It gives values no meaning.

use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source, error::Kind};
use toml_edit::{ImDocument, TableLike};

use super::error::{Error, Origin};
use super::settings::Settings;

/// The file that is read where none is named; it may be missing.
pub const DEFAULT_FILE: &str = "/etc/k2d/k2d.toml";

/// Prefix of the variables.
const PREFIX: &str = "K2D_";

/// What the configuration is made of, from the weakest to the strongest layer.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The main file; `None` means [`DEFAULT_FILE`] if it is there. The files `*.toml` in the folder
    /// of its name with `.d` at the end follow, sorted by name.
    pub file: Option<PathBuf>,
    /// Variables whose names begin with `K2D_`: `K2D_API__MAX_CONNECTIONS` is `api.max-connections`.
    pub variables: Vec<(String, String)>,
    /// Flags: how it is written, its key, its value.
    pub flags: Vec<(String, String, Value)>,
}

impl Sources {
    /// The file that is given and the variables of this process.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        Self { file, variables, flags: Vec::new() }
    }

    /// Adds a flag for a key if it was given.
    #[must_use]
    pub fn flag<T: Into<Value>>(mut self, flag: &str, key: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.flags.push((flag.to_owned(), key.to_owned(), value.into()));
        }
        self
    }

    /// Reads all layers.
    ///
    /// # Errors
    /// A file that cannot be read or is not TOML, an unknown key, a value of the wrong type.
    pub fn load(self) -> Result<Loaded, Error> {
        let mut figment = Figment::from(Serialized::defaults(Settings::default()));
        for path in self.files()? {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Error::Unreadable { path: path.clone(), message: error.to_string() })?;
            let dict: Dict = Toml::from_str(&text).map_err(|error| Error::Syntax {
                origin: Origin::File(path.clone(), error.span().map_or(0, |span| line_of(&text, span.start))),
                message: error.message().trim().to_owned(),
            })?;
            figment = figment.merge(Layer { metadata: Metadata::from("file", Source::File(path)), dict });
        }
        for (name, text) in self.variables {
            let key = name.trim_start_matches(PREFIX).to_lowercase().replace("__", ".").replace('_', "-");
            let value = text.parse().unwrap_or(Value::from(text));
            figment = figment.merge(Layer::one(format!("variable {name}"), &key, value));
        }
        for (flag, key, value) in self.flags {
            figment = figment.merge(Layer::one(format!("flag {flag}"), &key, value));
        }
        let settings = figment.extract::<Settings>().map_err(|error| explain(&figment, error))?;
        Ok(Loaded { settings, figment })
    }

    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let main = self.file.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let mut files = Vec::new();
        if self.file.is_some() || main.exists() {
            files.push(main.clone());
        }
        let mut folder = main.into_os_string();
        folder.push(".d");
        let folder = PathBuf::from(folder);
        let unreadable = |error: std::io::Error| Error::Unreadable { path: folder.clone(), message: error.to_string() };
        match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(error)),
            Ok(entries) => {
                let mut parts = Vec::new();
                for entry in entries {
                    let path = entry.map_err(unreadable)?.path();
                    if path.extension().is_some_and(|end| end == "toml") {
                        parts.push(path);
                    }
                }
                parts.sort();
                files.append(&mut parts);
            }
        }
        Ok(files)
    }
}

/// The layers after reading: what is set, and where from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values of the strongest layers.
    pub settings: Settings,
    figment: Figment,
}

impl Loaded {
    /// Where the value of a key, written with dots, came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        origin(&self.figment, key)
    }
}

/// One file, variable or flag.
struct Layer {
    metadata: Metadata,
    dict: Dict,
}

impl Layer {
    fn one(name: String, key: &str, value: Value) -> Self {
        let dict = figment::util::nest(key, value).into_dict().unwrap_or_default();
        Self { metadata: Metadata::named(name), dict }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

fn origin(figment: &Figment, key: &str) -> Origin {
    let mut at = key;
    let metadata = loop {
        match (figment.find_metadata(at), at.rsplit_once('.')) {
            (Some(metadata), _) => break metadata,
            (None, Some((parent, _))) => at = parent,
            (None, None) => return Origin::Default,
        }
    };
    if let Some(Source::File(path)) = &metadata.source {
        return Origin::File(path.to_owned(), line_of_key(path, key));
    }
    match metadata.name.split_once(' ') {
        Some(("variable", name)) => Origin::Variable(name.to_owned()),
        Some(("flag", name)) => Origin::Flag(name.to_owned()),
        _ => Origin::Default,
    }
}

fn explain(figment: &Figment, error: figment::Error) -> Error {
    let mut path = error.path.clone();
    match &error.kind {
        Kind::UnknownField(name, known) => {
            if path.last() != Some(name) {
                path.push(name.clone());
            }
            let key = path.join(".");
            Error::UnknownKey { origin: origin(figment, &key), known: known_keys(known), key }
        }
        kind => {
            let key = path.join(".");
            let message = match kind {
                Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                    let expected = if expected.starts_with("struct ") { "a table" } else { expected };
                    format!("found {found}, expected {expected}")
                }
                other => other.to_string(),
            };
            Error::Value { origin: origin(figment, &key), key, message }
        }
    }
}

fn known_keys(known: &[&str]) -> String {
    let list: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    format!("known here: {}", list.join(", "))
}

/// The line of a byte, counted from 1.
fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

/// The line on which a key, or else the nearest table around it, stands in a file; 0 if it cannot be
/// told.
fn line_of_key(path: &Path, key: &str) -> usize {
    let Ok(text) = std::fs::read_to_string(path) else { return 0 };
    let Ok(document) = ImDocument::parse(text.as_str()) else { return 0 };
    let mut table: &dyn TableLike = document.as_table();
    let mut line = 0;
    for part in key.split('.') {
        let Some((name, item)) = table.get_key_value(part) else { break };
        let span = name.span().or_else(|| item.span());
        line = span.map_or(line, |span| line_of(&text, span.start));
        match item.as_table_like() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    line
}
