//! The providers that there are: the built-in documents, and those in the user's directories. Reads documents, writes nothing.

use super::model::Provider;
use super::openapi;
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::damage::did_you_mean;
use crate::text::{SourceId, SourceMap, file, nearest, safe};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// All provider documents, by id.
#[derive(Debug, Default, Clone)]
pub struct Catalog {
    providers: BTreeMap<String, CatalogEntry>,
}

/// A provider of the catalog.
#[derive(Debug, Clone)]
enum CatalogEntry {
    /// Read when it is first asked for: a run uses one or two of them, and each command would read all.
    BuiltIn(&'static LazyLock<Arc<Provider>>),
    Own(Arc<Provider>),
}

impl CatalogEntry {
    fn provider(&self) -> &Arc<Provider> {
        match self {
            Self::BuiltIn(document) => document,
            Self::Own(provider) => provider,
        }
    }
}

impl Catalog {
    /// Reads the built-in documents and then the `.yaml` and `.yml` files of each directory, in the order of their names. A
    /// document of the user's takes the place of a built-in one with the same id, with a warning.
    pub fn load(directories: &[PathBuf], sources: &mut SourceMap, diagnostics: &mut Diagnostics) -> Self {
        let mut catalog = Self::built_in();
        let mut own: BTreeMap<String, PathBuf> = BTreeMap::new();
        for directory in directories {
            match documents_in(directory) {
                Ok(paths) => {
                    let overlaid: Vec<PathBuf> = paths.iter().filter_map(|path| overlaid(path)).collect();
                    // A document that an overlay makes a provider of is none by itself.
                    for path in paths.into_iter().filter(|path| !overlaid.contains(path) && may_be_document(path)) {
                        catalog.add_file(path, &mut own, sources, diagnostics);
                    }
                }
                Err(error) => {
                    let what = format!(
                        "the provider directory {} cannot be read: {}",
                        directory.display(),
                        file::directory_reason(&error)
                    );
                    diagnostics.push(Diagnostic::error("provider-directory", None, what));
                }
            }
        }
        catalog
    }

    /// The built-in documents alone.
    pub fn built_in() -> Self {
        let entries = BUILT_IN.iter().map(|(id, document)| ((*id).to_owned(), CatalogEntry::BuiltIn(document)));
        Self { providers: entries.collect() }
    }

    /// Takes a document whose text is at hand, such as a run directory's copy; one of the same id gives way.
    pub fn put(&mut self, name: String, text: &Arc<str>, sources: &mut SourceMap, diagnostics: &mut Diagnostics) {
        let source = sources.add_text(name, None, text.clone());
        if let Some(provider) = openapi::read(text, source, diagnostics) {
            self.providers.insert(provider.id.clone(), CatalogEntry::Own(Arc::new(provider)));
        }
    }

    /// The provider of an id.
    pub fn get(&self, id: &str) -> Option<&Arc<Provider>> {
        self.providers.get(id).map(CatalogEntry::provider)
    }

    /// The ids of all providers, of which none is read for it.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(String::as_str)
    }

    /// All providers, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values().map(CatalogEntry::provider)
    }

    /// The id that is nearest to a misspelled one.
    pub fn nearest(&self, id: &str) -> Option<&str> {
        nearest(id, self.ids())
    }

    /// What is said of an id that no provider has: the nearest one, or all.
    pub fn no_provider(&self, id: &str) -> String {
        let right = match self.nearest(id) {
            Some(right) => did_you_mean(id, right),
            None => {
                let all: Vec<&str> = self.ids().collect();
                format!("there are {}; `--provider-dir DIR` adds your own", all.join(", "))
            }
        };
        format!("there is no provider `{}`; {right}", safe::terminal(id))
    }

    fn add_file(
        &mut self,
        path: PathBuf,
        own: &mut BTreeMap<String, PathBuf>,
        sources: &mut SourceMap,
        diagnostics: &mut Diagnostics,
    ) {
        let name = path.display().to_string();
        let text: Arc<str> = match file::read_text(&path, MAX_DOCUMENT_BYTES) {
            Ok(text) => text.into(),
            Err(error) => {
                let what = format!("the provider document {name} cannot be read: {}", file::reason(&error));
                diagnostics.push(Diagnostic::error("provider-document", None, what));
                return;
            }
        };
        let source = sources.add_text(name.clone(), Some(path.clone()), text.clone());
        let Some(provider) = read_document(&path, &text, source, sources, diagnostics) else { return };
        let id = provider.id.clone();
        if let Some(first) = own.get(&id) {
            let what = format!("{name} describes the provider `{id}`, and so does {}", first.display());
            diagnostics.push(Diagnostic::error("provider-twice", None, what).help("give one of them another `id`"));
            return;
        }
        if self.providers.contains_key(&id) {
            let what = format!("{name} takes the place of the built-in document `{id}`");
            diagnostics.push(Diagnostic::warning("provider-replaced", None, what));
        }
        own.insert(id.clone(), path);
        self.providers.insert(id, CatalogEntry::Own(Arc::new(provider)));
    }
}

/// Reads the document of a file, or the one that it is an overlay for together with it.
pub fn read_document(
    path: &Path,
    text: &Arc<str>,
    source: SourceId,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) -> Option<Provider> {
    let Some(extended) = openapi::extends(text, source) else { return openapi::read(text, source, diagnostics) };
    let other = beside(path, &extended);
    let name = other.display().to_string();
    match file::read_text(&other, MAX_DOCUMENT_BYTES) {
        Ok(document) => {
            let of_document = sources.add_text(name, Some(other), document.as_str().into());
            openapi::read_overlaid((&document, of_document), (text, source), diagnostics)
        }
        Err(error) => {
            let what = format!("{} extends {name}, which cannot be read: {}", path.display(), file::reason(&error));
            let finding = Diagnostic::error("provider-document", None, what);
            diagnostics.push(finding.help("`extends` is the path of a file, from the overlay's own directory"));
            None
        }
    }
}

/// The document that a file is an overlay for.
fn overlaid(path: &Path) -> Option<PathBuf> {
    let mut sources = SourceMap::default();
    let source = sources.add_text("", None, "".into());
    Some(beside(path, &openapi::extends(&file::read_text(path, MAX_DOCUMENT_BYTES).ok()?, source)?))
}

/// Whether a file may be a document: plans and settings lie in such a directory, too, as do other programs' files.
fn may_be_document(path: &Path) -> bool {
    // What cannot be read is told of by whoever reads it.
    file::read_text(path, MAX_DOCUMENT_BYTES).map_or(true, |text| openapi::may_be_document(&text))
}

fn beside(path: &Path, extended: &str) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(extended.strip_prefix("./").unwrap_or(extended))
}

fn read_built_in(id: &str, text: &str) -> Arc<Provider> {
    let (mut sources, mut diagnostics) = (SourceMap::default(), Diagnostics::default());
    let text = Arc::from(text);
    let source = sources.add_text(format!("<built-in {id}>"), None, Arc::clone(&text));
    let provider = openapi::read(&text, source, &mut diagnostics);
    Arc::new(provider.expect("`tests/documents.rs` reads every built-in document, and nothing is wrong with it"))
}

fn documents_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let is_document = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if is_document && path.is_file() {
            paths.push(path);
        }
    }
    // The order of directory entries differs between file systems; findings must not.
    paths.sort();
    Ok(paths)
}

/// A built-in document by its id, which is also the name of its file.
macro_rules! document {
    ($id:literal) => {
        ($id, LazyLock::new(|| read_built_in($id, include_str!(concat!("documents/", $id, ".yaml")))))
    };
}

static BUILT_IN: [(&str, LazyLock<Arc<Provider>>); 14] = [
    document!("acme"),
    document!("aws-acm"),
    document!("aws-pca"),
    document!("digicert"),
    document!("digicert-one"),
    document!("ejbca"),
    document!("google-cas"),
    document!("huawei-scm"),
    document!("huawei"),
    document!("keyfactor"),
    document!("naver"),
    document!("naver-pca"),
    document!("sectigo"),
    document!("vault"),
];

/// A provider document beyond this is none.
pub const MAX_DOCUMENT_BYTES: u64 = 4 * 1024 * 1024;
