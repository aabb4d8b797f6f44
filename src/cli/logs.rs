//! `crake logs`: what a run wrote.

use std::io::{Write, stdout};

use crate::cli::context::{Context, Form};
use crate::cli::ending::{title, words};
use crate::cli::error::CliError;
use crate::cli::lines::{Line, Lines, last_lines};
use crate::cli::output::{Piece, Reader};
use crate::cli::selector::{Prefer, select};
use crate::cli::through_daemon::selected as petitions;
use crate::cli::waiting::{Waiting, is_over};
use crate::model::{RunId, RunState};
use crate::process::{Chunk, Stream};
use crate::store::RunRow;
use crate::view::words::count;

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// Standard output
    Out,
    /// Standard error
    Err,
}

/// Show what a run wrote
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake logs backup-db\n  crake logs -f 1842\n  crake logs backup-db@fail -n 20 --stream err\n  crake logs 1842 --raw > output\n\nOn a terminal each line has its time and | for standard output or E for standard error, and what\na terminal would obey is taken out. To a file or a pipe go the bytes as they were written."
)]
pub struct LogsArgs {
    /// The run: 1842, 1842.2 (its second attempt), JOB (its latest), JOB~1, JOB@fail
    #[arg(value_name = "RUN")]
    run: String,
    /// Go on until the run is over
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines
    #[arg(short = 'n', long = "lines", value_name = "N")]
    lines: Option<usize>,
    /// The exact bytes, also on a terminal
    #[arg(long)]
    raw: bool,
    /// Of one stream only
    #[arg(long, value_name = "out|err")]
    stream: Option<Which>,
    /// Of this attempt; of the latest if not given
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
}

/// Shows output.
///
/// # Errors
/// No such run or attempt, and those of the store and of writing.
pub fn logs(ctx: &Context, args: LogsArgs) -> Result<u8, CliError> {
    let mut waiting = Waiting::begin_for(ctx, petitions(&args.run, Prefer::Latest)?)?;
    let text = match args.attempt {
        Some(n) => format!("{}.{n}", select(waiting.store(), &args.run)?.run.run),
        None => args.run,
    };
    let selected = select(waiting.store(), &text)?;
    let mut run = selected.run;
    waiting.only_for(run.run);
    let mut show = Show::new(ctx, run.run, args.raw, args.stream, args.follow);
    let attempt = selected.attempt.unwrap_or(run.attempt.max(1));
    let mut reader = Reader::new(ctx, run.run, attempt);
    let mut first = read_all(&mut reader, &waiting)?;
    first.chunks.retain(|c| show.wants(c));
    if let Some(lines) = args.lines {
        first.chunks = last_lines(first.chunks, lines);
    }
    let mut done = first.done;
    show.piece(attempt, &first)?;
    while args.follow && !(done && is_over(&run)) {
        if done && selected.attempt.is_none() && run.attempt > reader.attempt() {
            reader = Reader::new(ctx, run.run, reader.attempt() + 1);
        } else if done && selected.attempt.is_some() {
            break;
        }
        waiting.look_again()?;
        run = waiting.run(run.run)?;
        let piece = reader.read(waiting.store())?;
        // A run taken back while it waited never has output that could be done.
        done = piece.done || run.attempt < reader.attempt();
        show.piece(reader.attempt(), &piece)?;
    }
    show.end()?;
    let wrote = waiting.store().attempts(run.run)?;
    let wrote = wrote.iter().find(|a| a.n == show.attempt);
    let pruned = wrote.is_some_and(|a| a.ended_at.is_some() && a.out_bytes.is_some_and(|n| n > 0));
    tell(ctx, &run, args.follow, show.wrote, pruned);
    Ok(0)
}

fn read_all(reader: &mut Reader<'_>, waiting: &Waiting<'_>) -> Result<Piece, CliError> {
    let mut all = Piece::default();
    loop {
        let piece = reader.read(waiting.store())?;
        let nothing = piece.chunks.is_empty();
        all.chunks.extend(piece.chunks);
        all.dropped += piece.dropped;
        all.done = piece.done;
        if nothing || all.done {
            return Ok(all);
        }
    }
}

/// Says what a reader of an empty answer wants to know.
fn tell(ctx: &Context, run: &RunRow, followed: bool, shown: bool, wrote: bool) {
    match run.state {
        RunState::Ended(_) if followed => ctx.say(&format!("{} {}", title(run), words(run))),
        RunState::Queued if !shown => ctx.say(&format!("{} has not started", title(run))),
        _ if !shown && wrote => ctx.say(&format!("the output of {} is no longer kept", title(run))),
        _ if !shown => ctx.say(&format!("{} wrote nothing", title(run))),
        _ => {}
    }
}

/// How output is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Bytes,
    Marked,
    Items,
}

struct Show<'a> {
    ctx: &'a Context,
    run: RunId,
    manner: Manner,
    stream: Option<Which>,
    follow: bool,
    lines: Lines,
    attempt: u32,
    items: Vec<serde_json::Value>,
    wrote: bool,
}

impl<'a> Show<'a> {
    fn new(
        ctx: &'a Context,
        run: RunId,
        raw: bool,
        stream: Option<Which>,
        follow: bool,
    ) -> Show<'a> {
        let manner = match ctx.form {
            Form::Json | Form::JsonLines => Manner::Items,
            Form::Text if raw || !ctx.on_terminal() => Manner::Bytes,
            Form::Text => Manner::Marked,
        };
        Show {
            ctx,
            run,
            manner,
            stream,
            follow,
            lines: Lines::default(),
            attempt: 0,
            items: Vec::new(),
            wrote: false,
        }
    }

    fn wants(&self, chunk: &Chunk) -> bool {
        match self.stream {
            None => true,
            Some(Which::Out) => chunk.stream == Stream::Out,
            Some(Which::Err) => chunk.stream == Stream::Err,
        }
    }

    fn piece(&mut self, attempt: u32, piece: &Piece) -> Result<(), CliError> {
        self.attempt = attempt;
        if piece.dropped > 0 {
            let bytes = count(i64::try_from(piece.dropped).unwrap_or(i64::MAX), "byte");
            self.ctx.say(&format!("= {bytes} of the output not kept"));
        }
        for chunk in &piece.chunks {
            if !self.wants(chunk) {
                continue;
            }
            self.wrote |= !chunk.bytes.is_empty();
            if self.manner == Manner::Bytes {
                stdout().lock().write_all(&chunk.bytes)?;
            } else {
                let lines = self.lines.take(chunk);
                self.lines(lines)?;
            }
        }
        Ok(stdout().lock().flush()?)
    }

    fn lines(&mut self, lines: Vec<Line>) -> Result<(), CliError> {
        let mut out = stdout().lock();
        for line in lines {
            if self.manner == Manner::Marked {
                writeln!(out, "{}", line.shown(&self.ctx.zone))?;
                continue;
            }
            let item = line.item(self.run.0, self.attempt, &self.ctx.zone);
            // One object that ends only with the run is of no use to who follows.
            if self.follow || self.ctx.form == Form::JsonLines {
                writeln!(out, "{item}")?;
            } else {
                self.items.push(item);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), CliError> {
        let rest = self.lines.rest();
        self.lines(rest)?;
        if self.manner == Manner::Items && !self.follow && self.ctx.form == Form::Json {
            let items = std::mem::take(&mut self.items);
            self.ctx.answer(|| items, |_| Ok(()))?;
        }
        Ok(())
    }
}
