//! What became of a planned instant.

use crate::model::words::words;

words! {
    /// The one verdict each planned instant gets in the ledger.
    Verdict, "verdict" {
        /// A run was made for it.
        Run => "run",
        /// A run for a later instant stands for it as well.
        Coalesced => "coalesced",
        /// Nobody was there to fire it; the reason says why.
        Missed => "missed",
        /// An earlier run of the job was still alive and the job's overlap rule said no.
        Overlap => "overlap",
        /// A calendar excluded it.
        Calendar => "calendar",
        /// The job was paused.
        Paused => "paused",
        /// It was found too late for the job's start deadline.
        Expired => "expired",
        /// It could not be fired for a reason that is a fault; the reason says which.
        Error => "error",
    }
}

words! {
    /// Why nobody was there to fire a planned instant.
    MissReason, "reason" {
        /// The host was switched off.
        HostOff => "host_off",
        /// The host was suspended.
        Asleep => "asleep",
        /// The host was up, the daemon was not.
        DaemonDown => "daemon_down",
        /// The wall clock was set past it.
        ClockStep => "clock_step",
        /// The daemon was there but could not keep up.
        Overload => "overload",
    }
}
