//! What a tree of processes uses, held against what it may use.

use rustix::param::{clock_ticks_per_second, page_size};

use crate::model::{Limits, StopCause, format_duration};
use crate::process::cgroup::Cgroup;
use crate::process::identity::{Stat, stat};
use crate::process::tree::descendants;

/// How often memory is looked at where a limit of it is set, milliseconds.
const MEMORY_MS: i64 = 250;
/// The pauses between two looks at the CPU time, milliseconds: short near the limit.
const CPU_SOONEST_MS: i64 = 100;
const CPU_LATEST_MS: i64 = 10_000;

/// Looks after the limits of a run that the kernel does not keep by itself.
pub(in crate::process) struct Meter {
    memory_max: Option<u64>,
    /// Whether a control group keeps the limit of memory.
    grouped: bool,
    cpu_max_ms: Option<i64>,
    memory_at: Option<i64>,
    cpu_at: Option<i64>,
    peak: u64,
}

impl Meter {
    /// For a run that starts now (boot clock).
    pub fn of(limits: &Limits, grouped: bool, now_boot: i64) -> Meter {
        let mut meter = Meter {
            memory_max: limits.memory_max,
            grouped,
            cpu_max_ms: limits.cpu_max_ms,
            memory_at: limits.memory_max.map(|_| now_boot),
            cpu_at: None,
            peak: 0,
        };
        meter.cpu_at = meter.next_cpu(0, now_boot);
        meter
    }

    /// When to look next (boot clock).
    pub fn due(&self) -> Option<i64> {
        self.memory_at.into_iter().chain(self.cpu_at).min()
    }

    /// Looks where it is time to; says which limit is passed and how. `dead_cpu_ms` is what those
    /// used that are gone.
    pub fn look(
        &mut self,
        worker: i32,
        dead_cpu_ms: i64,
        group: &Cgroup,
        now_boot: i64,
    ) -> Option<(StopCause, String)> {
        if self.memory_at.is_some_and(|at| at <= now_boot) {
            self.memory_at = Some(now_boot + MEMORY_MS);
            if let Some(said) = self.memory(worker, group) {
                return Some((StopCause::Memory, said));
            }
        }
        if self.cpu_at.is_some_and(|at| at <= now_boot) {
            let used = dead_cpu_ms + live_cpu_ms(worker);
            self.cpu_at = self.next_cpu(used, now_boot);
            if let Some(said) = self.cpu(used) {
                return Some((StopCause::Cpu, said));
            }
        }
        None
    }

    /// The limit that ended a run by itself, if one did: the kernel's, or one passed since the last
    /// look.
    pub fn last_word(&self, cpu_ms: i64, group: &Cgroup) -> Option<(StopCause, String)> {
        if self.grouped && group.oom_killed() > 0 {
            return Some((StopCause::Memory, self.too_much(group.memory_peak())));
        }
        self.cpu(cpu_ms).map(|said| (StopCause::Cpu, said))
    }

    fn memory(&mut self, worker: i32, group: &Cgroup) -> Option<String> {
        let most = self.memory_max?;
        if self.grouped {
            let killed = group.oom_killed() > 0;
            return killed.then(|| self.too_much(group.memory_peak()));
        }
        let pages: u64 = tree(worker).map(|s| s.rss).sum();
        self.peak = self.peak.max(pages.saturating_mul(page_size() as u64));
        (self.peak > most).then(|| self.too_much(Some(self.peak)))
    }

    fn too_much(&self, used: Option<u64>) -> String {
        let most = in_bytes(self.memory_max.unwrap_or_default());
        match used {
            Some(used) => format!("its limit of {most} of memory; it used {}", in_bytes(used)),
            None => format!("its limit of {most} of memory"),
        }
    }

    fn cpu(&self, used: i64) -> Option<String> {
        let most = self.cpu_max_ms.filter(|most| used >= *most)?;
        let (most, used) = (format_duration(most), format_duration(used));
        Some(format!("its limit of {most} of CPU time; it used {used}"))
    }

    fn next_cpu(&self, used: i64, now_boot: i64) -> Option<i64> {
        let left = (self.cpu_max_ms? - used).max(0);
        // However many processors there are, it cannot be used up sooner than this.
        let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as i64);
        Some(now_boot + (left / processors).clamp(CPU_SOONEST_MS, CPU_LATEST_MS))
    }
}

fn tree(worker: i32) -> impl Iterator<Item = Stat> {
    descendants(worker)
        .into_iter()
        .filter_map(|(pid, _)| stat(pid))
}

fn live_cpu_ms(worker: i32) -> i64 {
    // The dead ones not yet collected still tell what they used.
    let ticks: u64 = tree(worker).map(|s| s.cpu).sum();
    let ms = ticks.saturating_mul(1000) / clock_ticks_per_second().max(1);
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn in_bytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    const KIB: u64 = 1 << 10;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{} KiB", bytes.div_ceil(KIB)),
        _ => format!("{:.1} MiB", bytes as f64 / MIB as f64),
    }
}
