//! The start of a job within its limits.

use crate::model::{Limits, Order};
use crate::process::cgroup::Cgroup;
use crate::process::form::Failure;
use crate::process::launch::{Launched, launch};
use crate::process::stage::Backstops;

/// A process may have so many times the memory of the whole tree as its own data, where no group
/// limits the tree: room that is reserved and never used counts for it. The tree's use is looked at
/// four times a second; this is for what grows faster.
const DATA_FACTOR: u64 = 2;
/// Less than this no program starts with.
const LEAST_DATA: u64 = 16 << 20;
/// The kernel ends a single process so much later than the whole tree is ended, seconds: only where
/// nobody does that.
const CPU_SPARE_S: u64 = 5;

/// Starts a job in the worker's groups. Says also whether a group limits its memory.
pub(in crate::process) fn begin(
    cgroup: &mut Cgroup,
    order: &Order,
    marks: &[(&str, String)],
) -> Result<(Launched, bool), Failure> {
    let limits = &order.limits;
    let grouped = limits
        .memory_max
        .is_some_and(|most| cgroup.limit_memory(most));
    let counted = limits
        .processes_max
        .is_some_and(|most| cgroup.limit_processes(most));
    let launched = launch(order, marks, &backstops(limits, grouped, counted));
    cgroup.started(limits.processes_max.filter(|_| counted));
    launched.map(|job| (job, grouped))
}

fn backstops(limits: &Limits, grouped: bool, counted: bool) -> Backstops {
    let data = |most: u64| most.saturating_mul(DATA_FACTOR).max(LEAST_DATA);
    let cpu = |ms: i64| u64::try_from(ms).unwrap_or(0).div_ceil(1000) + CPU_SPARE_S;
    Backstops {
        data: limits.memory_max.filter(|_| !grouped).map(data),
        cpu_s: limits.cpu_max_ms.map(cpu),
        tasks: limits.processes_max.filter(|_| !counted),
    }
}
