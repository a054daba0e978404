//! Which file uses what another file defines, and the circles among them. Knows modules and re-exports; reads no file.
//!
//! A file uses another one when it names an item that is defined there: in a `use`, or in a path. A re-export leads to the file that
//! defines the item and is no use itself, nor is `mod child;`. Code that only tests have does not count.

use crate::code::{Scope, Source};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// For each file that uses another one, by their places in the list: the names of the items.
pub(crate) type Uses = BTreeMap<(usize, usize), BTreeSet<String>>;

pub(crate) fn uses(sources: &[Source]) -> Uses {
    let crate_ = Crate::new(sources);
    let is_test = |scope: &Scope| {
        sources.iter().flat_map(|source| &source.test_modules).any(|module| scope.module.starts_with(module))
    };
    let mut uses = Uses::new();
    for (file, source) in sources.iter().enumerate() {
        for scope in source.scopes.iter().filter(|scope| !is_test(scope)) {
            let imports = scope.imports.iter().filter(|import| !import.re_exported && !import.in_tests);
            let names = scope.names.iter().filter(|name| !name.in_tests);
            for path in imports.map(|import| &import.path).chain(names.map(|name| &name.path)) {
                for found in crate_.resolve(scope, path, 0) {
                    if let Found::Item { file: definer, name } = found
                        && definer != file
                    {
                        uses.entry((file, definer)).or_default().insert(name.to_owned());
                    }
                }
            }
        }
    }
    uses
}

/// Each circle's files, none of them in two circles: every file of one uses, directly or through others, every other one of it.
pub(crate) fn circles(files: usize, uses: &Uses) -> Vec<Vec<usize>> {
    let reached: Vec<BTreeSet<usize>> = (0..files)
        .map(|file| {
            let mut reached = BTreeSet::new();
            let mut to_visit = vec![file];
            while let Some(file) = to_visit.pop() {
                let next = uses.range((file, 0)..=(file, usize::MAX)).map(|((_, used), _)| *used);
                to_visit.extend(next.filter(|used| reached.insert(*used)));
            }
            reached
        })
        .collect();
    let in_circle = |a: usize, b: usize| reached[a].contains(&b) && reached[b].contains(&a);
    let mut circles: Vec<Vec<usize>> =
        (0..files).map(|file| (0..files).filter(|other| in_circle(file, *other)).collect()).collect();
    circles.retain(|circle| circle.len() > 1);
    circles.sort();
    circles.dedup();
    circles
}

/// What a path may lead to.
enum Found<'a> {
    Module(&'a Scope),
    Item { file: usize, name: &'a str },
}

struct Crate<'a> {
    /// Each module with its file, by its path from the root.
    modules: HashMap<&'a [String], (usize, &'a Scope)>,
}

impl<'a> Crate<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let scopes = |(file, source): (usize, &'a Source)| {
            source.scopes.iter().map(move |scope| (scope.module.as_slice(), (file, scope)))
        };
        Self { modules: sources.iter().enumerate().flat_map(scopes).collect() }
    }

    /// What the path leads to, from within a module. Nothing, for what other crates define.
    fn resolve(&self, scope: &'a Scope, path: &'a [String], depth: usize) -> Vec<Found<'a>> {
        let prefix = path.iter().take_while(|part| ["crate", "self", "super"].contains(&part.as_str())).count();
        let mut found = if prefix == 0 {
            path.first().map(|first| self.look_up(scope, first, depth)).unwrap_or_default()
        } else {
            let base = scope.absolute(&path[..prefix]).unwrap_or_default();
            self.modules.get(base.as_slice()).map(|(_, scope)| Found::Module(scope)).into_iter().collect()
        };
        for part in &path[prefix.max(1).min(path.len())..] {
            found = found
                .into_iter()
                .flat_map(|found| match found {
                    Found::Module(scope) => self.look_up(scope, part, depth),
                    // A variant or a function of a type.
                    item @ Found::Item { .. } => vec![item],
                })
                .collect();
        }
        found
    }

    /// What a name means in a module: a module and a function may share one.
    fn look_up(&self, scope: &'a Scope, name: &str, depth: usize) -> Vec<Found<'a>> {
        // Two modules may import each other's everything.
        if depth > MAX_RE_EXPORTS {
            return Vec::new();
        }
        let mut found = Vec::new();
        let child: Vec<String> = scope.module.iter().cloned().chain([name.to_owned()]).collect();
        if let Some((_, module)) = self.modules.get(child.as_slice()) {
            found.push(Found::Module(module));
        }
        if let (Some((file, _)), Some((name, _))) =
            (self.modules.get(scope.module.as_slice()), scope.items.get_key_value(name))
        {
            found.push(Found::Item { file: *file, name });
        }
        for import in scope.imports.iter().filter(|import| import.name == name) {
            // `use check;` would name itself.
            if import.path.len() > 1 || import.path[0] != name {
                found.extend(self.resolve(scope, &import.path, depth + 1));
            }
        }
        if found.is_empty() {
            for import in scope.imports.iter().filter(|import| import.name == "*") {
                for module in self.resolve(scope, &import.path, depth + 1) {
                    if let Found::Module(module) = module
                        && module.module != scope.module
                    {
                        found.extend(self.look_up(module, name, depth + 1));
                    }
                }
            }
        }
        found
    }
}

const MAX_RE_EXPORTS: usize = 8;
