//! Whether a provider can be reached: when it cannot, one single request tries now and then, instead of thousands. A state machine
//! on a given `now`; never sleeps, never sends.
//!
//! A request that was not sent costs the provider nothing and shows nothing about its action; so while a provider is down, such a
//! request costs its action no attempt either. What bounds the trying is patience with the provider, not with one action.

use super::retry;
use super::timing::Moment;
use std::time::Duration;

/// Whether a request reached the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// It was answered, with whatever status.
    Answered,
    /// It surely did not leave: no address, no connection, no TLS.
    NotSent,
    /// The same, and none will leave before a person has changed something.
    Barred,
    /// It may have arrived, and no whole answer was received.
    Lost,
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    Same,
    /// It cannot be reached: one request is tried at this moment, and not before.
    Down(Moment),
    /// It can be reached again.
    Up,
    /// It could not be reached for longer than the patience: its account is to be stopped.
    GivenUp(Duration),
    /// It will not be reached before a person has changed something: its account is to be stopped.
    Barred,
}

/// What is known of one provider.
#[derive(Debug, Clone, Default)]
pub struct CircuitBreaker {
    /// Requests in a row that were not sent, and that were lost.
    not_sent: u32,
    lost: u32,
    /// When the first of them failed.
    since: Option<Moment>,
    /// Whether a request was ever answered.
    was_up: bool,
    probing: Option<Probing>,
}

#[derive(Debug, Clone, Copy)]
struct Probing {
    /// Probes that failed.
    tries: u32,
    /// Whether the one request is under way.
    out: bool,
}

impl CircuitBreaker {
    /// Whether the provider is down as far as is known. A request that is begun now and does not leave costs no attempt.
    pub const fn is_down(&self) -> bool {
        self.probing.is_some()
    }

    /// A request is begun.
    pub fn note_request(&mut self) {
        if let Some(probing) = &mut self.probing {
            probing.out = true;
        }
    }

    /// Notes whether a request reached the provider. `patient` says that somebody waits until a deadline; `random` is uniform in 0 to 1.
    pub fn note_contact(&mut self, contact: Contact, now: Moment, patient: bool, random: f64) -> Transition {
        match contact {
            Contact::Answered => {
                // Any answer proves the connection, an error too; what it means for the action is decided elsewhere.
                let was_down = self.probing.is_some();
                *self = Self { was_up: true, ..Self::default() };
                return if was_down { Transition::Up } else { Transition::Same };
            }
            Contact::Barred => return Transition::Barred,
            Contact::NotSent => self.not_sent = self.not_sent.saturating_add(1),
            Contact::Lost => self.lost = self.lost.saturating_add(1),
        }
        let since = *self.since.get_or_insert(now);
        let tries = match &mut self.probing {
            // It was sent before the provider was known to be down: only the one probe counts, or a burst of failures would end the patience.
            Some(probing) if !probing.out => return Transition::Same,
            Some(probing) => probing.tries.saturating_add(1),
            None if self.not_sent < MAX_NOT_SENT && self.lost < MAX_LOST => return Transition::Same,
            None => 1,
        };
        let down_for = now.saturating_sub(since);
        // A deadline is a reason to wait for a provider that was there; one that never was is probably named wrongly.
        if down_for >= PATIENCE && !(patient && self.was_up) {
            return Transition::GivenUp(down_for);
        }
        let next = now + retry::pause(tries, MAX_PAUSE, random).max(MIN_PAUSE);
        self.probing = Some(Probing { tries, out: false });
        Transition::Down(next)
    }
}

/// So many requests in a row that were not sent, with no answer between them, say that a provider is down.
const MAX_NOT_SENT: u32 = 3;
/// So many lost ones say it too. More of them, since one slow operation may time out at a provider that is well.
const MAX_LOST: u32 = 8;
/// Between two tries, at most: the recovery is seen within this time.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// And at least: jitter must not make a storm of it.
const MIN_PAUSE: Duration = Duration::from_millis(200);
/// So long a provider is tried before its account is stopped.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    use Contact::{Answered, Barred, Lost, NotSent};

    fn seconds(seconds: f64) -> Moment {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_row_of_requests_that_come_to_nothing_says_that_a_provider_is_down() {
        let down = |at| Transition::Down(seconds(at));
        for (why, contacts, last) in [
            ("two are chance", vec![NotSent, NotSent], Transition::Same),
            ("three are not", vec![NotSent; 3], down(0.5)),
            ("an answer between them", vec![NotSent, NotSent, Answered, NotSent, NotSent], Transition::Same),
            ("seven lost are chance", vec![Lost; 7], Transition::Same),
            ("eight are not", vec![Lost; 8], down(0.5)),
            ("a lost one is no answer", vec![NotSent, Lost, NotSent, Lost, NotSent], down(0.5)),
            ("what no patience mends", vec![Answered, Barred], Transition::Barred),
            ("what was under way before tells nothing new", vec![NotSent; 9], Transition::Same),
            ("and an answer to it all", [vec![NotSent; 9], vec![Answered]].concat(), Transition::Up),
        ] {
            let mut breaker = CircuitBreaker::default();
            let transitions: Vec<Transition> =
                contacts.iter().map(|contact| breaker.note_contact(*contact, seconds(0.0), false, 0.5)).collect();
            assert_eq!(transitions.last(), Some(&last), "{why}");
        }
    }

    /// Tries a provider that never answers until it is given up or so much time has gone by; how often it was tried, and for how long.
    fn tried(patient: bool, was_up: bool, until: f64) -> (u32, Option<Duration>) {
        let mut breaker = CircuitBreaker::default();
        let mut now = seconds(100.0);
        if was_up {
            breaker.note_contact(Answered, now, patient, 1.0);
        }
        (0..2).for_each(|_| assert_eq!(breaker.note_contact(NotSent, now, patient, 1.0), Transition::Same));
        let mut transition = breaker.note_contact(NotSent, now, patient, 1.0);
        let mut tries = 0;
        loop {
            match transition {
                Transition::Down(next) if next < seconds(until) => {
                    assert!(next > now && next - now <= MAX_PAUSE, "{now:?} {next:?}");
                    now = next;
                    tries += 1;
                    breaker.note_request();
                    transition = breaker.note_contact(if tries % 2 == 0 { Lost } else { NotSent }, now, patient, 1.0);
                }
                Transition::Down(_) => return (tries, None),
                Transition::GivenUp(after) => return (tries, Some(after)),
                Transition::Same | Transition::Up | Transition::Barred => panic!("{transition:?}"),
            }
        }
    }

    #[test]
    fn patience_ends_but_for_a_deadline_of_a_provider_that_was_there() {
        let (tries, given_up) = tried(false, true, 1e6);
        assert!(given_up.is_some_and(|after| after >= PATIENCE && after < PATIENCE + MAX_PAUSE), "{given_up:?}");
        assert!((30..40).contains(&tries), "{tries} tries in a quarter of an hour");
        assert!(tried(true, false, 1e6).1.is_some(), "it was never there");
        assert_eq!(tried(true, true, 7200.0).1, None, "the deadline decides");
    }

    #[test]
    fn jitter_makes_no_storm() {
        let mut breaker = CircuitBreaker::default();
        let mut now = seconds(0.0);
        let mut tries = 0;
        while now < seconds(10.0) {
            breaker.note_request();
            if let Transition::Down(next) = breaker.note_contact(NotSent, now, false, 0.0) {
                now = next;
                tries += 1;
            }
        }
        assert!(tries <= 51, "{tries}");
    }
}
