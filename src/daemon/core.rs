//! The core: the process that keeps time.
//!
//! Six threads. *Firing* decides and touches nothing that can block it but the ring. *Store* is
//! the only writer of the store. *Spawner* talks to the workers. *Api* answers the socket,
//! *petitions* does for other users what they ask of the store there, *watching* has sources asked.
//! They share nothing but channels, a pulse and one line of text that says what is wrong.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::{Clock, Now};
use crate::config::Paths;
use crate::control::{Late, Server};
use crate::crash;
use crate::daemon::alarm::Alarm;
use crate::daemon::api::Api;
use crate::daemon::condition::Condition;
use crate::daemon::fact::{Batch, Fact};
use crate::daemon::firing::{Firing, Seam};
use crate::daemon::link::GOODBYE;
use crate::daemon::lock::{make_dir, take_lock};
use crate::daemon::mailbox::{Mailbox, Sender, mailbox};
use crate::daemon::mailer::Postman;
use crate::daemon::opening::open_and_begin;
use crate::daemon::order::Host;
use crate::daemon::outputs::{Outputs, output_of};
use crate::daemon::petitions::{Desk, Petitions};
use crate::daemon::pulse::Pulse;
use crate::daemon::recovery::{BeginError, Begun, Birth};
use crate::daemon::refuge::Refuge;
use crate::daemon::restarts::{Restarts, Trouble};
use crate::daemon::scribe::Scribe;
use crate::daemon::spawner::{Errand, Hand, Spawner};
use crate::daemon::successor::{Guarded, Kin};
use crate::daemon::watching::clerk::Clerk;
use crate::daemon::watching::round::Round;
use crate::daemon::watching::wish::{Wish, Word};
use crate::model::{Fence, Holding, Note};
use crate::process::{Pool, identity};
use crate::schedule::{UnixMs, Zone};
use crate::store::{StoreError, StoredOutput};

/// What the firing thread is told.
#[derive(Debug)]
pub enum Tell {
    /// Something to take up.
    Fact(Fact),
    /// Come round.
    Wake,
    /// End.
    Stop,
}

/// What the store thread is told.
#[derive(Debug)]
pub enum Keep {
    /// Decisions to be recorded.
    Batch(Batch),
    /// Something to be told.
    Note(Note),
    /// Nobody will record the end of this attempt.
    Forget(Fence),
    /// Something the watching thread wants.
    Wish(Box<Wish>),
    /// Something in the store may have changed.
    Look,
    /// Record what there is and end. What was due up to this instant is decided, nothing later is.
    Stop(UnixMs),
}

/// Why the core could not start, or how it ended.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// Another process keeps time here.
    #[error("another daemon keeps time in {home}: process {pid}")]
    Held {
        /// The directory.
        home: String,
        /// The process.
        pid: String,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else that is needed cannot be had.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The workers' slots cannot be used.
    #[error("cannot use the workers' slots: {0}")]
    Slots(String),
}

/// What a core is started with.
pub struct Setup {
    /// The files of the instance.
    pub paths: Paths,
    /// What this host adds to the environment of jobs.
    pub host: Host,
    /// The program that mails what jobs kept from a crontab write.
    pub sendmail: PathBuf,
    /// The zone of schedules that name none.
    pub zone: Zone,
    /// Most runs alive at once.
    pub slots: u32,
    /// Most starts a second of runs that make up for what was missed.
    pub start_rate: u32,
    /// Whether other users may work with their own jobs through the socket.
    pub for_users: bool,
    /// What the guardian knows of the cores before, where there were some.
    pub again: Option<Restarts>,
    /// The guardian.
    pub guarded: Guarded,
    /// Longest sleep of the firing loop, milliseconds.
    pub beat_ms: i64,
    /// Becomes readable when the process is to end.
    pub end: OwnedFd,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Slots that can be taken on a full disk: so many of those that may be in use, and some more for
/// runs whose end is not collected yet.
const RESERVE: u32 = 64;
const RESERVE_MORE: u32 = 8;

/// Longest sleep of the firing loop, so that its beat can be missed, milliseconds.
pub const BEAT_MS: i64 = 5_000;

/// Keeps time until told to end.
///
/// # Errors
/// What keeps it from starting.
pub fn run(setup: Setup) -> Result<(), CoreError> {
    for dir in [&setup.paths.home, &setup.paths.spool, &setup.paths.logs] {
        make_dir(dir)?;
    }
    let _held = take_lock(&setup.paths)?;
    let boot_id = identity::boot_id().map_err(|e| io_error("cannot tell the boot", e))?;
    let refuge = Refuge::of(&setup.paths.spool);
    let mut pool = open_pool(&setup, &refuge, &boot_id)?;
    let holdings = pool.survey();
    pool.leave_refuge();
    let now = setup.clock.now();
    let birth = Birth {
        pid: rustix::process::getpid().as_raw_nonzero().get(),
        boot_id,
        slots: setup.slots,
        again: setup.again.is_some(),
    };
    let begun = open_and_begin(&setup.paths, &refuge, &holdings, &birth, &setup.zone, now);
    let mut begun = begun.map_err(|e| match e {
        BeginError::Store(e) => CoreError::Store(e),
        BeginError::Ring(source) => io_error("cannot use the ring", source),
    })?;
    crash::point("recovered");
    begun.found.world.set_start_rate(setup.start_rate);
    // Output is taken out of the slots before these are told to forget it.
    let outputs = Arc::new(Outputs::with_logs(&setup.paths.logs));
    begun.keeper.share_outputs(Arc::clone(&outputs));
    for (fence, output) in outputs_of(&pool, &holdings) {
        if begun.found.leftover.contains(&fence) {
            let output = outputs.in_file(fence, output);
            begun.keeper.store_mut().keep_output_of(fence, output)?;
        } else {
            begun.keeper.take_output(fence, output);
        }
    }
    for fence in &begun.found.leftover {
        pool.collected(*fence);
    }
    begun.ring = (begun.ring.in_thread(&setup.paths.ring()))
        .map_err(|source| io_error("cannot use the ring", source))?;
    for note in setup.again.iter().flat_map(|again| again.notes(now.wall)) {
        begun.keeper.store_mut().note(&note)?;
    }
    let server = Server::bind_for(&setup.paths.socket, setup.for_users)
        .map_err(|source| io_error("cannot listen on the socket", source))?;
    keep_time(
        setup,
        Parts {
            begun,
            pool,
            refuge,
            outputs,
            server,
            now,
        },
    )
}

/// The seams of the firing side are crash points.
const SEAM: Seam = crash::point;

fn open_pool(setup: &Setup, refuge: &Refuge, boot_id: &str) -> Result<Pool, CoreError> {
    let (slots, clock) = (setup.paths.slots(), Arc::clone(&setup.clock));
    let pool = Pool::open(&slots, clock, boot_id.to_owned());
    let pool = pool.map_err(|e| CoreError::Slots(e.to_string()))?;
    let mut pool = pool.with_reserve(setup.slots.min(RESERVE) + RESERVE_MORE);
    // Workers of a core before us may be there, whatever is chosen now.
    let refuges = refuge.existing().into_iter();
    pool.with_refuges(refuges.map(|(n, dir)| (n, dir.join("slots"))));
    Ok(pool)
}

/// What the threads are made of.
struct Parts {
    begun: Begun,
    pool: Pool,
    refuge: Refuge,
    outputs: Arc<Outputs>,
    server: Server,
    now: Now,
}

fn keep_time(setup: Setup, parts: Parts) -> Result<(), CoreError> {
    let begun = parts.begun;
    let wire = |e| io_error("cannot make a channel", e);
    let (firing_tx, firing_rx) = mailbox().map_err(wire)?;
    let (keeper_tx, keeper_rx) = mailbox().map_err(wire)?;
    let (errand_tx, errand_rx) = mailbox().map_err(wire)?;
    let (words_tx, words_rx) = mailbox().map_err(wire)?;
    let (again, clock) = (setup.again.unwrap_or_default(), Arc::clone(&setup.clock));
    let kin = Kin::new(setup.guarded, again, keeper_tx.clone(), clock.clone());
    let (link, watched) = (Arc::clone(&kin.link), Arc::clone(&kin.watched));
    let pulse = Arc::new(Pulse::new(Arc::clone(&link)));
    let health = (Arc::default(), Arc::new(Condition::default()));
    let alarm = Alarm::new().map_err(wire)?;
    let postman = Postman::start(&setup.paths, &setup.host, setup.sendmail, clock.clone());
    let mut firing = Firing::new(begun.found.world, begun.ring, setup.host, parts.now, SEAM);
    let mut hand = Hand(errand_tx.clone());
    firing.restart_unstarted(&begun.found.unstarted, &mut hand, parts.now.wall);
    let spawner = Spawner {
        pool: parts.pool,
        outputs: parts.outputs,
        refuge: parts.refuge,
        errands: errand_rx,
        firing: firing_tx.clone(),
        keeper: keeper_tx.clone(),
        clock: Arc::clone(&setup.clock),
    };
    let scribe = Scribe::new(
        (begun.keeper, Clerk::new(words_tx.clone())),
        keeper_rx,
        firing_tx.clone(),
        errand_tx.clone(),
        Arc::clone(&setup.clock),
        health.clone(),
        &setup.paths,
    )
    .map_err(wire)?
    .with_mail(postman);
    let spawner = named("spawner", move || spawner.run());
    let scribe = named("store", move || scribe.run());
    let (clock, spool) = (Arc::clone(&setup.clock), setup.paths.spool.clone());
    let round = Round::new(words_rx, keeper_tx.clone(), clock, spool);
    let watching = named("watching", move || round.run());
    let voices = (firing_tx.clone(), keeper_tx.clone(), Arc::clone(&pulse));
    let api = Api::new(voices, Arc::clone(&setup.clock), health.clone(), watched);
    let desk = Desk::new(&setup.paths, Arc::clone(&setup.clock), keeper_tx.clone());
    listen(parts.server, api, desk.map_err(wire)?);
    let (clock, beats) = (Arc::clone(&setup.clock), Arc::clone(&pulse));
    let (to_keeper, beat_ms, facts) = (keeper_tx.clone(), setup.beat_ms, begun.facts);
    let firing = named("firing", move || {
        fire(
            firing, facts, &firing_rx, &to_keeper, &mut hand, &alarm, &*clock, &pulse, &health.1,
            beat_ms,
        );
    });
    eprintln!("crake: keeping time in {}", setup.paths.home.display());
    Trouble::over(&setup.paths.trouble());
    kin.attend(&setup.end);
    link.say(GOODBYE);
    words_tx.send(Word::Stop);
    firing_tx.send(Tell::Stop);
    join(firing);
    join(watching);
    keeper_tx.send(Keep::Stop(beats.wall()));
    join(scribe);
    errand_tx.send(Errand::Leave);
    join(spawner);
    // The lock still is ours, so nobody else can have bound the socket.
    let _ = std::fs::remove_file(&setup.paths.socket);
    Ok(())
}

/// The threads that answer the socket.
fn listen(server: Server, api: Api, (desk, petitions, late): (Desk, Petitions, Box<dyn Late>)) {
    let mut api = api.with_desk(desk);
    named("petitions", move || petitions.run());
    named("api", move || server.with_late(late).serve(&mut api));
}

/// The firing loop.
#[expect(
    clippy::too_many_arguments,
    reason = "the loop joins everything the thread owns"
)]
fn fire(
    mut firing: Firing,
    mut facts: Vec<Fact>,
    mailbox: &Mailbox<Tell>,
    keeper: &Sender<Keep>,
    hand: &mut Hand,
    alarm: &Alarm,
    clock: &dyn Clock,
    pulse: &Pulse,
    condition: &Condition,
    beat_ms: i64,
) {
    loop {
        let now = clock.now();
        let (batch, wake_at) = firing.step(now, std::mem::take(&mut facts), hand);
        if let Some(batch) = batch {
            keeper.send(Keep::Batch(batch));
        }
        condition.firing_is(firing.trouble(now));
        let (armed, _, live) = firing.world().counts();
        pulse.beat(now, armed, live);
        alarm.set(wake_at.unwrap_or(now.wall + 2 * BEAT_MS));
        let mut fds = [
            PollFd::new(mailbox, PollFlags::IN),
            PollFd::new(alarm, PollFlags::IN),
        ];
        // An interrupted sleep is a short one.
        let _ = poll(&mut fds, Some(&timespec(beat_ms)));
        alarm.hush();
        for message in mailbox.take() {
            match message {
                Tell::Fact(fact) => facts.push(fact),
                Tell::Wake => {}
                Tell::Stop => return,
            }
        }
    }
}

fn outputs_of(pool: &Pool, holdings: &[Holding]) -> Vec<(Fence, StoredOutput)> {
    holdings
        .iter()
        .filter(|h| matches!(h, Holding::Ended { .. } | Holding::Dead { .. }))
        .filter_map(|h| Some((h.fence(), output_of(pool, h.fence())?)))
        .collect()
}

pub(in crate::daemon) fn named(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> thread::JoinHandle<()> {
    match thread::Builder::new().name(name.to_owned()).spawn(body) {
        Ok(handle) => handle,
        // Without its threads there is no daemon; the guardian tries again.
        Err(_) => std::process::abort(),
    }
}

fn join(thread: thread::JoinHandle<()>) {
    if thread.join().is_err() {
        std::process::abort();
    }
}

pub(in crate::daemon) fn timespec(ms: i64) -> Timespec {
    Timespec {
        tv_sec: ms.max(0) / 1000,
        tv_nsec: ms.max(0) % 1000 * 1_000_000,
    }
}

pub(in crate::daemon) fn io_error(what: &str, source: std::io::Error) -> CoreError {
    CoreError::Io {
        what: what.to_owned(),
        source,
    }
}
