//! `hooks`: which programs are told what happens in a run. Starts none of them.

use super::scalar::{self, field};
use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::settings::{Hook, HookEvent};
use crate::text::damage::did_you_mean;
use crate::text::{nearest, safe};
use crate::tree::{Field, Node, Shape};

/// Reads one hook, or a list of them.
pub(super) fn read_hooks(hooks: Option<&Field>, diagnostics: &mut Diagnostics) -> Vec<Hook> {
    match hooks.map(|field| &field.value) {
        None => Vec::new(),
        Some(node) => match &node.shape {
            Shape::List(items) => items.iter().filter_map(|item| read_hook(item, diagnostics)).collect(),
            _ => read_hook(node, diagnostics).into_iter().collect(),
        },
    }
}

fn read_hook(node: &Node, diagnostics: &mut Diagnostics) -> Option<Hook> {
    if !scalar::known_keys(node, "a hook", &["on", "command"], diagnostics) {
        return None;
    }
    let (on, command) = (field(node, "on"), field(node, "command"));
    for (name, is_there) in [("on", on.is_some()), ("command", command.is_some())] {
        if !is_there {
            let error = Diagnostic::error("hook", node.span, format!("this hook has no `{name}`"));
            diagnostics.push(error.help(EXAMPLE));
        }
    }
    let (on, command) = (on?, command?);
    Some(Hook { on: read_events(on, diagnostics)?, command: read_command(command, diagnostics)? })
}

fn read_events(on: &Field, diagnostics: &mut Diagnostics) -> Option<Vec<HookEvent>> {
    let words = scalar::texts(&on.value, diagnostics)?;
    if words.is_empty() {
        diagnostics.push(Diagnostic::error("hook", on.value.span, "`on` names nothing").help(EXAMPLE));
    }
    let mut events = Vec::new();
    for (word, span) in words {
        match HookEvent::ALL.into_iter().find(|event| event.as_str() == word) {
            Some(event) if events.contains(&event) => {}
            Some(event) => events.push(event),
            None => {
                let names = HookEvent::ALL.map(HookEvent::as_str);
                let what = format!("a hook cannot be told of `{}`", safe::terminal(&word));
                let help = match nearest(&word, names) {
                    Some(right) => did_you_mean(&word, right),
                    None => format!("`on` is one or more of {}", names.join(", ")),
                };
                diagnostics.push(Diagnostic::error("hook", span, what).help(help));
            }
        }
    }
    (!events.is_empty()).then_some(events)
}

/// Split into words as a shell does; no shell is started, so that nothing in it is expanded.
fn read_command(command: &Field, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let text = scalar::text(command, diagnostics)?;
    let words = shlex::split(text).filter(|words| !words.iter().all(String::is_empty));
    let usable = words.filter(|words| !words[0].is_empty() && !text.contains('\0'));
    if usable.is_none() {
        let what = "this command cannot be split into a program and its arguments";
        diagnostics.push(Diagnostic::error("hook", command.value.span, what).help(EXAMPLE));
    }
    usable
}

const EXAMPLE: &str = "write `{on: [stopped, in-doubt], command: \"notify --channel pki\"}`";
