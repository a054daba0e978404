//! OpenAPI Overlays (Overlay Specification 1.0.0): another's document and the changes that make a provider of it, merged into one tree that
//! keeps the places of both. A target that matches nothing is refused: the change that it was for would be missing.

use super::reader::DocumentReader;
use super::schema;
use crate::diag::{Diagnostic, Diagnostics};
use crate::tree::{Field, Node, Shape};
use serde_json_path::{JsonPath, PathElement};

/// The document that an overlay says it is for: a path, relative to the overlay's own directory. `None` where this is no overlay.
pub(super) fn extends(root: &Node) -> Option<&Node> {
    root.get("overlay")?;
    root.get("extends")
}

/// Applies an overlay to a document, one action after the other.
pub(super) fn apply(mut document: Node, overlay: &Node, findings: &mut Diagnostics) -> Node {
    let mut reader = DocumentReader::new(overlay, findings);
    let root = reader.root();
    reader.object(root, &["overlay", "info", "extends", "actions"], &[]);
    if let Some(version) = reader.required(root, "overlay")
        && !version.text().is_some_and(|text| text == "1.0" || text.starts_with("1.0."))
    {
        reader.error("not-honoured", version.span, "overlays of version 1.0 are honoured");
    }
    let Some(actions) = reader.required(root, "actions") else { return document };
    for action in reader.list(actions) {
        reader.object(action, &["target", "update", "remove"], &["description"]);
        let Some(target) = reader.required(action, "target") else { continue };
        let Some(text) = reader.text(target) else { continue };
        let path = match JsonPath::parse(text) {
            Ok(path) => path,
            Err(error) => {
                let what = format!("`{text}` is no JSONPath (RFC 9535): {error}");
                reader
                    .push(Diagnostic::error("wrong-value", target.span, what).help("write `$.paths['/revoke'].post`"));
                continue;
            }
        };
        let value = schema::json(&document);
        let mut places: Vec<Vec<TreeStep>> =
            path.query_located(&value).locations().map(|at| at.iter().map(step).collect()).collect();
        if places.is_empty() {
            let what = format!("`{text}` is not in the document, so nothing would be changed");
            reader.error("unknown-name", target.span, what);
        }
        // From behind, since what is removed moves what comes after it.
        places.sort();
        places.reverse();
        let removes = reader.flag(action, "remove") == Some(true);
        if action.get("update").is_none() && !removes {
            reader.error("missing-key", action.span, "an action changes (`update`) or removes (`remove: true`)");
        }
        for place in &places {
            match action.get("update") {
                _ if removes => remove(&mut document, place),
                Some(update) => {
                    if let Some(node) = at(&mut document, place) {
                        merge(node, update);
                    }
                }
                None => {}
            }
        }
    }
    document
}

/// A step into a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum TreeStep {
    Name(String),
    Index(usize),
}

fn step(element: &PathElement<'_>) -> TreeStep {
    match element {
        PathElement::Name(name) => TreeStep::Name((*name).to_owned()),
        PathElement::Index(index) => TreeStep::Index(*index),
    }
}

fn at<'n>(node: &'n mut Node, place: &[TreeStep]) -> Option<&'n mut Node> {
    place.iter().try_fold(node, |node, step| match (&mut node.shape, step) {
        (Shape::Map(fields), TreeStep::Name(name)) => {
            fields.iter_mut().find(|field| field.name == *name).map(|field| &mut field.value)
        }
        (Shape::List(items), TreeStep::Index(index)) => items.get_mut(*index),
        _ => None,
    })
}

fn remove(document: &mut Node, place: &[TreeStep]) {
    let Some((last, parent)) = place.split_last() else { return };
    match (at(document, parent).map(|node| &mut node.shape), last) {
        (Some(Shape::Map(fields)), TreeStep::Name(name)) => fields.retain(|field| field.name != *name),
        (Some(Shape::List(items)), TreeStep::Index(index)) if *index < items.len() => drop(items.remove(*index)),
        _ => {}
    }
}

/// Objects are merged member by member, lists get the new items behind their own, anything else is replaced.
fn merge(node: &mut Node, update: &Node) {
    match (&mut node.shape, &update.shape) {
        (Shape::Map(fields), Shape::Map(new)) => {
            for Field { name, span, value } in new {
                match fields.iter_mut().find(|field| field.name == *name) {
                    Some(field) => merge(&mut field.value, value),
                    None => fields.push(Field { name: name.clone(), span: *span, value: value.clone() }),
                }
            }
        }
        (Shape::List(items), Shape::List(new)) => items.extend(new.iter().cloned()),
        (Shape::List(items), _) => items.push(update.clone()),
        _ => node.clone_from(update),
    }
}

/// A tree as text, so that one document holds what two said: JSON, but that plain scalars stay plain.
pub(super) fn text(node: &Node) -> String {
    let mut text = String::new();
    write(node, &mut text);
    text.push('\n');
    text
}

fn write(node: &Node, text: &mut String) {
    match &node.shape {
        Shape::Null => text.push_str("null"),
        Shape::Scalar { text: scalar, plain } => {
            let is_word = scalar.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.+".contains(&byte));
            if *plain && is_word { text.push_str(scalar) } else { quoted(scalar, text) }
        }
        Shape::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write(item, text);
            }
            text.push(']');
        }
        Shape::Map(fields) => {
            text.push('{');
            for (index, field) in fields.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ",\n" });
                quoted(&field.name, text);
                text.push_str(": ");
                write(&field.value, text);
            }
            text.push('}');
        }
    }
}

fn quoted(scalar: &str, text: &mut String) {
    text.push_str(&quoted_text(scalar));
}

/// A text in quotes, as JSON and YAML have them.
pub(super) fn quoted_text(scalar: &str) -> String {
    serde_json::Value::from(scalar).to_string()
}
