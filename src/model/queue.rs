//! Where runs wait.

use crate::schedule::UnixMs;

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// 0 is served first.
    pub rank: i64,
    /// Most runs of it alive at once.
    pub slots: Option<u32>,
    /// Slots no other queue may take.
    pub reserved: u32,
    /// When it was paused.
    pub paused_at: Option<UnixMs>,
    /// Who paused it.
    pub paused_by: Option<String>,
}
