//! What a way of spreading values has to do; `tree` and `direct` are the two that there are.

use maelstrom::machine::Time;

use crate::core::Core;
use crate::wire::{Message, Rank, Value};

/// How values spread.
pub(crate) trait Strategy: Send {
    /// The node begins, maybe not for the first time.
    fn start(&mut self, now: Time);

    /// A client, or this node itself, has a value for everybody.
    fn broadcast(&mut self, now: Time, value: Value) {
        let since = self.core().store.position();
        if self.core_mut().store.accept(value) {
            self.spread(now, since);
        }
    }

    /// This node's own log has grown: there are values for everybody, among the arrivals from
    /// `since` on.
    fn spread(&mut self, now: Time, since: usize);

    /// Another node says something that makes sense.
    fn receive(&mut self, now: Time, from: Rank, message: Message);

    /// Does what is due.
    fn run_due(&mut self, now: Time);

    /// This node was held up until now, and so were the inputs that come now. What they
    /// bring to be sent goes at once, if its time was while the node was held up.
    fn catch_up(&mut self, _: Time) {}

    /// When to do what is due next.
    fn deadline(&self) -> Option<Time>;

    /// For how many more milliseconds this node is in churn mode, which all its messages
    /// say.
    fn churn(&self, _: Time) -> u64 {
        0
    }

    /// What all strategies share.
    fn core(&self) -> &Core;

    /// The same, to change it.
    fn core_mut(&mut self) -> &mut Core;
}
