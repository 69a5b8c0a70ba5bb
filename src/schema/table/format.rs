//! The layout of a schema table in bytes, shared by its builder and its reader (and by the build
//! script, which is why nothing else of the crate is used here).
//!
//! All numbers are little-endian. The header holds, for each [`Section`], offset and number of
//! entries. Identities are `u16` and count entries of a section; 0 is the empty string, and the
//! type that may be anything.

/// Bytes of the header: an offset and a count for each section.
pub const HEADER: usize = 8 * SECTIONS;
/// Number of sections.
pub const SECTIONS: usize = 9;

/// The parts of a table.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub enum Section {
    /// Ends of the strings in the pool, `u32` each.
    StringEnds = 0,
    /// The text of all strings.
    StringPool = 1,
    /// [`TYPE_SIZE`] bytes each: shape `u8`, flags `u8`, first, second, name, package.
    Types = 2,
    /// [`STRUCT_SIZE`] bytes each: name, package, first index and number of all fields by name,
    /// first index and number of own fields in the order of Go, flags, first index of own fields
    /// by protobuf number.
    Structs = 3,
    /// [`FIELD_SIZE`] bytes each: name, type, protobuf number, flags, merge key, default.
    Fields = 4,
    /// Identities of fields, `u16` each.
    Indexes = 5,
    /// Lists of strings: a count and that many identities.
    Words = 6,
    /// [`KIND_SIZE`] bytes each: group, version, kind, type; sorted by the three strings.
    Kinds = 7,
    /// [`PACKAGE_SIZE`] bytes each: path, prefix of model names.
    Packages = 8,
}

/// Bytes of a type.
pub const TYPE_SIZE: usize = 10;
/// Bytes of a struct.
pub const STRUCT_SIZE: usize = 16;
/// Bytes of a field.
pub const FIELD_SIZE: usize = 12;
/// Bytes of a kind.
pub const KIND_SIZE: usize = 8;
/// Bytes of a package.
pub const PACKAGE_SIZE: usize = 4;

/// Shape codes of types.
pub mod shape {
    /// Anything: the first number is the code of an [`super::Any`].
    pub const ANY: u8 = 0;
    /// A scalar: code, values (words, 0 for none).
    pub const SCALAR: u8 = 1;
    /// A list: item type, keys (words).
    pub const LIST: u8 = 2;
    /// A map: value type, Go name of the key type (string).
    pub const MAP: u8 = 3;
    /// A struct: its identity.
    pub const STRUCT: u8 = 4;
}

/// Flags of types.
pub mod type_flag {
    /// Struct or map: owned as a whole in server-side apply.
    pub const ATOMIC: u8 = 1;
    /// List: a set of scalars.
    pub const SET: u8 = 2;
    /// List: entries are told apart by keys.
    pub const KEYED: u8 = 4;
    /// List: a message of its own in protobuf.
    pub const WRAPPED: u8 = 8;
    /// List: atomic because nothing else is said.
    pub const UNSAID: u8 = 16;
}

/// Flags of structs.
pub mod struct_flag {
    /// Unknown fields are kept.
    pub const PRESERVE: u16 = 1;
}

/// Flags of fields.
pub mod field_flag {
    /// Left out when empty.
    pub const OMIT_EMPTY: u16 = 1;
    /// Left out when zero.
    pub const OMIT_ZERO: u16 = 2;
    /// A pointer in Go: present or absent.
    pub const POINTER: u16 = 4;
    /// The fields of the type belong to the struct itself in JSON.
    pub const INLINE: u16 = 8;
    /// Required by the schema.
    pub const REQUIRED: u16 = 16;
    /// Strategic merge: `merge`.
    pub const MERGE: u16 = 32;
    /// Strategic merge: `replace`.
    pub const REPLACE: u16 = 64;
    /// Strategic merge: `retainKeys`.
    pub const RETAIN_KEYS: u16 = 128;
}

/// A type without fields, in the form it has in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scalar {
    /// Text.
    String,
    /// `true` or `false`.
    Bool,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A number.
    Float,
    /// Bytes, as base64 in JSON.
    Bytes,
    /// `resource.Quantity`.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// `metav1.Time`: RFC 3339 to the second.
    Time,
    /// `metav1.MicroTime`: RFC 3339 with six digits.
    MicroTime,
    /// `metav1.Duration`, such as `1h2m3s`.
    Duration,
}

impl Scalar {
    const ALL: [Self; 11] = [
        Self::String,
        Self::Bool,
        Self::Int32,
        Self::Int64,
        Self::Float,
        Self::Bytes,
        Self::Quantity,
        Self::IntOrString,
        Self::Time,
        Self::MicroTime,
        Self::Duration,
    ];

    /// The code in the table.
    pub(crate) fn code(self) -> u16 {
        self as u16
    }

    /// The scalar of a code; text for an unknown one.
    pub(crate) fn of(code: u16) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::String)
    }
}

/// What may stand where the table does not say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Any {
    /// Any JSON value.
    Json,
    /// An object in any version (`runtime.RawExtension`).
    Raw,
    /// The set of managed fields (`metav1.FieldsV1`).
    Fields,
    /// A JSON schema or a list of them.
    SchemaOrArray,
    /// A JSON schema or a boolean.
    SchemaOrBool,
    /// A JSON schema or a list of strings.
    SchemaOrStrings,
}

impl Any {
    const ALL: [Self; 6] =
        [Self::Json, Self::Raw, Self::Fields, Self::SchemaOrArray, Self::SchemaOrBool, Self::SchemaOrStrings];

    /// The code in the table.
    pub(crate) fn code(self) -> u16 {
        self as u16
    }

    /// The variety of a code; any JSON for an unknown one.
    pub(crate) fn of(code: u16) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Json)
    }
}
