//! From a durable intent to the request: at once where a slot is free; what was written down ahead waits for one, and is taken back
//! where nothing may be sent any more.

use super::super::attempt::{self, Tools};
use super::super::pace::Moment;
use super::super::sender::{Sender, Unsigned};
use super::{Dispatcher, Step, UnderWay};
use crate::journal::{ActionState, Record, Reply, ToSend};
use crate::provider::Repeat;
use crate::run::Effect;
use crate::time::Clock;
use crate::wire::Transport;
use futures_util::future::FutureExt as _;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

/// An attempt that begins once its intent is durable and a slot is free.
pub(super) struct Departure<T, C> {
    pub(super) tools: Tools<T, C>,
    pub(super) action: ToSend,
    pub(super) unsigned: Unsigned,
    /// The action's state before.
    pub(super) state: ActionState,
    pub(super) intent: Record,
}

/// An account's departures whose intents are durable, and how many of its steps are in flight.
pub(super) struct Written<T, C> {
    waiting: VecDeque<Box<Departure<T, C>>>,
    in_flight: u32,
}

impl<T, C> Default for Written<T, C> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), in_flight: 0 }
    }
}

/// Whether no action of an account could cost twice when it is sent twice; `asked` are the operations that a run's actions ask for.
pub(super) fn may_all_be_asked_again<T>(asked: &[(usize, String)], account: usize, sender: &Sender<T>) -> bool {
    let safe = |name: &str| {
        let mut operations = sender.provider.actions();
        operations.any(|(operation, rules)| operation.name == name && rules.repeat == Repeat::Safe)
    };
    asked.iter().filter(|(of, _)| *of == account).all(|(_, name)| safe(name))
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// An attempt's intent is durable: it begins, or waits for a slot, or is taken back where nothing more may be sent.
    pub(super) fn written_down(&mut self, departure: Box<Departure<T, C>>) {
        departure.tools.trip.written(&*self.run.clock);
        self.fold(&departure.intent);
        let account = departure.tools.account;
        if !self.goes_on(account) {
            return self.take_back(departure);
        }
        let Written { waiting, in_flight } = &mut self.written[account];
        if waiting.is_empty() && *in_flight < self.ready.slots(account) {
            self.depart(departure);
        } else {
            waiting.push_back(departure);
        }
    }

    /// A step begins. A panic ends it alone.
    pub(super) fn begin_step(&mut self, way: UnderWay, step: impl Future<Output = Step> + 'static) {
        self.written[way.account].in_flight += 1;
        let over = async move { (way, AssertUnwindSafe(step).catch_unwind().await.ok()) };
        self.steps.push(over.boxed_local());
    }

    /// A step of an account is over: what is written down goes, or is taken back where nothing may be sent any more.
    pub(super) fn slot_is_free(&mut self, account: usize, now: Moment) {
        self.written[account].in_flight -= 1;
        while self.written[account].in_flight < self.ready.slots(account)
            && let Some(departure) = self.written[account].waiting.pop_front()
        {
            if self.may_send(account, now) {
                self.depart(departure);
            } else {
                self.take_back(departure);
            }
        }
    }

    fn depart(&mut self, departure: Box<Departure<T, C>>) {
        let Departure { tools, action, .. } = &*departure;
        let way = UnderWay { account: tools.account, ordinal: Some(action.ordinal), trip: Rc::clone(&tools.trip) };
        let attempts = self.run.settings.retry.attempts;
        let attempt = async move {
            let Departure { tools, action, unsigned, state, .. } = *departure;
            Step::Attempt(attempt::attempt(&tools, &action, unsigned, state, attempts).await.map(Box::new))
        };
        self.begin_step(way, attempt);
    }

    /// What was written down ahead is not sent: the action waits as before, in the journal too.
    fn take_back(&mut self, departure: Box<Departure<T, C>>) {
        let Departure { tools, action, state, .. } = *departure;
        let answer = Reply { message: Some("written down ahead, and not sent".to_owned()), ..Reply::default() };
        self.write(vec![Record::AttemptEnded {
            ordinal: action.ordinal,
            attempt: state.attempts + 1,
            at: self.run.clock.now(),
            effect: Effect::None,
            counts: false,
            answer,
        }]);
        self.unsent(tools.account);
        self.ready.again(action.ordinal, tools.account, None);
    }

    /// Whether what was written down ahead may go out as far as is known now.
    fn may_send(&mut self, account: usize, now: Moment) -> bool {
        self.goes_on(account)
            && self.closed_told.is_none()
            && !self.reaches[account].is_down()
            && self.ready.pace(account).held(now).is_none()
    }

    /// Whether nothing has ended or interrupted the account's sending since an intent was written.
    fn goes_on(&self, account: usize) -> bool {
        self.stopping.is_none()
            && !self.paused
            && !self.ready.is_stopped(account)
            // Withdrawn since the pass was given.
            && !self.run.senders[account].lacks_token()
    }

    /// A step that had its place was not begun.
    pub(super) fn unsent(&mut self, account: usize) {
        self.ready.pace(account).unsent();
        self.ready.stepped(account);
    }

    pub(super) fn is_something_under_way(&self) -> bool {
        self.untold.departs() || !self.steps.is_empty()
    }
}
