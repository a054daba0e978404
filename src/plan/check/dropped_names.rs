//! The names of an old certificate that a reissue would drop: an error, unless the entry says that they are to go. The certificate is the one that the
//! entry names; what only the provider's record tells is held against it before the request is sent.

use super::context::Checker;
use super::fields::{Layers, Row, has_value};
use super::pem_files::CsrResult;
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::names::{comparable, is_host};
use crate::pki::{Certificate, RequestedCertificate};
use crate::plan::read::texts;
use crate::provider::model::{ActionRules, Operation};
use crate::provider::target_state;
use crate::text::{Span, safe};
use crate::tree::Field;
use serde_json::{Map, Value};

/// What an action asks for in the place of an old certificate.
pub(super) struct Replacement<'a> {
    pub(super) operation: &'a Operation,
    pub(super) rules: &'a ActionRules,
    pub(super) parameters: &'a Map<String, Value>,
    /// For each parameter of the operation the field that gave it.
    pub(super) given: &'a [Option<&'a Field>],
    /// Parameters whose values earlier steps bring.
    pub(super) references: &'a [usize],
    /// The certificate request, and where it stands.
    pub(super) csr: Option<&'a (CsrResult, Span)>,
}

impl Checker<'_> {
    /// Holds the names that an action asks for against those of the certificate whose place the new one takes, where that is known. Returns those that
    /// the entry says are to go.
    pub(super) fn check_dropped_names(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        new: &Replacement<'_>,
        old: Option<&Certificate>,
    ) -> Vec<String> {
        let field = row.field_or_default(layers, FIELD).filter(|field| has_value(field));
        let field = field.filter(|_| new.operation.parameter(FIELD).is_none());
        let Some(rule) = new.rules.csr.as_ref().filter(|rule| rule.replaces) else {
            // In a chain it is for the step that asks for a certificate.
            if let Some(field) = row.field(FIELD).filter(|own| field == Some(*own) && self.chain.is_none()) {
                let what = format!("`{}` replaces no certificate, so it drops no name", new.operation.name);
                let error = Diagnostic::error("drop-names", field.span, what);
                self.report(error.help(format!("leave `{FIELD}` out; it is for a reissue")));
            }
            return Vec::new();
        };
        let mut wrong = Diagnostics::default();
        let meant = field.and_then(|field| texts(&field.value, &mut wrong)).unwrap_or_default();
        self.report_all(&wrong);
        let of = |name: &Option<String>| {
            let name = name.as_ref()?;
            new.operation.parameters.iter().position(|parameter| parameter.name == *name)
        };
        let named = [of(&rule.dns_names), of(&rule.common_name), of(&Some(rule.field.clone()))];
        // What an earlier step brings is not known yet.
        if named.iter().flatten().any(|index| new.references.contains(index)) {
            return meant.into_iter().map(|(name, _)| name).collect();
        }
        let request = new.csr.and_then(|(csr, _)| Some(RequestedCertificate::of(&csr.as_ref().as_ref().ok()?.csr)));
        let asked = target_state::asked_names(rule, new.parameters, request.as_ref());
        for (name, place) in meant.iter().filter(|(name, _)| asked.contains(&comparable(name))) {
            let what = format!("`{}` is asked for, and `{FIELD}` says that it is to go", safe::terminal(name));
            self.report(Diagnostic::error("drop-names", *place, what).help("take it out of one of the two"));
        }
        let meant: Vec<String> = meant.into_iter().map(|(name, _)| name).collect();
        let Some(old) = old else { return meant };
        // A common name need not be a host's.
        let common = old.common_name().filter(|name| is_host(name));
        let addresses = old.alternative_names().ip.iter().map(ToString::to_string);
        let names: Vec<String> =
            common.into_iter().chain(old.alternative_names().dns.iter().cloned()).chain(addresses).collect();
        let dropped = target_state::dropped_names(&names, &asked, &meant);
        if !dropped.is_empty() {
            let place =
                named.iter().flatten().find_map(|index| new.given[*index]).map_or(row.span, |field| field.value.span);
            let shown: Vec<_> = dropped.iter().map(|name| safe::terminal(name)).collect();
            let what = format!("the old certificate also names `{}`, which the new one would lack", shown.join("`, `"));
            let mut error = Diagnostic::error("dropped-names", place, what);
            if let Some(certificate) = row.own_field(layers, "certificate") {
                error = error.related(certificate.value.span, "the old certificate");
            }
            self.report(
                error.help(format!("ask for it, too; or write `{FIELD}: [{}]` where it is to go", shown.join(", "))),
            );
        }
        meant
    }
}

const FIELD: &str = "drop_names";
