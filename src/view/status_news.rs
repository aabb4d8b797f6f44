//! What changed from one look to the next, one line each: for terminals that are read aloud, and for
//! pipes. What happened comes first, when last.

use crate::schedule::{UnixMs, Zone};
use crate::view::attention::Attention;
use crate::view::status::{Status, daemon_words};
use crate::view::text::clean_all;
use crate::view::time::clock;
use crate::view::words::count;

/// The changes, in the order in which they matter.
pub fn news(before: &Status, after: &Status, zone: &Zone, now: UnixMs) -> Vec<String> {
    let mut lines = Vec::new();
    let (was, is) = (&before.daemon, &after.daemon);
    let changed = was.up != is.up
        || was.pid != is.pid
        || was.degraded != is.degraded
        || was.silent != is.silent;
    if changed {
        lines.push(daemon_words(is, zone, now));
        if let Some(why) = &is.degraded {
            lines.push(format!("degraded: {}", clean_all(why)));
        }
    }
    for a in &after.attention {
        match before.attention.iter().find(|b| same(a, b)) {
            None => lines.push(format!("{} {}: {}", a.level.as_str(), subject(a), a.text)),
            // The text tells how long something lasts; that alone is no news.
            Some(b) if b.level != a.level || b.run != a.run => {
                lines.push(format!("{} {}: {}", a.level.as_str(), subject(a), a.text));
            }
            Some(_) => {}
        }
    }
    for b in &before.attention {
        if !after.attention.iter().any(|a| same(a, b)) {
            lines.push(format!("over: {}", subject(b)));
        }
    }
    let (was, is) = (before.counts, after.counts);
    if (was.running, was.queued) != (is.running, is.queued) {
        lines.push(format!("{} running, {} queued", is.running, is.queued));
    }
    if (was.jobs, was.paused) != (is.jobs, is.paused) {
        lines.push(format!("{}, {} paused", count(is.jobs, "job"), is.paused));
    }
    let (was, is) = (before.today, after.today);
    if was != is {
        lines.push(format!(
            "today {} ok, {} failed, {} missed, {} skipped",
            is.succeeded, is.failed, is.missed, is.skipped
        ));
    }
    if before.drain.is_some() != after.drain.is_some() {
        let word = if after.drain.is_some() {
            "no run starts any more"
        } else {
            "runs start again"
        };
        lines.push(word.to_owned());
    }
    let at = clock(now, zone);
    lines
        .into_iter()
        .map(|line| format!("{}, {at}", clean_all(&line)))
        .collect()
}

/// Whether two entries are about the same thing.
fn same(a: &Attention, b: &Attention) -> bool {
    (a.kind, &a.job, &a.watch) == (b.kind, &b.job, &b.watch)
}

fn subject(a: &Attention) -> String {
    let what = a.what;
    match a.subject() {
        Some(name) => format!("{what} {name}"),
        None => what.to_owned(),
    }
}
