//! From a durable intent to the request. An intent is written only for an action that has its slot; once it is durable, the request goes.

use super::super::attempt::{self, Tools};
use super::super::sender::Unsigned;
use super::{Dispatcher, Step, UnderWay};
use crate::journal::{ActionState, Record, ToSend};
use crate::time::Clock;
use crate::wire::Transport;
use futures_util::future::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

/// An attempt that begins once its intent is durable.
pub(super) struct Departure<T, C> {
    pub(super) tools: Tools<T, C>,
    pub(super) action: ToSend,
    pub(super) unsigned: Unsigned,
    /// The action's state before.
    pub(super) state: ActionState,
    pub(super) intent: Record,
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// An attempt's intent is durable, and it has its slot: it begins.
    pub(super) fn depart(&mut self, departure: Box<Departure<T, C>>) {
        self.fold(&departure.intent);
        let Departure { tools, action, .. } = &*departure;
        let way = UnderWay { account: tools.account, ordinal: Some(action.ordinal), timing: Rc::clone(&tools.timing) };
        let attempts = self.run.settings.retry.attempts;
        let attempt = async move {
            let Departure { tools, action, unsigned, state, .. } = *departure;
            Step::Attempt(attempt::attempt(&tools, &action, unsigned, state, attempts).await.map(Box::new))
        };
        self.begin_step(way, attempt);
    }

    /// A step begins. A panic ends it alone.
    pub(super) fn begin_step(&mut self, way: UnderWay, step: impl Future<Output = Step> + 'static) {
        let over = async move { (way, AssertUnwindSafe(step).catch_unwind().await.ok()) };
        self.steps.push(over.boxed_local());
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
