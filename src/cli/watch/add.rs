//! `crake watch add`: what is asked where, and which job is run for what is found.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap_complete::ArgValueCandidates;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::watch::check::check;
use crate::cli::watch::values::{self, Lookback};
use crate::cli::{complete, item, moment, source, watch};
use crate::model::{
    Advance, Cell, Deliver, Initial, Mode, PollLog, Source, Threshold, UnknownWord, Watch,
    check_name,
};
use crate::source::names_of;

/// Make a watch
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake watch add orders --source shop --job ship --mode cursor --key id \\
    --query 'SELECT id, customer FROM orders' --every 10s --listen orders
  crake watch add late --source shop --job remind --mode new --key id \\
    --query 'SELECT id FROM invoice WHERE due < :now AND state = :state' --param state=open
  crake watch add backlog --source shop --job page --mode threshold --above 100 --rearm 20 \\
    --query 'SELECT count(*) FROM mail_queue'

Modes:
  rows       every row, at every poll
  cursor     rows after the last one in the order of --key; none is lost that commits late
  new        rows whose --key was not seen before, for tables without an order
  changed    what differs from the result before
  consume    rows of a queue table: --claim, the query, then --ack or --nack for each row
  threshold  a number beyond --above or --below, once until it comes back

Values:
  Values never become part of the statement. --param n=5 binds the text \"5\", --param n:=5 the number;
  after := stands any JSON number, text, true, false or null.
  Without being given there are :now, :now_ms, :last_ok, :cursor, :cursor_COLUMN, :limit, :poll_id,
  :watch, :claim, :visible_before and :visible_before_ms; in --ack and --nack the key columns as well")]
pub struct AddWatchArgs {
    /// Name of the watch
    name: String,
    /// The source that is asked
    #[arg(long, value_name = "S", add = ArgValueCandidates::new(complete::source_names))]
    source: String,
    /// The query
    #[arg(long, value_name = "SQL", required_unless_present = "query_file")]
    query: Option<String>,
    /// Read the query from FILE, - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "query")]
    query_file: Option<PathBuf>,
    /// The job that is run
    #[arg(long, value_name = "J", add = ArgValueCandidates::new(complete::job_names))]
    job: String,
    /// From one poll to the next [default: 1m]
    #[arg(long, value_name = "D", value_parser = moment::duration)]
    every: Option<i64>,
    /// What counts as found: rows, cursor, new, changed, consume, threshold [default: rows]
    #[arg(long, value_name = "MODE", value_parser = word::<Mode>)]
    mode: Option<Mode>,
    /// A column that tells rows apart; more of them in the order of their weight
    #[arg(long, value_name = "COL", value_delimiter = ',')]
    key: Vec<String>,
    /// A value for a :name of the query: NAME=TEXT, or NAME:=JSON
    #[arg(long, value_name = "K=V", value_parser = values::param)]
    param: Vec<(String, Cell)>,
    /// Where the cursor begins: now, min, or a value for each key column [default: now]
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    initial: Option<String>,
    /// One run for each row, or for each batch of rows [default: batch]
    #[arg(long, value_name = "HOW", value_parser = word::<Deliver>)]
    deliver: Option<Deliver>,
    /// Rows of a batch [default: 500]
    #[arg(long, value_name = "N")]
    batch_max: Option<u32>,
    /// The longest a poll may take [default: 30s]
    #[arg(long, value_name = "D", value_parser = moment::duration)]
    timeout: Option<i64>,
    /// Poll at once when this channel of PostgreSQL is notified, or data_version for SQLite
    #[arg(long, value_name = "CHANNEL")]
    listen: Option<String>,
    /// Mode consume: a statement that claims rows before the query reads them
    #[arg(long, value_name = "SQL")]
    claim: Option<String>,
    /// Mode consume: a statement for each row that was taken
    #[arg(long, value_name = "SQL")]
    ack: Option<String>,
    /// Mode consume: a statement for each row whose run failed for good
    #[arg(long, value_name = "SQL")]
    nack: Option<String>,
    /// Mode consume: after this a claim nobody acknowledged is given up [default: 5m]
    #[arg(long, value_name = "D", value_parser = moment::duration)]
    visibility: Option<i64>,
    /// When the cursor moves on: once runs are enqueued, or have succeeded [default: enqueued]
    #[arg(long, value_name = "WHEN", value_parser = word::<Advance>)]
    advance: Option<Advance>,
    /// Mode threshold: found when the number is greater
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    above: Option<f64>,
    /// Mode threshold: found when the number is less
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    below: Option<f64>,
    /// Mode threshold: how far back within the limit it comes before it can be found again
    #[arg(long, value_name = "N")]
    rearm: Option<f64>,
    /// Mode threshold: run the job as well when the number comes back
    #[arg(long)]
    on_return: bool,
    /// Mode rows: run the job as well when there is no row
    #[arg(long)]
    on_empty: bool,
    /// How much of each poll is kept: off, query, params, rows [default: params]
    #[arg(long, value_name = "LEVEL", value_parser = word::<PollLog>)]
    log: Option<PollLog>,
    /// A parameter or a column whose values are kept nowhere
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    redact: Vec<String>,
    /// The most rows taken by one poll [default: 10000]
    #[arg(long, value_name = "N")]
    max_rows: Option<u32>,
    /// Mode cursor: how far it looks again for rows that commit late, in time or in ids; 0 for not
    /// at all [default: 1m and 1000]
    #[arg(long, value_name = "D|N", value_parser = values::lookback)]
    lookback: Option<Lookback>,
    /// Put it in the place of a watch of that name
    #[arg(long)]
    replace: bool,
}

fn word<T: std::str::FromStr<Err = UnknownWord>>(text: &str) -> Result<T, UnknownWord> {
    text.parse()
}

/// Makes a watch.
///
/// # Errors
/// A name that is taken, no such source or job, a definition that cannot work.
pub fn add(ctx: &Context, args: AddWatchArgs) -> Result<u8, CliError> {
    check_name(&args.name)?;
    let replace = args.replace;
    let wanted = definition(&args)?;
    let mut store = ctx.write()?;
    let found = source::find(&store, &wanted.source)?;
    item::find(&store, &wanted.job)?;
    check(&wanted, &found)?;
    let before = store.watch(&wanted.name)?;
    store.put_watch(&wanted, replace, &ctx.user.name, ctx.now())?;
    ctx.nudge();
    let kept = watch::find(&store, &wanted.name)?;
    ctx.answer_one(
        || watch::definition(ctx, &kept),
        |out| {
            let verb = match before {
                Some(_) => "replaced",
                None => "added",
            };
            writeln!(out, "{verb} {}", kept.watch.name)?;
            watch::write_definition(out, &kept.watch)
        },
    )?;
    if before.is_some_and(|b| b.memory.begun && !kept.memory.begun) {
        ctx.say(
            "its source, mode, key or beginning is another: it forgot where it was and begins anew",
        );
    }
    if begins_with_null(&kept.watch, &found) {
        ctx.say(
            "until the first row is there :cursor is NULL: let the query give rows then as well, as \
             with coalesce(:cursor, 0)",
        );
    }
    Ok(0)
}

/// Whether the query compares with a cursor of its own that nobody gave a beginning.
fn begins_with_null(watch: &Watch, source: &Source) -> bool {
    let given = matches!(watch.initial, Initial::Value(_));
    let names = names_of(source.engine, &watch.query).unwrap_or_default();
    let own = names.iter().any(|name| name.starts_with("cursor"));
    watch.mode == Mode::Cursor && !given && own
}

fn definition(args: &AddWatchArgs) -> Result<Watch, CliError> {
    let query = match (&args.query, &args.query_file) {
        (Some(query), _) => query.clone(),
        (None, Some(path)) => read(path)?,
        (None, None) => String::new(),
    };
    let plain = Watch::of(&args.name, &args.source, query.trim(), &args.job);
    let (mut ids, mut ms) = (plain.lookback_ids, plain.lookback_ms);
    match args.lookback {
        Some(Lookback::Ids(given)) => ids = given,
        Some(Lookback::Ms(given)) => ms = given,
        Some(Lookback::None) => (ids, ms) = (0, 0),
        None => {}
    }
    let initial = match &args.initial {
        Some(text) => values::initial(text, &args.key)?,
        None => Initial::Now,
    };
    let watch = Watch {
        params: args.param.clone(),
        mode: args.mode.unwrap_or(plain.mode),
        key: args.key.clone(),
        initial,
        lookback_ids: ids,
        lookback_ms: ms,
        claim: args.claim.clone(),
        ack: args.ack.clone(),
        nack: args.nack.clone(),
        visibility_ms: args.visibility.unwrap_or(plain.visibility_ms),
        limits: Threshold {
            above: args.above,
            below: args.below,
            rearm: args.rearm,
            on_return: args.on_return,
        },
        deliver: args.deliver.unwrap_or(plain.deliver),
        batch_max: args.batch_max.unwrap_or(plain.batch_max),
        every_ms: args.every.unwrap_or(plain.every_ms),
        timeout_ms: args.timeout.unwrap_or(plain.timeout_ms),
        listen: args.listen.clone(),
        advance: args.advance.unwrap_or(plain.advance),
        on_empty: args.on_empty,
        log: args.log.unwrap_or(plain.log),
        redact: args.redact.clone(),
        max_rows: args.max_rows.unwrap_or(plain.max_rows),
        ..plain
    };
    Ok(watch)
}

fn read(path: &Path) -> Result<String, CliError> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(|e| {
        let mut error = CliError::from(e);
        error.message = format!("cannot read {}: {}", path.display(), error.message);
        error
    })
}
