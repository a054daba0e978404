//! The floors stay floors: which module may use which, which crate belongs to whom, what every file keeps to. Reads the sources.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

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
const FLOORS: [Module; 14] = [
    Module { name: "pki", floor: 0, never: &["text", "time"] },
    Module { name: "text", floor: 0, never: &["pki", "time"] },
    Module { name: "time", floor: 0, never: &["pki", "text"] },
    Module { name: "diag", floor: 1, never: &["run", "tree"] },
    Module { name: "run", floor: 1, never: &["diag", "tree"] },
    Module { name: "tree", floor: 1, never: &["run"] },
    Module { name: "provider", floor: 2, never: &[] },
    Module { name: "plan", floor: 3, never: &[] },
    Module { name: "wire", floor: 4, never: &["plan", "journal"] },
    Module { name: "journal", floor: 4, never: &["wire"] },
    Module { name: "engine", floor: 5, never: &[] },
    Module { name: "view", floor: 6, never: &["engine", "wire", "simulator"] },
    Module { name: "simulator", floor: 6, never: &["plan", "engine", "wire", "journal", "view"] },
    Module { name: "cli", floor: 7, never: &[] },
];

/// What reaches outside the program has an owner: the network, the disk, the terminal, the command line.
const OWNED: [Owned; 13] = [
    Owned { path: "reqwest", only: &["wire"] },
    Owned { path: "rusqlite", only: &["journal"] },
    Owned { path: "tokio", only: &["wire", "engine", "simulator", "cli"] },
    Owned { path: "axum", only: &["simulator"] },
    Owned { path: "hyper", only: &["simulator"] },
    Owned { path: "hyper_util", only: &["simulator"] },
    Owned { path: "indicatif", only: &["view"] },
    Owned { path: "annotate_snippets", only: &["view"] },
    Owned { path: "clap", only: &["cli"] },
    Owned { path: "clap_complete", only: &["cli"] },
    Owned { path: "granit_parser", only: &["tree"] },
    Owned {
        path: "std::fs",
        only: &["provider", "plan", "wire", "journal", "cli", "text", "view", "simulator/tests.rs"],
    },
    Owned { path: "std::net", only: &["wire", "simulator", "plan/read/base_url.rs"] },
];

/// The one file that prints.
const PRINTER: &str = "view/printer.rs";

const MAX_LINES: usize = 800;

#[test]
fn no_module_uses_one_above_it_or_one_that_it_must_not_know() {
    let mut wrong = Vec::new();
    for file in sources() {
        let Some(module) = FLOORS.iter().find(|module| module.name == file.module) else { continue };
        for used in file.uses_of_our_modules() {
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
    let declared: Vec<String> = sources()
        .into_iter()
        .filter(|file| file.path == "lib.rs")
        .flat_map(|file| {
            let tokens = file.tokens;
            let after_mod = |pair: &[String]| (pair[0] == "mod").then(|| pair[1].clone());
            tokens.windows(2).filter_map(after_mod).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(declared.len(), FLOORS.len());
    for name in declared {
        assert!(FLOORS.iter().any(|module| module.name == name), "`{name}` stands on no floor");
    }
}

#[test]
fn what_reaches_outside_has_its_owner() {
    let mut wrong = Vec::new();
    for file in sources() {
        let paths = file.paths();
        for owned in &OWNED {
            let allowed = owned.only.iter().any(|only| *only == file.module || *only == file.path);
            let uses = |path: &String| path == owned.path || path.starts_with(&format!("{}::", owned.path));
            if !allowed && paths.iter().any(uses) {
                wrong.push(format!("src/{}: only {} may use `{}`", file.path, owned.only.join(", "), owned.path));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn only_the_printer_prints() {
    let mut wrong = Vec::new();
    for file in sources().into_iter().filter(|file| file.path != PRINTER) {
        for pair in file.tokens.windows(2) {
            if ["print", "println", "eprint", "eprintln", "dbg"].contains(&pair[0].as_str()) && pair[1] == "!" {
                wrong.push(format!("src/{}: {}!", file.path, pair[0]));
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
        ("use crate::plan::{self, checked::Action};", vec!["crate::plan::self", "crate::plan::checked::Action"]),
        ("use crate::{a, b::{c, d::e}, f};", vec!["crate::a", "crate::b::c", "crate::b::d::e", "crate::f"]),
        ("let x = crate::wire::Delivery::Lost;", vec!["crate::wire::Delivery::Lost"]),
        ("// crate::plan\n/* crate::a /* b::c */ d::e */ f::g", vec!["f::g"]),
        (r##"let s = r#"crate::plan"#; let c = '"'; x::<'a>(b"crate::q", 'crate::z)"##, vec![]),
        ("pub(in crate::engine) fn x()", vec!["crate::engine"]),
        ("use tokio::{time, net::TcpStream as T};", vec!["tokio::time", "tokio::net::TcpStream"]),
    ] {
        assert_eq!(paths(&tokens(text)), expected, "{text}");
    }
    let file = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned()).uses_of_our_modules();
    assert_eq!(file("pki/mod.rs", "use super::wire::X;"), ["wire"]);
    assert_eq!(file("pki/csr.rs", "use super::super::wire::X; use super::run::Y;"), ["wire"]);
    assert_eq!(file("pki/csr.rs", "use crate::{text, wire as w, pki::wire};"), ["text", "wire"]);
}

/// A source file below `src`.
struct Source {
    /// Below `src`, with `/`.
    path: String,
    /// The first part of its path: the module that it belongs to.
    module: String,
    text: String,
    tokens: Vec<String>,
}

impl Source {
    fn new(path: String, text: String) -> Self {
        let module = path.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        let tokens = tokens(&text);
        Self { path, module, text, tokens }
    }

    fn paths(&self) -> Vec<String> {
        paths(&self.tokens)
    }

    /// The library's modules that this file names, other than its own: `crate::x…`, and `super::…` that climbs up to the root.
    fn uses_of_our_modules(&self) -> Vec<String> {
        let folders = self.path.split('/').count();
        let depth = if self.path.ends_with("/mod.rs") { folders - 1 } else { folders };
        let mut used = Vec::new();
        for path in self.paths() {
            let mut parts = path.split("::").peekable();
            if parts.next_if_eq(&"crate").is_some() {
                assert_ne!(parts.peek(), Some(&"*"), "src/{}: `crate::*` hides what it uses", self.path);
            } else {
                let mut climbed = 0;
                while parts.next_if_eq(&"super").is_some() {
                    climbed += 1;
                }
                if climbed < depth {
                    continue;
                }
            }
            let Some(name) = parts.next() else { continue };
            let known = FLOORS.iter().any(|module| module.name == name);
            if known && name != self.module && !used.iter().any(|other| other == name) {
                used.push(name.to_owned());
            }
        }
        used
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
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
        Source::new(below, std::fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// All paths of two parts or more, those in `use` groups written out.
fn paths(tokens: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_name(&tokens[at]) && tokens.get(at + 1).is_some_and(|next| next == "::") {
            at = path(tokens, at, "", &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads the path that begins at `at`, below `prefix`; gives the place behind it.
fn path(tokens: &[String], mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut whole = prefix.to_owned();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while let Some(token) = tokens.get(at).filter(|token| *token != "}") {
                    at = match token.as_str() {
                        "as" => at + 2,
                        name if is_name(name) || name == "{" || name == "*" => path(tokens, at, &whole, found),
                        _ => at + 1,
                    };
                }
                return at + 1;
            }
            Some(name) if is_name(name) || name == "*" => {
                whole.push_str(name);
                at += 1;
            }
            _ => break,
        }
        match tokens.get(at).map(String::as_str) {
            Some("::") => {
                at += 1;
                // A turbofish ends the path as far as this test goes.
                if tokens.get(at).is_some_and(|next| next == "<") {
                    break;
                }
                whole.push_str("::");
            }
            _ => break,
        }
    }
    if whole.contains("::") {
        found.push(whole);
    }
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// The names and marks of a Rust text, without comments, strings, characters and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let letter = |at: usize| letters.get(at).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        match (letter(at), letter(at + 1)) {
            ('/', '/') => at = skip(at, |at| at >= letters.len() || letter(at) == '\n'),
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (letter(at), letter(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 || at >= letters.len() {
                        break;
                    }
                }
            }
            ('r', '"' | '#') if raw_string_at(&letters, at + 1) => at = after_raw_string(&letters, at + 1),
            ('b', 'r') if raw_string_at(&letters, at + 2) => at = after_raw_string(&letters, at + 2),
            ('"', _) => at = after_quoted(&letters, at, '"'),
            ('b', '"') => at = after_quoted(&letters, at + 1, '"'),
            ('\'', '\\') => at = after_quoted(&letters, at, '\''),
            ('\'', _) if letter(at + 2) == '\'' => at += 3,
            ('\'', _) => at = skip(at + 1, |at| !is_word(letter(at))),
            (':', ':') => {
                tokens.push("::".to_owned());
                at += 2;
            }
            (first, _) if is_word(first) => {
                let end = skip(at, |at| !is_word(letter(at)));
                tokens.push(letters[at..end].iter().collect());
                at = end;
            }
            (space, _) if space.is_whitespace() => at += 1,
            (mark, _) => {
                tokens.push(mark.to_string());
                at += 1;
            }
        }
    }
    tokens
}

fn skip(mut at: usize, until: impl Fn(usize) -> bool) -> usize {
    while !until(at) {
        at += 1;
    }
    at
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn raw_string_at(letters: &[char], at: usize) -> bool {
    letters[at.min(letters.len())..].iter().find(|letter| **letter != '#') == Some(&'"')
}

fn after_raw_string(letters: &[char], at: usize) -> usize {
    let hashes = letters[at..].iter().take_while(|letter| **letter == '#').count();
    let mut at = at + hashes + 1;
    while at < letters.len() {
        let closes =
            letters[at] == '"' && letters[at + 1..].iter().take(hashes).filter(|l| **l == '#').count() == hashes;
        at += 1;
        if closes {
            return at + hashes;
        }
    }
    at
}

fn after_quoted(letters: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while at < letters.len() && letters[at] != quote {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}
