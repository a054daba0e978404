//! Structured text as read: a tree of raw scalars ([`Node`]). Scalars keep their text, everything keeps its place, keys are unique; anchors and
//! aliases stay within a budget. Knows YAML's syntax, and no plan and no provider: whoever knows the schema gives the types.
//!
//! Serde's way of reading YAML gives a scalar a type before anybody has asked the schema: the serial `00e5` becomes `0.0`, and a
//! 23-digit number is lost. So this reads the parser's events, which carry the text as written.

use crate::diag::{Diagnostic, Diagnostics};
use crate::text::damage::shown;
use crate::text::{SourceId, Span};
use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span as EventSpan, StrInput, Tag};
use std::collections::{HashMap, HashSet};

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

struct EventReader<'input, 'out> {
    events: Parser<'input, StrInput<'input>>,
    source: SourceId,
    anchors: HashMap<usize, Node>,
    budget: usize,
    diagnostics: &'out mut Diagnostics,
}

enum YamlError {
    /// The finding is among the diagnostics.
    Reported,
    Syntax(ScanError),
}

type SpannedEvent<'input> = (Event<'input>, EventSpan);

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

/// Reads a document of one YAML text. `None` where the text is no YAML at all, or empty; the findings hold the cause.
pub fn read_yaml(text: &str, source: SourceId, diagnostics: &mut Diagnostics) -> Option<Node> {
    read_yaml_with(text, source, "", &mut |_| {}, diagnostics)
}

/// Reads a document, but hands the items of the top-level list under the key `list` to `each`, one by one and in order, instead of
/// keeping them; in the returned tree that list is empty. Items behind a syntax error are not handed out.
pub fn read_yaml_with(
    text: &str,
    source: SourceId,
    list: &str,
    each: &mut dyn FnMut(Node),
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader = EventReader {
        events: Parser::new_from_str_with_options(body, options),
        source,
        anchors: HashMap::new(),
        // Aliases may multiply a text, but never beyond what a text of its size could say without them.
        budget: MIN_BUDGET.max(text.len() / 4),
        diagnostics,
    };
    match reader.document(list, each) {
        Ok(node) => node,
        Err(YamlError::Reported) => None,
        Err(YamlError::Syntax(error)) => {
            let place = error.marker();
            let span = Span { source, line: number(place.line()), column: number(place.col() + 1), length: 1 };
            let mut diagnostic = Diagnostic::error("yaml-syntax", span, format!("this is not YAML: {}", error.info()));
            if line_begins_with_tab(body, place.line()) {
                diagnostic = diagnostic.help("indent with spaces; YAML allows no tabs there");
            }
            reader.diagnostics.push(diagnostic);
            None
        }
    }
}

impl<'input> EventReader<'input, '_> {
    fn document(&mut self, list: &str, each: &mut dyn FnMut(Node)) -> Result<Option<Node>, YamlError> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) if root.is_some() => {
                    let error =
                        Diagnostic::error("yaml-documents", self.span(&span), "a second YAML document begins here")
                            .help("one file holds one plan; put it into a file of its own");
                    return self.stop(error);
                }
                Event::MappingStart(_, anchor, _) if !list.is_empty() => {
                    root = Some(self.map(anchor, &span, 0, Some((list, &mut *each)))?);
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => root = Some(self.node((event, span), 0)?),
            }
        }
    }

    fn node(&mut self, (event, span): SpannedEvent<'input>, depth: usize) -> Result<Node, YamlError> {
        let here = self.span(&span);
        if depth > MAX_DEPTH {
            return self.stop(Diagnostic::error(
                "yaml-depth",
                here,
                format!("nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_nul(&text, here);
                self.refuse_tag(tag.as_deref(), here);
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let shape = if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Shape::Null
                } else {
                    Shape::Scalar { text: text.into_owned(), plain }
                };
                (Node { span: here, shape }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), here);
                let mut items = Vec::new();
                loop {
                    let next = self.next()?;
                    if matches!(next.0, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(next, depth + 1)?);
                }
                (Node { span: here, shape: Shape::List(items) }, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), here);
                return self.map(anchor, &span, depth, None);
            }
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id) else {
                    return self.stop(Diagnostic::error("yaml-alias", here, "this alias stands inside its own anchor"));
                };
                let size = size(node);
                if size > self.budget {
                    let error = Diagnostic::error("yaml-alias", here, "aliases multiply this text beyond all measure")
                        .help("write the values out, or use `defaults`");
                    return self.stop(error);
                }
                self.budget -= size;
                (node.clone(), 0)
            }
            _ => return self.stop(Diagnostic::error("yaml-syntax", here, "a value is expected here")),
        };
        self.remember(anchor, &node)?;
        Ok(node)
    }

    fn map(
        &mut self,
        anchor: usize,
        span: &EventSpan,
        depth: usize,
        mut stream: Option<(&str, &mut dyn FnMut(Node))>,
    ) -> Result<Node, YamlError> {
        let mut fields: Vec<Field> = Vec::new();
        // Of a map with many keys; a few are looked through.
        let mut names: HashSet<String> = HashSet::new();
        loop {
            let (event, key_span) = self.next()?;
            let here = self.span(&key_span);
            let name = match event {
                Event::MappingEnd => break,
                Event::Scalar(name, ..) => {
                    self.refuse_nul(&name, here);
                    name.into_owned()
                }
                _ => {
                    return self.stop(Diagnostic::error(
                        "yaml-key",
                        here,
                        "a key must be a single word or quoted text",
                    ));
                }
            };
            if name == "<<" {
                let error = Diagnostic::error("yaml-merge", here, "merge keys (`<<`) are not part of YAML 1.2")
                    .help("use `defaults` for what actions share");
                self.diagnostics.push(error);
            }
            let value = self.next()?;
            let value = match (&mut stream, value) {
                (Some((list, each)), (Event::SequenceStart(_, anchor, _), value_span)) if name == *list => {
                    let place = self.span(&value_span);
                    if anchor != 0 {
                        self.diagnostics.push(Diagnostic::error(
                            "yaml-alias",
                            place,
                            format!("`{name}` cannot be an anchor"),
                        ));
                    }
                    loop {
                        let next = self.next()?;
                        if matches!(next.0, Event::SequenceEnd) {
                            break;
                        }
                        each(self.node(next, depth + 2)?);
                    }
                    Node { span: place, shape: Shape::List(Vec::new()) }
                }
                (_, value) => self.node(value, depth + 1)?,
            };
            if fields.len() == FEW_KEYS {
                names.extend(fields.iter().map(|field| field.name.clone()));
            }
            let is_known = if fields.len() < FEW_KEYS {
                fields.iter().any(|field| field.name == name)
            } else {
                names.contains(&name)
            };
            if is_known {
                let mut error =
                    Diagnostic::error("duplicate-key", here, format!("the key `{name}` stands here a second time"));
                if let Some(first) = fields.iter().find(|field| field.name == name) {
                    error = error.related(first.span, "the first");
                }
                self.diagnostics.push(error.help("keep one of them"));
            } else {
                if fields.len() >= FEW_KEYS {
                    names.insert(name.clone());
                }
                fields.push(Field { name, span: here, value });
            }
        }
        let node = Node { span: self.span(span), shape: Shape::Map(fields) };
        self.remember(anchor, &node)?;
        Ok(node)
    }

    /// No field has a NUL, and what is written from one (a list, a report) could not be read again.
    fn refuse_nul(&mut self, text: &str, here: Span) {
        if text.contains('\0') {
            let error = Diagnostic::error("nul", here, "this text holds a NUL character");
            self.diagnostics.push(error.help("leave it out"));
        }
    }

    /// A tag asks for a reading that nothing here does: the text of `!vault`, `!env` or `!!binary` as it stands is not what was meant.
    fn refuse_tag(&mut self, tag: Option<&Tag>, here: Span) {
        // Those of the core schema change nothing: the schema gives the type. `!` alone says "as it stands" (YAML 1.2.2, section 6.9.1).
        let is_plain = |tag: &Tag| tag.is_yaml_core_schema() || format!("{}{}", tag.handle(), tag.suffix()) == "!";
        let Some(tag) = tag.filter(|tag| !is_plain(tag)) else { return };
        let what =
            format!("the tag `{}` is not read here", shown(&format!("{}{}", tag.original_handle(), tag.suffix())));
        let error = Diagnostic::error("yaml-tag", here, what);
        self.diagnostics
            .push(error.help("write the value that is meant; a secret is referred to: `env:NAME`, `file:PATH`"));
    }

    fn remember(&mut self, anchor: usize, node: &Node) -> Result<(), YamlError> {
        if anchor != 0 {
            let size = size(node);
            if size > self.budget {
                return self.stop(Diagnostic::error(
                    "yaml-alias",
                    node.span,
                    "anchors multiply this text beyond all measure",
                ));
            }
            self.budget -= size;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(())
    }

    fn next(&mut self) -> Result<SpannedEvent<'input>, YamlError> {
        match self.events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(YamlError::Syntax(error)),
            None => Err(YamlError::Reported),
        }
    }

    fn stop<T>(&mut self, error: Diagnostic) -> Result<T, YamlError> {
        self.diagnostics.push(error);
        Err(YamlError::Reported)
    }

    fn span(&self, span: &EventSpan) -> Span {
        let length =
            if span.start.line() == span.end.line() { span.end.col().saturating_sub(span.start.col()) } else { 1 };
        Span {
            source: self.source,
            line: number(span.start.line()),
            column: number(span.start.col() + 1),
            length: number(length),
        }
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.shape {
        Shape::Null | Shape::Scalar { .. } => 0,
        Shape::List(items) => items.iter().map(size).sum(),
        Shape::Map(fields) => fields.iter().map(|field| size(&field.value)).sum(),
    }
}

fn line_begins_with_tab(text: &str, line: usize) -> bool {
    text.lines().nth(line.saturating_sub(1)).is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'))
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Levels of nesting. No plan or provider document has so many, and the recursion must not exhaust the stack.
const MAX_DEPTH: usize = 64;
/// Up to so many keys of a map are compared one by one.
const FEW_KEYS: usize = 16;
/// Nodes that anchors and aliases may make in a small text.
const MIN_BUDGET: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceMap;

    fn tree(text: &str) -> (Option<Node>, Vec<String>) {
        let mut sources = SourceMap::default();
        let source = sources.add_text("p.yaml", None, text.into());
        let mut diagnostics = Diagnostics::default();
        let node = read_yaml(text, source, &mut diagnostics);
        let place = |span: Span| format!("{}:{}", span.line, span.column);
        let found = diagnostics.sorted();
        let findings =
            found.iter().map(|found| format!("{} {}", found.span.map(place).unwrap_or_default(), found.code));
        let findings = findings.collect();
        (node, findings)
    }

    #[test]
    fn scalars_keep_their_text() {
        for text in ["0012", "00e5", "12345678901234567890123", "0x1F", "no", "1e10", "1_000", "2026-12-01", "=cmd"] {
            let (node, findings) = tree(&format!("serial: {text}"));
            assert_eq!(node.unwrap().get("serial").unwrap().text(), Some(text));
            assert!(findings.is_empty(), "{findings:?}");
        }
    }

    #[test]
    fn defects_are_found_with_their_place() {
        for (text, expected) in [
            ("a: 1\nb: 2\na: 3\n", vec!["3:1 duplicate-key"]),
            ("a: [1, 2\n", vec!["1:4 yaml-syntax"]),
            ("a:\n\t- 1\n", vec!["2:2 yaml-syntax"]),
            ("a: 1\n---\nb: 2\n", vec!["2:1 yaml-documents"]),
            ("? [a]\n: 1\n", vec!["1:3 yaml-key"]),
            ("d: &d {x: 1}\ne: {<<: *d}\n", vec!["2:5 yaml-merge"]),
            ("a: *nobody\n", vec!["1:4 yaml-syntax"]),
            ("a: \"x\\0\"\n", vec!["1:4 nul"]),
            ("\"a\\0\": 1\n", vec!["1:1 nul"]),
            ("a: x\0\n", vec!["1:5 yaml-syntax"]),
        ] {
            assert_eq!(tree(text).1, expected, "{text}");
        }
    }

    #[test]
    fn many_keys_are_told_apart() {
        for count in [15, 16, 17, 18, 40] {
            let text: String = (0..count).map(|key| format!("k{key}: {key}\n")).collect();
            assert_eq!(tree(&text).1, Vec::<String>::new());
            for again in [0, count - 1] {
                let findings = tree(&format!("{text}k{again}: x\n")).1;
                assert_eq!(findings, [format!("{}:1 duplicate-key", count + 1)], "{count}: {again}");
            }
        }
    }

    #[test]
    fn a_long_plan_is_within_the_budget_and_a_bomb_in_it_is_not() {
        let mut text = "a: &a [1, 2, 3]\nactions:\n".to_owned();
        let rows: String = (0..20_000).map(|id| format!("- {{id: {id}, of: *a}}\n")).collect();
        text.push_str(&rows);
        assert_eq!(tree(&text).1, Vec::<String>::new());
        text.push_str("- &b [*a, *a, *a, *a, *a, *a, *a, *a]\n");
        for level in ["c b", "d c", "e d", "f e", "g f", "h g"] {
            let (name, of) = level.split_once(' ').unwrap();
            let items = vec![format!("*{of}"); 8].join(", ");
            text.extend([format!("- &{name} [{items}]\n")]);
        }
        assert!(tree(&text).1.iter().all(|findings| findings.contains("yaml-alias")));
        assert_eq!(tree(&text).1.len(), 1);
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let before = level - 1;
            let items = vec![format!("*a{before}"); 6].join(",");
            text.extend([format!("a{level}: &a{level} [{items}]\n")]);
        }
        assert!(tree(&text).1.iter().all(|findings| findings.contains("yaml-alias")));
        assert_eq!(tree(&text).1.len(), 1);
        assert_eq!(tree(&format!("a: {}1{}", "[".repeat(1000), "]".repeat(1000))).1.len(), 1);
    }

    #[test]
    fn the_items_of_one_list_are_handed_out_one_by_one() {
        let mut sources = SourceMap::default();
        let text = "name: x\nactions:\n  - {id: a}\n  - {id: b}\nversion: 1\n";
        let source = sources.add_text("p.yaml", None, text.into());
        let mut diagnostics = Diagnostics::default();
        let mut seen = Vec::new();
        let mut each = |node: Node| seen.push((node.get("id").unwrap().text().unwrap().to_owned(), node.span.line));
        let root = read_yaml_with(text, source, "actions", &mut each, &mut diagnostics).unwrap();
        assert_eq!(seen, [("a".to_owned(), 3), ("b".to_owned(), 4)]);
        assert_eq!(root.get("version").unwrap().text(), Some("1"));
        assert!(root.get("actions").unwrap().items().is_empty() && diagnostics.is_empty());
    }
}
