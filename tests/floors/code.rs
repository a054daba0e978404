//! Reads Rust sources: which items a file defines and imports, and which paths it names. Parses with `syn`; judges nothing.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::{self, Visit};

/// A source file below `src`.
pub(crate) struct Source {
    /// Below `src`, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The file's own module, then those that stand in it.
    pub(crate) scopes: Vec<Scope>,
    /// Modules in files of their own that only tests have.
    pub(crate) test_modules: Vec<Vec<String>>,
    /// The names of all macros that are called.
    pub(crate) macros: Vec<String>,
}

/// A module: a file, or one that is written inside a file.
pub(crate) struct Scope {
    /// From the root of the crate; empty for the root itself.
    pub(crate) module: Vec<String>,
    pub(crate) items: HashMap<String, Item>,
    pub(crate) imports: Vec<Import>,
    pub(crate) names: Vec<Name>,
}

#[derive(Clone, Copy)]
pub(crate) struct Item {
    pub(crate) is_type: bool,
}

/// What one `use` brings in; of `*`, everything that the path holds.
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    pub(crate) re_exported: bool,
    pub(crate) in_tests: bool,
}

/// A path that stands in the code, also within a macro's brackets. Bound names (parameters, variables) are left out.
pub(crate) struct Name {
    pub(crate) path: Vec<String>,
    pub(crate) in_tests: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}: {error}"));
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if ["mod", "lib"].contains(&module[module.len() - 1].as_str()) {
            module.pop();
        }
        let source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            scopes: vec![Scope::new(module)],
            test_modules: Vec::new(),
            macros: Vec::new(),
        };
        let mut reader =
            Reader { source, scope: 0, in_tests: is_for_tests(&file.attrs), in_body: false, bound: HashSet::new() };
        reader.visit_file(&file);
        reader.source
    }

    /// The first part of its path: the module of the library that it belongs to.
    pub(crate) fn floor_module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// All paths of two parts or more, imported or named, as they are written.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&Scope, &[String])> {
        self.scopes.iter().flat_map(|scope| {
            let imports = scope.imports.iter().map(|import| &import.path);
            let names = scope.names.iter().map(|name| &name.path);
            imports.chain(names).filter(|path| path.len() > 1).map(move |path| (scope, path.as_slice()))
        })
    }
}

impl Scope {
    fn new(module: Vec<String>) -> Self {
        Self { module, items: HashMap::new(), imports: Vec::new(), names: Vec::new() }
    }

    /// The path from the root of the crate, for one that begins with `crate`, `self` or `super`.
    pub(crate) fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let (mut base, mut at) = match path.first()?.as_str() {
            "crate" => (Vec::new(), 1),
            "self" => (self.module.clone(), 1),
            "super" => (self.module.clone(), 0),
            _ => return None,
        };
        while path.get(at).is_some_and(|part| part == "super") {
            base.pop()?;
            at += 1;
        }
        base.extend_from_slice(&path[at..]);
        Some(base)
    }
}

/// The sources of the crate that is tested, read once.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(read)
}

fn read() -> Vec<Source> {
    // Read when the test runs: set by hand, it leads the built test to another tree.
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("src");
    let mut folders = vec![root.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 50, "the sources were not found");
    let read = |path: PathBuf| {
        let below = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        Source::new(&below, &std::fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(read).collect()
}

struct Reader {
    source: Source,
    /// The index of the module that is being read.
    scope: usize,
    in_tests: bool,
    /// Items of a function's body are nobody else's.
    in_body: bool,
    /// What the function's parameters and patterns bind.
    bound: HashSet<String>,
}

impl Reader {
    fn scope(&mut self) -> &mut Scope {
        &mut self.source.scopes[self.scope]
    }

    fn name(&mut self, path: Vec<String>) {
        if path.is_empty() || (path.len() == 1 && self.bound.contains(&path[0])) {
            return;
        }
        let in_tests = self.in_tests;
        self.scope().names.push(Name { path, in_tests });
    }

    fn import(&mut self, tree: &syn::UseTree, mut path: Vec<String>, re_exported: bool) {
        let in_tests = self.in_tests;
        let mut add = |path: Vec<String>, name: String| {
            let import = Import { name, path, re_exported, in_tests };
            self.source.scopes[self.scope].imports.push(import);
        };
        match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.import(&part.tree, path, re_exported);
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, path.clone(), re_exported));
            }
            // `use a::{self}` is `use a`.
            syn::UseTree::Name(last) if last.ident == "self" && !path.is_empty() => {
                let name = path[path.len() - 1].clone();
                add(path, name);
            }
            syn::UseTree::Name(last) => {
                path.push(last.ident.to_string());
                add(path, last.ident.to_string());
            }
            syn::UseTree::Rename(last) => {
                if last.ident != "self" {
                    path.push(last.ident.to_string());
                }
                add(path, last.rename.to_string());
            }
            syn::UseTree::Glob(_) => add(path, "*".to_owned()),
        }
    }

    fn define(&mut self, item: &syn::Item) {
        let (name, is_type) = match item {
            syn::Item::Struct(item) => (&item.ident, true),
            syn::Item::Enum(item) => (&item.ident, true),
            syn::Item::Union(item) => (&item.ident, true),
            syn::Item::Trait(item) => (&item.ident, true),
            syn::Item::TraitAlias(item) => (&item.ident, true),
            syn::Item::Type(item) => (&item.ident, true),
            syn::Item::Fn(item) => (&item.sig.ident, false),
            syn::Item::Const(item) => (&item.ident, false),
            syn::Item::Static(item) => (&item.ident, false),
            _ => return,
        };
        let name = name.to_string();
        self.scope().items.insert(name, Item { is_type });
    }

    fn function(&mut self, bindings: impl FnOnce(&mut Bindings), read: impl FnOnce(&mut Self)) {
        let mut found = Bindings(self.bound.clone());
        bindings(&mut found);
        let outer = (std::mem::replace(&mut self.bound, found.0), std::mem::replace(&mut self.in_body, true));
        read(self);
        (self.bound, self.in_body) = outer;
    }

    /// `syn` leaves a macro's brackets unread: takes whatever looks like a path there.
    fn tokens(&mut self, mut cursor: Cursor<'_>) {
        let mut behind_a_dot = false;
        while !cursor.eof() {
            if let Some((inner, _, _, next)) = cursor.any_group() {
                self.tokens(inner);
                (cursor, behind_a_dot) = (next, false);
            } else if let Some((first, next)) = cursor.ident() {
                let mut path = vec![first.to_string()];
                cursor = next;
                while let Some((part, next)) = behind_colons(cursor).and_then(Cursor::ident) {
                    path.push(part.to_string());
                    cursor = next;
                }
                if punctuation(cursor, '!').is_some() {
                    self.source.macros.push(path[path.len() - 1].clone());
                }
                let is_field = path.len() == 1 && punctuation(cursor, ':').is_some();
                if !behind_a_dot && !is_field {
                    self.name(path);
                }
                behind_a_dot = false;
            } else {
                behind_a_dot = punctuation(cursor, '.').is_some();
                cursor = cursor.token_tree().expect("this is not the end").1;
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let outer = self.in_tests;
        self.in_tests |= is_for_tests(attributes(item));
        if !self.in_body {
            self.define(item);
        }
        visit::visit_item(self, item);
        self.in_tests = outer;
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let mut module = self.scope().module.clone();
        module.push(item.ident.to_string());
        if item.content.is_none() {
            if self.in_tests {
                self.source.test_modules.push(module);
            }
            return;
        }
        let outer = self.scope;
        self.scope = self.source.scopes.len();
        self.source.scopes.push(Scope::new(module));
        visit::visit_item_mod(self, item);
        self.scope = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, Vec::new(), !matches!(item.vis, syn::Visibility::Inherited));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(|found| found.visit_item_fn(item), |reader| visit::visit_item_fn(reader, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let outer = self.in_tests;
        self.in_tests |= is_for_tests(&item.attrs);
        self.function(|found| found.visit_impl_item_fn(item), |reader| visit::visit_impl_item_fn(reader, item));
        self.in_tests = outer;
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.function(|found| found.visit_trait_item_fn(item), |reader| visit::visit_trait_item_fn(reader, item));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.name(path.segments.iter().map(|part| part.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.source.macros.extend(call.path.segments.last().map(|last| last.ident.to_string()));
        self.visit_path(&call.path);
        self.tokens(TokenBuffer::new2(call.tokens.clone()).begin());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(TokenBuffer::new2(list.tokens.clone()).begin());
        }
    }
}

/// The names that a function's patterns bind.
struct Bindings(HashSet<String>);

impl<'ast> Visit<'ast> for Bindings {
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.0.insert(pattern.ident.to_string());
        visit::visit_pat_ident(self, pattern);
    }
}

fn behind_colons(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    punctuation(punctuation(cursor, ':')?, ':')
}

fn punctuation(cursor: Cursor<'_>, mark: char) -> Option<Cursor<'_>> {
    cursor.punct().and_then(|(found, next)| (found.as_char() == mark).then_some(next))
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("cfg") && asks_for_tests(TokenBuffer::new2(list.tokens.clone()).begin())
    })
}

/// `test`, also within `all(…)`; not within `not(…)` and `any(…)`.
fn asks_for_tests(mut cursor: Cursor<'_>) -> bool {
    let mut word = String::new();
    while !cursor.eof() {
        if let Some((found, next)) = cursor.ident() {
            if found == "test" {
                return true;
            }
            (word, cursor) = (found.to_string(), next);
        } else if let Some((inner, _, _, next)) = cursor.any_group() {
            if word == "all" && asks_for_tests(inner) {
                return true;
            }
            cursor = next;
        } else {
            cursor = cursor.token_tree().expect("this is not the end").1;
        }
    }
    false
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
