//! Certificate requests of reissues: read once each, and held against what the action asks.

use super::context::Checker;
use super::files::{CsrResult, ReadCsr, parse_csr};
use crate::diag::Diagnostic;
use crate::pki::{Csr, SpkiFingerprint};
use crate::plan::load;
use crate::provider::answer::scalar_text;
use crate::provider::model::CsrRule;
use crate::text::{Span, safe};
use crate::tree::Field;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::rc::Rc;

impl Checker<'_> {
    /// Reads the certificate request of a field: `file:PATH`, or the PEM text itself.
    pub(super) fn read_csr(&mut self, field: &Field) -> Option<CsrResult> {
        let text = self.single(field)?;
        let read = match text.strip_prefix("file:") {
            Some(path) => self.csr_file(path.trim(), field.value.span),
            None if text.contains("-----BEGIN") => Rc::new(parse_csr(text.to_owned())),
            None => {
                let what = format!("`{}` is neither a file nor a certificate request", field.name);
                let help = format!("write `{}: \"file:PATH\"`, or the PEM text", field.name);
                self.say(Diagnostic::error("csr", field.value.span, what).help(help));
                return None;
            }
        };
        if let Err(why) = &*read {
            self.say(Diagnostic::error("csr", field.value.span, why.clone()));
            return None;
        }
        Some(read)
    }

    /// Holds a certificate request against the action's names; its key's fingerprint.
    pub(super) fn compare_csr(
        &mut self,
        read: &ReadCsr,
        rule: &CsrRule,
        parameters: &Map<String, Value>,
        place_of: &dyn Fn(&str) -> Option<Span>,
        csr_place: Span,
    ) -> SpkiFingerprint {
        let csr = &read.csr;
        let asked_name = rule.common_name.as_ref().and_then(|name| parameters.get(name)).and_then(scalar_text);
        let place = |parameter: &Option<String>| parameter.as_deref().and_then(place_of).unwrap_or(csr_place);
        if let Some(asked) = &asked_name {
            let name_place = place(&rule.common_name);
            match csr.common_name() {
                Some(found) if same_name(found, asked) => {}
                Some(found) => {
                    let what = format!(
                        "the certificate request is for `{}`, the action for `{}`",
                        safe::terminal(found),
                        safe::terminal(asked)
                    );
                    let error =
                        Diagnostic::error("csr-name", name_place, what).related(csr_place, "the certificate request");
                    self.say(error.help("is it the right file?"));
                }
                None if csr.dns_names().iter().any(|name| same_name(name, asked)) => {}
                None => {
                    let what = format!("the certificate request does not name `{}`", safe::terminal(asked));
                    let error = Diagnostic::error("csr-name", name_place, what);
                    self.say(error.related(csr_place, "the certificate request").help("is it the right file?"));
                }
            }
        }
        if let Some(parameter) = &rule.dns_names {
            let listed = parameters.get(parameter).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let asked = listed.iter().filter_map(Value::as_str).chain(asked_name.as_deref());
            let asked: BTreeSet<String> = asked.map(str::to_ascii_lowercase).collect();
            let names = csr.dns_names().iter().map(String::as_str).chain(csr.common_name());
            let names: BTreeSet<String> = names.map(str::to_ascii_lowercase).collect();
            self.compare_names(csr, parameter, &asked, &names, place_of(parameter).unwrap_or(csr_place), csr_place);
        }
        let key = csr.spki();
        if self.draft.safety.compromised.as_ref().is_some_and(|compromised| compromised.contains(&key)) {
            let what = "the key of this certificate request is in the list of compromised keys";
            self.say(Diagnostic::error("compromised-key", csr_place, what).help("make a new key and a new request"));
        }
        key
    }

    fn compare_names(
        &mut self,
        csr: &Csr,
        parameter: &str,
        asked: &BTreeSet<String>,
        names: &BTreeSet<String>,
        place: Span,
        csr_place: Span,
    ) {
        let shown = |names: Vec<&String>| {
            names.iter().map(|name| format!("`{}`", safe::terminal(name))).collect::<Vec<_>>().join(", ")
        };
        let lacking: Vec<&String> = asked.difference(names).collect();
        if !lacking.is_empty() {
            let what = format!("the certificate request lacks {}, which the action asks for", shown(lacking));
            // A request without any alternative name leaves them to the CA's form; one with some says which it wants.
            let finding = if csr.dns_names().is_empty() {
                Diagnostic::warning("csr-names", place, what)
            } else {
                Diagnostic::error("csr-names", place, what)
            };
            self.say(finding.related(csr_place, "the certificate request").help("make a request with the same names"));
        }
        let extra: Vec<&String> = names.difference(asked).collect();
        // A wrong common name is said on its own.
        let extra: Vec<&String> =
            extra.into_iter().filter(|name| csr.dns_names().iter().any(|dns| same_name(dns, name))).collect();
        if !extra.is_empty() {
            let what = format!("the certificate request names {}, which the action does not", shown(extra));
            let error = Diagnostic::error("csr-names", place, what).related(csr_place, "the certificate request");
            self.say(error.help(format!("add what is missing to `{parameter}`, or make a request without it")));
        }
    }

    fn csr_file(&mut self, named: &str, place: Span) -> CsrResult {
        let path = load::resolve(self.sources, place, named);
        let result = self.csrs.read(&path);
        if result.is_ok() {
            self.copy_once(named, &path);
        }
        result
    }
}

fn same_name(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}
