//! Builds the bytes of a schema table: for the built-in kinds in the build script, for custom
//! resources at run time. It knows the layout and nothing of where the facts come from.

use std::collections::BTreeMap;

use super::format::{Any, HEADER, SECTIONS, Scalar, Section, field_flag, shape, struct_flag, type_flag};

/// A type of the table that is being built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeId(u16);

/// A struct of the table that is being built; it may be used before it is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StructId(u16);

/// A Go package of the table that is being built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageId(u16);

/// The name of a type in its package; empty for types without a name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Name<'a> {
    /// The name alone, such as `Pod`.
    pub name: &'a str,
    /// Where it is defined.
    pub package: PackageId,
}

/// How the entries of a list are told apart in server-side apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Nothing is said, which means the same as [`Topology::Atomic`].
    Unsaid,
    /// Not at all: the list is owned as a whole.
    Atomic,
    /// By their value.
    Set,
    /// By these fields.
    Map(Vec<String>),
}

/// A field of a struct that is being built.
#[derive(Clone, Debug)]
pub struct NewField {
    /// Name in JSON; empty for an inlined struct.
    pub name: String,
    /// Its type.
    pub ty: TypeId,
    /// Protobuf number, 0 for none.
    pub number: u16,
    /// Flags of [`field_flag`].
    pub flags: u16,
    /// Key of a strategic merge; empty for none.
    pub merge_key: String,
    /// Default as JSON; empty for none.
    pub default: String,
}

/// The table has more entries of one sort than an identity of 16 bits can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("schema has more than 65535 entries")
    }
}

impl std::error::Error for TooLarge {}

#[derive(Clone, Default)]
struct NewStruct {
    name: u16,
    package: u16,
    flags: u16,
    fields: Vec<NewField>,
}

/// Collects types, fields and kinds, and writes them as one table.
#[derive(Default)]
pub struct TableBuilder {
    strings: Vec<String>,
    string_ids: BTreeMap<String, u16>,
    types: Vec<[u16; 6]>,
    type_ids: BTreeMap<[u16; 6], u16>,
    structs: Vec<NewStruct>,
    words: Vec<u16>,
    word_ids: BTreeMap<Vec<u16>, u16>,
    kinds: Vec<(String, String, String, TypeId)>,
    packages: Vec<(u16, u16)>,
    too_large: bool,
}

impl TableBuilder {
    /// A table that knows nothing but [`Any::Json`].
    pub fn new() -> Self {
        let mut builder = Self::default();
        builder.string("");
        builder.words.push(0);
        builder.packages.push((0, 0));
        builder.any(Any::Json);
        builder
    }

    /// Adds a package: its path, and the prefix of the OpenAPI names of its types.
    pub fn package(&mut self, path: &str, model: &str) -> PackageId {
        let entry = (self.string(path), self.string(model));
        self.packages.push(entry);
        PackageId(self.id(self.packages.len() - 1))
    }

    /// A type without a schema.
    pub fn any(&mut self, any: Any) -> TypeId {
        self.intern([u16::from(shape::ANY), 0, any.code(), 0, 0, 0])
    }

    /// A scalar, with the values it may have where they are a fixed set.
    pub fn scalar(&mut self, scalar: Scalar, name: Name<'_>, values: &[&str]) -> TypeId {
        let values = self.word_list(values);
        let text = self.string(name.name);
        self.intern([u16::from(shape::SCALAR), 0, scalar.code(), values, text, name.package.0])
    }

    /// A list; `wrapped` says that it is a message of its own in protobuf.
    pub fn list(&mut self, item: TypeId, topology: &Topology, wrapped: bool, name: Name<'_>) -> TypeId {
        let (flag, keys) = match topology {
            Topology::Unsaid => (type_flag::UNSAID, 0),
            Topology::Atomic => (0, 0),
            Topology::Set => (type_flag::SET, 0),
            Topology::Map(keys) => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                (type_flag::KEYED, self.word_list(&keys))
            }
        };
        let flags = flag | if wrapped { type_flag::WRAPPED } else { 0 };
        let text = self.string(name.name);
        self.intern([u16::from(shape::LIST), u16::from(flags), item.0, keys, text, name.package.0])
    }

    /// A map from text; `key` is the Go name of the type of its keys.
    pub fn map(&mut self, key: &str, value: TypeId, atomic: bool, name: Name<'_>) -> TypeId {
        let key = self.string(key);
        let text = self.string(name.name);
        self.intern([u16::from(shape::MAP), u16::from(flag_of(atomic)), value.0, key, text, name.package.0])
    }

    /// A struct that is defined later, by [`TableBuilder::define`].
    pub fn declare(&mut self) -> StructId {
        self.structs.push(NewStruct::default());
        StructId(self.id(self.structs.len() - 1))
    }

    /// Gives a struct its name and its fields, in the order of Go. `preserve` keeps unknown fields.
    pub fn define(&mut self, id: StructId, name: Name<'_>, fields: Vec<NewField>, preserve: bool) {
        let text = self.string(name.name);
        if let Some(entry) = self.structs.get_mut(usize::from(id.0)) {
            let flags = if preserve { struct_flag::PRESERVE } else { 0 };
            *entry = NewStruct { name: text, package: name.package.0, flags, fields };
        }
    }

    /// The type of a struct.
    pub fn structure(&mut self, id: StructId, atomic: bool) -> TypeId {
        self.intern([u16::from(shape::STRUCT), u16::from(flag_of(atomic)), id.0, 0, 0, 0])
    }

    /// Names the type of a kind.
    pub fn kind(&mut self, group: &str, version: &str, kind: &str, ty: TypeId) {
        self.kinds.push((group.to_owned(), version.to_owned(), kind.to_owned(), ty));
    }

    /// The bytes of the table.
    pub fn finish(mut self) -> Result<Vec<u8>, TooLarge> {
        let mut fields = Vec::new();
        let mut indexes: Vec<u16> = Vec::new();
        let mut structs = Vec::new();
        let mut owned: Vec<Vec<u16>> = Vec::new();
        for entry in self.structs.clone() {
            let mut own = Vec::new();
            for field in entry.fields {
                let texts = (self.string(&field.name), self.string(&field.merge_key), self.string(&field.default));
                own.push(self.id(fields.len() / 6));
                fields.extend([texts.0, field.ty.0, field.number, field.flags, texts.1, texts.2]);
            }
            owned.push(own);
        }
        for (index, entry) in self.structs.clone().iter().enumerate() {
            let mut all = Vec::new();
            self.flatten(index, &owned, 0, &mut all);
            all.sort_by(|a, b| a.0.cmp(&b.0));
            let own = owned.get(index).map(Vec::as_slice).unwrap_or_default();
            let first = self.id(indexes.len());
            indexes.extend(all.iter().map(|(_, id)| *id));
            let first_own = self.id(indexes.len());
            indexes.extend(own);
            let first_numbered = self.id(indexes.len());
            let mut numbered: Vec<(u16, u16)> =
                entry.fields.iter().map(|field| field.number).zip(own.iter().copied()).collect();
            numbered.sort_by_key(|(number, _)| *number);
            indexes.extend(numbered.iter().map(|(_, id)| *id));
            let counts = (self.id(all.len()), self.id(own.len()));
            let (name, package, flags) = (entry.name, entry.package, entry.flags);
            structs.extend([name, package, first, counts.0, first_own, counts.1, flags, first_numbered]);
        }
        self.kinds.sort();
        let mut kinds = Vec::new();
        for (group, version, kind, ty) in std::mem::take(&mut self.kinds) {
            kinds.extend([self.string(&group), self.string(&version), self.string(&kind), ty.0]);
        }
        if self.too_large {
            return Err(TooLarge);
        }
        Ok(self.write(&structs, &fields, &indexes, &kinds))
    }

    /// The fields of a struct by name, those of inlined structs included.
    fn flatten(&self, index: usize, owned: &[Vec<u16>], depth: usize, out: &mut Vec<(String, u16)>) {
        let (Some(entry), Some(ids)) = (self.structs.get(index), owned.get(index)) else { return };
        for (field, id) in entry.fields.iter().zip(ids) {
            if field.flags & field_flag::INLINE == 0 {
                out.push((field.name.clone(), *id));
            } else if let Some(record) = self.types.get(usize::from(field.ty.0))
                && depth < 8
            {
                self.flatten(usize::from(record[2]), owned, depth + 1, out);
            }
        }
    }

    fn write(&self, structs: &[u16], fields: &[u16], indexes: &[u16], kinds: &[u16]) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        let mut sections = [(0usize, 0usize); SECTIONS];
        let mut begin = |out: &Vec<u8>, section: Section, count: usize| {
            if let Some(slot) = sections.get_mut(section as usize) {
                *slot = (out.len(), count);
            }
        };
        begin(&out, Section::StringEnds, self.strings.len());
        let mut end = 0u32;
        for text in &self.strings {
            end = end.saturating_add(u32::try_from(text.len()).unwrap_or(u32::MAX));
            out.extend(end.to_le_bytes());
        }
        begin(&out, Section::StringPool, end as usize);
        for text in &self.strings {
            out.extend(text.as_bytes());
        }
        begin(&out, Section::Types, self.types.len());
        for [form, flags, rest @ ..] in &self.types {
            // Shapes and flags fit in a byte each.
            out.extend([form.to_le_bytes()[0], flags.to_le_bytes()[0]]);
            words(&mut out, rest);
        }
        for (section, numbers, width) in [
            (Section::Structs, structs, 8),
            (Section::Fields, fields, 6),
            (Section::Indexes, indexes, 1),
            (Section::Words, self.words.as_slice(), 1),
            (Section::Kinds, kinds, 4),
        ] {
            begin(&out, section, numbers.len() / width);
            words(&mut out, numbers);
        }
        begin(&out, Section::Packages, self.packages.len());
        for (path, model) in &self.packages {
            words(&mut out, &[*path, *model]);
        }
        for (slot, (offset, count)) in out.chunks_exact_mut(8).zip(sections) {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes();
            let count = u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
            for (to, from) in slot.iter_mut().zip(offset.into_iter().chain(count)) {
                *to = from;
            }
        }
        out
    }

    fn intern(&mut self, record: [u16; 6]) -> TypeId {
        if let Some(id) = self.type_ids.get(&record) {
            return TypeId(*id);
        }
        self.types.push(record);
        let id = self.id(self.types.len() - 1);
        self.type_ids.insert(record, id);
        TypeId(id)
    }

    fn string(&mut self, text: &str) -> u16 {
        if let Some(id) = self.string_ids.get(text) {
            return *id;
        }
        self.strings.push(text.to_owned());
        let id = self.id(self.strings.len() - 1);
        self.string_ids.insert(text.to_owned(), id);
        id
    }

    /// A list of strings; 0 for an empty one.
    fn word_list(&mut self, list: &[&str]) -> u16 {
        if list.is_empty() {
            return 0;
        }
        let ids: Vec<u16> = list.iter().map(|text| self.string(text)).collect();
        if let Some(at) = self.word_ids.get(&ids) {
            return *at;
        }
        let at = self.id(self.words.len());
        self.words.push(self.id_of(ids.len()));
        self.words.extend(&ids);
        self.word_ids.insert(ids, at);
        at
    }

    fn id(&mut self, number: usize) -> u16 {
        if number > usize::from(u16::MAX) {
            self.too_large = true;
        }
        self.id_of(number)
    }

    fn id_of(&self, number: usize) -> u16 {
        u16::try_from(number).unwrap_or(u16::MAX)
    }
}

fn flag_of(atomic: bool) -> u8 {
    if atomic { type_flag::ATOMIC } else { 0 }
}

fn words(out: &mut Vec<u8>, numbers: &[u16]) {
    for number in numbers {
        out.extend(number.to_le_bytes());
    }
}
