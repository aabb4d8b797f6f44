//! Debian's own cron and crake beside each other: the same tables, the same minute, the same host.
//!
//! Everything a job can see of its surroundings, and every letter to the byte, is compared. What may
//! differ stands here and in docs/migration.md, and nowhere else:
//!
//! - crake adds variables whose names begin with `CRAKE_`;
//! - the order of variables in the environment (in letters it is the same);
//! - standard output is a pipe, under cron an unlinked file;
//! - limits of pam_limits are not set, and no session is opened with other modules of PAM;
//! - the environment of the mail program, which has nothing of the daemon's;
//! - process numbers, instants, and the path of the mail program, which this test sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::facility;

/// What pam_env reads, with all its oddities.
const ENVIRONMENT: &str = "PATH=\"/from/environment:/bin\"
FROMENV=one two
export EXPORTED='sq'  # comment
 LEADING=lead
QUOTED=\"a b\" trailing
DOLLAR=$HOME/${HOME}
SHELL=/bin/bash
HOME=/envhome
LOGNAME=envlog
BAD LINE
EMPTYENV=
TABLE=fromenv
UNQ=\"open
BS=a\\\\b\\
  cont
";
const LOCALE: &str = "LANG=de_DE.UTF-8\nLANGUAGE=\"de:en\"\nFROMENV=locale wins\n";

/// What a mail program was given.
#[derive(Debug, PartialEq)]
struct Mail {
    arguments: Vec<String>,
    /// User, group, groups, umask, directory.
    place: String,
    head: Vec<String>,
    body: Vec<u8>,
}

fn mails(dir: &Path) -> BTreeMap<String, Mail> {
    let mut found = BTreeMap::new();
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    for path in files {
        assert!(path.extension().is_some_and(|e| e == "done"), "{path:?}");
        let bytes = fs::read(&path).unwrap();
        let end = find(&bytes, b"\n\n", find(&bytes, b"-- letter\n", 0));
        let (text, body) = bytes.split_at(end + 2);
        let text = String::from_utf8_lossy(text);
        let (before, head) = text.split_once("-- letter\n").unwrap();
        let (arguments, rest) = before.split_once("-- ").unwrap();
        let (place, environment) = rest.split_once('\n').unwrap();
        let ours = dir.ends_with("crake");
        assert!(!ours || !environment.contains("CRAKE"), "{environment}");
        let head: Vec<String> = head.trim_end().lines().map(str::to_owned).collect();
        let subject = head.iter().find(|l| l.starts_with("Subject: ")).unwrap();
        // One that had a second minute is compared by its first.
        found.entry(subject.clone()).or_insert(Mail {
            arguments: arguments.lines().map(str::to_owned).collect(),
            place: place.to_owned(),
            body: plain(subject, body),
            head,
        });
    }
    found
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> usize {
    let windows = bytes[from..].windows(what.len());
    from + windows
        .into_iter()
        .position(|w| w == what)
        .expect("a letter")
}

/// A body without what may differ.
fn plain(subject: &str, body: &[u8]) -> Vec<u8> {
    if subject.contains("readlink") {
        let text = String::from_utf8_lossy(body);
        // An unlinked file in /tmp there, a pipe here; one and the same for both outputs.
        return text.replace("\np\n", "\n/\n").into_bytes();
    }
    if !subject.contains("env") {
        return body.to_vec();
    }
    let text = String::from_utf8_lossy(body);
    let mut lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("CRAKE_")).collect();
    lines.sort_unstable();
    lines.join("\n").into_bytes()
}

fn items(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let answer: Value =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e} {text}"));
    answer["items"].as_array().unwrap().clone()
}

/// Of each job: user, command, exit code, signal; and to whom no mail goes.
type Told = (BTreeSet<(String, String, i64, i64)>, BTreeSet<String>);

fn told_by_cron(log: &str) -> Told {
    let (mut jobs, mut ends, mut nobody) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for line in log.lines() {
        let Some((_, said)) = line.split_once("]: (") else {
            continue;
        };
        if let Some((user, rest)) = said.split_once(") CMD ([") {
            let (pid, command) = rest.split_once("] ").unwrap();
            let command = command.strip_suffix(')').unwrap();
            jobs.push((user.to_owned(), command.to_owned(), pid.to_owned()));
        } else if let Some(rest) = said.strip_prefix("CRON) error (grandchild #") {
            let (pid, how) = rest.trim_end_matches(')').split_once(' ').unwrap();
            let number: i64 = how.rsplit(' ').next().unwrap().parse().unwrap();
            let end = match how.contains("signal") {
                true => (-1, number),
                false => (number, 0),
            };
            ends.insert(pid.to_owned(), end);
        } else if let Some((_, rest)) = said.split_once(") UNSAFE MAIL (") {
            nobody.insert(rest.trim_end_matches(')').to_owned());
        }
    }
    let ended = |(user, command, pid): (String, String, String)| {
        let (code, signal) = ends.get(&pid).copied().unwrap_or((0, 0));
        (user, command, code, signal)
    };
    // Senders it does not take are told of in the same words; those letters are sent.
    nobody.remove("not;safe");
    (jobs.into_iter().map(ended).collect(), nobody)
}

fn told_by_crake(dir: &Path) -> Told {
    let list = items(&dir.join("list.json"));
    let known = |name: &Value| list.iter().find(|job| job["name"] == *name).unwrap();
    let runs = items(&dir.join("history.json")).into_iter().map(|run| {
        let job = known(&run["job"]);
        let user = job["user"].as_str().unwrap_or("root").to_owned();
        // What cannot be printed its log shows as a terminal would.
        let command = job["command"].as_str().unwrap().replace('\t', "^I");
        let signal = run["signal"].as_i64().unwrap_or(0);
        let code = match run["outcome"].as_str().unwrap() {
            "signaled" => -1,
            // Cron's child says 1 where there is no shell.
            "unspawnable" => 1,
            _ => run["exit_code"].as_i64().unwrap(),
        };
        (user, command, code, signal)
    });
    let jobs = runs.collect();
    let events = items(&dir.join("events.json")).into_iter();
    let nobody = events
        .filter(|e| e["kind"] == "mail" && e["level"] == "warn")
        .map(|e| {
            let text = e["text"].as_str().unwrap();
            let name = text
                .strip_prefix("no mail goes to \"")
                .unwrap_or_else(|| panic!("{e}"));
            name.split('"').next().unwrap().to_owned()
        });
    (jobs, nobody.collect())
}

#[test]
fn jobs_of_a_crontab_run_as_under_cron_itself_mail_included() {
    if !facility::root() || !facility::program("/usr/sbin/cron") {
        return;
    }
    let space = ["-mpuf", "--mount-proc", "true"];
    let may = Command::new("unshare").args(space).status();
    if !facility::permitted("right to a namespace", may.is_ok_and(|s| s.success())) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(dir.path().join("environment"), ENVIRONMENT).unwrap();
    fs::write(dir.path().join("locale"), LOCALE).unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cron_beside");
    let done = Command::new("unshare")
        .args(["-mpuf", "--mount-proc", "--kill-child", "bash"])
        .arg(here.join("world.sh"))
        .args([Path::new(env!("CARGO_BIN_EXE_crake")), &here, dir.path()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{done:?}");
    let (theirs, ours) = (
        mails(&dir.path().join("mail/cron")),
        mails(&dir.path().join("mail/crake")),
    );
    let subjects = |mails: &BTreeMap<String, Mail>| mails.keys().cloned().collect::<Vec<_>>();
    assert_eq!(subjects(&ours), subjects(&theirs));
    assert!(ours.len() > 20, "{}", ours.len());
    for (subject, their) in &theirs {
        let our = &ours[subject];
        let text = |mail: &Mail| String::from_utf8_lossy(&mail.body).into_owned();
        assert_eq!(text(our), text(their), "the body of {subject}");
        assert_eq!(our, their, "{subject}");
    }
    let log = fs::read(dir.path().join("syslog")).unwrap();
    let log = String::from_utf8_lossy(&log);
    let (cron, crake) = (told_by_cron(&log), told_by_crake(dir.path()));
    assert_eq!(crake, cron);
    // Both leave alive what a job left running, and let it write.
    let left = fs::read_to_string(dir.path().join("left")).unwrap();
    assert_eq!(left, "/run/left.\n/run/left.crake\n");
}
