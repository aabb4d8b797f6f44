//! The screen of the watches: frames, and what its keys lead to.

use crake::model::RunId;
use crake::tui::message::Effect;
use crake::tui::state::{Page, Tab};
use rusqlite::Connection;

use crate::support::bench::Bench;
use crate::support::lookout::every_state;
use crate::support::scene::{Eye, NOW, Stage, clock, night};
use crate::top_frames::compare;

/// The night, with a watch in each state.
pub fn watched() -> Bench {
    let bench = night();
    bench.job("ship", None, NOW - 86_400_000);
    let mut store = bench.store();
    let sql = Connection::open(bench.paths().store).unwrap();
    every_state(&mut store, &sql, NOW);
    bench
}

fn act(words: &[&str]) -> Effect {
    Effect::Act(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn top_watches_frames() {
    let (bench, clock) = (watched(), clock());
    let eye = Eye::on(Tab::Watches);
    for (width, height) in [(80, 24), (120, 35), (160, 45)] {
        let size = format!("{width}x{height}");
        let mut stage = Stage::new(&bench, &clock, &eye.clone().sized(width, height));
        stage.keys("jjjj");
        compare(&format!("watches-{size}"), &stage);
        stage.keys("<Enter>j");
        compare(&format!("polls-{size}"), &stage);
    }
    let mono = Eye {
        color: false,
        ..eye.clone()
    };
    compare("watches-mono", &Stage::new(&bench, &clock, &mono));
    let ascii = Eye {
        ascii: true,
        ..eye.clone()
    };
    let mut stage = Stage::new(&bench, &clock, &ascii);
    stage.keys("jjjjj");
    assert!(stage.text().is_ascii());
    compare("watches-ascii", &stage);
    let dead = eye.clone().without_daemon();
    compare("watches-dead", &Stage::new(&bench, &clock, &dead));
    let mut empty = Bench::new();
    empty.now = NOW;
    compare("watches-empty", &Stage::new(&empty, &clock, &eye));
}

#[test]
fn top_watches_keys_are_the_commands_they_show() {
    let (bench, clock) = (watched(), clock());
    let effects = |keys: &str| {
        let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Watches));
        stage.keys("jjjj");
        stage.keys(keys);
        stage.effects
    };
    assert_eq!(effects("p"), [act(&["watch", "poll", "orders", "--wait"])]);
    assert_eq!(effects("T"), effects("p"));
    assert_eq!(effects("y"), [Effect::Copy("orders".to_owned())]);
    assert_eq!(effects("d"), [act(&["watch", "test", "orders"])]);
    assert_eq!(effects(" "), [act(&["watch", "pause", "orders"])]);
    assert_eq!(effects("kk "), [act(&["watch", "resume", "invoices"])]);
    for no in ["R<Enter>", "R<Esc>", "RR", "Rn"] {
        assert_eq!(effects(no), [], "{no}");
    }
    let reset = act(&["watch", "reset", "orders", "--to", "now"]);
    assert_eq!(effects("Ry"), [reset]);
    let forget = act(&["watch", "reset", "prices", "--forget-seen"]);
    assert_eq!(effects("jRy"), [forget]);
    assert_eq!(
        effects(":watch polls orders<Enter>"),
        [act(&["watch", "polls", "orders"])]
    );
    let tail = Effect::OnTerminal(vec!["watch".to_owned(), "tail".to_owned()]);
    assert_eq!(effects(":watch tail<Enter>"), [tail]);
}

#[test]
fn top_watches_lead_from_a_poll_to_its_run_and_back() {
    let (bench, clock) = (watched(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Watches));
    stage.keys("jjjj<Enter>");
    assert_eq!(stage.state.page(), Page::Watch("orders".to_owned()));
    let polls = bench.store().polls(&crake::store::PollFilter {
        watch: Some("orders".to_owned()),
        limit: 1,
        ..Default::default()
    });
    let poll = polls.unwrap().remove(0).poll;
    let run = bench.store().runs_of_poll(poll, 9).unwrap()[0];
    stage.keys("<Enter>");
    assert_eq!(stage.state.page(), Page::Run(run));
    let text = stage.text();
    assert!(
        text.contains(&format!("watch orders, poll {poll}")),
        "{text}"
    );
    stage.keys("<Esc><Esc>");
    assert_eq!(stage.state.page(), Page::Tab(Tab::Watches));
    // The run in the way of a blocked watch, at once.
    let mut blocked = Stage::new(&bench, &clock, &Eye::on(Tab::Watches));
    blocked.keys("Gl");
    let failed = bench.store().blocking_run("transfers").unwrap().unwrap();
    let RunId(_) = failed;
    assert_eq!(blocked.state.page(), Page::Log(failed, 0));
}

#[test]
fn top_watches_read_only_tries_and_changes_nothing() {
    let (bench, clock) = (watched(), clock());
    let eye = Eye {
        read_only: true,
        ..Eye::on(Tab::Watches)
    };
    let mut stage = Stage::new(&bench, &clock, &eye);
    stage.keys("p R:watch rm orders<Enter><Esc>");
    assert_eq!(stage.effects, []);
    stage.keys("d:watch ls<Enter>");
    assert_eq!(
        stage.effects,
        [act(&["watch", "test", "audit"]), act(&["watch", "ls"])]
    );
}

#[test]
fn top_watches_alerts_of_two_watches_are_two_rows() {
    let (bench, clock) = (watched(), clock());
    let stage = Stage::new(&bench, &clock, &Eye::on(Tab::Overview).sized(120, 45));
    let ids = stage.state.list().ids;
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
}

#[test]
fn top_watches_paint_on_every_size() {
    let (bench, clock) = (watched(), clock());
    for keys in ["", "jjjj<Enter>", "G", "/state:failing"] {
        let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Watches));
        stage.keys(keys);
        for width in [1, 7, 39, 40, 53, 79, 110, 200] {
            for height in [1, 8, 9, 15, 16, 23, 60] {
                stage.take(crake::tui::message::Message::Size(width, height));
                stage.frame();
            }
        }
    }
}
