//! Output for the dashboard: a window of lines, bounded however much was written.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::lines::{Line, Lines};
use crate::daemon::transcript::Transcript;
use crate::model::RunId;
use crate::process::Stream;
use crate::store::Store;
use crate::tui::data::{LogLine, LogPage};
use crate::tui::sources::Place;

/// Lines of a window.
const LINES: usize = 2_000;

/// Bytes of a window.
const BYTES: usize = 1 << 20;

/// Bytes of one line that are shown; nobody reads more of it on a screen.
const LINE: usize = 8 * 1024;

/// Reads windows of output. The last one that was followed goes on where it ended.
pub struct Outputs<'a> {
    ctx: &'a Context,
    followed: Option<Followed>,
}

impl<'a> Outputs<'a> {
    /// Nothing read yet.
    pub fn new(ctx: &'a Context) -> Outputs<'a> {
        Outputs {
            ctx,
            followed: None,
        }
    }

    /// A window of the output of an attempt.
    pub fn page(&mut self, store: &Store, run: RunId, attempt: u32, place: Place) -> LogPage {
        let read = match place {
            Place::End => self.end(store, run, attempt),
            Place::From(from) => {
                let mut whole = Followed::new(self.ctx, run, attempt, Window::From(from));
                whole.read(store).map(|()| whole.page())
            }
        };
        read.unwrap_or_else(|e| LogPage {
            run,
            attempt,
            error: Some(e.message),
            ..LogPage::default()
        })
    }

    fn end(&mut self, store: &Store, run: RunId, attempt: u32) -> Result<LogPage, CliError> {
        let known = self.followed.take();
        let mut followed = known
            .filter(|f| f.run == run && f.reader.attempt() == attempt)
            .unwrap_or_else(|| Followed::new(self.ctx, run, attempt, Window::End));
        followed.read(store)?;
        let page = followed.page();
        self.followed = Some(followed);
        Ok(page)
    }
}

/// Which lines are kept.
#[derive(Clone, Copy)]
enum Window {
    End,
    From(usize),
}

struct Followed {
    run: RunId,
    reader: Transcript,
    lines: Lines,
    window: Window,
    kept: VecDeque<LogLine>,
    bytes: usize,
    first: usize,
    total: usize,
    dropped: u64,
    done: bool,
    /// What was handed over last, while nothing has come since.
    handed: Option<Arc<Vec<LogLine>>>,
}

impl Followed {
    fn new(ctx: &Context, run: RunId, attempt: u32, window: Window) -> Followed {
        Followed {
            run,
            reader: Transcript::after(&ctx.paths, run, attempt, 0),
            lines: Lines::default(),
            window,
            kept: VecDeque::new(),
            bytes: 0,
            first: match window {
                Window::End => 0,
                Window::From(from) => from,
            },
            total: 0,
            dropped: 0,
            done: false,
            handed: None,
        }
    }

    fn read(&mut self, store: &Store) -> Result<(), CliError> {
        while !self.done {
            let piece = self.reader.read(store)?;
            self.dropped += piece.dropped;
            self.done = piece.done;
            if piece.chunks.is_empty() {
                break;
            }
            for chunk in &piece.chunks {
                for line in self.lines.take(chunk) {
                    self.keep(&line);
                }
            }
        }
        if self.done {
            for line in self.lines.rest() {
                self.keep(&line);
            }
        }
        Ok(())
    }

    fn keep(&mut self, line: &Line) {
        let number = self.total;
        self.total += 1;
        self.handed = None;
        let full = self.kept.len() >= LINES || self.bytes >= BYTES;
        match self.window {
            Window::From(from) if number < from || full => return,
            _ => {}
        }
        let shown = line.bytes.get(..LINE).unwrap_or(&line.bytes);
        let text = String::from_utf8_lossy(shown).into_owned();
        self.bytes += text.len();
        self.kept.push_back(LogLine {
            at: line.at,
            err: line.stream == Stream::Err,
            text,
        });
        while self.kept.len() > LINES || self.bytes > BYTES {
            let Some(gone) = self.kept.pop_front() else {
                return;
            };
            self.bytes -= gone.text.len();
            self.first += 1;
        }
    }

    fn page(&mut self) -> LogPage {
        let kept = &self.kept;
        let whole = || Arc::new(kept.iter().cloned().collect());
        let lines = Arc::clone(self.handed.get_or_insert_with(whole));
        LogPage {
            run: self.run,
            attempt: self.reader.attempt(),
            first: self.first.min(self.total),
            lines,
            total: self.total,
            dropped: self.dropped,
            done: self.done,
            error: None,
        }
    }
}
