//! A poller process and what it says.

use std::collections::BTreeSet;

use crake::daemon::poller::{Act, Acted, Answer, Ask, Beat, Launch, Poller, PollerEvent, Wording};
use crake::model::{Cell, PollId, Secret, Source};

use crate::support::servers::{PASSWORD, source};
use crate::support::wait::{mono, until, within};

/// A poller and everything heard of it that no test took yet.
pub struct Post {
    pub poller: Poller,
    pub events: Vec<PollerEvent>,
    polls: i64,
}

/// A question as polls ask it.
pub fn ask(sql: &str) -> Ask {
    Ask {
        poll: PollId(0),
        watch: "orders".to_owned(),
        claim: None,
        query: wording(sql, &[]),
        transactions: false,
        write: false,
        timeout_ms: 20_000,
        max_rows: 10_000,
        max_bytes: 16 << 20,
    }
}

/// A statement with its values.
pub fn wording(sql: &str, params: &[(&str, Cell)]) -> Wording {
    let param = |(name, cell): &(&str, Cell)| ((*name).to_owned(), cell.clone());
    Wording {
        sql: sql.to_owned(),
        params: params.iter().map(param).collect(),
    }
}

impl Post {
    /// A poller for a source with the password of the servers.
    pub fn of(source: &Source) -> Post {
        Post::told(source, &[])
    }

    /// One for an address.
    pub fn at(dsn: &str) -> Post {
        Post::of(&source(dsn, true))
    }

    /// One with variables in its environment.
    pub fn told(source: &Source, variables: &[(&str, &str)]) -> Post {
        let mut launch = Launch {
            program: env!("CARGO_BIN_EXE_crake").into(),
            ..Launch::of_this_program()
        };
        let variable = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
        launch.environment.extend(variables.iter().map(variable));
        let secret = Some(Secret::new(PASSWORD));
        Post::over(Poller::start(&launch, source, secret, mono()).expect("a poller"))
    }

    /// One that is there.
    pub fn over(poller: Poller) -> Post {
        Post {
            poller,
            events: Vec::new(),
            polls: 0,
        }
    }

    /// Asks; gives the number of the poll.
    pub fn ask(&mut self, ask: Ask) -> PollId {
        self.polls += 1;
        let poll = PollId(self.polls);
        self.poller.ask(Ask { poll, ..ask }).expect("a question");
        poll
    }

    /// The first event that is wanted, waited for.
    #[track_caller]
    pub fn event<T>(&mut self, what: &str, pick: impl FnMut(&PollerEvent) -> Option<T>) -> T {
        self.event_within(30_000, what, pick)
    }

    /// The same with another deadline.
    #[track_caller]
    pub fn event_within<T>(
        &mut self,
        ms: i64,
        what: &str,
        mut pick: impl FnMut(&PollerEvent) -> Option<T>,
    ) -> T {
        within(ms, what, || {
            self.events.extend(self.poller.hear(mono()));
            let mut found = None;
            self.events.retain(|event| {
                if found.is_none() {
                    found = pick(event);
                    return found.is_none();
                }
                true
            });
            found
        })
    }

    /// What a poll brought.
    #[track_caller]
    pub fn answer(&mut self, poll: PollId) -> Answer {
        self.event("an answer", |event| match event {
            PollerEvent::Answered(answer) if answer.poll == poll => Some((**answer).clone()),
            _ => None,
        })
    }

    /// Asks and waits.
    #[track_caller]
    pub fn answer_to(&mut self, question: Ask) -> Answer {
        let poll = self.ask(question);
        self.answer(poll)
    }

    /// The rows that a query gives.
    #[track_caller]
    pub fn rows(&mut self, sql: &str) -> Vec<Vec<Cell>> {
        let answer = self.answer_to(ask(sql));
        answer.result.expect(sql).rows.rows
    }

    /// Does something, and waits for what comes of it.
    #[track_caller]
    pub fn act(&mut self, act: Act) -> Acted {
        let id = act.id;
        self.poller.act(act).expect("an act");
        self.event("the end of an act", |event| match event {
            PollerEvent::Acted(acted) if acted.id == id => Some(acted.clone()),
            _ => None,
        })
    }

    /// The next beat that fits.
    #[track_caller]
    pub fn beat(&mut self, what: &str, fits: impl Fn(&Beat) -> bool) -> Beat {
        self.event(what, |event| match event {
            PollerEvent::Beat(beat) if fits(beat) => Some(beat.clone()),
            _ => None,
        })
    }

    /// How it ended.
    #[track_caller]
    pub fn gone(&mut self) -> String {
        self.event("its end", |event| match event {
            PollerEvent::Gone { how } => Some(how.clone()),
            _ => None,
        })
    }

    /// Listens to these channels.
    pub fn listen(&mut self, channels: &[&str]) {
        let channels: BTreeSet<String> = channels.iter().map(|c| (*c).to_owned()).collect();
        self.poller.listen(channels);
    }

    /// Waits until a channel is listened to; gives since when it was not.
    #[track_caller]
    pub fn listening(&mut self, name: &str) -> Option<i64> {
        self.event("an open ear", |event| match event {
            PollerEvent::Listening {
                channel,
                again_after,
            } if channel == name => Some(*again_after),
            _ => None,
        })
    }

    /// Waits until something is heard on a channel.
    #[track_caller]
    pub fn heard(&mut self, name: &str) {
        self.event("a notification", |event| match event {
            PollerEvent::Heard { channel } if channel == name => Some(()),
            _ => None,
        });
    }
}

/// Waits until a process is gone, to the last trace.
#[track_caller]
pub fn until_gone(pid: i32) {
    until("a process is gone", || {
        crake::process::identity::start_time(pid)
            .is_none()
            .then_some(())
    });
}
