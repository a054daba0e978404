//! Provider documents for people and scripts: the list of all, and one in full. Reads the values that the provider floor made;
//! judges no document.

mod json;
mod text;
mod words;

pub use json::{list as list_json, show as show_json};
pub use text::{list, show};

#[cfg(test)]
mod testing;
