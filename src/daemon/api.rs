//! What the daemon answers on its socket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::{Clock, Now};
use crate::control::{Alive, Asker, Handler, Reply, Request, Watched};
use crate::daemon::ailment::Said;
use crate::daemon::condition::Condition;
use crate::daemon::core::{Keep, Tell};
use crate::daemon::guardian::STEADY_MS;
use crate::daemon::mailbox::Sender;
use crate::daemon::petitions::Desk;
use crate::daemon::pulse::Pulse;

/// How long the firing loop is waited for before it is said how old its last beat is.
const PATIENCE_MS: i64 = 800;

/// The api thread's handler.
pub struct Api {
    firing: Sender<Tell>,
    keeper: Sender<Keep>,
    pulse: Arc<Pulse>,
    clock: Arc<dyn Clock>,
    trouble: Said,
    condition: Arc<Condition>,
    watched: Arc<Mutex<Watched>>,
    since: Now,
    desk: Option<Desk>,
    /// The round in which the firing loop was waited for in vain.
    hangs_at: Option<u64>,
}

impl Api {
    /// A handler that speaks for the given threads.
    pub fn new(
        (firing, keeper, pulse): (Sender<Tell>, Sender<Keep>, Arc<Pulse>),
        clock: Arc<dyn Clock>,
        (trouble, condition): (Said, Arc<Condition>),
        watched: Arc<Mutex<Watched>>,
    ) -> Api {
        let since = clock.now();
        Api {
            firing,
            keeper,
            pulse,
            clock,
            trouble,
            condition,
            watched,
            since,
            desk: None,
            hangs_at: None,
        }
    }

    /// The same with a desk for petitions.
    pub fn with_desk(mut self, desk: Desk) -> Api {
        self.desk = Some(desk);
        self
    }

    /// Asks the firing loop itself to come round, so that the answer proves that it does.
    ///
    /// A loop that hangs is waited for once, so that it keeps no other client waiting.
    fn alive(&mut self) -> Alive {
        let (before, asked) = (self.pulse.rounds(), self.clock.now().mono);
        let patience = match self.hangs_at {
            Some(round) if round == before => 0,
            _ => PATIENCE_MS,
        };
        self.firing.send(Tell::Wake);
        while self.pulse.rounds() == before && self.clock.now().mono - asked < patience {
            std::thread::sleep(Duration::from_micros(200));
        }
        self.hangs_at = (self.pulse.rounds() == before).then_some(before);
        let (armed, live) = self.pulse.counts();
        let trouble = self.trouble.lock().unwrap_or_else(|e| e.into_inner());
        let trouble = trouble.clone();
        let now = self.clock.now();
        let store = trouble.as_ref().map(|t| t.told(now.wall));
        Alive {
            pid: rustix::process::getpid().as_raw_nonzero().get(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: self.since.wall,
            beat_age_ms: self.pulse.age_ms(self.clock.now()),
            degraded: self.condition.degraded(store, now),
            trouble: trouble.map(Box::new),
            armed,
            live,
            watched: self.watched(),
        }
    }

    /// What is known of the guardian; after a minute without a death the earlier ones are past.
    fn watched(&self) -> Watched {
        let watched = self.watched.lock().unwrap_or_else(|e| e.into_inner());
        let steady = self.clock.now().mono - self.since.mono > STEADY_MS;
        Watched {
            deaths: if steady { 0 } else { watched.deaths },
            ..watched.clone()
        }
    }
}

impl Handler for Api {
    fn handle(&mut self, request: Request) -> Reply {
        match request {
            Request::Ping => Reply::Alive(self.alive()),
            Request::Nudge => {
                self.keeper.send(Keep::Look);
                Reply::Done
            }
            Request::Petition(_) => Reply::Denied,
        }
    }

    fn handle_of(&mut self, asker: Asker, request: Request) -> Option<Reply> {
        match request {
            Request::Petition(petition) => match &self.desk {
                Some(desk) => desk.hand_in(asker, petition),
                None => Some(Reply::Denied),
            },
            request => Some(self.handle(request)),
        }
    }
}
