//! What a worker may have seen, made by hand.

use crake::model::{Carried, Evidence, Fence, RunId, SlotLook};
use crake::schedule::UnixMs;

/// A sample of a job in which nothing is out of the ordinary.
pub fn evidence(fence: Fence) -> Evidence {
    Evidence {
        fence,
        beat_boot: 0,
        busy_ms: 1_000,
        cpu_ms: 500,
        cpu_percent: 50,
        io_bytes: Some(1),
        rss_bytes: 1 << 20,
        processes: 1,
        more: false,
        states: "R1".to_owned(),
        out_bytes: 0,
        out_age_ms: 1_000,
        spin_ms: 0,
        quiet_ms: 0,
        subject: None,
    }
}

/// A living worker in slot 1 that carries this run and came round just now.
pub fn look(run: i64, job: &str, taken_at: UnixMs) -> SlotLook {
    SlotLook {
        slot: 1,
        alive: true,
        pid: Some(100),
        carried: Some(Carried {
            run: RunId(run),
            job: job.to_owned(),
            fence: Fence(run),
            taken_at,
            pid: Some(101),
            ended: None,
        }),
        evidence: Some(evidence(Fence(run))),
        beat_age_ms: Some(500),
    }
}
