//! The core's side: which worker has which run.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process};
use std::sync::Arc;

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::clock::Clock;
use crate::crash;
use crate::model::{Fence, Holding, Order, StopCause};
use crate::process::aftermath::Aftermath;
use crate::process::capture::{Captured, read_run};
use crate::process::dirs::{Dirs, refuge_of};
use crate::process::event::{Counts, Event, PoolError};
use crate::process::frame::Conn;
use crate::process::ledger::{Ledger, Limit};
use crate::process::message::ToWorker;
use crate::process::overdue::Patience;
use crate::process::place::{Pending, Place, Use};
use crate::process::slot::Slot;

/// Slots a pool has at most, unless told otherwise.
const SLOTS: u32 = 4096;
/// The workers of one core.
///
/// Dropping it without [`Pool::shutdown`] is what the death of the core looks like to them: those
/// with a run go on and wait for the next core, the others leave after some seconds.
pub struct Pool {
    pub(in crate::process) dirs: Dirs,
    /// The refuge in which runs start at the moment.
    pub(in crate::process) refuge: Option<u32>,
    /// Slots up to this number are to be set aside, and up to that one they are.
    pub(in crate::process) reserve_until: u32,
    pub(in crate::process) reserved: u32,
    program: PathBuf,
    slots: u32,
    pub(in crate::process) clock: Arc<dyn Clock>,
    pub(in crate::process) boot_id: String,
    pub(in crate::process) epoll: OwnedFd,
    pub(in crate::process) places: BTreeMap<u32, Place>,
    pub(in crate::process) fences: HashMap<Fence, u32>,
    /// Idle workers, the longest idle first.
    pub(in crate::process) idle: Vec<u32>,
    /// Orders whose worker died before it took them.
    pub(in crate::process) stranded: Vec<Pending>,
    pub(in crate::process) events: VecDeque<Event>,
    pub(in crate::process) found: Vec<Holding>,
    pub(in crate::process) aftermath: Aftermath,
    /// Dead workers not yet waited for.
    pub(in crate::process) corpses: Vec<Child>,
    pub(in crate::process) surveyed: bool,
    pub(in crate::process) warm: bool,
    pub(in crate::process) pause_ms: i64,
    /// Before this (boot clock) no worker is started in advance, because the last one died young.
    pub(in crate::process) spare_from: i64,
}

impl Pool {
    /// Opens the slots directory, making it (mode 0700) where it is missing. `boot_id` is that of
    /// the present boot ([`crate::process::identity::boot_id`]).
    ///
    /// # Errors
    /// The directory can be neither made nor used.
    pub fn open(
        slots_dir: &Path,
        clock: Arc<dyn Clock>,
        boot_id: String,
    ) -> Result<Pool, PoolError> {
        let fault = |error: io::Error| PoolError::Slots {
            path: slots_dir.to_owned(),
            error,
        };
        let dir = std::path::absolute(slots_dir).map_err(fault)?;
        Slot::create(&dir).map_err(fault)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| fault(e.into()))?;
        Ok(Pool {
            dirs: Dirs::of(dir),
            refuge: None,
            reserve_until: 0,
            reserved: 0,
            // The path of the binary may lead to another one by now, or to none; this does not.
            program: PathBuf::from("/proc/self/exe"),
            slots: SLOTS,
            clock,
            boot_id,
            epoll,
            places: BTreeMap::new(),
            fences: HashMap::new(),
            idle: Vec::new(),
            stranded: Vec::new(),
            events: VecDeque::new(),
            found: Vec::new(),
            aftermath: Aftermath::none(),
            corpses: Vec::new(),
            surveyed: false,
            warm: false,
            pause_ms: 1,
            spare_from: i64::MIN,
        })
    }

    /// Workers are started from this binary instead of the running one.
    #[must_use]
    pub fn with_program(self, program: impl Into<PathBuf>) -> Pool {
        let program = program.into();
        Pool { program, ..self }
    }

    /// There are at most so many slots.
    #[must_use]
    pub fn with_slots(self, slots: u32) -> Pool {
        Pool { slots, ..self }
    }

    /// Gives the order to an idle worker, or to a new one. It does not wait: [`Event::Started`] or
    /// [`Event::Ended`] follows.
    ///
    /// # Errors
    /// See [`PoolError`]; nothing was started then, and the order may be given again.
    pub fn start(&mut self, order: &Order) -> Result<(), PoolError> {
        let known = self.fences.contains_key(&order.fence)
            || self.stranded.iter().any(|p| p.order.fence == order.fence);
        if known {
            return Err(PoolError::Known(order.fence));
        }
        self.hand_out(Pending {
            order: Box::new(order.clone()),
            tries: 0,
            stop: None,
        })
        .map_err(|(error, _)| error)?;
        self.warm = true;
        Ok(())
    }

    pub(in crate::process) fn hand_out(
        &mut self,
        pending: Pending,
    ) -> Result<(), (PoolError, Pending)> {
        let number = match self.take_idle().map_or_else(|| self.hire(), Ok) {
            Ok(number) => number,
            Err(error) => return Err((error, pending)),
        };
        let fence = pending.order.fence;
        let Some(place) = self.places.get_mut(&number) else {
            return Err((PoolError::Full(self.slots), pending));
        };
        let message = ToWorker::Run {
            order: std::borrow::Cow::Borrowed(&pending.order),
        };
        let sent = place
            .conn
            .as_mut()
            .map_or(Ok(()), |conn| conn.send(&message));
        if let Err(error) = sent {
            self.idle.push(number);
            return Err((PoolError::Unsendable(error.to_string()), pending));
        }
        place.used = Use::Busy(fence);
        place.stop = pending.stop;
        place.patience = Patience::with(Limit::of(&pending.order, self.clock.now().boot));
        place.pending = Some(pending);
        self.fences.insert(fence, number);
        self.send_stop(number);
        self.mind_output(number);
        Ok(())
    }

    /// The idle worker that was at work last: its memory is warm.
    fn take_idle(&mut self) -> Option<u32> {
        let at = self.idle.iter().rposition(|n| self.is_open(*n))?;
        Some(self.idle.remove(at))
    }

    // Starts a worker in a free slot; it counts as idle but is not in the list of idle ones yet.
    pub(in crate::process) fn hire(&mut self) -> Result<u32, PoolError> {
        if !self.surveyed {
            return Err(PoolError::NotSurveyed);
        }
        let vacant = |number: &u32| {
            self.places
                .get(number)
                .is_none_or(|p| p.used == Use::Vacant)
        };
        let first = Dirs::first(self.refuge);
        let numbers = first..first + self.slots;
        let candidates: Vec<u32> = numbers.filter(vacant).take(8).collect();
        for number in candidates {
            let path = self.dirs.slot(number);
            let slot = Slot::create(&path).map_err(PoolError::Spawn)?;
            let place = self.places.entry(number).or_insert_with(Place::vacant);
            let Some(lock) = slot.try_lock().map_err(PoolError::Spawn)? else {
                // Somebody we do not know lives here: ask him.
                place.used = Use::Unknown;
                place.lives = true;
                continue;
            };
            let (child, conn) = employ(&self.program, &path, lock).map_err(PoolError::Spawn)?;
            *place = Place {
                used: Use::Idle,
                lives: true,
                process: Some(child),
                idle_since: self.clock.now().boot,
                ..Place::vacant()
            };
            self.attach(number, conn);
            return Ok(number);
        }
        Err(PoolError::Full(self.slots))
    }

    pub(in crate::process) fn attach(&mut self, number: u32, conn: Conn) {
        let data = epoll::EventData::new_u64(u64::from(number));
        let Some(place) = self.places.get_mut(&number) else {
            return;
        };
        // If it cannot be watched the worker counts as cut off and is tried again.
        if epoll::add(&self.epoll, &conn, data, epoll::EventFlags::IN).is_ok() {
            place.conn = Some(conn);
        }
    }

    // Watches for room to write as long as something waits to be written.
    pub(in crate::process) fn mind_output(&self, number: u32) {
        if let Some(conn) = self.places.get(&number).and_then(|p| p.conn.as_ref()) {
            let out = if conn.wants_out() {
                epoll::EventFlags::OUT
            } else {
                epoll::EventFlags::empty()
            };
            let data = epoll::EventData::new_u64(u64::from(number));
            // It was added before, so this can only fail for want of memory; the next turn tries.
            let _ = epoll::modify(&self.epoll, conn, data, epoll::EventFlags::IN | out);
        }
    }

    pub(in crate::process) fn tell(&mut self, number: u32, message: &ToWorker<'_>) {
        if let Some(conn) = self.places.get_mut(&number).and_then(|p| p.conn.as_mut()) {
            // These messages are short, so they can always be queued.
            let _ = conn.send(message);
            if conn.wants_out() {
                self.mind_output(number);
            }
        }
    }

    /// Ends a run: SIGTERM, after `grace_ms` SIGKILL. A claim not (or no longer) running is passed
    /// over.
    pub fn stop(&mut self, fence: Fence, cause: StopCause, grace_ms: i64) {
        let stop = Some((cause, grace_ms));
        if let Some(number) = self.fences.get(&fence).copied() {
            if let Some(place) = self.places.get_mut(&number) {
                place.stop = stop;
                place.patience.end_now(self.clock.now().boot, grace_ms);
            }
            self.send_stop(number);
        }
        for pending in self.stranded.iter_mut().filter(|p| p.order.fence == fence) {
            pending.stop = stop;
        }
    }

    pub(in crate::process) fn send_stop(&mut self, number: u32) {
        let Some(place) = self.places.get(&number) else {
            return;
        };
        if let (Use::Busy(fence), Some((cause, grace_ms))) = (place.used, place.stop) {
            self.tell(
                number,
                &ToWorker::Stop {
                    fence,
                    cause,
                    grace_ms,
                },
            );
        }
    }

    /// The slot of a run that is under way or waits to be collected.
    pub fn slot_of(&self, fence: Fence) -> Option<u32> {
        self.fences.get(&fence).copied()
    }

    /// The output of a run that is not yet collected, read from its slot; empty where it never got
    /// as far as being executed.
    ///
    /// # Errors
    /// The claim is unknown, or its slot cannot be read.
    pub fn captured(&self, fence: Fence) -> io::Result<Captured> {
        let number = self.slot_of(fence).ok_or(io::ErrorKind::NotFound)?;
        match read_run(&self.dirs.slot(number).join("out"), fence) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Captured::default()),
            read => read,
        }
    }

    /// The outcome (and what is wanted of the output) is safe elsewhere: the slot is free again. A
    /// run that is still under way is left alone.
    pub fn collected(&mut self, fence: Fence) {
        let Some(number) = self.fences.get(&fence).copied() else {
            return;
        };
        let Some(place) = self.places.get_mut(&number) else {
            return;
        };
        if place.used != Use::Held(fence) {
            return;
        }
        self.fences.remove(&fence);
        place.stop = None;
        if !place.lives {
            place.used = Use::Vacant;
            self.clear_ledger(number);
            return;
        }
        if place.leaving {
            place.used = Use::Leaving;
        } else if self.refuge.is_none() && refuge_of(number).is_some() {
            self.tell(number, &ToWorker::Collected { fence });
            return self.send_away(number);
        } else {
            place.used = Use::Idle;
            place.idle_since = self.clock.now().boot;
            if place.conn.is_some() {
                self.idle.push(number);
            }
        }
        self.tell(number, &ToWorker::Collected { fence });
    }

    // A ledger that cannot be cleared is found again by the next survey and collected again.
    pub(in crate::process) fn clear_ledger(&self, number: u32) {
        if self.may_hang(number) {
            return;
        }
        let cleared = Slot::open(&self.dirs.slot(number)).and_then(|slot| {
            // Only with the lock in hand: nobody else may have come to life there.
            let Some(_lock) = slot.try_lock()? else {
                return Ok(());
            };
            Ledger::over(slot.file("ledger")?)?.clear()
        });
        drop(cleared);
    }

    pub(in crate::process) fn send_away(&mut self, number: u32) {
        if let Some(place) = self.places.get_mut(&number) {
            place.used = Use::Leaving;
        }
        self.tell(number, &ToWorker::Retire);
    }

    /// Sends every idle worker away.
    pub fn retire_idle(&mut self) {
        for number in std::mem::take(&mut self.idle) {
            self.send_away(number);
        }
        self.warm = false;
    }

    /// Leaves running workers to the next core and sends the idle ones away.
    pub fn shutdown(mut self) {
        self.retire_idle();
    }

    /// How many slots are in which use.
    pub fn counts(&self) -> Counts {
        let count = |is: fn(&Use) -> bool| self.places.values().filter(|p| is(&p.used)).count();
        Counts {
            idle: count(|u| *u == Use::Idle),
            busy: count(|u| matches!(u, Use::Busy(_))) + self.stranded.len(),
            holding: count(|u| matches!(u, Use::Held(_))),
        }
    }
}

fn employ(program: &Path, slot_dir: &Path, lock: std::fs::File) -> io::Result<(Child, Conn)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let mut worker = Process::new(program);
    // The worker's environment is nothing the job sees; with ours it would carry our secrets, and
    // the marks of the job that may have started us.
    worker.env_clear().arg("__worker").arg(slot_dir);
    crash::pass_on(&mut worker);
    worker.stdin(lock).stdout(theirs);
    // The lock is never free in between: our copy is closed when `worker` goes, the child's stays.
    let child = worker.spawn()?;
    Ok((child, Conn::over(ours)))
}
