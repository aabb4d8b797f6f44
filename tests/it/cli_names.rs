//! How runs and times are written on the command line.

use crake::cli::context::{Context, Form};
use crake::cli::moment::{future, past};
use crake::cli::selector::Selector;
use crake::clock::SystemClock;
use crake::config::{Paths, User};
use crake::model::{Exit, Outcome, Record, RunId};
use crake::schedule::Zone;
use crake::view::time::rfc3339;

use crate::support::bench::{Bench, new_run, whole_run};
use crate::support::sandbox::Sandbox;

#[test]
fn runs_have_several_names() {
    let back = |job: &str, n| Selector::Back(job.to_owned(), n);
    for (text, expected) in [
        ("1842", Selector::Run(RunId(1842), None)),
        ("#1842", Selector::Run(RunId(1842), None)),
        ("1842.2", Selector::Run(RunId(1842), Some(2))),
        ("backup-db", back("backup-db", 0)),
        ("backup.db", back("backup.db", 0)),
        ("backup-db~1", back("backup-db", 1)),
        ("backup-db@fail", Selector::Failed("backup-db".to_owned())),
    ] {
        assert_eq!(Selector::parse(text).unwrap(), expected, "{text}");
    }
    for text in ["", "#", "#x", "backup~", "backup~x", "backup@good"] {
        let error = Selector::parse(text).unwrap_err();
        assert!(error.message.contains("names no run"), "{text}");
    }
}

#[test]
fn a_name_means_the_latest_run_and_can_be_counted_back() {
    let bench = Bench::new();
    let at = bench.now - 60_000;
    bench.job("hello", None, at);
    bench.job("idle", None, at);
    let mut records = whole_run(1, "hello", Outcome::TimedOut, Exit::Signal(15), at);
    records.extend(whole_run(2, "hello", Outcome::Succeeded, Exit::Code(0), at));
    records.push(Record::New(new_run(3, "hello", at)));
    bench.record(&records);
    let found = |name: &str| {
        let ran = bench.run(&["wait", name, "--timeout", "0s", "--json"]);
        match ran.code {
            3 => ran.err,
            _ => ran.json()["items"][0]["run"].to_string(),
        }
    };
    assert_eq!(found("hello"), "3");
    assert_eq!(found("hello~1"), "2");
    assert_eq!(found("hello@fail"), "1");
    assert!(found("hello~9").contains("no run that far back"));
    assert!(found("idle").contains("idle has no run"));
    assert!(found("1.2").contains("has no attempt 2"));
}

#[test]
fn times_are_read_on_the_clock_they_are_shown_in() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let ctx = Context {
        paths: Paths::under("/nowhere".as_ref()),
        user: User::default(),
        clock: SystemClock,
        zone: zone.clone(),
        form: Form::Text,
        color: false,
        ask: false,
    };
    for (text, at) in [
        ("2026-07-01", "2026-07-01T00:00:00+02:00"),
        ("2026-01-31T14:00", "2026-01-31T14:00:00+01:00"),
        ("2026-01-31 14:00:05", "2026-01-31T14:00:05+01:00"),
        ("2026-01-31T14:00:00Z", "2026-01-31T15:00:00+01:00"),
        // The clock jumps over it: the jump.
        ("2026-03-29 02:30", "2026-03-29T03:00:00+02:00"),
    ] {
        assert_eq!(rfc3339(past(&ctx, text).unwrap(), &zone), at, "{text}");
    }
    let now = ctx.now();
    assert!((past(&ctx, "2h").unwrap() - now + 7_200_000).abs() < 5_000);
    assert!((future(&ctx, "2h").unwrap() - now - 7_200_000).abs() < 5_000);
    let day = past(&ctx, "today").unwrap() - past(&ctx, "yesterday").unwrap();
    assert!((82_800_000..=90_000_000).contains(&day));
    assert!(past(&ctx, "whenever").is_err() && past(&ctx, "2026-13-01").is_err());
}

#[test]
fn what_is_suggested_exists() {
    let root = crake::cli::root_command();
    let known: Vec<&str> = root.get_subcommands().map(|c| c.get_name()).collect();
    let mut suggested = 0;
    for file in crate::tidy::rust_files("src") {
        let text = std::fs::read_to_string(&file).unwrap();
        let said = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        for (_, rest) in said.flat_map(|line| {
            ["\"crake ", "`crake "]
                .into_iter()
                .flat_map(move |mark| Some((mark, line.split(mark).nth(1)?)))
        }) {
            let verb: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            if !verb.is_empty() && !rest.starts_with("worker in") {
                suggested += 1;
                assert!(known.contains(&verb.as_str()), "{file:?}: crake {verb}");
            }
        }
    }
    assert!(suggested > 20, "only {suggested} suggestions were found");
}

#[test]
fn help_is_given_to_whoever_asks_for_it_as_a_command() {
    let sandbox = Sandbox::new();
    let asked = sandbox.ok(&["help"]).stdout;
    assert_eq!(asked, sandbox.ok(&["--help"]).stdout);
    let asked = sandbox.ok(&["help", "add"]).stdout;
    assert_eq!(asked, sandbox.ok(&["add", "--help"]).stdout);
}

#[test]
fn an_error_does_not_pass_on_what_a_terminal_obeys() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["run", "\u{1b}[31mred\nerror: fake"]);
    assert_eq!(answer.code, 3);
    assert!(!answer.stderr.contains('\u{1b}'), "{answer:?}");
    let first = answer.stderr.lines().next().unwrap();
    assert_eq!(first, "error: no job named \"red error: fake\"");
}
