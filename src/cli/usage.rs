//! What is said where the arguments were not understood.

use std::ffi::OsString;

use crate::cli::context::Form;
use crate::cli::error::{self, CliError, Kind};

/// What is asked for in JSON is also refused in JSON, even where the rest was not understood.
pub fn wanted_form(args: &[OsString]) -> Form {
    let before_command = args.iter().take_while(|arg| *arg != "--");
    let mut form = Form::Text;
    for arg in before_command {
        match arg.to_str() {
            Some("--json") => form = Form::Json,
            Some("--jsonl") => form = Form::JsonLines,
            _ => {}
        }
    }
    form
}

/// Says what was not understood, or the help that was asked for. Gives the exit code.
pub fn usage(e: &clap::Error, form: Form) -> u8 {
    let code = u8::try_from(e.exit_code()).unwrap_or(2);
    if form == Form::Text || code == 0 {
        // Whoever closed the stream does not want to read it.
        let _ = e.print();
        return code;
    }
    let text = e.render().to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let rest: Vec<&str> = lines.filter(|l| !l.trim().is_empty()).collect();
    let hint = rest.iter().find_map(|l| l.trim().strip_prefix("tip: "));
    let mut error = CliError::new(Kind::Usage, first.trim_start_matches("error: "));
    error.hint = Some(
        hint.unwrap_or("for more information, try '--help'")
            .to_owned(),
    );
    error::tell(&error, form)
}
