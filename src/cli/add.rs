//! `crake add`: a new job.

use crate::cli::after_flags;
use crate::cli::context::Context;
use crate::cli::draft::{self, Draft};
use crate::cli::error::CliError;
use crate::cli::flags::DefinitionFlags;
use crate::cli::item::{self, JobItem};
use crate::model::Pause;

/// Define a job: a command, and when it is to run
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake add backup -s '30 2 * * *' -c 'tar czf /var/backups/home.tgz ~'
  crake add ping -s 'every 90s' --timeout 30s --retry 2 -- /usr/bin/curl -fsS https://example.org
  crake add report -s '0 8 * * mon-fri' --tz Europe/Berlin --catch-up last -- ./report.sh --brief
  crake add sync -s 'H 8 * * mon-fri' --calendar holidays --shift next --jitter 10m -- ./sync.sh")]
pub struct AddArgs {
    /// Name of the job
    name: String,
    #[command(flatten)]
    flags: DefinitionFlags,
    /// Put it in the place of a job of that name
    #[arg(long)]
    replace: bool,
    /// Add it paused: nothing fires before `crake resume`
    #[arg(long)]
    pause: bool,
}

/// Defines a job.
///
/// # Errors
/// What is wrong with the definition; a name that is taken.
pub fn add(ctx: &Context, args: AddArgs) -> Result<u8, CliError> {
    let mut draft = Draft::new(&args.name);
    args.flags.apply(ctx, &mut draft)?;
    let (job, schedules) = draft.check(ctx, &args.name, 1)?;
    let (mut store, now) = (ctx.write()?, ctx.now());
    let replaced = store.job(&job.name)?.is_some();
    if args.pause {
        let pause = Pause {
            from: now,
            until: None,
            by: ctx.user.name.clone(),
            reason: Some("added paused".to_owned()),
        };
        store.put_job_paused(&job, &draft.schedules, args.replace, &pause)?;
    } else {
        store.put_job(&job, &draft.schedules, args.replace, &ctx.user.name, now)?;
    }
    ctx.nudge();
    let row = item::find(&store, &job.name)?;
    let item = JobItem::of(ctx, &store, row)?;
    ctx.answer_one(
        || item.json(ctx),
        |out| {
            let verb = if replaced { "replaced" } else { "added" };
            writeln!(out, "{verb} {}", job.name)?;
            for line in draft::in_words(ctx, &schedules) {
                writeln!(out, "  {line}")?;
            }
            if args.pause {
                writeln!(out, "  paused: `crake resume {}` lets it fire", job.name)?;
            }
            Ok(())
        },
    )?;
    draft::warn(ctx, &schedules);
    after_flags::warn_of_unknown(ctx, &store, &job.name)?;
    Ok(0)
}
