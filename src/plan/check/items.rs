//! The actions of a YAML plan, one by one; a plan of any length is never held as a tree.
//!
//! An action can only be checked once the settings are known, and these may stand behind the actions. So the text is gone through twice:
//! for everything but the actions, then for them.

use super::context::Checker;
use super::fields::{Layers, NameSet, Row};
use super::list;
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::{SourceId, Span};
use crate::tree::{Field, Node, Shape, yaml};

/// Reads a plan but for its actions; into `keep` go the columns that its lists carry to the report, which concern every action before
/// the first is checked. `None` where it is no YAML, which was said.
pub(super) fn without_actions(
    text: &str,
    source: SourceId,
    keep: &mut Vec<String>,
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    let Some(root) = yaml::read_with(text, source, "actions", &mut |item| note_kept(&item, keep), diagnostics) else {
        if diagnostics.is_empty() {
            let start = Span { source, line: 1, column: 1, length: 1 };
            let error = Diagnostic::error("no-actions", start, "this plan is empty");
            diagnostics.push(error.help("begin it with `version: 1`"));
        }
        return None;
    };
    root.get("actions").map(Node::items).into_iter().flatten().for_each(|item| note_kept(item, keep));
    Some(root)
}

fn note_kept(item: &Node, keep: &mut Vec<String>) {
    if item.get("from").is_none() {
        return;
    }
    // What is wrong with the names is said when the list is read.
    let names = item.get("keep_columns").and_then(|names| list::names(names, &mut Diagnostics::default()));
    for (name, _) in names.unwrap_or_default() {
        if !keep.contains(&name) {
            keep.push(name);
        }
    }
}

impl Checker<'_> {
    /// Checks the actions of a plan whose root was read without them. `name` begins the ids that are made.
    pub(super) fn items(&mut self, source: SourceId, text: &str, root: Option<&Node>, defaults: &[Field], name: &str) {
        match root.and_then(|root| root.fields().iter().find(|field| field.name == "actions")) {
            Some(Field { value: Node { shape: Shape::List(items), .. }, .. }) => {
                // An alias of a list elsewhere is not handed out item by item; it stands in the tree whole.
                items.iter().for_each(|item| self.item(item, name, defaults));
            }
            Some(actions) => {
                let what = match actions.value.shape {
                    Shape::Null => "this plan has no actions".to_owned(),
                    _ => format!("`actions` must be a list, not {}", actions.value.kind()),
                };
                self.say(Diagnostic::error("no-actions", actions.span, what).help(ACTIONS_EXAMPLE));
                return;
            }
            None => {
                if let Some(root) = root.filter(|root| matches!(root.shape, Shape::Map(_))) {
                    self.say(Diagnostic::error("no-actions", root.span, "`actions` is missing").help(ACTIONS_EXAMPLE));
                }
                return;
            }
        }
        // What is wrong with the YAML itself was said when the root was read.
        let mut unsaid = Diagnostics::default();
        yaml::read_with(text, source, "actions", &mut |item| self.item(&item, name, defaults), &mut unsaid);
    }

    fn item(&mut self, item: &Node, name: &str, defaults: &[Field]) {
        let Shape::Map(fields) = &item.shape else {
            let what = format!("an action must be a map, not {}", item.kind());
            self.say(Diagnostic::error("wrong-kind", item.span, what).help(ACTIONS_EXAMPLE));
            return;
        };
        if let Some(from) = fields.iter().find(|field| field.name == "from") {
            self.list(item, from, defaults);
        } else {
            let row = Row { span: item.span, fields, header: None, kept: &[], names: NameSet::of(fields) };
            self.action(&row, name, Layers { entry: &[], plan: defaults });
        }
    }
}

pub(super) const ACTIONS_EXAMPLE: &str = "write `actions:` and below it, for each, `- {provider: …, action: …, …}`";
