//! The floors stay floors: which module may use which, which crate belongs to whom, what every file keeps to.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod code;
mod uses;

use code::{Source, sources};
use std::collections::BTreeMap;

/// A module of the library: its floor, and what it never uses although it stands on the same floor or lower.
struct Module {
    name: &'static str,
    floor: u8,
    never: &'static [&'static str],
}

/// A crate (or a part of one) that only some modules use; `only` names modules, or files by their path below `src`.
struct Owned {
    path: &'static str,
    only: &'static [&'static str],
}

/// The floors. A module uses modules of its own floor and of lower ones, but for `never`.
const FLOORS: [Module; 15] = [
    Module { name: "pki", floor: 0, never: &["text", "time"] },
    Module { name: "text", floor: 0, never: &["pki", "time"] },
    Module { name: "time", floor: 0, never: &["pki", "text"] },
    Module { name: "diag", floor: 1, never: &["run", "tree"] },
    Module { name: "run", floor: 1, never: &["diag", "tree"] },
    Module { name: "tree", floor: 1, never: &["run"] },
    Module { name: "provider", floor: 2, never: &[] },
    Module { name: "plan", floor: 3, never: &[] },
    Module { name: "find", floor: 4, never: &["wire", "journal"] },
    Module { name: "wire", floor: 4, never: &["plan", "journal"] },
    Module { name: "journal", floor: 4, never: &["wire"] },
    Module { name: "engine", floor: 5, never: &[] },
    Module { name: "view", floor: 6, never: &["engine", "wire", "simulator"] },
    Module { name: "simulator", floor: 6, never: &["plan", "engine", "wire", "journal", "view"] },
    Module { name: "cli", floor: 7, never: &[] },
];

/// What reaches outside the program has an owner: the network, the disk, the terminal, the command line.
const OWNED: [Owned; 24] = [
    Owned { path: "reqwest", only: &["wire"] },
    Owned { path: "rusqlite", only: &["journal"] },
    Owned { path: "tokio", only: &["wire", "engine", "simulator", "cli"] },
    Owned { path: "axum", only: &["simulator", "cli/run_page.rs"] },
    Owned { path: "hyper", only: &["simulator", "cli/run_page.rs"] },
    Owned { path: "hyper_util", only: &["simulator", "wire/proxy.rs", "cli/run_page.rs"] },
    Owned { path: "rustls", only: &["wire/tls.rs"] },
    Owned { path: "tokio_rustls", only: &["wire", "simulator"] },
    Owned { path: "rustls_platform_verifier", only: &["wire/tls.rs"] },
    Owned { path: "askama", only: &["view"] },
    Owned { path: "terminal_size", only: &["view"] },
    Owned { path: "indicatif", only: &["view/bars.rs"] },
    Owned { path: "annotate_snippets", only: &["view"] },
    Owned { path: "clap", only: &["cli"] },
    Owned { path: "clap_complete", only: &["cli"] },
    Owned { path: "granit_parser", only: &["tree"] },
    Owned { path: "aes", only: &["pki/pkcs12.rs"] },
    Owned { path: "cbc", only: &["pki/pkcs12.rs"] },
    Owned { path: "des", only: &["pki/pkcs12.rs"] },
    Owned { path: "rc2", only: &["pki/pkcs12.rs"] },
    Owned { path: "glob", only: &["plan", "find"] },
    Owned { path: "walkdir", only: &["plan", "find"] },
    Owned { path: "std::fs", only: &["provider", "plan", "find", "wire", "journal", "cli", "text", "view", "time"] },
    Owned {
        path: "std::net",
        only: &[
            "wire",
            "simulator",
            "plan/read/scalar.rs",
            "pki/names.rs",
            "pki/csr.rs",
            "cli/run_page.rs",
            "cli/options.rs",
        ],
    },
];

/// The one file that prints.
const PRINTER: &str = "view/printer.rs";

const MAX_LINES: usize = 800;

#[test]
fn no_module_uses_one_above_it_or_one_that_it_must_not_know() {
    let mut wrong = Vec::new();
    for file in sources() {
        let Some(module) = FLOORS.iter().find(|module| module.name == file.floor_module()) else { continue };
        for used in used_modules(file) {
            let other = FLOORS.iter().find(|other| other.name == used).unwrap();
            if other.floor > module.floor || module.never.contains(&other.name) {
                wrong.push(format!("src/{}: `{}` must not use `{used}`", file.path, module.name));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_module_has_a_floor() {
    let declared: Vec<&str> = sources().iter().map(Source::floor_module).collect();
    for module in &FLOORS {
        assert!(declared.contains(&module.name), "there is no module `{}`", module.name);
    }
    for name in declared.into_iter().filter(|name| !["lib", "main"].contains(name)) {
        assert!(FLOORS.iter().any(|module| module.name == name), "`{name}` stands on no floor");
    }
}

#[test]
fn what_reaches_outside_has_its_owner() {
    let mut wrong = Vec::new();
    for file in sources() {
        for owned in &OWNED {
            let allowed = owned.only.iter().any(|only| *only == file.floor_module() || *only == file.path);
            let parts: Vec<&str> = owned.path.split("::").collect();
            let uses = |path: &[String]| path.len() >= parts.len() && path.iter().zip(&parts).all(|(a, b)| a == b);
            if !allowed && file.paths().any(|(_, path)| uses(path)) {
                wrong.push(format!("src/{}: only {} may use `{}`", file.path, owned.only.join(", "), owned.path));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn only_the_printer_prints() {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|file| file.path != PRINTER) {
        for called in &file.macros {
            if ["print", "println", "eprint", "eprintln", "dbg"].contains(&called.as_str()) {
                wrong.push(format!("src/{}: {called}!", file.path));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_file_says_what_it_owns_and_is_short() {
    let mut wrong = Vec::new();
    for file in sources() {
        if !file.text.starts_with("//! ") {
            wrong.push(format!("src/{}: begins without `//!`", file.path));
        }
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("src/{}: {lines} lines, more than {MAX_LINES}; split it by subject", file.path));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn the_reader_of_this_test_reads_paths() {
    for (text, expected) in [
        ("use crate::plan::{self, checked::Action};", vec!["crate::plan", "crate::plan::checked::Action"]),
        ("use crate::{a, b::{c, d::e}, f};", vec!["crate::a", "crate::b::c", "crate::b::d::e", "crate::f"]),
        ("fn f() { let x = crate::wire::Delivery::Lost; }", vec!["crate::wire::Delivery::Lost"]),
        ("fn f() { // crate::plan\n/* crate::a /* b::c */ d::e */ f::g }", vec!["f::g"]),
        (r##"fn f<'a>() { let s = r#"crate::plan"#; x::<&'a str>(b"crate::q", '"'); }"##, vec![]),
        ("pub(in crate::engine) fn x() {}", vec!["crate::engine"]),
        ("use tokio::{time, net::TcpStream as T};", vec!["tokio::time", "tokio::net::TcpStream"]),
        ("fn f() { assert!(a.b, \"{}\", [c::d(e::f!())]); }", vec!["c::d", "e::f"]),
        ("#[arg(value_parser = a::b)] struct S { x: Vec<c::D>, }", vec!["a::b", "c::D"]),
    ] {
        let source = Source::new("x.rs", text);
        let paths: Vec<String> = source.paths().map(|(_, path)| path.join("::")).collect();
        assert_eq!(paths, expected, "{text}");
    }
    assert_eq!(used_modules(&Source::new("pki/mod.rs", "use super::wire::X;")), ["wire"]);
    assert_eq!(used_modules(&Source::new("pki/csr.rs", "use super::super::wire::X; use super::run::Y;")), ["wire"]);
    assert_eq!(used_modules(&Source::new("pki/csr.rs", "mod t { use super::super::super::wire; }")), ["wire"]);
    assert_eq!(used_modules(&Source::new("pki/csr.rs", "use crate::{text, wire as w, pki::wire};")), ["text", "wire"]);
    assert_eq!(Source::new("x.rs", "fn f() { vec![println!()]; }").macros, ["vec", "println"]);
}

#[test]
fn every_file_is_declared_by_another() {
    let declared: Vec<&[String]> =
        sources().iter().flat_map(|file| &file.declared).map(|module| module.as_slice()).collect();
    let files = sources().iter().filter(|file| !["lib.rs", "main.rs"].contains(&file.path.as_str()));
    let lost = files.filter(|file| !declared.contains(&file.scopes[0].module.as_slice()));
    let lost: Vec<&str> = lost.map(|file| file.path.as_str()).collect();
    assert_eq!(lost, [""; 0], "nobody compiles what no `mod` declares");
}

#[test]
fn no_file_uses_one_that_uses_it() {
    let circles = circles(sources());
    assert!(circles.is_empty(), "files use each other in a circle:\n{circles}");
}

#[test]
fn no_two_types_have_one_name() {
    let names = shared_type_names(sources());
    assert!(names.is_empty(), "{} names are declared more than once:\n{}", names.len(), names.join("\n"));
}

#[test]
fn uses_lead_to_the_file_that_defines_the_item() {
    for (what, files, expected) in [
        ("an import", &[("a.rs", "use crate::b::X;"), ("b.rs", "pub struct X;")][..], "a.rs: X of b.rs"),
        ("a path", &[("a.rs", "fn f() -> crate::b::X { g() }"), ("b.rs", "pub struct X;")], "a.rs: X of b.rs"),
        (
            "a path in a macro",
            &[("a.rs", "fn f() { assert!(crate::b::x()); }"), ("b.rs", "pub fn x() {}")],
            "a.rs: x of b.rs",
        ),
        ("a module", &[("a.rs", "use crate::b; fn f() {}"), ("b.rs", "pub fn x() {}")], ""),
        ("by a module", &[("a.rs", "use crate::b; fn f() { b::x() }"), ("b.rs", "pub fn x() {}")], "a.rs: x of b.rs"),
        ("a variant", &[("a.rs", "fn f() { super::b::E::One; }"), ("b.rs", "pub enum E { One }")], "a.rs: E of b.rs"),
        ("`mod`", &[("a/mod.rs", "mod b;"), ("a/b.rs", "pub struct X;")], ""),
        ("a re-export", &[("a/mod.rs", "mod b; pub use b::X;"), ("a/b.rs", "pub struct X;")], ""),
        (
            "by a re-export",
            &[("a/mod.rs", "mod b; pub use b::X;"), ("a/b.rs", "pub struct X;"), ("c.rs", "use crate::a::X as Y;")],
            "c.rs: X of a/b.rs",
        ),
        (
            "a re-export of everything",
            &[("a/mod.rs", "pub use b::*;"), ("a/b.rs", "pub struct X;"), ("c.rs", "use crate::a; type Y = a::X;")],
            "c.rs: X of a/b.rs",
        ),
        (
            "what it re-exports",
            &[("a/mod.rs", "pub use b::X; fn f(x: X) {}"), ("a/b.rs", "use super::f; pub struct X;")],
            "a/mod.rs: X of a/b.rs, a/b.rs: f of a/mod.rs",
        ),
        (
            "a variable of that name",
            &[("a/mod.rs", "pub use b::x; fn f() { let x = 1; x; }"), ("a/b.rs", "pub fn x() {}")],
            "",
        ),
        ("a folder's file", &[("a.rs", "mod b; use b::X;"), ("a/b.rs", "pub struct X;")], "a.rs: X of a/b.rs"),
        ("tests", &[("a.rs", "#[cfg(test)] mod tests { use crate::b::X; }"), ("b.rs", "pub struct X;")], ""),
        (
            "a function for tests",
            &[("a.rs", "#[cfg(all(test, unix))] fn f() { crate::b::x() }"), ("b.rs", "pub fn x() {}")],
            "",
        ),
        (
            "a file of tests",
            &[("a.rs", "#[cfg(test)] mod t;"), ("a/t.rs", "use crate::b::X;"), ("b.rs", "pub struct X;")],
            "",
        ),
        (
            "not only tests",
            &[("a.rs", "#[cfg(not(test))] use crate::b::X;"), ("b.rs", "pub struct X;")],
            "a.rs: X of b.rs",
        ),
        ("other crates", &[("a.rs", "use b::X; fn f() { std::mem::take() }"), ("c.rs", "pub struct X;")], ""),
    ] {
        let sources = crate_of(files);
        let found: Vec<String> = uses::uses(&sources)
            .iter()
            .flat_map(|((user, definer), names)| names.iter().map(move |name| (user, name, definer)))
            .map(|(user, name, definer)| format!("{}: {name} of {}", sources[*user].path, sources[*definer].path))
            .collect();
        assert_eq!(found.join(", "), expected, "{what}");
    }
}

#[test]
fn files_in_a_circle_are_found_together() {
    let uses = |pairs: &[(usize, usize)]| pairs.iter().map(|pair| (*pair, Default::default())).collect();
    for (pairs, expected) in [
        (&[(0, 1), (1, 2), (0, 2)][..], vec![]),
        (&[(0, 1), (1, 0), (2, 0)], vec![vec![0, 1]]),
        (&[(0, 1), (1, 2), (2, 0), (3, 4), (4, 3), (2, 3)], vec![vec![0, 1, 2], vec![3, 4]]),
    ] {
        assert_eq!(uses::circles(5, &uses(pairs)), expected, "{pairs:?}");
    }
    let sources = crate_of(&[("a.rs", "use crate::b::X;"), ("b.rs", "use crate::a; struct X(a::Y);")]);
    assert_eq!(circles(&sources), "");
    let sources = crate_of(&[("a.rs", "use crate::b::X; struct Y;"), ("b.rs", "struct X(crate::a::Y);")]);
    assert_eq!(circles(&sources), "2 files:\n  a.rs uses b.rs: X\n  b.rs uses a.rs: Y");
}

#[test]
fn types_of_one_name_are_found_wherever_they_stand() {
    let a = Source::new("a.rs", "struct X; enum Y {} trait Z {} fn w() { struct V; }");
    let b = Source::new("b.rs", "fn X() {} #[cfg(test)] mod tests { type Y = u8; union Z { a: u8 } struct V; }");
    assert_eq!(shared_type_names(&[a, b]), ["Y: a.rs, b.rs", "Z: a.rs, b.rs"]);
}

/// A crate of these files and an empty root.
fn crate_of(files: &[(&str, &str)]) -> Vec<Source> {
    files.iter().chain(&[("lib.rs", "")]).map(|(path, text)| Source::new(path, text)).collect()
}

/// The library's modules that this file names, other than its own.
fn used_modules(file: &Source) -> Vec<String> {
    let mut used = Vec::new();
    for (scope, path) in file.paths() {
        let Some(path) = scope.absolute(path) else { continue };
        assert!(!path.is_empty(), "src/{}: `crate::*` hides what it uses", file.path);
        let name = &path[0];
        let known = FLOORS.iter().any(|module| module.name == name);
        if known && name != file.floor_module() && !used.contains(name) {
            used.push(name.clone());
        }
    }
    used
}

/// Each circle, a line for each use within it.
fn circles(sources: &[Source]) -> String {
    let uses = uses::uses(sources);
    let mut lines = Vec::new();
    for circle in uses::circles(sources.len(), &uses) {
        lines.push(format!("{} files:", circle.len()));
        for ((user, definer), names) in &uses {
            if circle.contains(user) && circle.contains(definer) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                lines.push(format!("  {} uses {}: {}", sources[*user].path, sources[*definer].path, names.join(", ")));
            }
        }
    }
    lines.join("\n")
}

/// The names that more than one type has, each with the files that declare it.
fn shared_type_names(sources: &[Source]) -> Vec<String> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in sources {
        for scope in &file.scopes {
            for (name, _) in scope.items.iter().filter(|(_, item)| item.is_type) {
                files.entry(name).or_default().push(&file.path);
            }
        }
    }
    files.retain(|_, files| files.len() > 1);
    files.into_iter().map(|(name, files)| format!("{name}: {}", files.join(", "))).collect()
}
