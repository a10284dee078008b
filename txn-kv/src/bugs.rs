//! Faults that can be put into the node on purpose, to see that the tests find
//! them. Outside of tests there are none: without the feature `bugs`, [`Bugs`]
//! has no bits to set and asking for one is a constant.

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The first write of a transaction from elsewhere takes effect when it
    /// arrives, the others with the next tick.
    TwoSteps,
    /// Transactions from elsewhere take effect in the order in which they
    /// arrive, whatever they depend on.
    OutOfOrder,
    /// The clock does not advance when a transaction arrives.
    DeafClock,
    /// A batch that was not acknowledged in time is taken for delivered.
    ForgetUnacknowledged,
}

/// The fault that this node has, if it has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bugs {
    #[cfg(any(test, feature = "bugs"))]
    bug: Option<Bug>,
}

impl Bugs {
    /// This one.
    #[cfg(any(test, feature = "bugs"))]
    pub fn only(bug: Bug) -> Self {
        Self { bug: Some(bug) }
    }

    /// Whether it is there.
    #[cfg(any(test, feature = "bugs"))]
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// It is not.
    #[cfg(not(any(test, feature = "bugs")))]
    pub(crate) fn has(self, _: Bug) -> bool {
        false
    }
}
