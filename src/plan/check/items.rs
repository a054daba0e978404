//! The actions of a YAML plan, one by one; a plan of any length is never held as a tree.
//!
//! An action can only be checked once the settings are known, and these may stand behind the actions. So there are two passes: one for
//! everything but the actions, one for them. Where the settings stand before the actions, as people write them, the first pass ends
//! there.

use super::{ACTIONS_EXAMPLE, Checker, Layers, columns};
use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::row::Row;
use crate::text::{SourceId, Span};
use crate::tree::{Field, Node, Shape, yaml};
use memchr::memmem;

/// The settings of a plan whose last key is `actions`, read without its actions. `None` where that cannot be told by a glance, or
/// something is wrong with them.
pub(super) fn settings_ahead(text: &str, source: SourceId) -> Option<Node> {
    let settings = &text[..begin_of_last_list(text)?];
    // The columns that lists carry to the report concern every action before the first is checked.
    let bytes = text.as_bytes();
    if memmem::find(bytes, b"keep_columns").is_some() || memchr::memchr(b'\\', bytes).is_some() {
        return None;
    }
    let mut wrong = Diagnostics::default();
    let root = yaml::read(settings, source, &mut wrong)?;
    (wrong.is_empty() && matches!(root.shape, Shape::Map(_))).then_some(root)
}

/// Reads a plan but for its actions; into `keep` go the columns that its lists carry to the report. `None` where it is no YAML, which
/// was said.
pub(super) fn first_pass(
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
    let mut unsaid = Diagnostics::default();
    let names = item.get("keep_columns").and_then(|names| columns::names(names, &mut unsaid));
    for (name, _) in names.unwrap_or_default() {
        if !keep.contains(&name) {
            keep.push(name);
        }
    }
}

/// Where the line `actions:` begins, where only the lines of a list follow it.
fn begin_of_last_list(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let begin = memmem::find(bytes, b"\nactions:")? + 1;
    let list = &bytes[begin + "actions:".len()..];
    let line = &list[..memchr::memchr(b'\n', list).unwrap_or(list.len())];
    let rest = line.trim_ascii();
    if !(rest.is_empty() || rest[0] == b'#' && line[0] == b' ') {
        return None;
    }
    let is_of_list = |line: &[u8]| match line {
        [] | [b' ' | b'#' | b'\r' | b'\n', ..] => true,
        [b'-', next, ..] => matches!(next, b' ' | b'\n' | b'\r'),
        _ => false,
    };
    memchr::memchr_iter(b'\n', list).all(|end| is_of_list(&list[end + 1..])).then_some(begin)
}

impl Checker<'_> {
    /// Checks the actions of a plan whose root was read in a first pass.
    pub(super) fn items(&mut self, source: SourceId, text: &str, root: Option<&Node>, defaults: &[Field]) {
        if !self.kept_items(root, defaults) {
            return;
        }
        // What the second pass finds wrong with the YAML itself the first has said.
        let mut unsaid = Diagnostics::default();
        self.pass(source, text, defaults, &mut unsaid);
    }

    /// Checks the actions of a plan whose settings were read ahead of them. `false` where something is wrong with the YAML, which is
    /// not said.
    pub(super) fn items_behind(&mut self, source: SourceId, text: &str, settings: &Node, defaults: &[Field]) -> bool {
        let mut wrong = Diagnostics::default();
        let root = self.pass(source, text, defaults, &mut wrong);
        let Some(root) = root.filter(|_| wrong.is_empty()) else { return false };
        let others = root.fields().iter().filter(|field| field.name != "actions");
        if !others.eq(settings.fields()) {
            // No text is known that comes here; were there one, it must not be carried out under settings that it does not say.
            let error = Diagnostic::error("yaml-order", root.span, "the settings must stand before `actions`");
            self.say(error);
        }
        self.kept_items(Some(&root), defaults);
        true
    }

    fn pass(
        &mut self,
        source: SourceId,
        text: &str,
        defaults: &[Field],
        diagnostics: &mut Diagnostics,
    ) -> Option<Node> {
        let plan_name = self.plan_name.clone();
        let mut one = |item: Node| self.item(&item, &plan_name, defaults);
        yaml::read_with(text, source, "actions", &mut one, diagnostics)
    }

    /// Checks what stands in the tree itself under `actions`. `false` where that is no list, which was said.
    fn kept_items(&mut self, root: Option<&Node>, defaults: &[Field]) -> bool {
        match root.and_then(|root| root.fields().iter().find(|field| field.name == "actions")) {
            Some(Field { value: Node { shape: Shape::List(items), .. }, .. }) => {
                // An alias of a list elsewhere is not handed out item by item; it stands in the tree whole.
                let plan_name = self.plan_name.clone();
                for item in items {
                    self.item(item, &plan_name, defaults);
                }
            }
            Some(actions) => {
                let what = match actions.value.shape {
                    Shape::Null => "this plan has no actions".to_owned(),
                    _ => format!("`actions` must be a list, not {}", actions.value.kind()),
                };
                self.say(Diagnostic::error("no-actions", actions.span, what).help(ACTIONS_EXAMPLE));
                return false;
            }
            None => {
                if let Some(root) = root.filter(|root| matches!(root.shape, Shape::Map(_))) {
                    self.say(Diagnostic::error("no-actions", root.span, "`actions` is missing").help(ACTIONS_EXAMPLE));
                }
                return false;
            }
        }
        true
    }

    fn item(&mut self, item: &Node, plan_name: &str, defaults: &[Field]) {
        let Shape::Map(fields) = &item.shape else {
            let what = format!("an action must be a map, not {}", item.kind());
            self.say(Diagnostic::error("wrong-kind", item.span, what).help(ACTIONS_EXAMPLE));
            return;
        };
        if let Some(from) = fields.iter().find(|field| field.name == "from") {
            self.list(item, from, defaults);
        } else {
            let row = Row { span: item.span, fields, header: None, kept: &[], changed: None };
            if !self.short_way(&row, plan_name) {
                self.action(&row, plan_name, Layers { entry: &[], plan: defaults });
            }
        }
    }
}
