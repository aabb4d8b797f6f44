//! What the core and a worker say to each other.
//!
//! A worker may be older or newer than the core it talks to: fields that are not known are passed
//! over, and a kind of message that is not known reads as `Unknown`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::{Fence, Order, Report, StopCause};
use crate::process::step::Step;
use crate::schedule::UnixMs;

/// From the core to a worker.
#[expect(
    clippy::large_enum_variant,
    reason = "one lives at a time, for as long as it takes to send or to act on it"
)]
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::process) enum ToWorker<'a> {
    /// Say where you stand.
    Hello,
    /// Carry this attempt.
    Run {
        /// The attempt.
        order: Cow<'a, Order>,
    },
    /// End the attempt.
    Stop {
        /// Its claim.
        fence: Fence,
        /// Why.
        cause: StopCause,
        /// From SIGTERM to SIGKILL, milliseconds.
        grace_ms: i64,
    },
    /// The outcome is safe elsewhere.
    Collected {
        /// The claim of the attempt.
        fence: Fence,
    },
    /// Leave, unless an attempt is being carried.
    Retire,
    /// Something a newer core says.
    #[serde(other)]
    Unknown,
}

/// From a worker to the core.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::process) enum FromWorker {
    /// The answer to `Hello`.
    State {
        /// Where the worker stands.
        state: Standing,
    },
    /// The job's first process is alive.
    Started {
        /// The claim.
        fence: Fence,
        /// The process.
        pid: i32,
        /// When.
        at: UnixMs,
    },
    /// The attempt is over and its end is in the ledger.
    Ended {
        /// The claim.
        fence: Fence,
        /// What there is to say of it.
        report: Report,
        /// Whether the worker leaves once this is collected.
        #[serde(default)]
        leaving: bool,
    },
    /// Something was done to end the attempt.
    Step {
        /// The claim.
        fence: Fence,
        /// What.
        step: Step,
    },
    /// The order was not taken: the worker carries another.
    Refused {
        /// The claim of the order.
        fence: Fence,
    },
    /// Something a newer worker says.
    #[serde(other)]
    Unknown,
}

/// Where a worker stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::process) enum Standing {
    /// Ready for an order.
    Idle,
    /// It carries an attempt.
    Running {
        /// The claim.
        fence: Fence,
        /// The job's first process.
        pid: i32,
    },
    /// It holds the end of an attempt that is not yet collected.
    Ended {
        /// The claim.
        fence: Fence,
        /// What there is to say of it.
        report: Report,
        /// Whether the worker leaves once this is collected.
        #[serde(default)]
        leaving: bool,
    },
}

#[cfg(test)]
mod tests {
    use crate::process::message::{FromWorker, ToWorker};

    #[test]
    fn what_is_not_known_is_passed_over() {
        let known = br#"{"type":"collected","fence":7,"colour":"red"}"#;
        assert!(matches!(
            serde_json::from_slice(known).unwrap(),
            ToWorker::Collected { .. }
        ));
        let unknown = br#"{"type":"sing","song":{"a":[1,2]}}"#;
        assert!(matches!(
            serde_json::from_slice(unknown).unwrap(),
            ToWorker::Unknown
        ));
        assert!(matches!(
            serde_json::from_slice(unknown).unwrap(),
            FromWorker::Unknown
        ));
    }
}
