//! `crake source add`: where another database is, and how to log in there.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::moment;
use crate::cli::source;
use crate::model::{Dsn, PasswordFrom, PoolLimits, Secret, Source, SourceEngine, check_name};

/// Make a source
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake source add stock /var/lib/stock/stock.db
  crake source add shop postgres://crake@db.example.org/shop?sslmode=verify-full --password-file shop.pw
  crake source add mail mysql://crake@localhost/mail --password-env MAIL_PASSWORD
  pass show shop | crake source add shop postgres://crake@db/shop --password-stdin --replace
  crake source add feed 'exec:curl -fsS https://example.org/feed.jsonl'

DSN:
  sqlite:PATH, or a path       a file of SQLite
  postgres://USER@HOST:PORT/DATABASE?sslmode=MODE&sslrootcert=FILE
  mysql://USER@HOST:PORT/DATABASE?sslmode=MODE, also mariadb://
                               MODE is disable, prefer, require, verify-ca or verify-full;
                               ?host=/DIR or ?socket=/FILE for a socket
  exec:COMMAND LINE            for sh -c; it prints rows as JSON lines: objects, or arrays after one
                               array of column names. It finds the query in $QUERY, parameters in
                               $PARAM_NAME and both as JSON on standard input, the password in
                               $SOURCE_PASSWORD")]
pub struct AddSourceArgs {
    /// Name of the source
    name: String,
    /// Where it is
    #[arg(required_unless_present_any = ["dsn_file", "dsn_env"])]
    dsn: Option<String>,
    /// Read the DSN from the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "dsn")]
    dsn_file: Option<PathBuf>,
    /// Read the DSN from the variable VAR
    #[arg(long, value_name = "VAR", conflicts_with_all = ["dsn", "dsn_file"])]
    dsn_env: Option<String>,
    /// The password is the first line of FILE, read at every login
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password_env", "password_stdin"])]
    password_file: Option<PathBuf>,
    /// The password is in the variable VAR of the daemon's environment
    #[arg(long, value_name = "VAR", conflicts_with = "password_stdin")]
    password_env: Option<String>,
    /// Read the password from standard input and keep it in the store
    #[arg(long)]
    password_stdin: bool,
    /// Let watches change what is there
    #[arg(long)]
    writable: bool,
    /// The most connections at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pool_max: u32,
    /// How long to wait for a free connection
    #[arg(long, value_name = "D", default_value = "5s", value_parser = moment::duration)]
    acquire: i64,
    /// How long a connection nobody uses is kept
    #[arg(long, value_name = "D", default_value = "1m", value_parser = moment::duration)]
    idle: i64,
    /// How long a connection is kept at all, give or take a tenth
    #[arg(long, value_name = "D", default_value = "30m", value_parser = moment::duration)]
    lifetime: i64,
    /// After how long without use a connection is tried before it is used
    #[arg(long, value_name = "D", default_value = "30s", value_parser = moment::duration)]
    ping_idle: i64,
    /// Put it in the place of a source of that name
    #[arg(long)]
    replace: bool,
}

/// Makes a source.
///
/// # Errors
/// A name that is taken, a DSN or a password that cannot be read.
pub fn add(ctx: &Context, args: AddSourceArgs) -> Result<u8, CliError> {
    check_name(&args.name)?;
    let text = dsn_text(&args)?;
    let (dsn, inside) = Dsn::parse(&text).map_err(|e| {
        CliError::new(Kind::Invalid, format!("the DSN: {}", e.message)).hint(e.hint)
    })?;
    let dsn = in_full(dsn)?;
    let (password, secret) = password(&args, dsn.engine(), inside.as_ref())?;
    let limits = limits(&args)?;
    let now = ctx.now();
    let wanted = Source {
        name: args.name.clone(),
        engine: dsn.engine(),
        dsn: dsn.to_string(),
        password,
        writable: args.writable,
        limits,
        version: 1,
        created_at: now,
        changed_at: now,
    };
    let mut store = ctx.write()?;
    let before = store.source(&args.name)?;
    store.put_source(&wanted, secret.as_ref(), args.replace, now)?;
    ctx.nudge();
    let kept = source::find(&store, &args.name)?;
    ctx.answer_one(
        || source::item(ctx, &kept),
        |out| {
            let verb = if before.is_some() {
                "replaced"
            } else {
                "added"
            };
            writeln!(out, "{verb} {}", kept.name)?;
            source::write_source(out, &kept)
        },
    )?;
    if inside.is_some() && args.dsn.is_some() {
        ctx.say("warning: `ps` shows the command line and the shell keeps it: give passwords with --password-stdin or --password-file");
    }
    let had = before.is_some_and(|b| b.password == PasswordFrom::Stored);
    if had && kept.password != PasswordFrom::Stored {
        ctx.say("the password that was stored for it is gone; --password-stdin stores another");
    }
    Ok(0)
}

fn dsn_text(args: &AddSourceArgs) -> Result<String, CliError> {
    if let Some(path) = &args.dsn_file {
        let text = read_first_line(path)?;
        return Ok(text);
    }
    if let Some(name) = &args.dsn_env {
        return std::env::var(name)
            .map_err(|_| CliError::new(Kind::Usage, format!("the variable {name} is not set")));
    }
    Ok(args.dsn.clone().unwrap_or_default())
}

fn read_first_line(path: &Path) -> Result<String, CliError> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        let mut error = CliError::from(e);
        error.message = format!("cannot read {}: {}", path.display(), error.message);
        error
    })?;
    Ok(text.lines().next().unwrap_or("").to_owned())
}

/// The daemon may stand in another directory: paths are kept whole.
fn in_full(dsn: Dsn) -> Result<Dsn, CliError> {
    match dsn {
        Dsn::Sqlite(path) => {
            let path = std::path::absolute(&path)?;
            Ok(Dsn::Sqlite(path.display().to_string()))
        }
        other => Ok(other),
    }
}

fn password(
    args: &AddSourceArgs,
    engine: SourceEngine,
    inside: Option<&Secret>,
) -> Result<(PasswordFrom, Option<Secret>), CliError> {
    let given = args.password_file.is_some() || args.password_env.is_some() || args.password_stdin;
    if given && inside.is_some() {
        let error = CliError::new(
            Kind::Usage,
            "the DSN holds a password, and another is given",
        );
        return Err(error.hint("take one of them away"));
    }
    if given && engine == SourceEngine::Sqlite {
        return Err(CliError::new(
            Kind::Usage,
            "a file of SQLite has no password",
        ));
    }
    if let Some(path) = &args.password_file {
        let path = std::path::absolute(path)?;
        if !path.is_file() {
            let message = format!("there is no file {}", path.display());
            return Err(CliError::new(Kind::Usage, message)
                .hint("write the password into it first, readable for the daemon only"));
        }
        return Ok((PasswordFrom::File(path), None));
    }
    if let Some(name) = &args.password_env {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(CliError::new(Kind::Usage, "this is no name of a variable")
                .hint("give the name, not the password: --password-env SHOP_PASSWORD"));
        }
        return Ok((PasswordFrom::Env(name.clone()), None));
    }
    if args.password_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        let line = text.lines().next().unwrap_or("");
        if line.is_empty() {
            return Err(CliError::new(
                Kind::Usage,
                "there is no password on standard input",
            ));
        }
        return Ok((PasswordFrom::Stored, Some(Secret::new(line))));
    }
    Ok(match inside {
        Some(secret) => (PasswordFrom::Stored, Some(secret.clone())),
        None => (PasswordFrom::Nowhere, None),
    })
}

fn limits(args: &AddSourceArgs) -> Result<PoolLimits, CliError> {
    for (flag, ms) in [
        ("--acquire", args.acquire),
        ("--idle", args.idle),
        ("--lifetime", args.lifetime),
    ] {
        if ms <= 0 {
            let message = format!("{flag} must be longer than nothing");
            return Err(CliError::new(Kind::Usage, message));
        }
    }
    Ok(PoolLimits {
        max: args.pool_max,
        acquire_ms: args.acquire,
        idle_ms: args.idle,
        lifetime_ms: args.lifetime,
        ping_idle_ms: args.ping_idle,
    })
}
