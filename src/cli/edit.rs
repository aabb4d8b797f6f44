//! `crake edit`: another definition for a job there is.

use clap_complete::engine::ArgValueCandidates;

use crate::cli::after_flags;
use crate::cli::context::Context;
use crate::cli::draft::{self, Draft};
use crate::cli::error::{CliError, Kind};
use crate::cli::flags::DefinitionFlags;
use crate::cli::item::{self, JobItem};
use crate::cli::{complete, edit_session, toml_form};
use crate::model::check_name;
use crate::store::JobRow;
use crate::view::timetable::Timetable;

/// Change a job: in an editor, or by the flags of `add`; what is not given stays
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake edit backup
  crake edit backup --timeout 5m --retry 2 -s '0 3 * * *'
  crake edit backup --end 2027-06-30 --jitter none
  crake edit backup --set 'tags=[\"db\", \"night\"]' --name backup-home")]
pub struct EditArgs {
    /// Name of the job
    #[arg(add = ArgValueCandidates::new(complete::job_names))]
    job: String,
    /// Set one key of the definition as the editor shows it; an empty value resets it
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Give it another name; its runs and history go with it
    #[arg(long, value_name = "NEW")]
    name: Option<String>,
    #[command(flatten)]
    flags: DefinitionFlags,
}

/// Changes a job.
///
/// # Errors
/// No such job, what is wrong with the definition, and a definition somebody else changed
/// meanwhile.
pub fn edit(ctx: &Context, args: EditArgs) -> Result<u8, CliError> {
    let row = item::find(&ctx.write()?, &args.job)?;
    let old = Draft::of(&row);
    let by_flags = args.flags != DefinitionFlags::default() || !args.set.is_empty();
    if let Some(new) = args.name.as_ref().filter(|new| **new != args.job) {
        check_name(new)?;
        if ctx.write()?.job(new)?.is_some() {
            return Err(crate::store::StoreError::NameTaken(new.clone()).into());
        }
    }
    let schedules = if by_flags {
        let mut draft = old.clone();
        args.flags.apply(ctx, &mut draft)?;
        for setting in &args.set {
            draft = toml_form::set(ctx, &draft, setting)?;
        }
        keep(ctx, &row, &old, &draft)?
    } else if args.name.is_some() {
        None
    } else {
        edit_session::edit(ctx, &row, &old)?
    };
    let mut name = &args.job;
    if let Some(new) = args.name.as_ref().filter(|new| **new != args.job) {
        let mut store = ctx.write()?;
        store.rename_job(&args.job, new, &ctx.user.name, ctx.now())?;
        name = new;
    }
    ctx.nudge();
    answer(ctx, &args.job, name, schedules)
}

/// Stores a definition in the place of the one it was made from. Gives its schedules; none where
/// it is the same.
///
/// # Errors
/// What is wrong with the definition, and one somebody else changed meanwhile.
pub fn keep(
    ctx: &Context,
    row: &JobRow,
    old: &Draft,
    draft: &Draft,
) -> Result<Option<Vec<Timetable>>, CliError> {
    let (job, schedules) = draft.check(ctx, &row.job.name, row.job.version)?;
    if draft == old {
        return Ok(None);
    }
    let mut store = ctx.write()?;
    store.change_job(&job, &draft.schedules, &ctx.user.name, ctx.now())?;
    if let Some(file) = draft
        .spec
        .origin
        .as_deref()
        .and_then(|origin| origin.strip_prefix("crontab:"))
    {
        ctx.say(&format!(
            "note: this job came from {file}; its lines there were not changed"
        ));
    }
    if let Some(origin) = &draft.spec.origin
        && let Some(file) = origin.strip_prefix("file:")
    {
        ctx.say(&format!(
            "note: this job came from {file}; until that says the same, `crake apply` sees a conflict"
        ));
    }
    Ok(Some(schedules))
}

fn answer(
    ctx: &Context,
    old_name: &str,
    name: &str,
    schedules: Option<Vec<Timetable>>,
) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let item = JobItem::of(ctx, &store, item::find(&store, name)?)?;
    ctx.answer_one(
        || item.json(ctx),
        |out| {
            if name != old_name {
                writeln!(out, "{old_name} is now {name}")?;
            }
            match &schedules {
                Some(schedules) => {
                    writeln!(out, "changed {name}, version {}", item.row.job.version)?;
                    for line in draft::in_words(ctx, schedules) {
                        writeln!(out, "  {line}")?;
                    }
                    Ok(())
                }
                None if name == old_name => writeln!(out, "nothing changed"),
                None => Ok(()),
            }
        },
    )?;
    if let Some(schedules) = &schedules {
        draft::warn(ctx, schedules);
        after_flags::warn_of_unknown(ctx, &store, name)?;
    }
    Ok(0)
}

/// What to say where an editor is needed and nobody could use one.
pub fn no_editor(job: &str) -> CliError {
    CliError::new(
        Kind::Usage,
        "there is nothing to change, and no terminal for an editor",
    )
    .hint(format!(
        "say what to change, such as `crake edit {job} --timeout 5m`"
    ))
}
