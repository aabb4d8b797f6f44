//! `crake top`: the dashboard, and what it is given that it may not know by itself.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::{alive, top_acts, top_logs};
use crate::store::Store;
use crate::tui;
use crate::tui::data::Worker;
use crate::tui::feed::Feed;
use crate::tui::sources::{Facts, Hands};
use crate::tui::state::{Setting, State, Tab};
use crate::tui::theme::Theme;
use crate::view::workers::WorkerRow;
use crate::view::{self, Daemon};

/// Show the dashboard: what needs attention, what runs, what was missed, and the output of it
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake top\n  crake top jobs\n  crake top --once --size 120x35 > frame.txt\n\nSCREEN is overview, jobs, runs, missed, workers, watches or logs. `?` shows the keys. With\nCRAKE_PLAIN=1, and where there is no terminal, use `crake status --watch` instead."
)]
pub struct TopArgs {
    /// The screen to begin with
    #[arg(value_name = "SCREEN", value_parser = screen)]
    screen: Option<Tab>,
    /// Take no action, whatever key is pressed
    #[arg(long)]
    read_only: bool,
    /// Take the mouse: wheel and clicks; selecting text needs Shift then
    #[arg(long)]
    mouse: bool,
    /// Use ASCII only
    #[arg(long)]
    ascii: bool,
    /// Print one frame as text and end
    #[arg(long)]
    once: bool,
    /// With --once: columns and rows of the frame
    #[arg(long, value_name = "WxH", requires = "once", value_parser = size, default_value = "80x24")]
    size: (u16, u16),
}

fn screen(text: &str) -> Result<Tab, String> {
    let names = Tab::ALL.map(|tab| tab.title().to_lowercase());
    Tab::named(text).ok_or_else(|| format!("no such screen; there are {}", names.join(", ")))
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let wanted = "columns and rows, such as 80x24, at most 500x200";
    let (width, height) = text.split_once('x').ok_or(wanted)?;
    match (width.parse(), height.parse()) {
        (Ok(width @ 1..=500), Ok(height @ 1..=200)) => Ok((width, height)),
        _ => Err(wanted.to_owned()),
    }
}

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows the dashboard until it is left.
///
/// # Errors
/// No terminal, and those of it.
pub fn top(ctx: &Context, args: TopArgs) -> Result<u8, CliError> {
    let now = ctx.now();
    let setting = Setting {
        host: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        zone: ctx.zone.clone(),
        theme: Theme {
            color: ctx.color,
            ascii: args.ascii || !is_utf8(),
        },
        read_only: args.read_only,
    };
    let tab = args.screen.unwrap_or(Tab::Overview);
    let mut state = State::new(setting, now, args.size, tab);
    if args.once {
        let mut feed = Feed::new(&ctx.paths.store, ctx.zone.clone(), &ctx.clock, facts(ctx));
        let frame = tui::once::once(&mut state, &mut feed, now);
        let mut out = std::io::stdout().lock();
        out.write_all(tui::once::text(&frame).as_bytes())?;
        out.flush()?;
        return Ok(0);
    }
    refuse_without_terminal(ctx)?;
    let hands = Hands {
        act: Box::new(|argv| top_acts::act(ctx, argv)),
        on_terminal: Box::new(|argv| top_acts::on_terminal(ctx, argv)),
    };
    tui::run(
        state,
        args.mouse,
        &ctx.clock,
        &ctx.paths.store,
        facts(ctx),
        &hands,
    )?;
    Ok(0)
}

/// A grid that is painted over and over is of no use to a pipe or a screen reader.
fn refuse_without_terminal(ctx: &Context) -> Result<(), CliError> {
    let plain = std::env::var_os("CRAKE_PLAIN").is_some_and(|v| !v.is_empty() && v != "0");
    let what = if plain {
        "CRAKE_PLAIN is set, and the dashboard is not plain"
    } else if !ctx.on_terminal() || !std::io::stdin().is_terminal() {
        "the dashboard needs a terminal"
    } else {
        return Ok(());
    };
    Err(CliError::new(Kind::Usage, what)
        .hint("`crake status --watch` says what changes, `crake top --once` prints one frame"))
}

/// Whether the terminal can be expected to show more than ASCII.
fn is_utf8() -> bool {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    if matches!(variable("TERM").as_deref(), Some("linux" | "dumb")) {
        return false;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(variable);
    // Where nothing is said of a locale, as in many containers, terminals know UTF-8 all the same.
    locale.is_none_or(|l| {
        let l = l.to_lowercase();
        l.contains("utf-8") || l.contains("utf8")
    })
}

fn facts(ctx: &Context) -> Facts<'_> {
    let mut outputs = top_logs::Outputs::new(ctx);
    Facts {
        heard: Box::new(|| Daemon {
            workers: alive::workers(&ctx.paths),
            ..alive::heard(&ctx.paths, PATIENCE)
        }),
        workers: Box::new(|store, daemon, _| {
            workers(ctx, store, daemon).map_err(|e| e.to_string())
        }),
        logs: Box::new(move |store, run, attempt, place| outputs.page(store, run, attempt, place)),
        definition: Box::new(|store, job| top_acts::definition(ctx, store, job)),
    }
}

/// The workers as `crake worker ls` lists them.
fn workers(ctx: &Context, store: &Store, daemon: &Daemon) -> crate::store::Result<Vec<Worker>> {
    let rows = view::workers::workers(store, daemon, &ctx.zone, ctx.now())?;
    Ok(rows.into_iter().map(worker).collect())
}

fn worker(row: WorkerRow) -> Worker {
    let quiet_ms = row.quiet_ms();
    let run = row.run.map(|run| format!("#{run}"));
    Worker {
        name: row.worker.or(run).unwrap_or_default(),
        state: row.judged.state.as_str().to_owned(),
        queue: row.queue,
        run: row.run,
        job: row.job,
        pid: row.pid,
        busy_ms: row.busy_ms,
        cpu_percent: row.evidence.as_ref().map(|e| e.cpu_percent),
        rss_bytes: row.evidence.as_ref().map(|e| e.rss_bytes),
        quiet_ms,
        evidence: row.judged.why.split("; ").map(str::to_owned).collect(),
    }
}
