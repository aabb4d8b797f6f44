//! Hazards named for imported entries.

use crake::crontab::{Dialect, Format, HostFacts, Table, Warning, warnings};

fn found(text: &str, dialect: Dialect, format: Format) -> Vec<Warning> {
    let users = ["root", "alice"].map(str::to_owned).to_vec();
    let host = HostFacts {
        users: Some(users),
        system_shell: Some("dash".to_owned()),
    };
    let table = Table::parse(text.as_bytes(), dialect, format);
    warnings(&table, text.as_bytes(), &host)
}

fn ids(text: &str, dialect: Dialect, format: Format) -> Vec<&'static str> {
    found(text, dialect, format)
        .into_iter()
        .map(|warning| warning.id)
        .collect()
}

#[test]
fn each_hazard_is_named() {
    const CASES: [(&str, &[&str]); 38] = [
        ("0 5 * * * /opt/backup.sh --all > /dev/null 2>&1", &[]),
        ("@daily x", &[]),
        ("0 0 30 2 * x", &["W02"]),
        ("0 0 29 2 * x", &[]),
        ("0 0 31 4,6 * x", &["W02"]),
        ("0 22-2 * * * x", &["W02"]),
        ("0 0 30 2 1 x", &["W07"]),
        ("0 0 * * * tar d-$(date +%m).tar", &["W03"]),
        (r"0 0 * * * date +\%F", &[]),
        ("0 0 * * * a &> /dev/null", &["W04"]),
        ("0 0 * * * if [[ -f a ]]; then b; fi", &["W04"]),
        ("0 0 * * * source ~/.env && b", &["W04"]),
        ("0 0 * * * mv a.{1..3} b", &["W04"]),
        ("0 0 * * * bash -c 'a &> b'", &[]),
        ("0 0 * * * a 2>&1 | b", &[]),
        ("0 0 * * * x\r", &["W05"]),
        ("PATH=$PATH:/opt", &["W06"]),
        ("A=b # c", &["W06"]),
        ("BIN=~/bin", &["W06"]),
        ("0 8 1 * 1 x", &["W07"]),
        ("0 8 */2 * 1 x", &["W08"]),
        ("0 8 * * 1 x", &[]),
        ("*/7 * * * * x", &["W09"]),
        ("*/15 */8 * * * x", &[]),
        ("0 */5 * * * x", &["W09"]),
        ("* 3 * * * x", &["W10"]),
        ("* */2 * * * x", &[]),
        ("0 5 * * * root /opt/x", &["W11"]),
        ("0 5 * * * alice /opt/x", &["W11"]),
        ("#Ansible: x", &["W15"]),
        (r"0 0 * * * grep 'a\\b' c", &["W20"]),
        ("DB_PASSWORD=hunter2", &["W22"]),
        ("0 0 * * * curl -H 'Authorization: Bearer abc' u", &["W22"]),
        ("0 0 * * * curl https://u:p@example.org/", &["W22"]),
        ("0 0 * * * curl 'https://u:$P@example.org/'", &[]),
        ("0 0 * * * mysqldump -uroot -pfoo db", &["W22"]),
        ("0 0 * * * mkdir -p foo", &[]),
        ("0 0 * * * login --password $PW", &[]),
    ];
    for (line, wanted) in CASES {
        assert_eq!(
            ids(&format!("{line}\n"), Dialect::Debian, Format::User),
            wanted,
            "{line}"
        );
    }
}

#[test]
fn a_refused_file_is_said_to_be_ignored() {
    let warning = |text, dialect| found(text, dialect, Format::User).swap_remove(0);
    let bad = "@daily x\noops\n";
    assert_eq!(
        warning(bad, Dialect::Debian).text,
        "debian ignores this whole file today: line 2 cannot be read"
    );
    assert!(
        ids(bad, Dialect::Cronie, Format::User).is_empty(),
        "cronie skips just that line"
    );
    assert_eq!(
        warning("@daily x\n@daily y", Dialect::Cronie).text,
        "cronie ignores this line today: the last line has no line feed"
    );
    assert_eq!(warning(bad, Dialect::Debian).line, 2);
    assert_eq!(ids("@daily x", Dialect::Debian, Format::User), ["W01"]);
}

#[test]
fn bash_is_no_hazard_under_bash() {
    let text = "@daily a &> b\nSHELL=/bin/bash\n@daily a &> b\n";
    let lines: Vec<_> = found(text, Dialect::Debian, Format::User)
        .into_iter()
        .map(|warning| (warning.line, warning.id))
        .collect();
    assert_eq!(lines, [(1, "W04")]);
}

#[test]
fn duplicates_share_everything() {
    let same = "0 0 * * * x\n00 0 * * * x\n";
    assert_eq!(ids(same, Dialect::Debian, Format::User), ["W19"]);
    for different in [
        "0 0 * * * x\n0 1 * * * x\n",
        "0 0 * * * x\nA=b\n0 0 * * * x\n",
    ] {
        assert!(
            ids(different, Dialect::Debian, Format::User).is_empty(),
            "{different}"
        );
    }
    assert!(ids("~ 0 * * * x\n~ 0 * * * y\n", Dialect::Cronie, Format::User).is_empty());
}

#[test]
fn users_and_long_settings() {
    let system = "0 0 * * * bob x\n0 0 * * * root x\n";
    assert_eq!(ids(system, Dialect::Debian, Format::System), ["W12"]);
    let long = format!("A={}\n", "b".repeat(1200));
    assert_eq!(ids(&long, Dialect::Debian, Format::User), ["W21"]);
    assert!(ids(&long, Dialect::Cronie, Format::User).is_empty());
}

#[test]
fn a_warning_never_shows_the_secret() {
    let text = "API_TOKEN=s3cr3t\n@daily curl --password s3cr3t -d %x\n@daily token=s3cr3t a\n";
    let found = found(text, Dialect::Debian, Format::User);
    assert!(found.len() >= 3);
    assert!(
        found.iter().all(|warning| !warning.text.contains("s3cr3t")),
        "{found:?}"
    );
}
