//! The pool's waiting: what workers say, and what is to be done without being told.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use crate::process::event::Event;
use crate::process::frame::Heard;
use crate::process::message::FromWorker;
use crate::process::place::Place;
use crate::process::pool::Pool;

/// An idle worker beyond the first is sent away after this long, milliseconds.
const IDLE_LIMIT_MS: i64 = 300_000;
/// The longest pause between two attempts to reach a worker that is cut off, milliseconds.
const LONGEST_PAUSE_MS: i64 = 500;
/// After the death of an idle worker the next one is started in advance no sooner than this,
/// milliseconds: where workers cannot live, as on a full disk, they would be started without end.
const SPARE_PAUSE_MS: i64 = 1_000;

impl Pool {
    /// Waits until a worker does something, `wake` becomes readable or the time is over; gives what
    /// happened, which may be nothing. Reading `wake` empty is the caller's part.
    pub fn wait(&mut self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> Vec<Event> {
        self.tend();
        let own = match self.events.is_empty() && self.stranded.is_empty() && self.reserve_some() {
            true => Some(1),
            false => self.next_look(),
        };
        let own = own.into_iter().chain(self.end_the_overdue()).min();
        let asked = timeout.map(|t| i64::try_from(t.as_millis()).unwrap_or(i64::MAX));
        let mut millis = asked.into_iter().chain(own).min();
        if !self.events.is_empty() {
            millis = Some(0);
        }
        let spec = millis.map(|ms| Timespec {
            tv_sec: ms / 1000,
            tv_nsec: (ms % 1000) * 1_000_000,
        });
        let mut set = [
            PollFd::new(&self.epoll, PollFlags::IN),
            PollFd::from_borrowed_fd(wake, PollFlags::IN),
        ];
        // An error here would be an interruption; the caller comes again anyway.
        let _ = poll(&mut set, spec.as_ref());
        self.hear_all();
        self.visit_cut_off();
        self.events.extend(self.aftermath.over());
        self.events.drain(..).collect()
    }

    pub(in crate::process) fn hear_all(&mut self) {
        let mut ready = Vec::with_capacity(256);
        let now = Timespec::default();
        if epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&now)).is_err() {
            return;
        }
        for event in ready {
            if let Ok(number) = u32::try_from(event.data.u64()) {
                self.hear(number);
            }
        }
    }

    fn hear(&mut self, number: u32) {
        loop {
            let Some(conn) = self.places.get_mut(&number).and_then(|p| p.conn.as_mut()) else {
                return;
            };
            conn.flush();
            let heard = conn.listen();
            loop {
                let Some(conn) = self.places.get_mut(&number).and_then(|p| p.conn.as_mut()) else {
                    return;
                };
                match conn.next_message::<FromWorker>() {
                    Ok(Some(message)) => self.take_note(number, message),
                    Ok(None) => break,
                    Err(_) => return self.cut_off(number),
                }
            }
            match heard {
                Heard::Some => {}
                Heard::Nothing => return self.mind_output(number),
                Heard::Closed => return self.cut_off(number),
            }
        }
    }

    // The connection is of no use any more. Whether the worker is dead its lock will tell.
    fn cut_off(&mut self, number: u32) {
        self.idle.retain(|idle| *idle != number);
        if let Some(place) = self.places.get_mut(&number) {
            place.conn = None;
        }
        self.pause_ms = 1;
    }

    // What is to be done without being told.
    fn tend(&mut self) {
        self.corpses
            .retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        for pending in std::mem::take(&mut self.stranded) {
            if let Err((_, pending)) = self.hand_out(pending) {
                self.stranded.push(pending);
            }
        }
        // The next start should not have to wait for a process to come to life.
        let now = self.clock.now().boot;
        if self.wants_spare() && now >= self.spare_from {
            match self.hire() {
                Ok(number) => self.idle.push(number),
                Err(_) => self.idle_died(),
            }
        }
        self.tidy_refuge();
        while self.idle.len() > 1 && self.idle_since(0) + IDLE_LIMIT_MS <= now {
            let number = self.idle.remove(0);
            self.send_away(number);
        }
    }

    fn wants_spare(&self) -> bool {
        self.warm && !self.idle.iter().any(|n| self.is_open(*n))
    }

    /// An idle worker died or could not be had: the next one may fare the same.
    pub(in crate::process) fn idle_died(&mut self) {
        self.spare_from = self.clock.now().boot + SPARE_PAUSE_MS;
    }

    fn idle_since(&self, index: usize) -> i64 {
        let place = self.idle.get(index).and_then(|n| self.places.get(n));
        place.map_or(i64::MAX / 2, |p| p.idle_since)
    }

    fn next_look(&mut self) -> Option<i64> {
        let mut looks = Vec::new();
        if self.places.values().any(Place::is_cut_off) {
            looks.push(self.pause_ms);
            self.pause_ms = (self.pause_ms * 2).min(LONGEST_PAUSE_MS);
        }
        let waits = self.aftermath.is_under_way();
        if waits || !self.corpses.is_empty() || !self.stranded.is_empty() {
            looks.push(20);
        }
        if self.wants_spare() {
            looks.push((self.spare_from - self.clock.now().boot).max(20));
        }
        if self.idle.len() > 1 {
            let left = self.idle_since(0) + IDLE_LIMIT_MS - self.clock.now().boot;
            looks.push(left.max(1));
        }
        looks.into_iter().min()
    }
}
