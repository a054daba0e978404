//! The files below the places that are named: each directory once, however many links lead to it, and nothing that would wait or never end.
//! Holds no list of them; reads none.

use crate::text::file;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The files below some places, one after the other.
pub struct Places {
    /// Those that are left, the next one last.
    roots: Vec<PathBuf>,
    tree: Option<walkdir::IntoIter>,
    /// The directories that were entered, as hashes of their real paths: links among directories could multiply them beyond all measure.
    entered: HashSet<u64>,
    /// Sockets, named pipes and devices that were passed over.
    pub specials: u64,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// A file; whether it was named itself.
    File(PathBuf, bool),
    /// What cannot be read, and why.
    Unreadable(String),
}

impl Places {
    /// The files below these places, in the order of the places; within a directory as the disk has them.
    pub fn new(mut roots: Vec<PathBuf>) -> Self {
        roots.reverse();
        Self { roots, tree: None, entered: HashSet::new(), specials: 0 }
    }

    fn enters(&mut self, directory: &Path) -> bool {
        let Ok(real) = directory.canonicalize() else { return true };
        let mut hasher = DefaultHasher::new();
        real.hash(&mut hasher);
        self.entered.insert(hasher.finish())
    }
}

impl Iterator for Places {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        loop {
            let Some(tree) = &mut self.tree else {
                let root = self.roots.pop()?;
                if !root.is_dir() {
                    return Some(Place::File(root, true));
                }
                // Links are followed: certbot's `live` is made of them, and so are the volumes of Kubernetes.
                self.tree = Some(WalkDir::new(root).follow_links(true).into_iter());
                continue;
            };
            match tree.next() {
                None => self.tree = None,
                Some(Ok(entry)) if entry.file_type().is_dir() => {
                    let is_new = self.enters(entry.path());
                    if let Some(tree) = self.tree.as_mut().filter(|_| !is_new) {
                        tree.skip_current_dir();
                    }
                }
                Some(Ok(entry)) if entry.file_type().is_file() => return Some(Place::File(entry.into_path(), false)),
                Some(Ok(_)) => self.specials += 1,
                // What a loop of links leads to is read all the same.
                Some(Err(error)) if error.loop_ancestor().is_some() => {}
                Some(Err(error)) => {
                    let path = error.path().map(|path| path.display().to_string()).unwrap_or_default();
                    let is_link = error.path().is_some_and(Path::is_symlink);
                    let why = match error.io_error() {
                        Some(why) if is_link && why.kind() == std::io::ErrorKind::NotFound => {
                            "the link leads to nothing".into()
                        }
                        Some(why) => file::reason(why),
                        None => error.to_string(),
                    };
                    return Some(Place::Unreadable(format!("{path}: {why}")));
                }
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn loops_links_and_sockets_end() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("tree");
        for name in ["a", "b", "c"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::File::create_new(root.join("a/one.pem")).unwrap();
        std::fs::File::create_new(root.join("b/two.pem")).unwrap();
        symlink("..", root.join("a/up")).unwrap();
        symlink("one.pem", root.join("a/link.pem")).unwrap();
        symlink("nowhere", root.join("a/broken.pem")).unwrap();
        // Each directory leads to all others: without a memory there are as many ways as permutations.
        for (from, to) in [("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")] {
            symlink(format!("../{to}"), root.join(from).join(format!("to-{to}"))).unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let mut places = Places::new(vec![root.clone(), root.join("b/two.pem"), root.join("none")]);
        let mut all: Vec<String> = places
            .by_ref()
            .map(|place| match place {
                Place::File(path, named) => format!("{} {named}", path.file_name().unwrap().display()),
                Place::Unreadable(why) => why.rsplit('/').next().unwrap().to_owned(),
            })
            .collect();
        all.sort();
        let expected = [
            "broken.pem: the link leads to nothing",
            "link.pem false",
            "none true",
            "one.pem false",
            "two.pem false",
            "two.pem true",
        ];
        assert_eq!(all, expected);
        assert_eq!(places.specials, 1);
    }
}
