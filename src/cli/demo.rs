//! `crake demo`: half a minute in which everything happens that a scheduler must stand.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::context::Context;
use crate::cli::demo_story::{Seen, Story};
use crate::cli::error::{CliError, Kind};
use crate::config::Paths;
use crate::model::{Backoff, CatchUp, Command, Job, Origin, Policy, Spec};
use crate::store::{NewSchedule, Request, Store};

/// Show in half a minute what crake does, with real jobs in a temporary home.
///
/// A job every two seconds, one that fails and is tried again, one that hangs and is ended at its
/// time limit with its children, and one whose fires are missed while the daemon is stopped. At the
/// end stand the ledger and the audit. Nothing outside the temporary home is touched.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  crake demo --no-tui | less")]
pub struct DemoArgs {
    /// Print what happens as lines, also on a terminal
    #[arg(long)]
    no_tui: bool,
    /// Keep the temporary home and say where it is
    #[arg(long)]
    keep: bool,
}

/// How long the daemon runs before it is stopped, is stopped, and runs again, milliseconds.
const ACTS: [i64; 3] = [8_500, 6_000, 5_500];

/// How often the store is looked at for something to tell.
const LOOK: Duration = Duration::from_millis(50);

/// Plays the demonstration.
///
/// # Errors
/// No temporary home, no daemon, or something did not come out as promised.
pub fn demo(ctx: &Context, args: DemoArgs) -> Result<u8, CliError> {
    let home = temporary_home(ctx)?;
    let stage = Stage {
        ctx,
        paths: Paths::under(&home),
    };
    let result = stage.play();
    if args.keep {
        ctx.say(&format!("kept: {}", home.display()));
    } else if let Err(e) = std::fs::remove_dir_all(&home) {
        ctx.say(&format!("{} could not be removed: {e}", home.display()));
    }
    // Lines are all there is yet; the flag is the promise that they stay.
    let _ = args.no_tui;
    result.map(|()| 0)
}

fn temporary_home(ctx: &Context) -> Result<PathBuf, CliError> {
    let pid = rustix::process::getpid().as_raw_nonzero();
    let home = std::env::temp_dir().join(format!("crake-demo-{pid}-{}", ctx.now()));
    std::fs::DirBuilder::new().mode(0o700).create(&home)?;
    Ok(home)
}

struct Stage<'a> {
    ctx: &'a Context,
    paths: Paths,
}

impl Stage<'_> {
    fn play(&self) -> Result<(), CliError> {
        let mut store = Store::open(&self.paths.store)?;
        self.tell("Four jobs are defined in a temporary home:")?;
        self.define(&mut store)?;
        self.command(&["list"])?;
        let mut story = Story::new(self.ctx.now());
        let mut daemon = self.daemon()?;
        self.tell("\nThe daemon runs:")?;
        self.ask_for(&mut store, "flaky")?;
        self.ask_for(&mut store, "hang")?;
        self.watch(&store, &mut story, ACTS[0])?;
        end(&mut daemon)?;
        self.tell("\nThe daemon is stopped for six seconds; fires fall due and nobody is there:")?;
        self.watch(&store, &mut story, ACTS[1])?;
        self.tell("It is started again and accounts for each of them:")?;
        let mut daemon = self.daemon()?;
        self.watch(&store, &mut story, ACTS[2])?;
        end(&mut daemon)?;
        self.watch(&store, &mut story, 0)?;
        self.tell("\nThe ledger has one row for each planned instant:")?;
        self.command(&["fires", "-n", "14"])?;
        self.tell("\nWhat was missed, and what became of it:")?;
        self.command(&["missed"])?;
        self.tell("\nEvery planned instant computed again and held against the ledger:")?;
        self.command(&["audit"])?;
        self.check(&story.seen)
    }

    fn define(&self, store: &mut Store) -> Result<(), CliError> {
        let now = self.ctx.now();
        let jobs = [
            (
                "tick",
                "echo tick",
                Some("every 2s"),
                Policy {
                    catch_up: CatchUp::None,
                    ..Policy::default()
                },
            ),
            (
                "report",
                "echo report for $CRAKE_FIRE",
                Some("every 3s"),
                Policy {
                    catch_up: CatchUp::Last,
                    ..Policy::default()
                },
            ),
            (
                "flaky",
                "echo attempt $CRAKE_ATTEMPT; test $CRAKE_ATTEMPT -ge 3",
                None,
                Policy {
                    retry: 3,
                    backoff: "exp:500ms..2s".parse::<Backoff>().unwrap_or_default(),
                    ..Policy::default()
                },
            ),
            (
                "hang",
                "trap '' TERM; setsid sleep 600 & echo $! > $PIDS; sleep 600 & echo $! >> $PIDS; wait; wait",
                None,
                Policy {
                    timeout_ms: Some(2_000),
                    kill_grace_ms: 1_000,
                    ..Policy::default()
                },
            ),
        ];
        for (name, line, expr, policy) in jobs {
            let mut spec = Spec::of(Command::Line(line.into()));
            spec.cwd = Some(self.paths.home.display().to_string());
            let pids = self.pids().display().to_string();
            spec.env = vec![("PIDS".to_owned(), pids.into())];
            let job = Job {
                name: name.to_owned(),
                spec,
                policy,
                pauses: Vec::new(),
                version: 1,
                listed: true,
            };
            let schedules: Vec<NewSchedule> = expr.into_iter().map(NewSchedule::of).collect();
            store.put_job(&job, &schedules, false, "demo", now)?;
        }
        Ok(())
    }

    /// Where the hanging job leaves the numbers of its children.
    fn pids(&self) -> PathBuf {
        self.paths.home.join("pids")
    }

    fn ask_for(&self, store: &mut Store, job: &str) -> Result<(), CliError> {
        let now = self.ctx.now();
        let request = Request {
            job: job.to_owned(),
            origin: Origin::Manual,
            origin_ref: None,
            by: "demo".to_owned(),
            run_at: now,
            queue: None,
            priority: None,
            env: Vec::new(),
        };
        store.request(&request, now)?;
        Ok(())
    }

    fn daemon(&self) -> Result<Child, CliError> {
        Ok(self
            .crake(&["daemon"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?)
    }

    fn crake(&self, words: &[&str]) -> Process {
        // This very program, also where it was started by a name that leads nowhere now.
        let mut process = Process::new("/proc/self/exe");
        process.arg("--home").arg(&self.paths.home).args(words);
        process
    }

    /// Shows a command and what it says.
    fn command(&self, words: &[&str]) -> Result<(), CliError> {
        self.tell(&format!("$ crake {}", words.join(" ")))?;
        let status = self.crake(words).stdin(Stdio::null()).status()?;
        if status.success() {
            return Ok(());
        }
        Err(CliError::new(
            Kind::Failed,
            format!("`crake {}` ended with {status}", words.join(" ")),
        ))
    }

    /// Tells what happens, for a while.
    fn watch(&self, store: &Store, story: &mut Story, ms: i64) -> Result<(), CliError> {
        let until = self.ctx.now() + ms;
        loop {
            for line in story.look(store)? {
                self.tell(&line)?;
            }
            if self.ctx.now() >= until {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
    }

    fn tell(&self, line: &str) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()?;
        Ok(())
    }

    /// Whether all came out as promised.
    fn check(&self, seen: &Seen) -> Result<(), CliError> {
        let pids = std::fs::read_to_string(self.pids()).unwrap_or_default();
        let left: Vec<&str> = pids
            .lines()
            .filter(|pid| Path::new("/proc").join(pid).exists())
            .collect();
        let told = [
            (seen.succeeded, "a run succeeded"),
            (seen.retried, "a run succeeded after it was tried again"),
            (seen.timed_out, "a run was ended at its time limit"),
            (seen.caught_up, "a missed fire was caught up"),
            (
                pids.lines().count() == 2 && left.is_empty(),
                "its children ended with it",
            ),
        ];
        self.tell("")?;
        for (came, what) in told {
            self.tell(&format!("{} {what}", if came { "✓" } else { "✗" }))?;
        }
        match told.iter().find(|(came, _)| !came) {
            None => Ok(()),
            Some((_, what)) => Err(CliError::new(
                Kind::Failed,
                format!("it did not come out that {what}"),
            )),
        }
    }
}

/// Ends the daemon in good order.
fn end(daemon: &mut Child) -> Result<(), CliError> {
    kill_process(Pid::from_child(daemon), Signal::TERM).map_err(std::io::Error::from)?;
    daemon.wait()?;
    Ok(())
}
