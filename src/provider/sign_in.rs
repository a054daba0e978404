//! Which ways to sign in a provider has, for all its operations and for one alone, and which of them is taken. Pure; what they do is in
//! [`super::security`].

use super::model::{Operation, Provider};
use super::security::SecurityRequirement;

impl Provider {
    /// All ways to authenticate: the document's, and those of single operations.
    pub fn requirements(&self) -> impl Iterator<Item = &SecurityRequirement> {
        self.auth.iter().chain(self.operations.iter().filter_map(|operation| operation.security.as_ref()).flatten())
    }

    /// How requests of an operation are likely to be signed: by the first way whose required credentials are all there, else by the first.
    pub fn auth_of<'p>(
        &'p self,
        operation: &'p Operation,
        is_there: impl Fn(&str) -> bool,
    ) -> Option<&'p SecurityRequirement> {
        let all = operation.security.as_ref().unwrap_or(&self.auth);
        all.iter().find(|requirement| requirement.required().into_iter().all(&is_there)).or(all.first())
    }

    /// The first way to authenticate, in the document's order, whose required credentials are all there.
    pub fn auth_for(&self, is_there: impl Fn(&str) -> bool) -> Option<&SecurityRequirement> {
        self.auth.iter().find(|requirement| requirement.required().into_iter().all(&is_there))
    }

    /// The names of all credentials that the provider knows, in the document's order, each once.
    pub fn credential_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in
            self.requirements().flat_map(|requirement| [requirement.required(), requirement.optional()].concat())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}
