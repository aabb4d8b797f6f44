//! Names for imported entries.

use crake::crontab::{Dialect, Format, Table, suggest_name, suggest_names};

fn names(text: &str) -> Vec<String> {
    let table = Table::parse(text.as_bytes(), Dialect::Cronie, Format::User);
    suggest_names(&table, text.as_bytes())
        .into_iter()
        .map(|named| named.name)
        .collect()
}

#[test]
fn markers_win_over_comments_and_programs() {
    const CASES: [(&str, &str); 6] = [
        (
            "# Name: nightly copy\n# old notes\n@daily cp a b\n",
            "nightly-copy",
        ),
        ("#Ansible: check certs\n@daily cp a b\n", "check-certs"),
        ("# Puppet Name: logrotate\n@daily cp a b\n", "logrotate"),
        (
            "# SALT_CRON_IDENTIFIER:pull repos\n@daily cp a b\n",
            "pull-repos",
        ),
        (
            "# weekly SALT_CRON_IDENTIFIER:pull\n@daily cp a b\n",
            "pull",
        ),
        ("@daily ID=prune /usr/sbin/prune-cronstamps\n", "prune"),
    ];
    for (text, name) in CASES {
        assert_eq!(names(text), [name], "{text}");
    }
}

#[test]
fn a_short_comment_directly_above_names_the_entry() {
    assert_eq!(
        names("# Back up, then rotate\n@daily cp a b\n"),
        ["back-up-then-rotate"]
    );
    assert_eq!(
        names("# Back up\n\n@daily cp a b\n"),
        ["cp"],
        "not directly above"
    );
    assert_eq!(
        names("# m h dom mon dow command\n@daily cp a b\n"),
        ["cp"],
        "a heading"
    );
    assert_eq!(
        names("#0 5 * * * old job\n@daily cp a b\n"),
        ["cp"],
        "a disabled entry"
    );
    let prose = "# This job exists because the vendor never fixed the rotation of its own logs.\n";
    assert_eq!(names(&format!("{prose}@daily cp a b\n")), ["cp"], "prose");
}

#[test]
fn the_program_behind_guards_and_wrappers_names_the_entry() {
    const CASES: [(&str, &str); 14] = [
        ("/usr/local/bin/backup.sh --all", "backup"),
        ("[ -x /usr/sbin/tool ] && /usr/sbin/tool -q", "tool"),
        (
            "test -e /x && . /etc/default/x; nice -n 10 /usr/sbin/tigercron -q",
            "tigercron",
        ),
        ("cd /srv/app && bundle exec rake db:prune", "bundle"),
        ("A=1 B='x y' python3 -u /opt/report.py daily", "report"),
        ("flock -n /tmp/lock -c 'cd / && /opt/sync.sh a'", "sync"),
        (
            "flock -w 10 /tmp/lock timeout 5m chronic /opt/sync.sh",
            "sync",
        ),
        ("/bin/bash -lc 'source ~/.env; exec /opt/run.sh'", "run"),
        ("sleep 20; curl -fsS https://example.org/ping", "curl"),
        (
            "perl -e 'sleep int(rand(3600))' && certbot -q renew",
            "certbot",
        ),
        (
            "sudo -u www-data php -d memory_limit=1G /srv/cron.php",
            "cron",
        ),
        ("(date; /opt/a.sh) >> /var/log/a.log 2>&1", "date"),
        ("\"$HOME/bin/the job\" >/dev/null", "the-job"),
        ("%", "job"),
    ];
    for (command, name) in CASES {
        assert_eq!(
            names(&format!("0 0 * * * {command}\n")),
            [name],
            "{command}"
        );
    }
}

#[test]
fn names_are_unique_in_the_file() {
    let text = "@daily run-parts /etc/cron.daily\n@weekly run-parts /etc/cron.weekly\n\
                @daily echo\n@weekly echo\n@monthly echo\n# echo-2\n@hourly date\n";
    let wanted = [
        "run-parts-cron.daily",
        "run-parts-cron.weekly",
        "echo",
        "echo-2",
        "echo-3",
        "echo-2-2",
    ];
    assert_eq!(names(text), wanted);
    let long = format!("@daily /bin/{0}\n@hourly /bin/{0}\n", "a".repeat(90));
    let names = names(&long);
    assert_eq!(names.iter().map(String::len).collect::<Vec<_>>(), [60, 60]);
    assert!(names[1].ends_with("a-2"));
}

#[test]
fn one_entry_can_be_named_alone() {
    let text = b"# Name: one\n@daily a\nA=b\n";
    let table = Table::parse(text, Dialect::Cronie, Format::User);
    let suggested: Vec<_> = table
        .lines
        .iter()
        .map(|line| suggest_name(&table, text, line))
        .collect();
    assert_eq!(suggested, [None, Some("one".to_owned()), None]);
}
