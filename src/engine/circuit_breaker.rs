//! Whether a provider is in order: when it is not, one single request tries now and then, instead of thousands. A state machine
//! on a given `now`; never sleeps, never sends.
//!
//! A request that came to nothing (it was not sent, got no answer, or was answered by an error of the server or by something that is not the
//! provider) shows nothing about its action; so while a provider is down, such a request costs its action no attempt either. What
//! bounds the trying is patience with the provider, not with one action.

use super::retry;
use super::timing::Moment;
use crate::provider::AnswerClass;
use crate::run::Ordinal;
use std::time::Duration;

/// What came of a request, as far as it tells whether the provider is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// It was answered in a way that the document knows, a refusal too.
    Answered,
    /// It was answered by an error of the server, or in a way that was not understood.
    OutOfOrder,
    /// It was answered that there is no such page, by something that is not the provider: the address may be wrong.
    Elsewhere,
    /// It surely did not leave: no address, no connection, no TLS.
    NotSent,
    /// The same, and none will leave before a person has changed something.
    Barred,
    /// It may have arrived, and no whole answer was received.
    Lost,
}

impl Contact {
    /// Of a whole answer, by its meaning and its status, and by whether it is the provider's own.
    pub const fn of_answer(meaning: AnswerClass, status: u16, is_the_providers: bool) -> Self {
        match meaning {
            AnswerClass::Unknown if status == 404 && !is_the_providers => Self::Elsewhere,
            AnswerClass::Unknown => Self::OutOfOrder,
            // A document may declare its own maintenance answer to be without effect: the provider is no more in order for that.
            AnswerClass::TryLater if status >= 500 => Self::OutOfOrder,
            _ => Self::Answered,
        }
    }
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    Same,
    /// It is down: one request is tried at this moment, and not before.
    Down(Moment),
    /// It is in order again.
    Up,
    /// It was down for longer than the patience: its account is to be stopped.
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
    /// The actions whose requests in a row were answered by something out of order. One action alone may be what the provider
    /// stumbles over, however often it is asked.
    out_of_order: Vec<Option<Ordinal>>,
    /// Whether each request so far was answered from elsewhere.
    elsewhere: Option<bool>,
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
    /// Probes that could not be sent again.
    costly: u32,
    /// Whether the one request is under way.
    out: bool,
}

impl CircuitBreaker {
    /// Whether the provider is down as far as is known.
    pub const fn is_down(&self) -> bool {
        self.probing.is_some()
    }

    /// Whether the last answers make it likely that it is out of order: one request at a time then, but each at once.
    pub fn is_careful(&self) -> bool {
        self.out_of_order.len() >= MAX_AT_ONCE
    }

    /// A request is to be begun; `once` says that it must not be sent again once it may have taken effect. Returns whether it may: where
    /// answers are lost or not understood, each such try may leave one more action in doubt for good.
    pub fn begin_request(&mut self, once: bool) -> bool {
        let may_take_effect = self.lost > 0 || !self.out_of_order.is_empty();
        let Some(probing) = &mut self.probing else { return true };
        let costs = once && may_take_effect;
        if costs && probing.costly >= MAX_COSTLY {
            return false;
        }
        probing.costly += u32::from(costs);
        probing.out = true;
        true
    }

    /// Notes what came of a request of an action, or of none. `patient` says that somebody waits until a deadline; `random` is
    /// uniform in 0 to 1.
    pub fn note_contact(
        &mut self,
        contact: Contact,
        action: Option<Ordinal>,
        now: Moment,
        patient: bool,
        random: f64,
    ) -> Transition {
        match contact {
            Contact::Answered => {
                let was_down = self.probing.is_some();
                *self = Self { was_up: true, ..Self::default() };
                return if was_down { Transition::Up } else { Transition::Same };
            }
            Contact::Barred => return Transition::Barred,
            _ => self.elsewhere = Some(self.elsewhere != Some(false) && contact == Contact::Elsewhere),
        }
        match contact {
            Contact::Answered | Contact::Barred => {}
            Contact::NotSent => self.not_sent = self.not_sent.saturating_add(1),
            Contact::Lost => self.lost = self.lost.saturating_add(1),
            Contact::OutOfOrder | Contact::Elsewhere
                if self.out_of_order.len() < MAX_OUT_OF_ORDER && !self.out_of_order.contains(&action) =>
            {
                self.out_of_order.push(action);
            }
            Contact::OutOfOrder | Contact::Elsewhere => {}
        }
        // No patience makes a provider of a place where it never was.
        if self.elsewhere == Some(true) && !self.was_up && !self.is_chance() {
            return Transition::Barred;
        }
        let since = *self.since.get_or_insert(now);
        let (tries, costly) = match self.probing {
            // It was sent before the provider was known to be down: only the one probe counts, or a burst of failures would end the patience.
            Some(probing) if !probing.out => return Transition::Same,
            Some(probing) => (probing.tries.saturating_add(1), probing.costly),
            None if self.is_chance() => return Transition::Same,
            None => (1, 0),
        };
        let down_for = now.saturating_sub(since);
        // A deadline is a reason to wait for a provider that was there; one that never was is probably named wrongly.
        if down_for >= PATIENCE && !(patient && self.was_up) {
            return Transition::GivenUp(down_for);
        }
        let next = now + retry::pause(tries, MAX_PAUSE, random).max(MIN_PAUSE);
        self.probing = Some(Probing { tries, costly, out: false });
        Transition::Down(next)
    }

    fn is_chance(&self) -> bool {
        self.not_sent < MAX_NOT_SENT && self.lost < MAX_LOST && self.out_of_order.len() < MAX_OUT_OF_ORDER
    }
}

/// So many requests in a row that were not sent, with no answer between them, say that a provider is down.
const MAX_NOT_SENT: u32 = 3;
/// So many lost ones say it too. More of them, since one slow operation may time out at a provider that is well.
const MAX_LOST: u32 = 8;
/// So many actions in a row that were answered by something out of order say it, too. Each of them may be in doubt afterwards, so they are
/// few; and a provider that stumbles over one action in ten gives a row of them once in a hundred thousand.
const MAX_OUT_OF_ORDER: usize = 5;
/// After so many of them no further request is sent beside those under way.
const MAX_AT_ONCE: usize = 2;
/// So many probes may be requests that are never sent again.
const MAX_COSTLY: u32 = 3;
/// Between two tries, at most: the recovery is seen within this time.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// And at least: jitter must not make a storm of it.
const MIN_PAUSE: Duration = Duration::from_millis(200);
/// So long a provider is tried before its account is stopped.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    use Contact::{Answered, Barred, Elsewhere, Lost, NotSent, OutOfOrder};

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
            ("four answers out of order are chance", vec![OutOfOrder; 4], Transition::Same),
            ("five are not", vec![OutOfOrder; 5], down(0.5)),
            ("four pages that are not there are chance", vec![Elsewhere; 4], Transition::Same),
            ("five are a wrong address", vec![Elsewhere; 5], Transition::Barred),
            ("not among others", [vec![OutOfOrder], vec![Elsewhere; 4]].concat(), down(0.5)),
            ("nor where the provider was", [vec![Answered], vec![Elsewhere; 5]].concat(), down(0.5)),
            (
                "a refusal between them",
                [vec![OutOfOrder; 4], vec![Answered], vec![OutOfOrder; 4]].concat(),
                Transition::Same,
            ),
            ("a burst of them", vec![OutOfOrder; 30], Transition::Same),
            ("a lost one between them", [vec![OutOfOrder; 4], vec![Lost], vec![OutOfOrder]].concat(), down(0.5)),
            ("what was under way before tells nothing new", vec![NotSent; 9], Transition::Same),
            ("and an answer to it all", [vec![NotSent; 9], vec![Answered]].concat(), Transition::Up),
        ] {
            let mut breaker = CircuitBreaker::default();
            let note = |(action, contact): (usize, &Contact)| {
                breaker.note_contact(*contact, Some(action as Ordinal), seconds(0.0), false, 0.5)
            };
            let transitions: Vec<Transition> = contacts.iter().enumerate().map(note).collect();
            assert_eq!(transitions.last(), Some(&last), "{why}");
        }
    }

    #[test]
    fn one_action_that_the_provider_stumbles_over_does_not_take_it_down() {
        let mut breaker = CircuitBreaker::default();
        let mut note = |action| breaker.note_contact(OutOfOrder, Some(action), seconds(0.0), false, 0.5);
        for action in [0, 0, 0, 1, 2, 0, 3, 3, 3] {
            assert_eq!(note(action), Transition::Same);
        }
        assert_eq!(note(4), Transition::Down(seconds(0.5)));
        let mut breaker = CircuitBreaker::default();
        let careful = [(OutOfOrder, 0), (OutOfOrder, 0), (OutOfOrder, 1), (NotSent, 2), (Answered, 3)].map(
            |(contact, action)| {
                breaker.note_contact(contact, Some(action), seconds(0.0), false, 0.5);
                breaker.is_careful()
            },
        );
        assert_eq!(careful, [false, false, true, true, false]);
    }

    #[test]
    fn what_must_not_be_sent_twice_tries_a_few_times_only() {
        for (contact, row, expected) in [(OutOfOrder, 5, [true, true, true, false]), (NotSent, 3, [true; 4])] {
            let mut breaker = CircuitBreaker::default();
            let note = |breaker: &mut CircuitBreaker, action| {
                breaker.note_contact(contact, Some(action), seconds(0.0), false, 0.5);
            };
            for action in 0..row {
                assert!(breaker.begin_request(true), "before it is down nothing is kept back");
                note(&mut breaker, action);
            }
            let tries = [10, 11, 12, 13].map(|action| {
                let may = breaker.begin_request(true);
                note(&mut breaker, action);
                may
            });
            assert_eq!(tries, expected, "{contact:?}");
            assert!(breaker.begin_request(false), "what may be sent again goes on trying");
        }
    }

    #[test]
    fn which_answers_are_out_of_order() {
        for (class, word) in AnswerClass::ALL {
            for status in [200, 302, 404, 500, 503] {
                let out = class == AnswerClass::Unknown || (class == AnswerClass::TryLater && status >= 500);
                let expected = if out { OutOfOrder } else { Answered };
                assert_eq!(Contact::of_answer(class, status, true), expected, "{word} {status}");
                let elsewhere = class == AnswerClass::Unknown && status == 404;
                let expected = if elsewhere { Elsewhere } else { expected };
                assert_eq!(Contact::of_answer(class, status, false), expected, "{word} {status}");
            }
        }
    }

    /// Tries a provider that never answers until it is given up or so much time has gone by; how often it was tried, and for how long.
    fn tried(patient: bool, was_up: bool, until: f64) -> (u32, Option<Duration>) {
        let mut breaker = CircuitBreaker::default();
        let mut now = seconds(100.0);
        if was_up {
            breaker.note_contact(Answered, None, now, patient, 1.0);
        }
        (0..2).for_each(|_| assert_eq!(breaker.note_contact(NotSent, None, now, patient, 1.0), Transition::Same));
        let mut transition = breaker.note_contact(NotSent, None, now, patient, 1.0);
        let mut tries = 0;
        loop {
            match transition {
                Transition::Down(next) if next < seconds(until) => {
                    assert!(next > now && next - now <= MAX_PAUSE, "{now:?} {next:?}");
                    now = next;
                    tries += 1;
                    breaker.begin_request(false);
                    transition =
                        breaker.note_contact(if tries % 2 == 0 { Lost } else { NotSent }, None, now, patient, 1.0);
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
            breaker.begin_request(false);
            if let Transition::Down(next) = breaker.note_contact(NotSent, None, now, false, 0.0) {
                now = next;
                tries += 1;
            }
        }
        assert!(tries <= 51, "{tries}");
    }
}
