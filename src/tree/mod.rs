//! Structured text as read: a tree of raw scalars with a place on each ([`Node`]): scalars keep their text, everything keeps its place.
//! Knows YAML's syntax, and no plan and no provider: whoever knows the schema gives the types.

pub mod yaml;

use crate::text::Span;

/// A node of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its place in the text; for a list or a map, where it begins.
    pub span: Span,
    /// Scalar, list, map or nothing, with the content.
    pub shape: Shape,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Nothing: an empty value, `~` or `null` without quotes.
    Null,
    /// A scalar's text, exactly as written (escapes of quoted scalars resolved).
    Scalar {
        /// The text.
        text: String,
        /// Whether it was written without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of writing; keys are unique.
    Map(Vec<Field>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key's text.
    pub name: String,
    /// The key's place.
    pub span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value of a key, where this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|field| field.name == name).map(|field| &field.value)
    }

    /// The fields of a map; none for anything else.
    pub fn fields(&self) -> &[Field] {
        if let Shape::Map(fields) = &self.shape { fields } else { &[] }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Self] {
        if let Shape::List(items) = &self.shape { items } else { &[] }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        if let Shape::Scalar { text, .. } = &self.shape { Some(text) } else { None }
    }

    /// What it is, for messages: "a list", "a map", "text", "nothing".
    pub const fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Null => "nothing",
            Shape::Scalar { .. } => "a single value",
            Shape::List(_) => "a list",
            Shape::Map(_) => "a map",
        }
    }
}
