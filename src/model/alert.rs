//! Alerts: what they are about, and where they stand.

use crate::model::Outcome;
use crate::model::words::words;

words! {
    /// What an alert is about.
    AlertKind, "alert kind" {
        /// A run failed for good, by exit code, signal, time limit or start deadline.
        Failed => "failed",
        /// A fire nobody was there for, and nothing was made up for.
        Missed => "missed",
        /// A run that is alive and does not move.
        Stuck => "stuck",
        /// A run whose worker or host vanished.
        Lost => "lost",
        /// A run that started long after its instant.
        Late => "late",
        /// A run that takes or took far longer than its job usually does.
        Long => "long",
        /// A run that succeeded far too early for its job.
        Short => "short",
        /// A job that has not succeeded for longer than it may.
        Silent => "silent",
        /// It is well again, after an alert.
        Recovered => "recovered",
        /// A run started; for pings.
        Started => "started",
        /// A run succeeded; for pings.
        Succeeded => "succeeded",
        /// Somebody tries the receiver out.
        Test => "test",
    }
}

impl AlertKind {
    /// Those that a receiver may ask for.
    pub const CHOICES: [AlertKind; 9] = [
        AlertKind::Failed,
        AlertKind::Missed,
        AlertKind::Stuck,
        AlertKind::Lost,
        AlertKind::Late,
        AlertKind::Long,
        AlertKind::Short,
        AlertKind::Silent,
        AlertKind::Recovered,
    ];

    /// Those a receiver has that asks for nothing in particular.
    pub const USUAL: [AlertKind; 5] = [
        AlertKind::Failed,
        AlertKind::Missed,
        AlertKind::Stuck,
        AlertKind::Lost,
        AlertKind::Recovered,
    ];

    /// What the end of a run calls for, where it ended badly. What somebody killed or took back does
    /// not.
    pub fn of_outcome(outcome: Outcome) -> Option<AlertKind> {
        match outcome {
            Outcome::Succeeded | Outcome::Cancelled | Outcome::Killed => None,
            Outcome::Lost | Outcome::Interrupted => Some(AlertKind::Lost),
            Outcome::Failed
            | Outcome::Signaled
            | Outcome::TimedOut
            | Outcome::Expired
            | Outcome::Unspawnable => Some(AlertKind::Failed),
        }
    }
}

words! {
    /// What happened that may be worth an alert.
    TidingKind, "tiding" {
        /// A run started.
        Started => "started",
        /// A run started long after its instant.
        Late => "late",
        /// A run is over.
        Ended => "ended",
        /// Nobody was there for a fire, and nothing was made up for it.
        Missed => "missed",
    }
}

words! {
    /// Where an alert stands in the outbox.
    AlertState, "alert state" {
        /// It is to be sent, or to be tried again.
        Pending => "pending",
        /// Its receiver took it.
        Sent => "sent",
        /// It was given up after its last try.
        Failed => "failed",
        /// Quiet hours, or the rate, keep it back for a while.
        Held => "held",
        /// It is not sent at all; why stands beside it.
        Dropped => "dropped",
    }
}
