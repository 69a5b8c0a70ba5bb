//! Structs and fields of a schema table, read in place.

use std::fmt;

use super::format::{FIELD_SIZE, PACKAGE_SIZE, STRUCT_SIZE, Section, field_flag, struct_flag};
use super::{Table, Type, package_name, search};

/// A struct of a table, with how a field uses it.
#[derive(Clone, Copy)]
pub struct Struct<'t> {
    pub(super) table: &'t Table,
    pub(super) id: u16,
    pub(super) atomic: bool,
}

/// A field of a struct.
#[derive(Clone, Copy)]
pub struct Field<'t> {
    pub(super) table: &'t Table,
    pub(super) id: u16,
}

/// Strings of a table; an iterator.
#[derive(Clone, Copy)]
pub struct Words<'t> {
    pub(super) table: &'t Table,
    pub(super) at: usize,
    pub(super) left: usize,
}

impl<'t> Struct<'t> {
    /// The name of the Go type, such as `PodSpec`; empty for a custom resource.
    #[must_use]
    pub fn name(self) -> &'t str {
        self.table.string(self.word(0))
    }

    /// Name with package, as Go shows it: `v1.PodSpec`.
    #[must_use]
    pub fn go_name(self) -> String {
        format!("{}.{}", package_name(self.table, self.word(1)), self.name())
    }

    /// The name in OpenAPI documents: `io.k8s.api.core.v1.PodSpec`.
    #[must_use]
    pub fn model_name(self) -> String {
        let package = usize::from(self.word(1));
        let prefix = self.table.string(self.table.number(Section::Packages, package, PACKAGE_SIZE, 2));
        format!("{prefix}.{}", self.name())
    }

    /// What tells it from the other structs of its table.
    pub(crate) fn id(self) -> u16 {
        self.id
    }

    /// Whether server-side apply owns it as a whole.
    #[must_use]
    pub fn is_atomic(self) -> bool {
        self.atomic
    }

    /// Whether unknown fields are kept (custom resources alone).
    #[must_use]
    pub fn preserves_unknown(self) -> bool {
        self.word(6) & struct_flag::PRESERVE != 0
    }

    /// All fields as JSON has them (those of inlined structs among them), by name.
    pub fn fields(self) -> impl ExactSizeIterator<Item = Field<'t>> {
        let first = usize::from(self.word(2));
        (0..usize::from(self.word(3))).map(move |at| self.field_at(first + at))
    }

    /// The fields of the struct itself in the order of Go; an inlined struct is one of them.
    pub fn own_fields(self) -> impl ExactSizeIterator<Item = Field<'t>> {
        let first = usize::from(self.word(4));
        (0..usize::from(self.word(5))).map(move |at| self.field_at(first + at))
    }

    /// The fields of the struct itself in the order of their protobuf numbers.
    pub fn fields_by_number(self) -> impl ExactSizeIterator<Item = Field<'t>> {
        let first = usize::from(self.word(7));
        (0..usize::from(self.word(5))).map(move |at| self.field_at(first + at))
    }

    /// The field with that protobuf number.
    #[must_use]
    pub fn field_numbered(self, number: u64) -> Option<Field<'t>> {
        let first = usize::from(self.word(7));
        search(usize::from(self.word(5)), |at| u64::from(self.field_at(first + at).number()).cmp(&number))
            .map(|at| self.field_at(first + at))
    }

    /// The field of that name in JSON.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Field<'t>> {
        let first = usize::from(self.word(2));
        search(usize::from(self.word(3)), |at| self.field_at(first + at).name().cmp(name))
            .map(|at| self.field_at(first + at))
    }

    fn field_at(self, index: usize) -> Field<'t> {
        Field { table: self.table, id: self.table.number(Section::Indexes, index, 2, 0) }
    }

    fn word(self, index: usize) -> u16 {
        self.table.number(Section::Structs, usize::from(self.id), STRUCT_SIZE, 2 * index)
    }
}

impl PartialEq for Struct<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.table, other.table) && self.id == other.id
    }
}

impl<'t> Field<'t> {
    /// The name in JSON; empty for an inlined struct.
    #[must_use]
    pub fn name(self) -> &'t str {
        self.table.string(self.word(0))
    }

    /// Its type, without the pointer that Go may have before it.
    #[must_use]
    pub fn ty(self) -> Type<'t> {
        Type { table: self.table, id: self.word(1) }
    }

    /// The number in protobuf; 0 where it has none.
    #[must_use]
    pub fn number(self) -> u16 {
        self.word(2)
    }

    /// The flags of [`field_flag`].
    pub(crate) fn flags(self) -> u16 {
        self.word(3)
    }

    /// Whether Go leaves it out when it is empty.
    #[must_use]
    pub fn omits_empty(self) -> bool {
        self.has(field_flag::OMIT_EMPTY)
    }

    /// Whether Go leaves it out when it is zero.
    #[must_use]
    pub fn omits_zero(self) -> bool {
        self.has(field_flag::OMIT_ZERO)
    }

    /// Whether it is a pointer in Go, so that absent and empty differ.
    #[must_use]
    pub fn is_pointer(self) -> bool {
        self.has(field_flag::POINTER)
    }

    /// Whether the fields of its type belong to the struct itself in JSON.
    #[must_use]
    pub fn is_inline(self) -> bool {
        self.has(field_flag::INLINE)
    }

    /// Whether the schema lists it as required.
    #[must_use]
    pub fn is_required(self) -> bool {
        self.has(field_flag::REQUIRED)
    }

    /// Whether strategic merge has the strategy `merge`.
    #[must_use]
    pub fn patch_merge(self) -> bool {
        self.has(field_flag::MERGE)
    }

    /// Whether strategic merge has the strategy `replace`.
    #[must_use]
    pub fn patch_replace(self) -> bool {
        self.has(field_flag::REPLACE)
    }

    /// Whether strategic merge has the strategy `retainKeys`.
    #[must_use]
    pub fn patch_retain_keys(self) -> bool {
        self.has(field_flag::RETAIN_KEYS)
    }

    /// The field by which strategic merge tells items apart; empty where there is none.
    #[must_use]
    pub fn patch_merge_key(self) -> &'t str {
        self.table.string(self.word(4))
    }

    /// The default that the schema declares, as JSON text; empty where there is none.
    #[must_use]
    pub fn default(self) -> &'t str {
        self.table.string(self.word(5))
    }

    fn has(self, flag: u16) -> bool {
        self.word(3) & flag != 0
    }

    fn word(self, index: usize) -> u16 {
        self.table.number(Section::Fields, usize::from(self.id), FIELD_SIZE, 2 * index)
    }
}

impl<'t> Iterator for Words<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        self.left = self.left.checked_sub(1)?;
        let id = self.table.number(Section::Words, self.at, 2, 0);
        self.at += 1;
        Some(self.table.string(id))
    }
}

impl fmt::Debug for Struct<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Struct({})", self.go_name())
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({} {})", self.name(), self.ty().go_name())
    }
}

impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}
