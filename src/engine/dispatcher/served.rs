//! Waits for what the world shows: servers their new certificate, by one handshake a look; lists and responders a revocation, asked as `verify` asks.
//! No look needs a place under the limits of an account, since no provider's API is asked. In a rehearsal nobody is asked at all: what was done counts
//! as seen a while later.

use super::state::{Dispatcher, Look, PublishedLook, ServersSeen, Sight};
use crate::engine::attempt::UNTIL_DURABLE;
use crate::engine::sender::Sender;
use crate::engine::step::JournalFailed;
use crate::engine::timing::{Moment, WallTime};
use crate::engine::verify::PublishedState;
use crate::journal::{History, Phase};
use crate::pki::{Certificate, SerialNumber, SerialSpelling, TlsServer};
use crate::plan::Action;
use crate::plan::wait::Wait;
use crate::run::{Ordinal, Outcome};
use crate::text::safe;
use crate::time::{Clock, human};
use crate::wire::Transport;
use futures_util::future::{FutureExt as _, join_all};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What a server must show, and what it is expected to show until then.
struct Expected {
    new: Certificate,
    /// The serial number of the certificate that is replaced, where it is known.
    old: Option<SerialNumber>,
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// The turn of a wait for servers; `of` is the action that brought the new certificate.
    ///
    /// # Errors
    /// Its certificate in the journal cannot be read.
    pub(super) fn look_at_servers(
        &mut self,
        (ordinal, account): (Ordinal, usize),
        (id, wait): (String, Wait),
        (of, history): (&Action, &History),
        now: Moment,
    ) -> Result<(), JournalFailed> {
        self.release_unsent(account);
        let Some(issued) = &history.issued else {
            // Ended in memory, and on disk after a moment.
            if matches!(history.state.phase, Phase::Ended(_)) {
                let why = format!("{} brought no new certificate, so that none can be compared", of.id);
                self.end_without_sending(account, ordinal, &id, Outcome::Failed, why);
            } else {
                self.scheduler.requeue(ordinal, account, Some(now + UNTIL_DURABLE));
            }
            return Ok(());
        };
        self.looks.entry(ordinal).or_insert(Look {
            since: now,
            asked: 0,
            seen: String::new(),
            passed: 0,
            published: None,
        });
        let sender = Rc::clone(&self.run.senders[account]);
        if sender.is_made_up() {
            self.rehearse_look((ordinal, account), &id, history, "deployed", now);
            return Ok(());
        }
        let unreadable = || JournalFailed(format!("the new certificate of {} cannot be read", of.id));
        let mut chain = Certificate::parse_all(issued.pem.as_bytes()).map_err(|_| unreadable())?.into_iter();
        let new = chain.next().ok_or_else(unreadable)?;
        let expected = Expected { new, old: wait.old.clone() };
        let gate = Rc::clone(&self.handshake_gate);
        let looking = async move {
            let others = ask(&sender, &gate, &wait.at, &expected).await;
            Sight::Servers(ServersSeen { account, ordinal, id, at: wait.at, others })
        };
        self.looking.push(looking.boxed_local());
        Ok(())
    }

    /// A look at the world is over.
    pub(super) fn sighted(&mut self, sight: Sight) {
        match sight {
            Sight::Servers(shown) => self.servers_shown(shown),
            Sight::Published(states) => {
                self.is_reading_published = false;
                states.into_iter().for_each(|(look, state)| self.published_shown(look, state));
                self.read_published();
            }
        }
    }

    /// Asks what CAs publish about all that is due. One round at a time: a list is fetched once for all that it may hold.
    pub(super) fn read_published(&mut self) {
        let Some(published) = self.run.published.clone() else { return };
        if self.is_reading_published || self.published_due.is_empty() {
            return;
        }
        self.is_reading_published = true;
        let due = std::mem::take(&mut self.published_due);
        let reading = published.look(due.iter().map(|look| (look.of, look.by)).collect());
        let reading = async move {
            let states = AssertUnwindSafe(reading).catch_unwind().await.unwrap_or_default();
            let failed = || {
                let words = "an internal error struck".to_owned();
                PublishedState { is_revoked: false, can_be_asked: true, words }
            };
            let states = states.into_iter().chain(std::iter::repeat_with(failed));
            Sight::Published(due.into_iter().zip(states).collect())
        };
        self.looking.push(reading.boxed_local());
    }

    fn published_shown(&mut self, look: PublishedLook, state: PublishedState) {
        let PublishedLook { wait: (ordinal, account), id, before, .. } = look;
        if self.stopping.is_some() || matches!(self.states.of(ordinal).phase, Phase::Ended(_)) {
            return;
        }
        if state.is_revoked {
            self.looks.remove(&ordinal);
            return self.end_without_sending(account, ordinal, &id, Outcome::Succeeded, state.words);
        }
        let Some(before) = before else {
            if !state.can_be_asked {
                // To wait until `within` is over would tell nobody more.
                self.looks.remove(&ordinal);
                let why = format!("nobody can be asked whether it is revoked: {}", state.words);
                return self.end_without_sending(account, ordinal, &id, Outcome::Failed, why);
            }
            return self.look_again(account, ordinal, state.words);
        };
        let between = if before.is_empty() { "" } else { "; " };
        self.look_again(account, ordinal, format!("{before}{between}{}", state.words));
    }

    /// A rehearsal asks nobody outside this machine: what waits for the world ends well a while after the step that it is about.
    pub(super) fn rehearse_look(
        &mut self,
        (ordinal, account): (Ordinal, usize),
        id: &str,
        history: &History,
        what: &str,
        now: Moment,
    ) {
        let wall = WallTime::read(&*self.run.clock);
        let there = history.finished_at.and_then(|at| at.checked_add(REHEARSED_PAUSE).ok());
        let missing = there.map(|there| wall.until(there)).unwrap_or_default();
        if missing.is_zero() {
            let why = format!("rehearsal: taken as {what} {} later; nobody was asked", human(REHEARSED_PAUSE));
            self.looks.remove(&ordinal);
            return self.end_without_sending(account, ordinal, id, Outcome::Succeeded, why);
        }
        if let Some(look) = self.looks.get_mut(&ordinal) {
            look.asked += 1;
            look.seen = format!("rehearsal: not {what} yet");
        }
        self.scheduler.poll(ordinal, account, now + missing);
    }

    /// A look is over: all servers show the new certificate, or they are looked at again.
    fn servers_shown(&mut self, shown: ServersSeen) {
        let ServersSeen { account, ordinal, id, at, others } = shown;
        // Its time may be over.
        if self.stopping.is_some() || matches!(self.states.of(ordinal).phase, Phase::Ended(_)) {
            return;
        }
        if others.is_empty() {
            self.looks.remove(&ordinal);
            let why = format!("the new certificate is shown by {}", listed(at.iter().map(ToString::to_string)));
            return self.end_without_sending(account, ordinal, &id, Outcome::Succeeded, why);
        }
        self.look_again(account, ordinal, listed(others.into_iter()));
    }
}

/// Asks servers; what those show that do not show what they must.
async fn ask<T: Transport>(sender: &Sender<T>, gate: &Semaphore, at: &[TlsServer], expected: &Expected) -> Vec<String> {
    let looks = at.iter().map(|server| async move {
        let _turn = gate.acquire().await;
        let asked = AssertUnwindSafe(sender.shown_certificate(server)).catch_unwind().await;
        let shown = asked.unwrap_or_else(|_| Err("an internal error struck".to_owned()));
        difference(expected, shown).map(|what| format!("{server}: {what}"))
    });
    join_all(looks).await.into_iter().flatten().collect()
}

/// What a server shows that is not the new certificate.
fn difference(expected: &Expected, shown: Result<Vec<u8>, String>) -> Option<String> {
    let der = match shown {
        Ok(der) => der,
        Err(why) => return Some(why),
    };
    let Ok(shown) = Certificate::parse(&der) else {
        return Some("it shows a certificate that cannot be read".to_owned());
    };
    let new = &expected.new;
    if shown.spki == new.spki && shown.serial == new.serial {
        return None;
    }
    let which = if Some(&shown.serial) == expected.old.as_ref() {
        "still the old certificate"
    } else if shown.spki == new.spki {
        "another certificate for the new key"
    } else {
        "another certificate than the new one"
    };
    let subject = shown.common_name().or_else(|| shown.host_names().into_iter().next()).unwrap_or_default();
    let serial = shown.serial.spelled(SerialSpelling::HexLower);
    let (issuer, ends) = (shown.issuer_name(), shown.ends);
    let described =
        format!("it shows {which} ({subject}, serial number {serial}, issued by {issuer}, until {ends:.0})");
    Some(safe::terminal(&described).into_owned())
}

/// The first few.
fn listed(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(MAX_LISTED);
    let mut words = all.take(MAX_LISTED).collect::<Vec<_>>().join("; ");
    if more > 0 {
        words = format!("{words}; and {more} more");
    }
    words
}

/// Handshakes at once. None is a request to a provider, and each may hang until it is given up.
pub(super) const MAX_HANDSHAKES: usize = 64;
/// Servers that are named in one message.
const MAX_LISTED: usize = 3;
/// In a rehearsal, until the world shows what was done.
const REHEARSED_PAUSE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &[u8] = include_bytes!("../../pki/testdata/world/good.der");
    const OTHER: &[u8] = include_bytes!("../../pki/testdata/world/revoked.der");

    #[test]
    fn what_a_server_shows_is_told_by_key_and_serial_number() {
        let new = || Certificate::parse(NEW).unwrap();
        let other = Certificate::parse(OTHER).unwrap();
        let unknown = Expected { new: new(), old: None };
        let known = Expected { new: new(), old: Some(other.serial) };
        let mut same_key = new();
        same_key.serial = SerialNumber::parse("0x7777").unwrap();
        let renewed = Expected { new: same_key, old: None };
        for (expected, shown, words) in [
            (&unknown, Ok(NEW.to_vec()), None),
            (&unknown, Ok(OTHER.to_vec()), Some("it shows another certificate than the new one (")),
            (&known, Ok(OTHER.to_vec()), Some("it shows still the old certificate (")),
            (&renewed, Ok(NEW.to_vec()), Some("it shows another certificate for the new key (")),
            (&known, Ok(b"no".to_vec()), Some("it shows a certificate that cannot be read")),
            (&known, Err("nothing listens there".to_owned()), Some("nothing listens there")),
        ] {
            let found = difference(expected, shown);
            match words {
                None => assert_eq!(found, None),
                Some(words) => assert!(found.as_ref().is_some_and(|found| found.starts_with(words)), "{found:?}"),
            }
        }
        let many = (1..6).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(many.into_iter()), "1; 2; 3; and 2 more");
    }
}
