//! The manual page crake-jobs(5): the form of a jobs file. Its table of keys is that of the reader.

use crate::cli::jobs_file::keys::{Form, KEYS, Key, OF_SCHEDULES};

/// The page, as roff.
pub fn page() -> String {
    let mut text = HEAD.to_owned();
    for key in KEYS {
        text.push_str(&entry(key));
    }
    text.push_str(&TAIL.replace("@OF_SCHEDULES@", &OF_SCHEDULES.join(", ")));
    text
}

fn entry(key: &Key) -> String {
    let plain = escaped(&key.about.replace('`', ""));
    let form = escaped(&form(key.form));
    let example = escaped(key.example);
    format!(
        ".TP\n\\fB{}\\fR = {form}\n{plain}.\n.br\nExample: \\fB{} = {example}\\fR\n",
        key.name, key.name
    )
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

fn form(form: Form) -> String {
    match form {
        Form::Text => "text".to_owned(),
        Form::Raw => "text, or { b64 = \"...\" }".to_owned(),
        Form::Command => "text, or list of texts".to_owned(),
        Form::Schedules => "schedule, or list of schedules".to_owned(),
        Form::Texts => "text, or list of texts".to_owned(),
        Form::Length => "length of time".to_owned(),
        Form::Limit => "length of time, or \"none\"".to_owned(),
        Form::Number(i64::MIN, _) => "number".to_owned(),
        Form::Number(least, most) if most < i64::from(u32::MAX) => format!("{least} to {most}"),
        Form::Number(0, _) => "number".to_owned(),
        Form::Number(least, _) => format!("number, {least} or more"),
        Form::Word(words) => words
            .iter()
            .map(|word| format!("\"{word}\""))
            .collect::<Vec<_>>()
            .join(" | "),
        Form::Bytes => "number of bytes, or text such as \"10M\"".to_owned(),
        Form::Instant => "date, or date with time".to_owned(),
        Form::Variables => "table of texts".to_owned(),
        Form::Flag => "true | false".to_owned(),
        Form::Retry => "number, or table of max, delay, backoff (1 or 2), max_delay".to_owned(),
        Form::Keep => "table of runs, for or days, output or log".to_owned(),
    }
}

const HEAD: &str = r#".TH crake-jobs 5 "" crake crake
.SH NAME
crake\-jobs \- jobs of crake in a file
.SH DESCRIPTION
A jobs file is TOML. \fBcrake apply \-f\fR \fIFILE\fR makes the jobs of the store be as it says, and
\fBcrake export\fR writes one. A folder is read as all its \fI*.toml\fR, by name, as one.
.PP
.nf
[defaults]
timezone = "Europe/Berlin"
timeout = "1h"

[job.backup\-db]
schedule = ["30 2 * * *"]
command = "/opt/bin/pgbackup \-\-all"
env = { PGHOST = "db1" }
timeout = "30m"
retry = { max = 3, delay = "30s", backoff = 2, max_delay = "5m" }
on_failure = "page"

[job.page]
command = ["/usr/local/bin/page", "the backup has failed"]
.fi
.PP
What \fB[defaults]\fR says holds for every job of the same file that does not say it itself; variables are
added to those of the job. What bounds schedules is left out for jobs without one. A key that stands
nowhere means what it means for \fBcrake add\fR.
.PP
Everything that is wrong in any of the files is told at once, with file, line and column. Nothing is
written unless everything is valid and there is no conflict; then everything is, in one transaction.
.SH KEYS
"#;

const TAIL: &str = r#".SH SCHEDULES
A schedule is a text as \fBcrake add \-s\fR takes it: five cron fields, six or seven with seconds and years,
\fI@daily\fR and the like, \fI@reboot\fR, \fIevery 15m\fR, \fIat 2027\-01\-31T08:00:00+01:00\fR. Or it is a table
with \fBexpr\fR and what differs from the rest of the job: @OF_SCHEDULES@.
.SH LENGTHS OF TIME
A number with ms, s, m, h, d or w, such as "90s" or "1h30m".
.SH ORIGIN
Each job remembers the file or folder it came from by its full path, or the name given with
\fB\-\-origin\fR. Of what is no longer in the file \fB\-\-prune\fR removes the jobs of this origin, and no
others; \fBcrake rm \-\-undo\fR brings them back.
.SH CONFLICTS
A job that was changed by hand since the file was last applied, and is not as the file says, is a
conflict: nothing at all is written. Put the change into the file, or overwrite it with \fB\-\-force\fR.
A pause made by hand is no conflict, and no file ends it.
.PP
A job of the same name that is not of this origin is a conflict as well, unless it is just as the file
says. \fB\-\-adopt\fR lets the file have it. Jobs that came from a crontab stay with that.
.SH SEE ALSO
\fBcrake\-apply\fR(1), \fBcrake\-export\fR(1), \fBcrake\-edit\fR(1), \fBcrake\-show\fR(1)
.br
\fBcrake apply \-\-schema\fR prints a JSON Schema by which editors complete and check a jobs file.
"#;
