//! The help of `crake` itself: its commands in groups, which clap cannot do by itself.

use clap::{Command, CommandFactory};

use crate::cli::Cli;

/// The groups and the verbs in them; a verb not built in yet is passed over.
pub const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Jobs",
        &[
            "add", "edit", "show", "list", "rm", "pause", "resume", "apply", "export", "import",
        ],
    ),
    (
        "Runs",
        &[
            "run", "enqueue", "ps", "history", "fires", "logs", "kill", "cancel", "retry", "wait",
        ],
    ),
    ("Time", &["next", "explain", "calendar", "missed", "audit"]),
    (
        "See",
        &[
            "status", "top", "check", "doctor", "ack", "alerts", "events",
        ],
    ),
    (
        "System",
        &[
            "daemon",
            "worker",
            "queue",
            "source",
            "watch",
            "service",
            "crontab",
            "verify",
            "cutover",
            "rollback",
            "backup",
            "restore",
            "prune",
            "demo",
            "completions",
            "man",
        ],
    ),
];

const EXAMPLES: &str = "\
Examples:
  crake add backup -s '30 2 * * *' -c 'tar czf /var/backups/home.tgz ~'
  crake next 'every 15m 09:00-17:30 mon-fri'
  crake list

`crake COMMAND --help` says more about a command.";

/// The whole command line, with its help in groups.
pub fn root_command() -> Command {
    let command = Cli::command();
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{}Global options:\n{{options}}\n\n{EXAMPLES}\n",
        groups(&command)
    );
    command
        .subcommand_help_heading("Commands")
        .help_template(template)
}

fn groups(command: &Command) -> String {
    let mut text = String::new();
    for (group, verbs) in GROUPS {
        let known: Vec<String> = verbs
            .iter()
            .filter_map(|verb| command.find_subcommand(verb))
            .filter(|verb| !verb.is_hide_set())
            .map(line)
            .collect();
        if !known.is_empty() {
            text.push_str(&format!("{group}:\n{}\n", known.concat()));
        }
    }
    text
}

fn line(verb: &Command) -> String {
    let about = verb.get_about().map(ToString::to_string);
    format!("  {:<12} {}\n", verb.get_name(), about.unwrap_or_default())
}

/// The visible commands that do not stand in exactly one group.
pub fn misplaced_commands() -> Vec<String> {
    let places = |name: &str| {
        let all = GROUPS.iter().flat_map(|(_, verbs)| verbs.iter());
        all.filter(|verb| **verb == name).count()
    };
    root_command()
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && places(verb.get_name()) != 1)
        .map(|verb| verb.get_name().to_owned())
        .collect()
}
