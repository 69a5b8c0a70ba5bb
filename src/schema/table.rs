//! The schema table: what fields and types the API has, as compact bytes that are read in place.
//!
//! One table for all built-in kinds is part of the program; tables of the same form are built at run
//! time for custom resources (see [`TableBuilder`]). The table knows facts only: no rule, no
//! default of a kind and no object. Bad bytes read as an empty table, never as a failure.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

mod builder;
mod format;
#[cfg(test)]
mod tests;
mod view;

pub use builder::{Name, NewField, PackageId, StructId, TableBuilder, TooLarge, Topology, TypeId};
pub use format::{Any, Scalar, field_flag};
use format::{KIND_SIZE, PACKAGE_SIZE, Section, TYPE_SIZE, shape, type_flag};
pub use view::{Field, Struct, Words};

/// A schema table.
pub struct Table {
    bytes: Cow<'static, [u8]>,
}

/// The table of the built-in kinds.
pub static BUILTIN: Table = Table { bytes: Cow::Borrowed(include_bytes!(concat!(env!("OUT_DIR"), "/schema.bin"))) };

/// A type of a table.
#[derive(Clone, Copy)]
pub struct Type<'t> {
    table: &'t Table,
    id: u16,
}

/// What a type is made of.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'t> {
    /// Fields with names.
    Struct(Struct<'t>),
    /// Values of one type under any keys.
    Map {
        /// Type of the values.
        value: Type<'t>,
        /// Whether server-side apply owns it as a whole.
        atomic: bool,
    },
    /// Values of one type in order.
    List {
        /// Type of the items.
        item: Type<'t>,
        /// How server-side apply tells items apart.
        topology: ListTopology<'t>,
    },
    /// A single value.
    Scalar(Scalar),
    /// Anything; server-side apply deduces the structure from the value. See [`Type::any`].
    Any,
}

/// How the items of a list are told apart in server-side apply.
#[derive(Clone, Copy, Debug)]
pub enum ListTopology<'t> {
    /// Not at all.
    Atomic,
    /// By value.
    Set,
    /// By the values of these fields, in this order.
    Map(Words<'t>),
}

impl Table {
    /// A table of bytes that a [`TableBuilder`] wrote.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Cow::Owned(bytes) }
    }

    /// The type of a kind.
    #[must_use]
    pub fn find(&self, group: &str, version: &str, kind: &str) -> Option<Type<'_>> {
        let entry = |index| {
            let number = |word: usize| self.number(Section::Kinds, index, KIND_SIZE, 2 * word);
            (self.string(number(0)), self.string(number(1)), self.string(number(2)), number(3))
        };
        search(self.count(Section::Kinds), |index| {
            let (g, v, k, _) = entry(index);
            (g, v, k).cmp(&(group, version, kind))
        })
        .map(|index| Type { table: self, id: entry(index).3 })
    }

    /// All kinds of the table, as group, version, kind and type, in the order of those names. The
    /// group `*` stands for every group version.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str, &str, Type<'_>)> {
        (0..self.count(Section::Kinds)).map(move |index| {
            let number = |word: usize| self.number(Section::Kinds, index, KIND_SIZE, 2 * word);
            let ty = Type { table: self, id: number(3) };
            (self.string(number(0)), self.string(number(1)), self.string(number(2)), ty)
        })
    }

    /// All structs of the table.
    pub fn structs(&self) -> impl Iterator<Item = Struct<'_>> {
        (0..self.count(Section::Structs))
            .filter_map(move |index| Some(Struct { table: self, id: u16::try_from(index).ok()?, atomic: false }))
    }

    /// Size of the table in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn long(&self, at: usize) -> usize {
        let bytes = self.bytes.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
        bytes.map_or(0, |b| u32::from_le_bytes(b) as usize)
    }

    fn offset(&self, section: Section) -> usize {
        self.long(section as usize * 8)
    }

    fn count(&self, section: Section) -> usize {
        self.long(section as usize * 8 + 4)
    }

    fn byte(&self, section: Section, index: usize, size: usize, at: usize) -> u8 {
        self.bytes.get(self.offset(section) + index * size + at).copied().unwrap_or(0)
    }

    fn number(&self, section: Section, index: usize, size: usize, at: usize) -> u16 {
        let at = self.offset(section) + index * size + at;
        let bytes = self.bytes.get(at..at + 2).and_then(|b| <[u8; 2]>::try_from(b).ok());
        bytes.map_or(0, u16::from_le_bytes)
    }

    fn string(&self, id: u16) -> &str {
        let ends = self.offset(Section::StringEnds);
        let id = usize::from(id);
        let begin = if id == 0 { 0 } else { self.long(ends + 4 * (id - 1)) };
        let pool = self.offset(Section::StringPool);
        let bytes = self.bytes.get(pool + begin..pool + self.long(ends + 4 * id)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn words(&self, at: u16) -> Words<'_> {
        let at = usize::from(at);
        let left = if at == 0 { 0 } else { usize::from(self.number(Section::Words, at, 2, 0)) };
        Words { table: self, at: at + 1, left }
    }
}

impl Type<'static> {
    /// The type of a built-in kind. Kinds that every group version knows (`DeleteOptions`,
    /// `WatchEvent`, …) are found under each.
    #[must_use]
    pub fn builtin(group: &str, version: &str, kind: &str) -> Option<Self> {
        BUILTIN.find(group, version, kind).or_else(|| BUILTIN.find("*", "*", kind))
    }
}

impl<'t> Type<'t> {
    /// What the type is made of.
    #[must_use]
    pub fn shape(self) -> Shape<'t> {
        let flags = self.flags();
        match self.table.byte(Section::Types, usize::from(self.id), TYPE_SIZE, 0) {
            shape::SCALAR => Shape::Scalar(Scalar::of(self.word(0))),
            shape::LIST => {
                let topology = if flags & type_flag::KEYED != 0 {
                    ListTopology::Map(self.table.words(self.word(1)))
                } else if flags & type_flag::SET != 0 {
                    ListTopology::Set
                } else {
                    ListTopology::Atomic
                };
                Shape::List { item: Type { table: self.table, id: self.word(0) }, topology }
            }
            shape::MAP => Shape::Map {
                value: Type { table: self.table, id: self.word(0) },
                atomic: flags & type_flag::ATOMIC != 0,
            },
            shape::STRUCT => {
                Shape::Struct(Struct { table: self.table, id: self.word(0), atomic: flags & type_flag::ATOMIC != 0 })
            }
            _ => Shape::Any,
        }
    }

    /// The struct that the type is, if it is one.
    #[must_use]
    pub fn as_struct(self) -> Option<Struct<'t>> {
        match self.shape() {
            Shape::Struct(found) => Some(found),
            _ => None,
        }
    }

    /// What may stand where the shape is [`Shape::Any`].
    #[must_use]
    pub fn any(self) -> Any {
        Any::of(self.word(0))
    }

    /// The values that a scalar may have, where they are a fixed set; sorted.
    #[must_use]
    pub fn values(self) -> Words<'t> {
        match self.table.byte(Section::Types, usize::from(self.id), TYPE_SIZE, 0) {
            shape::SCALAR => self.table.words(self.word(1)),
            _ => self.table.words(0),
        }
    }

    /// Whether a list is a message of its own in protobuf.
    #[must_use]
    pub fn is_wrapped(self) -> bool {
        self.flags() & type_flag::WRAPPED != 0
    }

    /// Whether a list says how its items are told apart; one that does not is atomic.
    #[must_use]
    pub fn says_topology(self) -> bool {
        self.flags() & type_flag::UNSAID == 0
    }

    /// The type as Go shows it: `v1.Pod`, `[]v1.Container`, `map[string]string`, `int32`.
    #[must_use]
    pub fn go_name(self) -> String {
        let name = self.table.string(self.word(2));
        if !name.is_empty() {
            return format!("{}.{name}", package_name(self.table, self.word(3)));
        }
        match self.shape() {
            Shape::Struct(found) => found.go_name(),
            Shape::Map { value, .. } => format!("map[{}]{}", self.table.string(self.word(1)), value.go_name()),
            Shape::List { item, .. } => format!("[]{}", item.go_name()),
            Shape::Scalar(scalar) => go_scalar(scalar).to_owned(),
            Shape::Any => match self.any() {
                Any::Json => "v1.JSON",
                Any::Raw => "runtime.RawExtension",
                Any::Fields => "v1.FieldsV1",
                Any::SchemaOrArray => "v1.JSONSchemaPropsOrArray",
                Any::SchemaOrBool => "v1.JSONSchemaPropsOrBool",
                Any::SchemaOrStrings => "v1.JSONSchemaPropsOrStringArray",
            }
            .to_owned(),
        }
    }

    fn flags(self) -> u8 {
        self.table.byte(Section::Types, usize::from(self.id), TYPE_SIZE, 1)
    }

    fn word(self, index: usize) -> u16 {
        self.table.number(Section::Types, usize::from(self.id), TYPE_SIZE, 2 + 2 * index)
    }
}

impl fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Type({})", self.go_name())
    }
}

/// The last element of the path of a package.
fn package_name(table: &Table, package: u16) -> &str {
    let path = table.string(table.number(Section::Packages, usize::from(package), PACKAGE_SIZE, 0));
    path.rsplit('/').next().unwrap_or(path)
}

fn go_scalar(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::String => "string",
        Scalar::Bool => "bool",
        Scalar::Int32 => "int32",
        Scalar::Int64 => "int64",
        Scalar::Float => "float64",
        Scalar::Bytes => "[]uint8",
        Scalar::Quantity => "resource.Quantity",
        Scalar::IntOrString => "intstr.IntOrString",
        Scalar::Time => "v1.Time",
        Scalar::MicroTime => "v1.MicroTime",
        Scalar::Duration => "v1.Duration",
    }
}

/// The index below `count` for which `compare` says equal, in a sorted sequence.
fn search(count: usize, compare: impl Fn(usize) -> Ordering) -> Option<usize> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        match compare(middle) {
            Ordering::Equal => return Some(middle),
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
        }
    }
    None
}
