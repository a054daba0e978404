//! [`Row`]: one entry of a plan as read, whether from YAML or CSV. Knows no field's meaning.

use crate::text::Span;
use crate::tree::{Field, Node, Shape};

/// One entry of a plan as read: fields with places, scalars as raw text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Where the entry begins.
    pub(super) span: Span,
    /// Its fields. In a row of a CSV list an absent field has [`Shape::Null`].
    pub(super) fields: &'a [Field],
    /// Where a field that is missing in every row is missed: the CSV list's header; the entry itself in YAML.
    pub(super) header: Option<Header<'a>>,
    /// The values of the columns that are carried through to the report.
    pub(super) kept: &'a [String],
    /// For each field whether it says something else than in the row before; `None` where there is none before it.
    pub(super) changed: Option<&'a [bool]>,
}

/// The header of the CSV list that a row stands in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'a> {
    /// Its line.
    pub(super) span: Span,
    /// The field names that it gives.
    pub(super) fields: &'a [Field],
}

impl<'a> Row<'a> {
    /// The field of a name, where the row has it.
    pub(super) fn field(&self, name: &str) -> Option<&'a Field> {
        self.fields.iter().find(|field| field.name == name && (self.header.is_none() || !is_null(&field.value)))
    }

    /// The fields that are there.
    pub(super) fn present(&self) -> impl Iterator<Item = &'a Field> + use<'a> {
        let from_csv = self.header.is_some();
        self.fields.iter().filter(move |field| !from_csv || !is_null(&field.value))
    }

    /// Where to show that a field is missing: at the header, once, where the whole list has no such column.
    pub(super) fn place_of_missing(&self, names: &[&str]) -> Span {
        match self.header {
            Some(header) if !header.fields.iter().any(|field| names.contains(&field.name.as_str())) => header.span,
            _ => self.span,
        }
    }
}

fn is_null(node: &Node) -> bool {
    matches!(node.shape, Shape::Null)
}
