//! `crake status`: one look at everything.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use crate::cli::alive;
use crate::cli::blind_status::blind_status;
use crate::cli::context::{Context, Form};
use crate::cli::error::CliError;
use crate::control::PATIENCE;
use crate::view::items::Items;
use crate::view::metrics::{Measured, metrics};
use crate::view::status::{Status, daemon_words, status as look};
use crate::view::status_news::news;

/// How often `--watch` looks.
const WATCH: Duration = Duration::from_secs(2);

/// Show the daemon, what needs attention, and how the day goes
#[derive(clap::Args, Debug, Default)]
#[command(
    after_help = "Examples:\n  crake status\n  crake status --watch\n  crake status --json | jq '.item.attention'\n  crake status -o prom > /var/lib/node_exporter/crake.prom"
)]
pub struct StatusArgs {
    /// Go on, and say in one line each what changes
    #[arg(long, conflicts_with = "output")]
    watch: bool,
    /// Answer in the format of a monitoring system
    #[arg(short, long, value_enum, value_name = "FORMAT", conflicts_with_all = ["json", "jsonl"])]
    output: Option<Output>,
}

/// Formats of monitoring systems.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Output {
    /// Metrics as Prometheus reads them (OpenMetrics 1.0)
    Prom,
}

/// Shows the status. A daemon that is down is shown, and is no failure of this command.
///
/// # Errors
/// Those of reading the store and of writing.
pub fn status(ctx: &Context, args: StatusArgs) -> Result<u8, CliError> {
    if let Some(Output::Prom) = args.output {
        return prom(ctx);
    }
    if blind_status(ctx)? {
        return Ok(0);
    }
    let store = ctx.read().map_err(|error| with_the_daemon(ctx, error))?;
    let items = Items::new(&ctx.zone);
    let mut shown: Option<Status> = None;
    loop {
        let now = ctx.now();
        let daemon = alive::daemon(ctx, &store)?;
        let found = look(&store, daemon, &ctx.zone, now)?;
        match &shown {
            Some(before) if !differ(before, &found) => {}
            // Only what changed, so that whoever listens to it need not hear all again.
            Some(before) if ctx.form == Form::Text => {
                let mut out = std::io::stdout().lock();
                for line in news(before, &found, &ctx.zone, now) {
                    writeln!(out, "{line}")?;
                }
                out.flush()?;
            }
            _ => ctx.answer_one(
                || items.status(&found),
                |out| found.write(out, &host(), &ctx.zone, now),
            )?,
        }
        if !args.watch {
            return Ok(0);
        }
        shown = Some(found);
        sleep(WATCH);
    }
}

/// Everything as metrics.
fn prom(ctx: &Context) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let now = ctx.now();
    let daemon = alive::daemon(ctx, &store)?;
    let found = look(&store, daemon, &ctx.zone, now)?;
    let measured = Measured::read(&store, &found, &ctx.zone, now)?;
    let mut out = std::io::stdout().lock();
    out.write_all(metrics(&found, &measured, now).as_bytes())?;
    out.flush()?;
    Ok(0)
}

/// Adds to an error of the store how the daemon is, which may have the same trouble.
fn with_the_daemon(ctx: &Context, error: CliError) -> CliError {
    let daemon = alive::heard(&ctx.paths, PATIENCE);
    let words = daemon_words(&daemon, &ctx.zone, ctx.now());
    error.detail(words)
}

/// Whether two looks differ in more than the age of the daemon's last beat.
fn differ(a: &Status, b: &Status) -> bool {
    let same_beat = |s: &Status| {
        let mut s = s.clone();
        s.daemon.beat_age_ms = None;
        s.daemon.workers.clear();
        // A daemon that is gone is known to be so since an instant that does not move.
        s
    };
    same_beat(a) != same_beat(b)
}

fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
