//! Every screen on every size of terminal: nothing panics, nothing is painted outside.

use crake::tui::message::Message;
use crake::tui::state::Tab;

use crate::support::scene::{Eye, Stage, clock, night};

/// Sizes from a single cell to a wall.
const WIDTHS: [u16; 10] = [1, 2, 7, 20, 39, 40, 53, 79, 110, 200];
const HEIGHTS: [u16; 6] = [1, 2, 8, 9, 23, 60];

#[test]
fn top_paints_on_every_size() {
    let (bench, clock) = (night(), clock());
    let pages = [
        (Tab::Overview, ""),
        (Tab::Overview, "<Enter>"),
        (Tab::Overview, "l"),
        (Tab::Overview, "lgw"),
        (Tab::Jobs, ""),
        (Tab::Jobs, "v"),
        (Tab::Jobs, "<Enter>"),
        (Tab::Jobs, "<Enter>v"),
        (Tab::Runs, "<End>"),
        (Tab::Missed, ""),
        (Tab::Workers, ""),
        (Tab::Watches, ""),
        (Tab::Logs, ""),
    ];
    let mut frames = 0;
    for (tab, keys) in pages {
        let mut stage = Stage::new(&bench, &clock, &Eye::on(tab));
        stage.keys(keys);
        let bare = stage.state.clone();
        for modal in ["", "?", "K", "p", ":some words", "/name"] {
            stage.state = bare.clone();
            stage.keys(modal);
            for width in WIDTHS {
                for height in HEIGHTS {
                    stage.take(Message::Size(width, height));
                    let frame = stage.frame();
                    assert_eq!((frame.area.width, frame.area.height), (width, height));
                    frames += 1;
                }
            }
        }
    }
    assert_eq!(frames, 13 * 6 * 60);
}

#[test]
fn top_says_the_worst_on_the_smallest_terminal() {
    let (bench, clock) = (night(), clock());
    let eye = Eye::on(Tab::Overview).sized(38, 5);
    let stage = Stage::new(&bench, &clock, &eye);
    assert!(stage.text().contains("need attention"), "{}", stage.text());
    let dead = Stage::new(&bench, &clock, &eye.without_daemon());
    assert!(dead.text().starts_with("DAEMON DOWN"), "{}", dead.text());
}
