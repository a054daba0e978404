//! [`Node`]: scalars keep their text, everything keeps its place. Typing is done by whoever knows the schema.

use crate::text::Span;

/// A node of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands; for a list or a map, where it begins.
    pub span: Span,
    /// What it is.
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
    /// Where the key stands.
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
