//! Bugs that can be put into a node on purpose, to see whether tests find them.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// `early-answer`: a broadcast is answered before its value is stored, which
    /// takes five seconds.
    EarlyAnswer,
    /// `skip-last`: what one node sends another that lacks it goes without its
    /// last value.
    SkipLast,
    /// `give-up`: a node whose parent does not answer asks nobody else.
    GiveUp,
}

/// The bugs of a node: none, unless the crate was built with its feature
/// `sabotage`, for which nothing but tests asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs {
    #[cfg(feature = "sabotage")]
    bug: Option<Sabotage>,
}

impl Bugs {
    /// Whether a node has this one.
    #[cfg(feature = "sabotage")]
    pub(crate) fn has(self, bug: Sabotage) -> bool {
        self.bug == Some(bug)
    }

    /// Whether a node has this one.
    #[cfg(not(feature = "sabotage"))]
    pub(crate) fn has(self, _: Sabotage) -> bool {
        false
    }

    /// The bug of that name.
    #[cfg(feature = "sabotage")]
    pub fn named(name: &str) -> Option<Self> {
        let bug = match name {
            "early-answer" => Sabotage::EarlyAnswer,
            "skip-last" => Sabotage::SkipLast,
            "give-up" => Sabotage::GiveUp,
            _ => return None,
        };
        Some(Self { bug: Some(bug) })
    }

    /// No bug has a name here.
    #[cfg(not(feature = "sabotage"))]
    pub fn named(_: &str) -> Option<Self> {
        None
    }
}
