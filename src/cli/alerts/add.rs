//! `crake alerts add`: who is told of what, by which means.

use std::path::PathBuf;

use crate::cli::alerts::{find, list};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::moment;
use crate::model::{AlertKind, Means, Place, Quiet, Rate, Receiver, SecretFrom, check_name};
use crate::schedule::Zone;

/// Make a receiver of alerts
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake alerts add ops --mail ops@example.org --group 2m
  crake alerts add ops --mail ops@example.org --smtp smtps://crake@mail.example.org --secret-file /etc/crake/mail.pw
  crake alerts add chat --webhook @/etc/crake/chat.url --quiet 22:00-07:00 --tz Europe/Zurich --rate 10/h
  crake alerts add nightly --command 'logger -t crake' --job nightly --on failed,missed,silent --silent 26h
  crake alerts add hc --ping https://hc-ping.com/0a1b2c3d --job backup

A command finds the message as JSON on standard input and in $CRAKE_ALERT_SUBJECT, _TEXT, _KIND, _JOB,
_RUN, _HOST, _RECEIVER, _COUNT and _ID. A webhook is signed with HMAC-SHA256 in X-Crake-Signature.

SERVER: smtp://USER@HOST:PORT?tls=none|opportunistic|required or smtps://USER@HOST. With a user TLS is
required unless tls= says otherwise. URL and SERVER may be @FILE, whose first line is read at each sending.")]
pub struct AddAlertArgs {
    /// Name of the receiver
    name: String,
    /// Run LINE by sh -c
    #[arg(long, value_name = "LINE")]
    command: Option<String>,
    /// Send mail to ADDRESS
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    mail: Vec<String>,
    /// Mail by this server, not by the host's sendmail
    #[arg(long, value_name = "SERVER", requires = "mail", value_parser = place)]
    smtp: Option<Place>,
    /// The sender of mail
    #[arg(long, value_name = "ADDRESS", requires = "mail")]
    from: Option<String>,
    /// POST JSON to URL
    #[arg(long, value_name = "URL|@FILE", value_parser = place)]
    webhook: Option<Place>,
    /// Ping URL at the start and the end of each run, as Healthchecks has it; {job} stands for the name
    #[arg(long, value_name = "URL|@FILE", value_parser = place)]
    ping: Option<Place>,
    /// The password of the server, or the key of the webhook, is the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "secret_env")]
    secret_file: Option<PathBuf>,
    /// It is in the variable VAR of the daemon's environment
    #[arg(long, value_name = "VAR")]
    secret_env: Option<String>,
    /// What it is told of: failed, missed, stuck, lost, late, long, short, silent, recovered
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = kind)]
    on: Vec<AlertKind>,
    /// The jobs it is told of; * stands for anything
    #[arg(long, value_name = "JOB", value_delimiter = ',', default_value = "*")]
    job: Vec<String>,
    /// Only after N failures in a row
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    after: u32,
    /// How late a run is to be told of as late
    #[arg(long, value_name = "D", default_value = "1m", value_parser = moment::duration)]
    late: i64,
    /// How long a job may go without success before it is silent
    #[arg(long, value_name = "D", value_parser = moment::duration)]
    silent: Option<i64>,
    /// Send nothing in these hours of the day; it is sent when they are over
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = quiet)]
    quiet: Option<Quiet>,
    /// The zone of these hours
    #[arg(long, value_name = "ZONE", requires = "quiet")]
    tz: Option<String>,
    /// Send at most so many messages, such as 10/h; what is more is sent together later
    #[arg(long, value_name = "N/D")]
    rate: Option<Rate>,
    /// Let a message wait so long for others to go with it
    #[arg(long, value_name = "D", value_parser = moment::duration)]
    group: Option<i64>,
    /// Give a message up after so many tries
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    tries: u32,
    /// Put it in the place of a receiver of that name
    #[arg(long)]
    replace: bool,
}

/// Makes a receiver.
///
/// # Errors
/// A name that is taken, a definition that cannot hold.
pub fn add(ctx: &Context, args: AddAlertArgs) -> Result<u8, CliError> {
    check_name(&args.name)?;
    let replace = args.replace;
    let receiver = receiver(args)?;
    let mut store = ctx.write()?;
    let replaced = store.put_receiver(&receiver, replace, ctx.now())?;
    ctx.nudge();
    let kept = find(&store, &receiver.name)?;
    ctx.answer_one(
        || list::item(ctx, &kept),
        |out| {
            let verb = if replaced { "replaced" } else { "added" };
            writeln!(out, "{verb} {}", kept.receiver.name)?;
            list::write_receiver(out, &kept.receiver)
        },
    )?;
    if !replaced {
        let name = &kept.receiver.name;
        ctx.say(&format!("`crake alerts test {name}` tries it out"));
    }
    Ok(0)
}

fn wrong(message: impl Into<String>) -> CliError {
    CliError::new(Kind::Usage, message)
}

fn receiver(args: AddAlertArgs) -> Result<Receiver, CliError> {
    let secret = secret(args.secret_file.as_deref(), args.secret_env)?;
    let given = usize::from(args.command.is_some())
        + usize::from(!args.mail.is_empty())
        + usize::from(args.webhook.is_some())
        + usize::from(args.ping.is_some());
    if given != 1 {
        let error = wrong("a receiver is reached by exactly one means");
        return Err(error.hint("give one of --command, --mail, --webhook and --ping"));
    }
    let means = match (args.command, args.webhook, args.ping) {
        (Some(line), ..) => Means::Command { line },
        (_, Some(url), _) => Means::Webhook {
            url: web(url)?,
            secret: secret.clone(),
        },
        (_, _, Some(url)) => Means::Ping { url: web(url)? },
        (None, None, None) => Means::Mail {
            to: args.mail,
            from: args.from,
            smtp: args.smtp,
            secret: secret.clone(),
        },
    };
    if secret.is_some() && means.secret().is_none() {
        return Err(wrong("only a mail server or a webhook has a secret"));
    }
    if let Means::Mail {
        smtp: None,
        secret: Some(_),
        ..
    } = &means
    {
        return Err(wrong("a password is for a server").hint("name it with --smtp"));
    }
    let mut receiver = Receiver::of(&args.name, means);
    if !args.on.is_empty() {
        receiver.on = args.on;
    } else if args.silent.is_some() {
        receiver.on.push(AlertKind::Silent);
    }
    // `all` says what `*` says, for shells in which that is awkward.
    let all = |job: String| if job == "all" { "*".to_owned() } else { job };
    receiver.jobs = args.job.into_iter().map(all).collect();
    receiver.quiet = args.quiet;
    if let (Some(quiet), Some(name)) = (&mut receiver.quiet, args.tz) {
        Zone::named(&name).map_err(|e| CliError::new(Kind::Invalid, e.to_string()))?;
        quiet.zone = Some(name);
    }
    receiver.after = args.after;
    receiver.late_ms = args.late;
    receiver.silent_ms = args.silent;
    receiver.rate = args.rate;
    receiver.group_ms = args.group.filter(|ms| *ms > 0);
    receiver.tries = args.tries;
    check(&receiver)?;
    Ok(receiver)
}

/// What does not go together.
fn check(receiver: &Receiver) -> Result<(), CliError> {
    if receiver.wants(AlertKind::Silent) != receiver.silent_ms.is_some() && !receiver.pings() {
        let error = wrong("`silent` needs to know for how long");
        return Err(error.hint("--on silent and --silent 26h go together"));
    }
    let Means::Ping { url } = &receiver.means else {
        return Ok(());
    };
    let held = receiver.quiet.is_some() || receiver.rate.is_some() || receiver.group_ms.is_some();
    let said =
        receiver.on != AlertKind::USUAL || receiver.after > 1 || receiver.silent_ms.is_some();
    if held || said {
        let error = wrong("a ping is sent at the start and at the end of each run, at once");
        return Err(error.hint("leave out --on, --after, --silent, --quiet, --rate and --group"));
    }
    let one = matches!(receiver.jobs.as_slice(), [job] if !job.contains('*'));
    let by_name = matches!(url, Place::Url(url) if url.contains("{job}"));
    if !one && !by_name {
        let error = wrong("the runs of several jobs would be taken for those of one");
        return Err(error.hint("name one job with --job, or write {job} into the URL"));
    }
    Ok(())
}

fn secret(
    file: Option<&std::path::Path>,
    variable: Option<String>,
) -> Result<Option<SecretFrom>, CliError> {
    if let Some(path) = file {
        let path = std::path::absolute(path)?;
        if !path.is_file() {
            let message = format!("there is no file {}", path.display());
            return Err(
                wrong(message).hint("write the secret into it first, readable for the daemon only")
            );
        }
        return Ok(Some(SecretFrom::File(path)));
    }
    let Some(name) = variable else {
        return Ok(None);
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(wrong("this is no name of a variable")
            .hint("give the name, not the secret: --secret-env CHAT_KEY"));
    }
    Ok(Some(SecretFrom::Env(name)))
}

fn web(place: Place) -> Result<Place, CliError> {
    match &place {
        Place::Url(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
            Err(wrong("this is no address of the web").hint("it begins with https:// or http://"))
        }
        _ => Ok(place),
    }
}

fn place(text: &str) -> Result<Place, String> {
    match text.strip_prefix('@') {
        Some(path) => std::path::absolute(path)
            .map(Place::File)
            .map_err(|e| e.to_string()),
        None if text.contains("://") => Ok(Place::Url(text.to_owned())),
        None => Err("this is no address: write SCHEME://HOST or @FILE".to_owned()),
    }
}

fn kind(word: &str) -> Result<AlertKind, String> {
    let words: Vec<&str> = AlertKind::CHOICES.iter().map(|k| k.as_str()).collect();
    let known = AlertKind::CHOICES.iter().find(|k| k.as_str() == word);
    known
        .copied()
        .ok_or_else(|| format!("expected some of {}", words.join(", ")))
}

fn quiet(text: &str) -> Result<Quiet, String> {
    let wrong = || format!("\"{text}\" are no hours: write 22:00-07:00");
    let time = |part: &str| {
        let read = chrono::NaiveTime::parse_from_str(part, "%H:%M")
            .or_else(|_| chrono::NaiveTime::parse_from_str(part, "%H:%M:%S"));
        read.ok()
            .map(|t| chrono::Timelike::num_seconds_from_midnight(&t))
    };
    let (from, until) = text.split_once('-').ok_or_else(wrong)?;
    match (time(from.trim()), time(until.trim())) {
        (Some(from_s), Some(until_s)) if from_s != until_s => Ok(Quiet {
            from_s,
            until_s,
            zone: None,
        }),
        _ => Err(wrong()),
    }
}
