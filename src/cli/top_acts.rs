//! What the dashboard does: the commands themselves, each in a process of its own.
//!
//! So an action of the dashboard is the command it shows, to the letter: the same checks, the same
//! words, the same exit code.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::toml_form;
use crate::config::Paths;
use crate::store::Store;
use crate::tui::sources::Outcome;

/// Bytes of a command's words that are kept.
const WORDS: u64 = 256 * 1024;

/// The definition of a job as the editor shows it.
///
/// # Errors
/// No such job, one that cannot be read or written.
pub fn definition(ctx: &Context, store: &Store, job: &str) -> Result<String, String> {
    let row = store.job(job).map_err(|e| e.to_string())?;
    let row = row.ok_or_else(|| format!("no job named \"{job}\""))?;
    toml_form::write(ctx, &Draft::of(&row)).map_err(|e| e.message)
}

/// Carries out a command that asks nothing, and gives what it said.
pub fn act(ctx: &Context, argv: &[String]) -> Outcome {
    let mut command = this(ctx, argv);
    command
        .args(["--yes", "--no-input", "--color", "never"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    outcome(command).unwrap_or_else(|e| Outcome {
        code: 125,
        text: e.to_string(),
    })
}

fn outcome(mut command: Command) -> std::io::Result<Outcome> {
    let mut child = command.spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = std::thread::scope(|scope| {
        let words = scope.spawn(|| read(err));
        (read(out), words.join().unwrap_or_default())
    });
    let code = child.wait()?.code().unwrap_or(125);
    let text = [out.trim_end(), err.trim_end()];
    let text: Vec<&str> = text.into_iter().filter(|t| !t.is_empty()).collect();
    Ok(Outcome {
        code,
        text: text.join("\n"),
    })
}

/// What comes, up to a limit; the rest is read and dropped, so that nobody waits for us.
fn read(from: Option<impl Read>) -> String {
    let Some(mut from) = from else {
        return String::new();
    };
    let mut bytes = Vec::new();
    // What was read before a failure is shown; there is no more to be had.
    let _ = from.by_ref().take(WORDS).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut from, &mut std::io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Carries out a command on the terminal; what it says stays until a key is pressed.
pub fn on_terminal(ctx: &Context, argv: &[String]) -> Outcome {
    let ended = this(ctx, argv).status();
    let (code, text) = match ended {
        Ok(status) => (status.code().unwrap_or(125), format!("ended with {status}")),
        Err(e) => (125, e.to_string()),
    };
    let mut out = std::io::stdout();
    // Nothing hangs on the pause.
    let _ = write!(
        out,
        "\ncrake {}: {text}; Enter goes back to the dashboard ",
        argv.join(" ")
    );
    let _ = out.flush();
    let _ = std::io::stdin().read_line(&mut String::new());
    Outcome { code, text }
}

/// This very program, on this instance.
fn this(ctx: &Context, argv: &[String]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    if ctx.paths == Paths::system() {
        command.arg("--system");
    } else if Paths::user().ok().as_ref() != Some(&ctx.paths) {
        command.arg("--home").arg(&ctx.paths.home);
    }
    command.args(argv);
    command
}
