//! OpenAPI 3.0 as 3.1: where the two say the same in different words, the words of 3.1 are put in their place. Schemas alone differ in what
//! is honoured here (OpenAPI 3.1.0, appendix "Revision History"; "Migrating from OpenAPI 3.0 to 3.1.0").

use crate::tree::{Field, Node, Shape};

/// Whether a document says that it is of version 3.0.
pub(super) fn is_3_0(root: &Node) -> bool {
    root.get("openapi").and_then(Node::text).is_some_and(|text| text == "3.0" || text.starts_with("3.0."))
}

/// A document of version 3.0 in the words of 3.1.
pub(super) fn to_3_1(mut root: Node) -> Node {
    convert(&mut root);
    if let Shape::Map(fields) = &mut root.shape
        && let Some(version) = fields.iter_mut().find(|field| field.name == "openapi")
    {
        version.value.shape = Shape::Scalar { text: "3.1.0".to_owned(), plain: false };
    }
    root
}

fn convert(node: &mut Node) {
    match &mut node.shape {
        Shape::Null | Shape::Scalar { .. } => {}
        Shape::List(items) => items.iter_mut().for_each(convert),
        Shape::Map(fields) => {
            // "Any sibling elements of a $ref are ignored" (3.0.3, "Schema Object"): in 3.1 they would count.
            if fields.iter().any(|field| field.name == "$ref" && field.value.text().is_some()) {
                fields.retain(|field| field.name == "$ref");
                return;
            }
            // Nothing is never sent, so that it would be allowed changes nothing.
            fields.retain(|field| !(field.name == "nullable" && flag(field).is_some()));
            exclusive(fields, "exclusiveMinimum", "minimum");
            exclusive(fields, "exclusiveMaximum", "maximum");
            for field in fields.iter_mut().filter(|field| !is_data(&field.name)) {
                convert(&mut field.value);
            }
        }
    }
}

/// `{minimum: 0, exclusiveMinimum: true}` is `{exclusiveMinimum: 0}`.
fn exclusive(fields: &mut Vec<Field>, exclusive: &str, bound: &str) {
    let Some(at) = fields.iter().position(|field| field.name == exclusive && flag(field).is_some()) else { return };
    let said = fields.remove(at);
    if flag(&said) == Some(true)
        && let Some(field) = fields.iter_mut().find(|field| field.name == bound)
    {
        field.name = exclusive.to_owned();
    }
}

fn flag(field: &Field) -> Option<bool> {
    match field.value.text()? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// What holds values and no schemas.
fn is_data(name: &str) -> bool {
    matches!(name, "example" | "examples" | "default" | "enum") || name.starts_with("x-")
}
