//! What the daemon does with the store for users who may not open it: one thread, so that neither a
//! slow store nor a costly question keeps the socket from answering.
//!
//! This is the only place where petitions are executed. Each is about jobs that run as the user who
//! sends it (`store/own.rs`), whose number the kernel says; a job of somebody else and one that
//! does not exist get the same answer.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{Paths, User};
use crate::control::{Asker, Late, Petition, Reply, Written};
use crate::daemon::core::Keep;
use crate::daemon::mailbox::{Mailbox, Sender, mailbox};
use crate::daemon::transcript::{Transcript, TranscriptError};
use crate::model::{Origin, Raw, RunId, RunState};
use crate::process::{Chunk, Stream};
use crate::store::{OwnRuns, Part, Request, RunFilter, Store, StoreError, VERSION};

/// Most petitions open at once, and most of one user.
const OPEN: usize = 64;
const OPEN_OF_ONE: usize = 8;

/// Most runs one petition may end.
const RUNS: usize = 1_000;

/// Bytes of output in one answer, beyond which at most one piece more is in it.
const OUTPUT: usize = 256 * 1024;

/// How long a petition waits for others who write.
const PATIENCE: Duration = Duration::from_secs(1);

/// The users whose petitions are open.
type Open = Arc<Mutex<Vec<u32>>>;

/// Where petitions are handed in.
pub struct Desk {
    petitions: mpsc::Sender<(Asker, Petition)>,
    open: Open,
}

/// The thread that executes them.
pub struct Petitions {
    paths: Paths,
    clock: Arc<dyn Clock>,
    keeper: Sender<Keep>,
    answers: Sender<(u64, Reply)>,
    petitions: mpsc::Receiver<(Asker, Petition)>,
    open: Open,
    /// The output that was read last, and what of it was not asked for yet.
    reading: Option<Reading>,
}

struct Reading {
    run: RunId,
    attempt: u32,
    /// How many bytes were passed on.
    at: u64,
    rest: Vec<Chunk>,
    transcript: Transcript,
}

impl Desk {
    /// A desk, the executor behind it, and where its answers come out.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn new(
        paths: &Paths,
        clock: Arc<dyn Clock>,
        keeper: Sender<Keep>,
    ) -> std::io::Result<(Desk, Petitions, Box<dyn Late>)> {
        let (answers, late) = mailbox()?;
        let (sender, petitions) = mpsc::channel();
        let open = Open::default();
        let desk = Desk {
            petitions: sender,
            open: Arc::clone(&open),
        };
        let executor = Petitions {
            paths: paths.clone(),
            clock,
            keeper,
            answers,
            petitions,
            open,
            reading: None,
        };
        Ok((desk, executor, Box::new(late)))
    }

    /// Takes a petition in; gives an answer at once only where it does not.
    pub fn hand_in(&self, asker: Asker, petition: Petition) -> Option<Reply> {
        let mut open = self.open.lock().unwrap_or_else(|e| e.into_inner());
        let of_one = open.iter().filter(|uid| **uid == asker.peer.uid).count();
        if open.len() >= OPEN || of_one >= OPEN_OF_ONE {
            return Some(Reply::Refused("too many petitions are open".to_owned()));
        }
        open.push(asker.peer.uid);
        // Both ends live as long as the process.
        let _ = self.petitions.send((asker, petition));
        None
    }
}

impl Late for Mailbox<(u64, Reply)> {
    fn take_late(&mut self) -> Vec<(u64, Reply)> {
        self.take()
    }
}

impl Petitions {
    /// Executes petitions for ever.
    pub fn run(mut self) {
        while let Ok((asker, petition)) = self.petitions.recv() {
            let uid = asker.peer.uid;
            let reply = self.execute(uid, petition).unwrap_or_else(of_trouble);
            let mut open = self.open.lock().unwrap_or_else(|e| e.into_inner());
            if let Some(at) = open.iter().position(|other| *other == uid) {
                open.swap_remove(at);
            }
            drop(open);
            self.answers.send((asker.ticket, reply));
        }
    }

    fn execute(&mut self, uid: u32, petition: Petition) -> Result<Reply, TranscriptError> {
        match petition {
            Petition::List { after } => rows(self.read()?.own_jobs(uid, after.as_deref())?),
            Petition::Show { job, history } => rows(self.read()?.own_job(&job, history, uid)?),
            Petition::Look { run } => rows(self.read()?.own_run(run, uid)?),
            Petition::Runs {
                job,
                states,
                since,
                before,
                limit,
                with_jobs,
            } => {
                let states: Result<Vec<RunState>, _> = states.iter().map(|s| s.parse()).collect();
                let Ok(states) = states else {
                    return Ok(Reply::Refused("no such state".to_owned()));
                };
                let filter = RunFilter {
                    job,
                    states,
                    since,
                    limit: usize::try_from(limit).ok(),
                    ..RunFilter::default()
                };
                let wanted = OwnRuns {
                    filter,
                    before,
                    with_jobs,
                };
                rows(self.read()?.own_runs(&wanted, uid)?)
            }
            Petition::Run { job, env } => self.request(uid, job, env),
            Petition::Kill { runs } => self.cancel(uid, &runs, false),
            Petition::Cancel { runs } => self.cancel(uid, &runs, true),
            Petition::Output { run, attempt, from } => self.output(uid, run, attempt, from),
        }
    }

    // Opened for each petition: the file may be another by the next, and one that stays open would
    // keep its lock and its log.
    fn read(&self) -> Result<Store, StoreError> {
        let mut store = Store::open_to_read_within(&self.paths.store, PATIENCE)?;
        store.bound_cost()?;
        Ok(store)
    }

    fn write(&self) -> Result<Store, StoreError> {
        let mut store = Store::open(&self.paths.store)?;
        store.set_patience(PATIENCE)?;
        store.checkpoint_by_hand()?;
        store.bound_cost()?;
        Ok(store)
    }

    fn request(
        &self,
        uid: u32,
        job: String,
        env: Vec<(String, Raw)>,
    ) -> Result<Reply, TranscriptError> {
        let now = self.clock.now().wall;
        let request = Request {
            job,
            origin: Origin::Manual,
            origin_ref: None,
            by: name_of(uid),
            run_at: now,
            queue: None,
            priority: None,
            env,
        };
        let run = self.write()?.request_own(&request, uid, now)?;
        self.keeper.send(Keep::Look);
        Ok(Reply::Asked(run))
    }

    fn cancel(
        &self,
        uid: u32,
        runs: &[RunId],
        waiting_only: bool,
    ) -> Result<Reply, TranscriptError> {
        if runs.len() > RUNS {
            return Ok(Reply::Refused(format!("at most {RUNS} runs at once")));
        }
        let (by, now) = (name_of(uid), self.clock.now().wall);
        let mut store = self.write()?;
        for run in runs {
            if !store.is_own_run(*run, uid)? {
                return Ok(Reply::NotFound);
            }
        }
        store.cancel_own(runs, waiting_only, &by, uid, now)?;
        self.keeper.send(Keep::Look);
        Ok(Reply::Done)
    }

    fn output(
        &mut self,
        uid: u32,
        run: RunId,
        attempt: u32,
        from: u64,
    ) -> Result<Reply, TranscriptError> {
        let store = self.read()?;
        if !store.is_own_run(run, uid)? {
            return Ok(Reply::NotFound);
        }
        let known = self.reading.take();
        let mut reading = known
            .filter(|r| (r.run, r.attempt, r.at) == (run, attempt, from))
            .unwrap_or_else(|| Reading {
                run,
                attempt,
                at: from,
                rest: Vec::new(),
                transcript: Transcript::after(&self.paths, run, attempt, from),
            });
        let (mut dropped, mut done) = (0, false);
        let mut chunks = std::mem::take(&mut reading.rest);
        if chunks.is_empty() {
            let piece = reading.transcript.read(&store)?;
            (chunks, dropped, done) = (piece.chunks, piece.dropped, piece.done);
        }
        let mut size = 0;
        let enough = chunks.iter().position(|chunk| {
            let full = size > OUTPUT;
            size += chunk.bytes.len();
            full
        });
        if let Some(at) = enough {
            // Whether that was all shows once nothing is left.
            reading.rest = chunks.split_off(at);
            done = false;
        }
        reading.at = match reading.rest.first() {
            Some(chunk) => chunk.offset,
            None => reading.transcript.offset(),
        };
        let reply = Reply::Output {
            pieces: chunks.into_iter().map(written).collect(),
            dropped,
            next: reading.at,
            done,
        };
        self.reading = Some(reading).filter(|_| !done);
        Ok(reply)
    }
}

fn written(chunk: Chunk) -> Written {
    Written {
        err: chunk.stream == Stream::Err,
        at: chunk.at,
        offset: chunk.offset,
        bytes: Raw(chunk.bytes),
    }
}

fn rows(part: Part) -> Result<Reply, TranscriptError> {
    Ok(Reply::Rows {
        version: VERSION,
        rows: serde_json::to_value(part.rows).unwrap_or_default(),
        more: part.more,
    })
}

/// What is said of trouble with the store to those who may not know where it is.
fn of_trouble(error: TranscriptError) -> Reply {
    match error {
        TranscriptError::Store(StoreError::NoSuchJob(_)) => Reply::NotFound,
        TranscriptError::Store(StoreError::Busy) => {
            Reply::Refused("the store is locked by another program".to_owned())
        }
        TranscriptError::Store(_) | TranscriptError::Io(_) | TranscriptError::Kept(_) => {
            Reply::Refused("the daemon cannot read or write its store for this".to_owned())
        }
    }
}

/// Who stands in the records as the one who asked: by the host's own list, never by a look-up that
/// may hang.
fn name_of(uid: u32) -> String {
    let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    User::in_table(&table, uid).map_or_else(|| uid.to_string(), |user| user.name)
}
