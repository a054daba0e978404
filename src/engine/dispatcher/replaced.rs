//! What the provider says of the certificate that an action replaces, read before anything is sent, where the document says where: one that would lose
//! names by a reissue is not reissued, unless the plan says so. Where it cannot be read, the action goes on.

use super::queries::ToldState;
use super::state::Dispatcher;
use crate::engine::sender::Sender;
use crate::engine::status_query::{Asker, DoubtfulAction, StatusQuery};
use crate::provider::{target_state, verdict};
use crate::run::{Event, Ordinal, Outcome};
use crate::time::Clock;
use crate::wire::Transport;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Whether what an action replaces is read next: before its first request, and once in a process.
    pub(super) fn reads_replaced(
        &mut self,
        sender: &Sender<T>,
        operation: usize,
        ordinal: Ordinal,
    ) -> Option<(Asker, DoubtfulAction)> {
        let rules = sender.provider.operations[operation].action.as_ref()?;
        let state = self.states.of(ordinal);
        if rules.replaced.is_none() || state.attempts > 0 || state.stage > 0 {
            return None;
        }
        let tried = self.replaced.entry(ordinal).or_insert_with(|| Some(DoubtfulAction::default()));
        tried.clone().map(|tried| (Asker::Replaced, tried))
    }

    /// What is replaced was read, or cannot be: the action is sent, or never is.
    pub(super) fn replaced_read(&mut self, account: usize, query: &StatusQuery, told: ToldState) {
        let action = &query.subject.action;
        let ordinal = action.ordinal;
        if let Err(cause) = told {
            if self.replaced_unread.insert(account) {
                let name = &self.run.senders[account].name;
                let why = format!(
                    "{name}: it cannot be read whether {} drops a name; it is sent all the same ({cause})",
                    action.id
                );
                self.notify(Event::Warning(why));
            }
        } else if let Some((outcome, why)) = self.unfit(account, query) {
            let id = action.id.clone();
            self.replaced.remove(&ordinal);
            return self.end_without_sending(account, ordinal, &id, outcome, why);
        }
        self.replaced.insert(ordinal, None);
        self.scheduler.requeue(ordinal, account, None);
    }

    /// Why an action must not be sent, and how it ends: what its document says of what is there, or the names that it would drop.
    fn unfit(&self, account: usize, query: &StatusQuery) -> Option<(Outcome, String)> {
        let sender = &self.run.senders[account];
        let operation = sender.provider.operations.get(query.subject.operation)?;
        let rules = operation.action.as_ref()?;
        let (replaced, csr) = (rules.replaced.as_ref()?, rules.csr.as_ref()?);
        let parameters = &query.subject.action.parameters;
        let body = query.body()?;
        if let Some((_, why)) = replaced.unless.iter().find(|(when, _)| verdict::all_hold(when, body)) {
            // It passes: `resume --retry failed` takes it up again.
            return Some((Outcome::Failed, format!("never sent: {why}")));
        }
        let names = target_state::replaced_names(replaced, parameters, body);
        let requested = sender.requested_certificate(operation, parameters);
        let asked = target_state::asked_names(csr, parameters, requested.as_ref());
        let (action, _) = self.run.reader.history(query.subject.action.ordinal).ok()?;
        let meant = action.certificate.map(|facts| facts.drop_names).unwrap_or_default();
        let dropped = target_state::dropped_names(&names, &asked, &meant);
        (!dropped.is_empty()).then(|| {
            let (shown, list) = (dropped.join("`, `"), dropped.join(", "));
            let what =
                format!("never sent: the certificate that is there also names `{shown}`, which the new one would lack");
            let why = format!("{what}; ask for it, too, or write `drop_names: [{list}]` where it is to go");
            (Outcome::Skipped, sender.excerpt(&why))
        })
    }
}
