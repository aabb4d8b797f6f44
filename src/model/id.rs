//! Numbers that name things, kept apart by type.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A run: all work for one fire.
    RunId
);
id!(
    /// One version of one schedule of a job. A changed schedule gets a new number, so that a fire
    /// always names the definition that planned it.
    ScheduleId
);
id!(
    /// The number of a claim: it grows with every claim ever made in a store and is never used
    /// twice, so whoever holds an older one can no longer change anything.
    Fence
);
