//! Waiting for what a run comes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::through_daemon::Sight;
use crate::clock::Clock;
use crate::control::Petition;
use crate::model::{RunId, RunState};
use crate::store::RunRow;

/// How often to look whether something was committed.
const LOOK: Duration = Duration::from_millis(40);

/// The same where the daemon has to be asked.
const LOOK_THROUGH: Duration = Duration::from_millis(200);

/// How often to look whether the daemon is still there, in looks.
const ASK_EVERY: u32 = 50;

/// Waits on a store, a short while at a time.
pub struct Waiting<'a> {
    ctx: &'a Context,
    store: Sight,
    /// What the daemon is asked for where the store cannot be opened.
    petitions: Vec<Petition>,
    seen: Option<i64>,
    began: i64,
    looks: u32,
    interrupt: Arc<AtomicBool>,
}

impl<'a> Waiting<'a> {
    /// Begins to wait.
    ///
    /// # Errors
    /// Those of opening the store.
    pub fn begin(ctx: &'a Context) -> Result<Waiting<'a>, CliError> {
        Waiting::begin_for(ctx, Vec::new())
    }

    /// Begins to wait; where the store cannot be opened, on what the daemon shows of it to these
    /// petitions.
    ///
    /// # Errors
    /// Those of opening the store and of asking.
    pub fn begin_for(ctx: &'a Context, petitions: Vec<Petition>) -> Result<Waiting<'a>, CliError> {
        Ok(Waiting {
            store: match petitions.is_empty() {
                true => Sight::of(ctx.read()?),
                false => ctx.look(&petitions)?,
            },
            petitions,
            seen: None,
            began: ctx.clock.now().mono,
            looks: 0,
            interrupt: Arc::default(),
            ctx,
        })
    }

    /// From now on only this run is waited for.
    pub fn only_for(&mut self, run: RunId) {
        self.petitions = vec![Petition::Look { run }];
    }

    /// From now on Ctrl-C does not end the program; it shows in [`Waiting::is_interrupted`].
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn catch_interrupt(&mut self) -> Result<(), CliError> {
        let flag = Arc::clone(&self.interrupt);
        signal_hook::flag::register(signal_hook::consts::SIGINT, flag)?;
        Ok(())
    }

    /// Whether somebody pressed Ctrl-C.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    /// The store that is waited on.
    pub fn store(&self) -> &Sight {
        &self.store
    }

    /// Milliseconds since the waiting began.
    pub fn waited_ms(&self) -> i64 {
        self.ctx.clock.now().mono - self.began
    }

    /// Waits a short while; says whether anything was committed since the last look.
    ///
    /// # Errors
    /// Those of reading the store.
    pub fn look_again(&mut self) -> Result<bool, CliError> {
        let through = self.store.is_through();
        if self.looks > 0 {
            sleep(if through { LOOK_THROUGH } else { LOOK });
        }
        self.looks = self.looks.wrapping_add(1);
        if through {
            return match self.ctx.look(&self.petitions) {
                Ok(sight) => {
                    self.store = sight;
                    Ok(true)
                }
                // It may only be being restarted.
                Err(e) if matches!(e.kind, Kind::NoDaemon | Kind::Denied) => Ok(false),
                Err(e) => Err(e),
            };
        }
        let version = self.store.data_version()?;
        Ok(self.seen.replace(version) != Some(version))
    }

    /// Whether no daemon answers, asked now and then; while one is there a run comes to an end.
    pub fn is_abandoned(&self) -> bool {
        self.looks.is_multiple_of(ASK_EVERY) && !crate::cli::alive::is_up(self.ctx)
    }

    /// A run that must be there.
    ///
    /// # Errors
    /// That it is gone.
    pub fn run(&self, run: RunId) -> Result<RunRow, CliError> {
        self.store
            .run(run)?
            .ok_or_else(|| CliError::new(Kind::NotFound, format!("run #{run} is gone")))
    }
}

/// Whether a run is over.
pub fn is_over(run: &RunRow) -> bool {
    matches!(run.state, RunState::Ended(_))
}
