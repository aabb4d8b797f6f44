//! What ended attempts wrote, until the store has it.
//!
//! Small output goes into the store; larger output keeps a file. While neither takes it, it waits
//! in memory up to a bound, and what goes beyond is dropped and counted as such.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Fence, Record, RunId};
use crate::process::Pool;
use crate::store::StoredOutput;

/// Output up to this size goes into the store; larger output keeps a file.
const SMALL: usize = 64 * 1024;

/// Bytes that wait in memory at most.
const BUDGET: usize = 32 * 1024 * 1024;

/// The output of attempts whose end is not recorded yet. Shared by the thread that reads it from
/// the workers and the one that stores it, of which the latter may be held by the disk.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Where large output goes; nothing where it stays in memory.
    logs: Option<PathBuf>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<Fence, Waiting>,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Waiting {
    Kept(StoredOutput),
    Dropped,
}

impl Waiting {
    fn size(&self) -> usize {
        match self {
            Waiting::Kept(StoredOutput::Here(bytes)) => bytes.len(),
            Waiting::Kept(StoredOutput::File(_)) | Waiting::Dropped => 0,
        }
    }
}

impl Outputs {
    /// Large output goes into files in `logs`.
    pub fn with_logs(logs: &Path) -> Outputs {
        Outputs {
            logs: Some(logs.to_owned()),
            ..Outputs::default()
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what an attempt wrote. Where too much waits, the largest of the older half is dropped,
    /// again and again, until it fits.
    pub fn take(&self, fence: Fence, output: StoredOutput) {
        let mut inner = self.inner();
        let taken = Waiting::Kept(output);
        inner.bytes += taken.size();
        if let Some(before) = inner.waiting.insert(fence, taken) {
            inner.bytes -= before.size();
        }
        while inner.bytes > BUDGET {
            let older = inner.waiting.len().div_ceil(2);
            let sizes = inner.waiting.iter().map(|(fence, w)| (w.size(), *fence));
            let largest = sizes
                .clone()
                .take(older)
                .max()
                .filter(|(size, _)| *size > 0);
            // Where the older half has nothing left the newer one must give.
            let Some((size, fence)) = largest.or_else(|| sizes.max()) else {
                return;
            };
            inner.waiting.insert(fence, Waiting::Dropped);
            inner.bytes -= size;
        }
    }

    /// Nothing of this attempt is needed any more.
    pub fn forget(&self, fence: Fence) {
        let mut inner = self.inner();
        if let Some(gone) = inner.waiting.remove(&fence) {
            inner.bytes -= gone.size();
        }
    }

    /// Bytes that wait in memory.
    pub fn bytes(&self) -> usize {
        self.inner().bytes
    }

    /// What is to be stored with the end of an attempt. Large output is written to a file first; it
    /// goes into the store after all where there is no room for one.
    pub fn of(&self, record: &Record) -> Option<(RunId, u32, StoredOutput)> {
        let Record::Ended(ended) = record else {
            return None;
        };
        let waiting = self.inner().waiting.get(&ended.fence).cloned();
        let Some(Waiting::Kept(output)) = waiting else {
            return None;
        };
        let stored = self.in_file(ended.fence, output);
        Some((ended.run, ended.attempt, stored))
    }

    /// Writes large output to a file, where there is room for one.
    pub fn in_file(&self, fence: Fence, output: StoredOutput) -> StoredOutput {
        let (StoredOutput::Here(bytes), Some(logs)) = (&output, &self.logs) else {
            return output;
        };
        if bytes.len() <= SMALL {
            return output;
        }
        let path = logs.join(format!("{fence}.out"));
        if write_private(&path, bytes).is_err() {
            // Half a file is of no use and takes room.
            let _ = std::fs::remove_file(&path);
            return output;
        }
        StoredOutput::File(path.display().to_string())
    }

    /// Says of ends whose output had to be dropped that nothing of it was kept.
    pub fn account(&self, records: &mut [Record]) {
        let inner = self.inner();
        for record in records {
            if let Record::Ended(ended) = record
                && let Some(Waiting::Dropped) = inner.waiting.get(&ended.fence)
                && let Some(report) = &mut ended.report
            {
                report.output.dropped = report.output.total;
            }
        }
    }
}

/// Writes a file that takes the place of whatever is there: nothing is followed or waited for. Output
/// may hold secrets, whatever the directory allows.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::File::options();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)?.write_all(bytes)
}

/// What an attempt that ended wrote, read from its slot; nothing where it wrote nothing.
pub fn output_of(pool: &Pool, fence: Fence) -> Option<StoredOutput> {
    let captured = pool.captured(fence).ok()?;
    (captured.total > 0).then(|| StoredOutput::Here(captured.encode()))
}

#[cfg(test)]
mod tests {
    use crate::daemon::outputs::{BUDGET, Outputs};
    use crate::model::{Ended, Exit, Fence, Next, Outcome, Output, Record, Report, RunId};
    use crate::store::StoredOutput;

    fn ended(fence: i64) -> Record {
        Record::Ended(Box::new(Ended {
            run: RunId(fence),
            job: "job".to_owned(),
            attempt: 1,
            fence: Fence(fence),
            outcome: Outcome::Succeeded,
            report: Some(Report {
                started_at: 1,
                ended_at: 2,
                exit: Exit::Code(0),
                stop: None,
                reason: None,
                cpu_ms: 0,
                max_rss: 0,
                output: Output {
                    total: 9,
                    dropped: 1,
                },
            }),
            reason: None,
            at: 2,
            next: Next::Final,
            collect: true,
        }))
    }

    fn dropped(record: &Record) -> u64 {
        let Record::Ended(ended) = record else {
            return 0;
        };
        ended.report.as_ref().map_or(0, |r| r.output.dropped)
    }

    #[test]
    fn output_beyond_the_bound_is_dropped_and_counted() {
        let outputs = Outputs::default();
        let half = vec![0; BUDGET / 2];
        for fence in 1..=3 {
            outputs.take(Fence(fence), StoredOutput::Here(half.clone()));
        }
        outputs.take(Fence(4), StoredOutput::Here(b"small".to_vec()));
        assert!(outputs.bytes() <= BUDGET);
        let mut records: Vec<Record> = (1..=4).map(ended).collect();
        outputs.account(&mut records);
        let lost: Vec<u64> = records.iter().map(dropped).collect();
        assert_eq!(lost.iter().filter(|d| **d == 9).count(), 2, "{lost:?}");
        assert_eq!(lost[3], 1, "the newest and smallest is kept");
        let kept = records.iter().filter_map(|r| outputs.of(r)).count();
        assert_eq!(kept, 2);
        (1..=4).for_each(|fence| outputs.forget(Fence(fence)));
        assert_eq!(outputs.bytes(), 0);
    }
}
