//! The hand of the worker's loop on the thread that looks at its job.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::clock::Now;
use crate::model::{Fence, Level};
use crate::process::evidence::file::write;
use crate::process::evidence::history::{History, Signs};
use crate::process::evidence::look::Looker;
use crate::process::step::Step;

/// From one look to the next, milliseconds.
const EVERY_MS: i64 = 1_000;
/// The first look at an attempt comes this long after its start, milliseconds: most are over by then.
const FIRST_MS: i64 = 100;
/// Attempts that start together are looked at up to this much apart, milliseconds.
const APART_MS: i64 = 400;
/// Conditions told of one attempt; one that comes and goes for ever is not told for ever.
const TOLD: u32 = 20;
/// Stack of the thread, bytes.
const STACK: usize = 256 << 10;

/// What the loop and the thread share.
#[derive(Default)]
struct Desk {
    signs: Option<Signs>,
    noticed: Option<(Fence, Step)>,
}

/// The loop's side.
pub(in crate::process) struct Watch {
    worker: i32,
    file: Option<File>,
    desk: Option<Arc<(Mutex<Desk>, Condvar)>>,
    fence: Option<Fence>,
    next: i64,
}

impl Watch {
    /// For a worker with this pid, with the slot's file `evidence`, where it can be had. The thread
    /// is started when the first attempt lives long enough to be looked at.
    pub fn over(worker: i32, file: Option<File>) -> Watch {
        Watch {
            worker,
            file,
            desk: None,
            fence: None,
            next: 0,
        }
    }

    /// The loop has come round with an attempt in hand: has it looked at when it is time. Gives when
    /// to come again at the latest (boot clock).
    pub fn beat(
        &mut self,
        now: Now,
        started_boot: i64,
        fence: Fence,
        signs: impl FnOnce() -> Signs,
    ) -> i64 {
        if self.fence != Some(fence) {
            self.fence = Some(fence);
            self.next = started_boot + FIRST_MS + (fence.0 * 37).rem_euclid(APART_MS);
        }
        if now.boot >= self.next {
            let late = now.boot - self.next;
            self.next += EVERY_MS * (1 + late / EVERY_MS);
            self.put(signs());
        }
        self.next
    }

    // The thread may still be at the last look; then it finds the newest signs when it is done.
    fn put(&mut self, signs: Signs) {
        if let (None, Some(file)) = (&self.desk, self.file.take()) {
            let desk = Arc::new((Mutex::new(Desk::default()), Condvar::new()));
            let (shared, worker) = (Arc::clone(&desk), self.worker);
            let thread = std::thread::Builder::new()
                .name("evidence".to_owned())
                .stack_size(STACK);
            // Without the thread there is no evidence; the job goes on all the same.
            if thread
                .spawn(move || look_on(&shared, worker, &file))
                .is_ok()
            {
                self.desk = Some(desk);
            }
        }
        if let Some(desk) = &self.desk {
            lock(&desk.0).signs = Some(signs);
            desk.1.notify_one();
        }
    }

    /// What was noticed of an attempt and is worth telling; it can be taken once.
    pub fn noticed(&self, fence: Fence) -> Option<Step> {
        let (of, step) = lock(&self.desk.as_ref()?.0).noticed.take()?;
        (of == fence).then_some(step)
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(|e| e.into_inner())
}

// The thread: looks whenever there are new signs, for as long as the process lives.
fn look_on(desk: &(Mutex<Desk>, Condvar), worker: i32, file: &File) {
    let mut looker = Looker::over(worker);
    let mut history: Option<History> = None;
    let (mut told, mut left) = (None, TOLD);
    loop {
        let signs = {
            let mut guard = lock(&desk.0);
            loop {
                match guard.signs.take() {
                    Some(signs) => break signs,
                    None => guard = desk.1.wait(guard).unwrap_or_else(|e| e.into_inner()),
                }
            }
        };
        let history = match &mut history {
            Some(history) if history.fence() == signs.fence => history,
            other => {
                (told, left) = (None, TOLD);
                other.insert(History::of(&signs))
            }
        };
        let reading = looker.look(history.since(&signs));
        let evidence = history.fold(&signs, reading);
        // A full disk or none at all: the next look is written again.
        let _ = write(file, &evidence);
        let telling = evidence.telling();
        if telling != told && left > 0 {
            told = telling;
            if let Some(condition) = telling {
                left -= 1;
                let step = Step {
                    at: signs.now.wall,
                    level: Level::Warn,
                    kind: condition.as_str().to_owned(),
                    text: evidence.words(),
                };
                lock(&desk.0).noticed = Some((signs.fence, step));
            }
        }
    }
}
