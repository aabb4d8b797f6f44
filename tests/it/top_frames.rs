//! Frames of the dashboard, text and styles, against those that were looked at and kept.
//!
//! `CRAKE_UPDATE=1 cargo test top_frames` writes them anew; look at the difference before keeping it.

use std::fs;

use crake::tui::state::Tab;

use crate::support::bench::Bench;
use crate::support::picture::moving;
use crate::support::sandbox::in_package;
use crate::support::scene::{Eye, NOW, Stage, clock, night, with_styles};
use crate::top_watches::watched;

/// Compares a frame with the kept one.
pub fn compare(name: &str, stage: &Stage<'_>) {
    let found = with_styles(&stage.frame());
    let path = in_package(&format!("tests/data/top/{name}.txt"));
    if std::env::var_os("CRAKE_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &found).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == kept,
        "{name} is not as it was kept; CRAKE_UPDATE=1 cargo test top_frames writes it anew\n{found}"
    );
}

fn every_size(name: &str, tab: Tab, keys: &str) {
    let (bench, clock) = (night(), clock());
    for (width, height) in [(80, 24), (120, 35), (160, 45)] {
        let mut stage = Stage::new(&bench, &clock, &Eye::on(tab).sized(width, height));
        stage.keys(keys);
        compare(&format!("{name}-{width}x{height}"), &stage);
    }
}

#[test]
fn top_frames_of_the_overview() {
    every_size("overview", Tab::Overview, "");
}

#[test]
fn top_frames_in_the_documents_are_those_of_the_program() {
    let (bench, clock) = (night(), clock());
    let text = Stage::new(&bench, &clock, &Eye::on(Tab::Overview)).text();
    for name in ["README.md", "docs/top.md"] {
        let path = in_package(name);
        let kept = fs::read_to_string(&path).unwrap();
        let from = kept.find("\n crake  web-03 ").expect("a frame") + 1;
        let to = from + kept[from..].find("```").expect("its end");
        if std::env::var_os("CRAKE_UPDATE").is_some() {
            let anew = format!("{}{text}{}", &kept[..from], &kept[to..]);
            fs::write(&path, anew).unwrap();
        }
        assert!(
            kept[from..to] == text,
            "{name}: CRAKE_UPDATE=1 cargo test top_frames"
        );
    }
}

#[test]
fn top_picture_in_the_documents_is_of_the_program() {
    let (bench, clock) = (watched(), clock());
    let scenes = [
        (Tab::Overview, ""),
        (Tab::Workers, ""),
        (Tab::Overview, "jK"),
        (Tab::Overview, "l"),
        (Tab::Jobs, "jj"),
        (Tab::Jobs, "v"),
        (Tab::Jobs, "<Enter>"),
        (Tab::Missed, ""),
        (Tab::Watches, "jjjj"),
    ];
    let frame = |(tab, keys): &(Tab, &str)| {
        let mut stage = Stage::new(&bench, &clock, &Eye::on(*tab).sized(100, 30));
        stage.keys(keys);
        stage.frame()
    };
    let frames: Vec<_> = scenes.iter().map(frame).collect();
    let svg = moving(&frames, 3.0);
    let path = in_package("docs/top.svg");
    if std::env::var_os("CRAKE_UPDATE").is_some() {
        fs::write(&path, &svg).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == svg, "docs/top.svg: CRAKE_UPDATE=1 cargo test top_");
}

#[test]
fn top_frames_of_the_jobs() {
    every_size("jobs", Tab::Jobs, "jj ");
    every_size("lanes", Tab::Jobs, "v");
}

#[test]
fn top_frames_of_the_runs() {
    every_size("runs", Tab::Runs, "j");
}

#[test]
fn top_frames_of_missed_fires() {
    every_size("missed", Tab::Missed, "");
}

#[test]
fn top_frames_of_the_workers() {
    every_size("workers", Tab::Workers, "");
}

#[test]
fn top_frames_of_a_job_and_its_definition() {
    every_size("job", Tab::Jobs, "<Enter>");
    every_size("definition", Tab::Jobs, "<Enter>v");
}

#[test]
fn top_frames_of_a_run_and_its_output() {
    every_size("run", Tab::Overview, "<Enter>");
    every_size("log", Tab::Overview, "l");
    every_size("log-head", Tab::Overview, "lgw");
}

#[test]
fn top_frames_of_what_lies_over_a_screen() {
    every_size("kill", Tab::Overview, "jK");
    every_size("help", Tab::Overview, "?");
    every_size("pause", Tab::Jobs, "p");
    every_size("palette", Tab::Jobs, ":run bac");
    every_size("filter", Tab::Jobs, "/state:ok sync");
}

#[test]
fn top_frames_without_colours_in_ascii_empty_and_dead() {
    let (bench, clock) = (night(), clock());
    let eye = Eye::on(Tab::Overview);
    let pages = [
        ("overview", Tab::Overview, ""),
        ("jobs", Tab::Jobs, ""),
        ("runs", Tab::Runs, ""),
        ("missed", Tab::Missed, ""),
        ("workers", Tab::Workers, ""),
        ("job", Tab::Jobs, "<Enter>"),
        ("run", Tab::Overview, "<Enter>"),
        ("log", Tab::Overview, "l"),
        ("kill", Tab::Overview, "jK"),
        ("help", Tab::Overview, "?"),
    ];
    let mut empty = Bench::new();
    empty.now = NOW;
    for (name, tab, keys) in pages {
        let seen = |bench: &Bench, eye: &Eye, how: &str| {
            let mut stage = Stage::new(bench, &clock, eye);
            stage.keys(keys);
            compare(&format!("{name}-{how}"), &stage);
            stage.text()
        };
        let mono = Eye {
            color: false,
            ..Eye::on(tab)
        };
        seen(&bench, &mono, "mono");
        let ascii = Eye {
            ascii: true,
            ..Eye::on(tab)
        };
        let text = seen(&bench, &ascii, "ascii");
        // What a job wrote is its own, in whatever letters.
        assert!(text.is_ascii() || name == "log", "{name}: {text}");
        seen(&bench, &Eye::on(tab).without_daemon(), "dead");
        if keys.is_empty() {
            seen(&empty, &Eye::on(tab), "empty");
        }
    }
    let small = eye.clone().sized(39, 7);
    compare("tiny", &Stage::new(&bench, &clock, &small));
    compare(
        "overview-40x10",
        &Stage::new(&bench, &clock, &eye.sized(40, 10)),
    );
}

#[test]
fn top_frames_with_a_thousand_jobs() {
    let (bench, clock) = (night(), clock());
    let mut store = bench.store();
    for number in 0..1_000 {
        let name = format!("job-{number:04}");
        let made = crate::support::bench::job(&name);
        let when = crate::support::bench::schedule("17 4 * * *");
        store
            .put_job(&made, &[when], false, "ana", NOW - 1)
            .unwrap();
    }
    let mut stage = Stage::new(&bench, &clock, &Eye::on(Tab::Jobs));
    stage.keys("<End>");
    compare("jobs-1000-end", &stage);
    stage.keys("g/job 73<Enter>");
    compare("jobs-1000-filter", &stage);
}
