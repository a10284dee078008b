/// Defines the bugs that can be put into a node on purpose, to see whether tests
/// find them: the enum `Bug`, and the set `Bugs` that a node carries.
///
/// The crate that calls it declares the feature `injected-bugs`. Without the
/// feature, and outside of the crate's own unit tests, `Bugs` is empty,
/// [`Bugs::has`](#what-it-defines) is the constant `false`, and no argument names a
/// bug. No release binary has the feature.
///
/// # What it defines
///
/// - `Bug`: one variant a bug, and `Bug::ALL`, each with its name.
/// - `Bugs`: `Copy`, `Default` (none), `Bugs::only(bug)`, `bugs.has(bug)`, and
///   `Bugs::parse(argument)`, which reads the argument `--inject=NAME`.
///
/// ```
/// maelstrom::injected_bugs! {
///     /// A value is answered before it is stored.
///     EarlyAnswer = "early-answer",
/// }
///
/// // This crate has no feature `injected-bugs`.
/// assert_eq!(Bugs::parse("--inject=early-answer"), None);
/// assert!(!Bugs::default().has(Bug::EarlyAnswer));
/// ```
#[macro_export]
macro_rules! injected_bugs {
    ($($(#[$doc:meta])* $bug:ident = $name:literal,)+) => {
        /// A bug that can be put into a node on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[$doc])* $bug,)+
        }

        impl Bug {
            /// All of them, with the names that `--inject` takes.
            pub const ALL: &'static [(&'static str, Self)] = &[$(($name, Self::$bug)),+];
        }

        /// The bug that a node has: none, unless the crate was built with its feature
        /// `injected-bugs`, for which nothing but tests asks.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Bugs {
            #[cfg(any(test, feature = "injected-bugs"))]
            bug: Option<Bug>,
        }

        #[cfg(any(test, feature = "injected-bugs"))]
        #[allow(dead_code, reason = "not every crate needs each of them")]
        impl Bugs {
            /// This one.
            pub fn only(bug: Bug) -> Self {
                Self { bug: Some(bug) }
            }

            /// What the argument `--inject=NAME` puts in; `None` if it is not that
            /// argument, or if there is no such bug.
            pub fn parse(argument: &str) -> Option<Self> {
                let name = argument.strip_prefix("--inject=")?;
                let (_, bug) = Bug::ALL.iter().find(|(known, _)| *known == name)?;
                Some(Self::only(*bug))
            }

            /// Whether a node has this one.
            pub(crate) fn has(self, bug: Bug) -> bool {
                self.bug == Some(bug)
            }
        }

        #[cfg(not(any(test, feature = "injected-bugs")))]
        impl Bugs {
            /// No argument names a bug in this build.
            pub fn parse(_: &str) -> Option<Self> {
                None
            }

            /// No node has it in this build.
            #[allow(clippy::unused_self, reason = "the same signature in both builds")]
            pub(crate) fn has(self, _: Bug) -> bool {
                false
            }
        }
    };
}
