//! Keys of the dashboard: what they lead to, and what they do not do by mistake.

use crake::tui::message::{Effect, Message};
use crake::tui::sources::Outcome;
use crake::tui::state::{Modal, Page, RowId, Tab};
use ratatui::crossterm::event::{KeyModifiers, MouseEvent, MouseEventKind};

use crate::support::scene::{Eye, NOW, Stage, clock, night};

fn act(words: &[&str]) -> Effect {
    Effect::Act(words.iter().map(|word| (*word).to_owned()).collect())
}

/// What keys on a screen want to have done.
fn effects(tab: Tab, keys: &str) -> Vec<Effect> {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(tab));
    stage.keys(keys);
    stage.effects
}

#[test]
fn top_kill_asks_and_only_y_is_yes() {
    for no in ["K<Enter>", "K<Esc>", "KK", "Kn", "K ", "Kq", "KY", "K<C-y>"] {
        assert_eq!(effects(Tab::Workers, no), [], "{no}");
    }
    assert_eq!(effects(Tab::Workers, "Ky"), [act(&["kill", "142"])]);
    assert_eq!(effects(Tab::Runs, "Ky"), [act(&["cancel", "153"])]);
    // A second press of y is not a second yes.
    assert_eq!(effects(Tab::Workers, "Kyy").len(), 2);
    assert!(matches!(effects(Tab::Workers, "Kyy")[1], Effect::Copy(_)));
}

#[test]
fn top_a_question_says_what_will_happen_and_when_the_job_fires_next() {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Workers));
    stage.keys("K");
    let text = stage.text();
    for said in [
        "Kill run #142 of etl-orders (pid 4711, 1h48m)?",
        "SIGKILL after 10.0s",
        "etl-orders fires next",
        "crake kill 142",
        "[N] no, do nothing",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}

#[test]
fn top_keys_are_the_commands_they_show() {
    let on_jobs = |keys| effects(Tab::Jobs, keys);
    assert_eq!(on_jobs("r"), [act(&["run", "backup-db", "-d"])]);
    assert_eq!(on_jobs("p1"), [act(&["pause", "backup-db", "--for", "1h"])]);
    assert_eq!(on_jobs("pu"), [act(&["pause", "backup-db"])]);
    assert_eq!(on_jobs("p<Enter>"), []);
    assert_eq!(
        on_jobs("/report<Enter>p"),
        [act(&["resume", "report-daily"])]
    );
    let until = ["pause", "backup-db", "--until", "2026-09-22T00:00:00+02:00"];
    assert_eq!(on_jobs("pt"), [act(&until)]);
    let edit = Effect::OnTerminal(vec!["edit".to_owned(), "backup-db".to_owned()]);
    assert_eq!(on_jobs("e"), [edit]);
    let on_missed = |keys| effects(Tab::Missed, keys);
    assert_eq!(
        on_missed("c"),
        [act(&["missed", "vacuum", "--catch-up", "last"])]
    );
    assert_eq!(on_missed("C<Enter>"), []);
    assert_eq!(
        on_missed("Cy"),
        [act(&["missed", "vacuum", "--catch-up", "all"])]
    );
    assert_eq!(on_missed("a"), [act(&["missed", "vacuum", "--ack"])]);
    assert_eq!(effects(Tab::Workers, "D<Enter>"), []);
    assert_eq!(effects(Tab::Workers, "Dy"), [act(&["worker", "drain"])]);
    assert_eq!(
        effects(Tab::Runs, ":history backup-db<Enter>"),
        [act(&["history", "backup-db"])]
    );
    assert_eq!(effects(Tab::Jobs, "<C-z>"), [Effect::Suspend]);
    assert_eq!(effects(Tab::Jobs, "<C-l>"), [Effect::Clear]);
    assert_eq!(
        effects(Tab::Jobs, ":q<C-c>"),
        [Effect::Quit],
        "Ctrl-C leaves from anywhere"
    );
    assert_eq!(
        effects(Tab::Jobs, "<Esc><Esc><Esc>"),
        [],
        "Esc never leaves"
    );
}

#[test]
fn top_marked_rows_are_acted_on_together_after_one_question() {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Jobs));
    stage.keys(" j r");
    assert_eq!(stage.effects, []);
    assert!(stage.text().contains("Run 2 jobs now?"), "{}", stage.text());
    stage.keys("y");
    let wanted = [
        act(&["run", "backup-db", "-d"]),
        act(&["run", "etl-orders", "-d"]),
    ];
    assert_eq!(stage.effects, wanted);
    assert!(stage.state.marks.is_empty());
}

#[test]
fn top_read_only_changes_nothing() {
    let (bench, clock) = (night(), clock());
    let read_only = Eye {
        read_only: true,
        ..Eye::on(Tab::Workers)
    };
    for eye in [read_only, Eye::on(Tab::Workers).without_daemon()] {
        let mut stage = Stage::new(&bench, &clock, &eye);
        stage.keys("KyrRp1cCyaeDyT:run backup-db -d<Enter><Esc>");
        assert_eq!(
            stage
                .effects
                .iter()
                .filter(|e| !matches!(e, Effect::Copy(_)))
                .count(),
            0,
            "{:?}",
            stage.effects
        );
        assert!(!stage.text().contains("K kill"), "{}", stage.text());
    }
}

#[test]
fn top_cursor_stays_on_its_row_whatever_moves() {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Jobs));
    stage.keys("jjj");
    let on = stage.state.list().selected().cloned();
    assert_eq!(on, Some(RowId::Job("index-search".to_owned())));
    for keys in ["s", "s", "S", "sss", "/sea<Enter>", "<Esc>", "f", "t"] {
        stage.keys(keys);
        assert_eq!(stage.state.list().selected().cloned(), on, "{keys}");
    }
    bench.job("aaa-first", None, bench.now);
    stage.keys("f");
    stage.read();
    assert_eq!(stage.state.list().selected().cloned(), on);
    assert!(
        stage
            .state
            .list()
            .ids
            .contains(&RowId::Job("aaa-first".to_owned()))
    );
}

#[test]
fn top_frozen_screens_stand_still_and_say_so() {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Jobs));
    stage.keys("f");
    bench.job("new-one", None, bench.now);
    stage.read();
    assert!(stage.text().contains("FROZEN"));
    assert!(!stage.text().contains("new-one"));
    stage.keys("f");
    assert!(stage.text().contains("new-one"), "{}", stage.text());
}

#[test]
fn top_filters_say_what_they_do_not_understand_and_stay() {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Runs));
    stage.keys("/job:backup state:fail<Enter>");
    let text = stage.text();
    assert!(text.contains("filter: job:backup state:fail"), "{text}");
    let ids = stage.state.list().ids;
    assert_eq!(ids.len(), 2, "{text}");
    stage.keys("23");
    assert_eq!(stage.state.list().ids, ids, "a filter stays");
    stage.keys("/ since:x");
    assert!(stage.text().contains("since:"), "{}", stage.text());
    stage.keys("<Esc>");
    assert!(stage.state.list().ids.len() > 20);
}

#[test]
fn top_output_is_searched_followed_and_left() {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Workers));
    stage.keys("l");
    assert_eq!(stage.state.page(), Page::Log(crake::model::RunId(142), 0));
    assert!(
        stage.text().contains("giving up after 3 tries"),
        "{}",
        stage.text()
    );
    assert!(stage.text().contains("following"));
    stage.keys("g");
    let text = stage.text();
    assert!(text.contains("red txet plain"), "{text}");
    assert!(text.contains("日本語の行"), "{text}");
    assert!(text.contains("not following"), "{text}");
    stage.keys("/LINE 205<Enter>");
    assert_eq!(stage.state.log.top, 205);
    stage.keys("<Esc>");
    assert_eq!(stage.state.page(), Page::Tab(Tab::Workers));
    stage.keys("7");
    assert_eq!(
        stage.state.page(),
        Page::Log(crake::model::RunId(142), 0),
        "7 has it still"
    );
}

#[test]
fn top_says_what_a_command_said() {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Jobs));
    stage.keys("r");
    let argv: Vec<String> = ["run", "backup-db", "-d"].map(str::to_owned).to_vec();
    let said = |code, text: &str| {
        let text = text.to_owned();
        Message::Done(argv.clone(), Outcome { code, text })
    };
    stage.take(said(0, "#154 backup-db"));
    assert!(
        stage
            .text()
            .contains("crake run backup-db -d: #154 backup-db"),
        "{}",
        stage.text()
    );
    stage.take(said(5, "error: one\n  tip: two"));
    assert!(matches!(stage.state.modal, Some(Modal::Said(..))));
    assert!(stage.text().contains("tip: two"));
}

#[test]
fn top_mouse_moves_and_chooses() {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Jobs));
    let mouse = |kind, row| {
        Message::Mouse(MouseEvent {
            kind,
            column: 3,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    stage.take(mouse(MouseEventKind::ScrollDown, 9));
    assert_eq!(stage.state.list().at, 3);
    stage.take(mouse(
        MouseEventKind::Down(ratatui::crossterm::event::MouseButton::Left),
        4,
    ));
    assert_eq!(stage.state.list().at, 1);
}

#[test]
fn top_any_key_anywhere_kills_nothing_unasked() {
    let (bench, clock) = (night(), clock());
    let letters = "jkgG*fvwtsSnN mlxY17K";
    for tab in Tab::ALL {
        let mut stage = Stage::new(&bench, &clock, &Eye::on(tab));
        for c in letters.chars() {
            stage.keys(&c.to_string());
            stage.keys("<Enter>");
        }
        let bad = stage.effects.iter().find(|effect| match effect {
            Effect::Act(argv) => argv[0] != "explain",
            _ => false,
        });
        assert_eq!(bad, None, "{tab:?}");
    }
}

#[test]
fn top_old_news_are_never_shown_as_new() {
    let (bench, clock) = (night(), clock());
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Overview));
    stage.take(Message::Tick(NOW + 4_000));
    assert!(stage.text().contains("daemon up"), "{}", stage.text());
    stage.take(Message::Tick(NOW + 7_000));
    let text = stage.text();
    assert!(text.contains("NO NEWS FOR 7s"), "{text}");
}
