//! What goes out when: tries, quiet hours, the rate, and alerts that go together.

use crate::engine::alert::quiet;
use crate::model::{AlertState, Backoff, Receiver};
use crate::schedule::{UnixMs, Zone};

/// The wait between tries.
pub const BACKOFF: Backoff = Backoff {
    first_ms: 1_000,
    doubling: true,
    longest_ms: 30 * 60_000,
};

/// Most alerts in one message.
const TOGETHER: usize = 100;

/// An alert that was decided and is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub id: i64,
    /// The job it is about.
    pub job: Option<String>,
    /// `pending` or `held`.
    pub state: AlertState,
    /// The message it went with in the tries before.
    pub message: Option<i64>,
    /// Not before this instant.
    pub next_at: UnixMs,
}

/// What holds for a receiver.
pub struct Rules<'a> {
    /// The receiver.
    pub receiver: &'a Receiver,
    /// The zone of its quiet hours.
    pub zone: &'a Zone,
    /// When messages were sent to it within the span of its rate, oldest first.
    pub sent: &'a [UnixMs],
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send these as one message.
    Send(Vec<i64>),
    /// Keep these back until then, for a reason.
    Hold(Vec<i64>, UnixMs, &'static str),
    /// Nothing before then.
    Wait(UnixMs),
}

/// Says what to do with what waits for one receiver, by number; nothing where nothing waits. After a
/// message it is asked again.
pub fn send(rules: &Rules<'_>, waiting: &[Waiting], now: UnixMs) -> Option<Step> {
    let waiting = in_turn(rules.receiver, waiting);
    let due: Vec<&Waiting> = waiting
        .iter()
        .filter(|w| w.next_at <= now)
        .copied()
        .collect();
    let Some(first) = due.first() else {
        let next = waiting.iter().map(|w| w.next_at).min();
        return next.map(Step::Wait);
    };
    if let Some((until, why)) = kept_back(rules, now) {
        return Some(Step::Hold(ids(&due), until, why));
    }
    let together = |w: &&&Waiting| w.message == first.message;
    let grouped = rules.receiver.group_ms.is_some() || first.state == AlertState::Held;
    let message = match first.message {
        Some(_) => due.iter().filter(together).copied().collect(),
        None if rules.receiver.pings() || !grouped => vec![*first],
        // What was decided a moment ago goes with those that waited for it.
        None => waiting
            .iter()
            .filter(together)
            .copied()
            .take(TOGETHER)
            .collect(),
    };
    Some(Step::Send(ids(&message)))
}

fn ids(waiting: &[&Waiting]) -> Vec<i64> {
    waiting.iter().map(|w| w.id).collect()
}

/// All that may go; pings of one job keep their order.
fn in_turn<'a>(receiver: &Receiver, waiting: &'a [Waiting]) -> Vec<&'a Waiting> {
    let first = |w: &&Waiting| {
        let of_job = waiting.iter().filter(|other| other.job == w.job);
        of_job.map(|other| other.id).min() == Some(w.id)
    };
    let all = waiting.iter();
    match receiver.pings() {
        true => all.filter(first).collect(),
        false => all.collect(),
    }
}

fn kept_back(rules: &Rules<'_>, now: UnixMs) -> Option<(UnixMs, &'static str)> {
    let receiver = rules.receiver;
    let quiet = receiver.quiet.as_ref();
    if let Some(until) = quiet.and_then(|q| quiet::ends(q, rules.zone, now)) {
        return Some((until, "quiet hours"));
    }
    let rate = receiver.rate?;
    let within: Vec<UnixMs> = rules
        .sent
        .iter()
        .copied()
        .filter(|at| now - at < rate.span_ms)
        .collect();
    let most = usize::try_from(rate.messages).unwrap_or(usize::MAX);
    // With the one that leaves the span first there is room again.
    let leaves = within.len().checked_sub(most).and_then(|n| within.get(n))?;
    Some((leaves + rate.span_ms, "its rate"))
}
