//! `credentials`: references to secrets, never secrets. What looks like one is refused without repeating it.

use super::Reading;
use super::accounts::AccountDraft;
use crate::diag::Diagnostic;
use crate::plan::load;
use crate::provider::CredentialReference;
use crate::provider::model::Provider;
use crate::text::nearest::nearest;
use crate::text::safe;
use crate::tree::Field;
use std::collections::BTreeMap;

impl Reading<'_> {
    /// Reads `credentials`.
    pub(super) fn credentials(&mut self, credentials: &Field, provider: &Provider, draft: &mut AccountDraft) {
        if !matches!(credentials.value.shape, crate::tree::Shape::Map(_)) {
            let what = format!("`credentials` must be a map, not {}", credentials.value.kind());
            let names = credential_names(provider).join(", ");
            // A single text here is likely to be the credential itself.
            let error = Diagnostic::error("literal-secret", credentials.span, what);
            self.diagnostics.push(error.help(format!("it has the keys {names}")));
            return;
        }
        let names = credential_names(provider);
        let mut references = BTreeMap::new();
        let mut written = String::new();
        let mut good = true;
        for credential in credentials.value.fields() {
            let known = names.contains(&credential.name.as_str());
            if !known {
                let what =
                    format!("the provider `{}` has no credential `{}`", provider.id, safe::terminal(&credential.name));
                let help = match nearest(&credential.name, names.iter().copied()) {
                    Some(right) => format!("did you mean `{right}`?"),
                    None => format!("it has {}", names.join(", ")),
                };
                self.diagnostics.push(Diagnostic::error("unknown-credential", credential.span, what).help(help));
                good = false;
            }
            match self.reference(credential, provider) {
                Some(reference) => {
                    written.push_str(&credential.name);
                    written.push('=');
                    written.push_str(credential.value.text().unwrap_or_default());
                    written.push('\n');
                    references.insert(credential.name.clone(), reference);
                }
                None => good = false,
            }
        }
        let complete = |scheme: &&crate::provider::model::AuthScheme| {
            scheme.required.iter().all(|name| references.contains_key(name))
        };
        if good && provider.auth.iter().find(complete).is_none() && !provider.auth.is_empty() {
            let ways: Vec<String> = provider.auth.iter().map(|scheme| scheme.required.join(" and ")).collect();
            let what = format!("these credentials do not suffice for the provider `{}`", provider.id);
            let error = Diagnostic::error("missing-credential", credentials.span, what);
            self.diagnostics.push(error.help(format!("it needs {}", ways.join(", or "))));
        }
        draft.account.credentials = references;
        draft.references = written;
    }

    fn reference(&mut self, credential: &Field, provider: &Provider) -> Option<CredentialReference> {
        let literal = |what: String| {
            let variable = provider.environment.get(&credential.name).map_or("NAME", String::as_str);
            let help = format!("write `env:{variable}`, `file:PATH` or `command:CMD ARG…`");
            // Only the key is pointed at: the value may be a secret.
            Some(Diagnostic::error("literal-secret", credential.span, what).help(help))
        };
        let name = safe::terminal(&credential.name);
        let text = credential.value.text();
        let split = text.and_then(|text| text.split_once(':'));
        let error = match split {
            Some(("env", variable)) => {
                let good = !variable.is_empty()
                    && variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                    && !variable.as_bytes()[0].is_ascii_digit();
                if good {
                    return Some(CredentialReference::Env(variable.to_owned()));
                }
                literal(format!("`{name}` says `env:`, but what follows is no name of an environment variable"))
            }
            Some(("file", path)) if !path.trim().is_empty() && !path.contains('\0') => {
                let path = load::resolve(self.sources, credential.value.span, path.trim());
                return Some(CredentialReference::File(path));
            }
            Some(("command", command)) => match shlex::split(command).filter(|words| !words.is_empty()) {
                Some(words) => return Some(CredentialReference::Command(words)),
                None => literal(format!("`{name}` says `command:`, but what follows cannot be split into words")),
            },
            Some(("file", _)) => literal(format!("`{name}` says `file:` without a path")),
            _ => literal(format!("the credential `{name}` is not a reference; a plan never holds a secret")),
        };
        if let Some(error) = error {
            self.diagnostics.push(error);
        }
        None
    }
}

/// The credentials that a provider knows, each once.
pub(super) fn credential_names(provider: &Provider) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in provider.auth.iter().flat_map(|scheme| scheme.required.iter().chain(&scheme.optional)) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}
