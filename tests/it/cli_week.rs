//! `next` of several at once, and its grid, through the program.

use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

#[test]
fn cli_week_prints_the_grid() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "daily", "-s", "0 8 * * *", "-c", "x"]);
    sandbox.ok(&["add", "hourly", "-s", "@hourly", "-c", "x"]);
    sandbox.ok(&["add", "often", "-s", "*/10 * * * *", "-c", "x"]);
    sandbox.ok(&["add", "resting", "-s", "0 9 * * *", "-c", "x"]);
    sandbox.ok(&["pause", "resting"]);
    let week = ["next", "--week", "--from", "2029-01-01"];
    let text = sandbox.ok(&week).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 9, "{text}");
    assert!(lines[0].starts_with("       00 01 02"), "{text}");
    assert!(
        lines[1].starts_with("Mon 01  1  1  1  1  1  1  1  1  2  1"),
        "{text}"
    );
    assert!(lines[7].starts_with("Sun 07  1"), "{text}");
    let foot =
        "folded (>2/h): often 6/h   --all shows them   paused: resting   no DST change in range";
    assert_eq!(lines[8], foot);
    let all = sandbox.ok(&[&week[..], &["--all"]].concat()).stdout;
    assert!(all.contains("Mon 01  7  7"), "{all}");
    assert!(!all.contains("folded"), "{all}");
    let days = sandbox.items(&week);
    assert_eq!(days.len(), 7);
    assert_eq!(
        (&days[0]["date"], &days[0]["weekday"]),
        (&json!("2029-01-01"), &json!("mon"))
    );
    assert_eq!(days[0]["hours"][8], 8);
    assert_eq!(days[0]["total"], 169);
    assert_eq!(days[0]["schedules"][0]["job"], "daily");
    assert_eq!(days[0]["clock_change"], Value::Null);
}

#[test]
fn cli_week_tells_of_a_change_of_the_clock() {
    let sandbox = Sandbox::new();
    let week = [
        "next",
        "@hourly",
        "--week",
        "--tz",
        "Europe/Berlin",
        "--from",
        "2027-03-22",
    ];
    let text = sandbox.ok(&week).stdout;
    assert!(text.contains("Sun 28  1  1  .  1"), "{text}");
    let change = "Sun 2027-03-28 the clock goes from 02:00 to 03:00";
    assert!(text.ends_with(&format!("{change}\n")), "{text}");
    assert_eq!(sandbox.items(&week)[6]["clock_change"], change);
    assert_eq!(
        sandbox.run(&["next", "@hourly", "--week", "-n", "3"]).code,
        2
    );
}

#[test]
fn cli_week_merges_jobs_and_expressions() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "night", "-s", "0 2 * * *", "-c", "x"]);
    let args = [
        "next",
        "night",
        "0 3 * * *",
        "--from",
        "2029-01-01",
        "--until",
        "2029-01-02 02:30",
    ];
    let items = sandbox.items(&args);
    let told: Vec<(&Value, &Value)> = items.iter().map(|i| (&i["at"], &i["job"])).collect();
    let night = json!("night");
    assert_eq!(
        told,
        [
            (&json!("2029-01-01T02:00:00+00:00"), &night),
            (&json!("2029-01-01T03:00:00+00:00"), &Value::Null),
            (&json!("2029-01-02T02:00:00+00:00"), &night),
        ]
    );
    let wrong = sandbox.run(&["next", "night", "nigth"]);
    assert_eq!(wrong.code, 3, "{wrong:?}");
    assert!(
        wrong.stderr.contains("did you mean \"night\"?"),
        "{wrong:?}"
    );
}
