//! The revocation reason of an action: asked in RFC 5280 words or the provider's, sent in the provider's. Guesses nothing.

use super::context::Checker;
use super::fields::{Layers, Row};
use crate::diag::Diagnostic;
use crate::pki::RevocationReason;
use crate::provider::model::{Operation, ReasonRule};
use crate::provider::params::{self, ReasonError};
use crate::text::nearest::nearest;
use crate::text::safe;
use crate::tree::Field;

/// A reason that can be sent.
pub(super) struct ReadReason<'a> {
    /// What was asked, in RFC 5280 words, where it can be said in them.
    pub(super) asked: Option<RevocationReason>,
    /// What is sent.
    pub(super) spelling: String,
    /// Where it was asked.
    pub(super) field: &'a Field,
}

/// What an action says about its reason.
pub(super) enum ReasonAsked<'a> {
    /// Nothing.
    Nothing,
    /// Something that will not do, which was said.
    Wrong,
    /// This.
    This(ReadReason<'a>),
}

impl Checker<'_> {
    /// The reason of an action: the nearest layer that names one, under `reason` or the provider's own field.
    pub(super) fn reason<'a>(
        &mut self,
        row: &Row<'a>,
        layers: Layers<'a>,
        account: usize,
        operation: &Operation,
        rule: &ReasonRule,
    ) -> ReasonAsked<'a> {
        let parameter = operation.parameters.iter().find(|parameter| parameter.name == rule.field);
        let own = || {
            let names = parameter.into_iter().flat_map(|own| std::iter::once(&own.name).chain(&own.aliases));
            names.map(String::as_str).filter(|name| *name != "reason")
        };
        let of_row = || (row.field("reason"), own().find_map(|name| row.field(name)));
        let of_layer = |fields: &'a [Field]| {
            let find = |name: &str| fields.iter().find(|field| field.name == name);
            (find("reason"), own().find_map(find))
        };
        let is_there = |(portable, own): &(Option<&Field>, Option<&Field>)| portable.is_some() || own.is_some();
        let nearest = Some(of_row()).filter(is_there);
        let nearest = nearest.or_else(|| Some(of_layer(layers.entry)).filter(is_there));
        let Some((portable, own)) = nearest.or_else(|| Some(of_layer(layers.plan)).filter(is_there)) else {
            return ReasonAsked::Nothing;
        };
        let portable = portable.map(|field| self.read_reason(field, account, rule));
        let own = own.map(|field| self.read_own(field, rule));
        match (portable, own) {
            (Some(Some(portable)), Some(Some(own))) if portable.spelling != own.spelling => {
                let what =
                    format!("`reason` asks for {}, and `{}` for {}", portable.spelling, own.field.name, own.spelling);
                let error = Diagnostic::error("reason-conflict", own.field.value.span, what);
                self.say(error.related(portable.field.value.span, "`reason` is here").help("keep one of them"));
                ReasonAsked::Wrong
            }
            (Some(Some(reason)), None | Some(Some(_))) | (None, Some(Some(reason))) => ReasonAsked::This(reason),
            _ => ReasonAsked::Wrong,
        }
    }

    /// Reads `reason`: a name of RFC 5280, or the provider's spelling.
    fn read_reason<'a>(&mut self, field: &'a Field, account: usize, rule: &ReasonRule) -> Option<ReadReason<'a>> {
        let text = self.single(field)?;
        let Some(asked) = RevocationReason::parse(text) else {
            if let Some(spelling) = rule.values.iter().map(|(_, spelling)| spelling).find(|spelling| *spelling == text)
            {
                return Some(ReadReason {
                    asked: params::reason_of(rule, spelling),
                    spelling: spelling.clone(),
                    field,
                });
            }
            let has = names(rule);
            let what = format!("`{}` is no revocation reason", safe::terminal(text));
            let all = RevocationReason::ALL.iter().map(|reason| reason.name());
            let help = match nearest(text, all.chain(rule.values.iter().map(|(_, spelling)| spelling.as_str()))) {
                Some(right) => format!("did you mean `{right}`? this operation has {has}"),
                None => format!("this operation has {has}"),
            };
            self.say(Diagnostic::error("unknown-reason", field.value.span, what).help(help));
            return None;
        };
        let draft = &self.draft.accounts.drafts[account];
        match params::spelling_to_send(rule, &draft.account.reasons, asked) {
            Ok(spelling) => {
                let sent = params::reason_of(rule, &spelling);
                if asked == RevocationReason::KeyCompromise && sent != Some(asked) && self.mapped_away.insert(account) {
                    let name = &draft.account.name;
                    let what = format!("reason keyCompromise will be sent to `{name}` as `{spelling}`");
                    let warning = Diagnostic::warning("compromise-not-told", field.value.span, what);
                    self.say(warning.help(REPORT_BY_OTHER_MEANS));
                }
                Some(ReadReason { asked: Some(asked), spelling, field })
            }
            Err(error) => {
                let name = draft.account.name.clone();
                let (ReasonError::NotThere { has } | ReasonError::NoSuchSpelling { has, .. }) = &error;
                let instead = has.iter().map(|(reason, _)| *reason);
                let example = instead.clone().find(|reason| *reason == RevocationReason::Unspecified);
                let example = example.or_else(|| instead.clone().next()).map_or("unspecified", RevocationReason::name);
                let what = format!("the provider `{name}` does not have the reason `{asked}`; it has {}", names(rule));
                let mut help =
                    format!("to send another on purpose: `providers: {{{name}: {{reasons: {{{asked}: {example}}}}}}}`");
                if asked == RevocationReason::KeyCompromise {
                    help.push_str("; ");
                    help.push_str(REPORT_BY_OTHER_MEANS);
                }
                self.say(Diagnostic::error("no-such-reason", field.value.span, what).help(help));
                None
            }
        }
    }

    /// Reads the provider's own field: the provider's spelling, or a name of RFC 5280 that the provider has.
    fn read_own<'a>(&mut self, field: &'a Field, rule: &ReasonRule) -> Option<ReadReason<'a>> {
        let text = self.single(field)?;
        if let Some(spelling) = params::spelling_for(rule, text) {
            return Some(ReadReason { asked: params::reason_of(rule, spelling), spelling: spelling.to_owned(), field });
        }
        let what = format!("`{}` must be one of {}, not `{}`", field.name, spellings(rule), safe::terminal(text));
        let mut error = Diagnostic::error("no-such-reason", field.value.span, what);
        if let Some(right) = nearest(text, rule.values.iter().map(|(_, spelling)| spelling.as_str())) {
            error = error.help(format!("did you mean `{right}`?"));
        }
        self.say(error);
        None
    }
}

/// A rule's reasons in RFC 5280 words, with the provider's spelling where it differs.
fn names(rule: &ReasonRule) -> String {
    let one = |(reason, spelling): &(RevocationReason, String)| {
        if reason.name() == spelling { spelling.clone() } else { format!("{reason} ({spelling})") }
    };
    rule.values.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn spellings(rule: &ReasonRule) -> String {
    rule.values.iter().map(|(_, spelling)| spelling.as_str()).collect::<Vec<_>>().join(", ")
}

const REPORT_BY_OTHER_MEANS: &str =
    "the CA then does not learn of the compromise from this request: report it to the CA by other means";
