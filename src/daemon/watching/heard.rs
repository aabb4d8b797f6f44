//! What is heard of pollers, and what is not.

use crate::clock::Now;
use crate::daemon::poller::PollerEvent;
use crate::daemon::watching::charge::Phase;
use crate::daemon::watching::ending::Wrong;
use crate::daemon::watching::round::Round;
use crate::daemon::watching::telling::{channel_note, leak_note, poller_note};
use crate::daemon::watching::wish::Wish;
use crate::model::{Level, Note, Trigger};

impl Round {
    /// Takes up what the pollers have said.
    pub(in crate::daemon::watching) fn hear(&mut self, now: Now) {
        let sources: Vec<String> = self.posts.keys().cloned().collect();
        for source in sources {
            let Some(post) = self.posts.get_mut(&source) else {
                continue;
            };
            for (pid, event) in post.hear(now) {
                self.heard(&source, pid, event, now);
            }
        }
    }

    fn heard(&mut self, source: &str, pid: i32, event: PollerEvent, now: Now) {
        match event {
            PollerEvent::Beat(_) => {}
            PollerEvent::Answered(answer) => self.answered(*answer, now),
            PollerEvent::Acted(acted) => self.acted(&acted, now),
            PollerEvent::Heard { channel } => self.cause(source, &channel, Trigger::Notify),
            PollerEvent::Deaf {
                channel,
                since,
                error,
            } => {
                let text = format!("source {source}: \"{channel}\" is not listened to: {error}");
                self.note(channel_note(now.wall, Level::Warn, since, text));
            }
            PollerEvent::Listening {
                channel,
                again_after,
            } => {
                if let Some(from) = again_after {
                    let gap = now.wall - from;
                    let text = format!(
                        "source {source}: \"{channel}\" is listened to again, after {gap} ms; it is asked now"
                    );
                    self.note(channel_note(now.wall, Level::Info, from, text));
                    self.cause(source, &channel, Trigger::Reconnect);
                }
            }
            PollerEvent::Leak {
                owner,
                sql,
                held_ms,
                connection,
            } => {
                let note = leak_note(now.wall, source, &owner, &sql, held_ms, &connection);
                self.wish(Wish::Tell(Some(owner), note));
            }
            PollerEvent::Gone { how } => self.gone(source, pid, &how, now),
        }
    }

    /// Something happened on a channel.
    fn cause(&mut self, source: &str, channel: &str, trigger: Trigger) {
        for charge in self.charges.values_mut() {
            let watch = charge.watch();
            if watch.source == source && watch.listen.as_deref() == Some(channel) {
                charge.want(trigger);
            }
        }
    }

    pub(in crate::daemon::watching) fn note(&self, note: Note) {
        self.wish(Wish::Tell(None, note));
    }

    /// A poller has ended: what it was asked is lost.
    fn gone(&mut self, source: &str, pid: i32, how: &str, now: Now) {
        let mut lost = Vec::new();
        for charge in self.charges.values_mut() {
            if matches!(&charge.phase, Phase::Asked(_, by) if *by == pid) {
                let phase = std::mem::replace(&mut charge.phase, Phase::Idle);
                if let Phase::Asked(asking, _) = phase {
                    lost.push(asking);
                }
            }
        }
        self.telling.lost(pid, now);
        let why = format!("the process that asked is gone: {how}");
        let count = lost.len();
        for asking in lost {
            self.end_wrong(asking, &Wrong::lost(&why), None, now);
        }
        if how != "it left" {
            let text = format!("the poller of source {source} is gone: {how}; it is replaced");
            let text = match count {
                0 => text,
                n => format!("{text}, and {n} polls are lost"),
            };
            self.note(poller_note(now.wall, Level::Warn, text));
        }
    }

    /// Polls that hang, and pollers that are silent, are ended.
    pub(in crate::daemon::watching) fn watch_pollers(&mut self, now: Now) {
        let mut hanging: Vec<(String, i32)> = Vec::new();
        let mut skips = Vec::new();
        for charge in self.charges.values_mut() {
            if let Some(new) = charge.in_the_way(now) {
                let why = "the poll before is still under way".to_owned();
                skips.push(Wish::Skip(new, why));
            }
            if let Phase::Asked(_, pid) = &charge.phase
                && charge.hangs(now)
            {
                hanging.push((charge.watch().source.clone(), *pid));
            }
        }
        skips.into_iter().for_each(|wish| self.wish(wish));
        for (source, pid) in hanging {
            if let Some(post) = self.posts.get_mut(&source) {
                post.kill(pid);
            }
        }
        let mut notes = Vec::new();
        for (source, post) in &mut self.posts {
            if let Some((ms, killed)) = post.listen_for_silence(now) {
                let text = match killed {
                    true => format!(
                        "the poller of source {source} was silent for {ms} ms and is killed"
                    ),
                    false => format!("the poller of source {source} is silent since {ms} ms"),
                };
                notes.push((killed, text));
            }
        }
        for (killed, text) in notes {
            // That it is killed is told with its end.
            if !killed {
                self.note(poller_note(now.wall, Level::Warn, text));
            }
        }
    }
}
