//! From a failing job to a message: exactly one alert and one recovery, whatever is killed or refuses.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::instance::{Instance, is_alive, signal};
use crate::support::sinks::{Mail, Web};
use crate::support::wait::until;

/// A job that fails as long as there is no file `well`.
pub fn shaky(instance: &Instance) {
    instance.add("shaky", "echo the last words; test -e well", &[]);
}

pub fn fail(instance: &Instance) -> i64 {
    let run = instance.request("shaky");
    assert_eq!(instance.ended(run)["state"], "failed");
    run
}

fn succeed(instance: &Instance) -> i64 {
    instance.sandbox.file("well", b"");
    let run = instance.request("shaky");
    assert_eq!(instance.ended(run)["state"], "succeeded");
    run
}

pub fn log(instance: &Instance) -> Vec<Value> {
    instance.sandbox.items(&["alerts", "log", "-n", "1000"])
}

/// Waits until every alert is settled, and gives them.
#[track_caller]
pub fn settled(instance: &Instance) -> Vec<Value> {
    instance.until_sql(
        "NOT EXISTS(SELECT 1 FROM tiding)
         AND NOT EXISTS(SELECT 1 FROM alert WHERE state IN('pending', 'held'))",
    );
    log(instance)
}

/// The process that sends, where there is one.
pub fn courier(home: &Path) -> Option<i32> {
    let home = home.to_str().unwrap().as_bytes().to_vec();
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let ours = line.split(|b| *b == 0).any(|a| a == b"__alert");
        let named = line.windows(home.len()).any(|w| w == home.as_slice());
        (ours && named && is_alive(pid)).then_some(pid)
    })
}

/// Receivers by all three means, told of the second failure in a row.
fn three_receivers(instance: &Instance, web: &Web, mail: &Mail) {
    let key = instance.sandbox.file("key", b"Jefe\n");
    let key = key.to_str().unwrap();
    let out = instance.sandbox.path("out");
    let line = format!("cat >> {}; env >> {}.env", out.display(), out.display());
    let after = ["--after", "2", "--on", "failed,recovered"];
    for means in [
        vec!["command", "--command", &line],
        vec!["mail", "--mail", "ops@example.org", "--smtp", &mail.url],
        vec!["web", "--webhook", &web.url, "--secret-file", key],
    ] {
        let args = [&["alerts", "add"], means.as_slice(), &after].concat();
        instance.sandbox.ok(&args);
    }
}

#[test]
fn alert_delivery_one_alert_and_one_recovery_whoever_is_killed_and_refuses() {
    let mut instance = Instance::running();
    let (web, mail) = (Web::answering(&[503, 503, 503]), Mail::listening());
    shaky(&instance);
    three_receivers(&instance, &web, &mail);
    fail(&instance);
    let killed = instance.kill_core();
    instance.up_but_for(Some(killed));
    let second = fail(&instance);
    instance.kill_all();
    instance.start();
    fail(&instance);
    until("three refusals and a taking", || {
        (web.asked().len() >= 4).then_some(())
    });
    let killed = instance.kill_core();
    instance.up_but_for(Some(killed));
    succeed(&instance);
    let killed = instance.kill_core();
    instance.up_but_for(Some(killed));
    succeed(&instance);
    let alerts = settled(&instance);
    assert_eq!(alerts.len(), 6, "{alerts:#?}");
    for name in ["command", "mail", "web"] {
        let of: Vec<&Value> = alerts.iter().filter(|a| a["receiver"] == name).collect();
        let kinds: Vec<&str> = of.iter().map(|a| a["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["failed", "recovered"], "{name}");
        assert!(of.iter().all(|a| a["state"] == "sent"), "{of:#?}");
        assert_eq!(of[0]["run"], second, "{of:#?}");
    }
    assert_web_has_it(&web);
    let letters = mail.letters();
    assert_eq!(letters.len(), 2, "{letters:#?}");
    assert!(letters[0].contains("To: ops@example.org"), "{}", letters[0]);
    assert!(letters[0].contains("the last words"), "{}", letters[0]);
    assert!(letters[1].contains("shaky is well again"), "{}", letters[1]);
    let lines = instance.lines("out");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let variables = instance.lines("out.env");
    assert!(variables.contains(&"CRAKE_ALERT_JOB=shaky".to_owned()));
    instance.stop_and_audit();
}

/// Four tries of the alert under one id, the last of them taken, and one of the recovery.
fn assert_web_has_it(web: &Web) {
    let asked = web.asked();
    assert_eq!(asked.len(), 5, "{asked:#?}");
    let id = |n: usize| asked[n].header("idempotency-key").unwrap();
    assert_eq!(asked[0].header("x-crake-alert"), Some(id(0)));
    assert!((1..4).all(|n| id(n) == id(0)), "{asked:#?}");
    assert_ne!(id(4), id(0));
    let signed = asked[0].header("x-crake-signature").unwrap();
    assert!(signed.starts_with("sha256=") && signed.len() == 71);
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!((&body["v"], &body["kind"]), (&1.into(), &"failed".into()));
    let subject = body["alerts"][0]["subject"].as_str().unwrap();
    assert_eq!(subject, "shaky failed (exit 1), 2 times in a row");
}

#[test]
fn alert_delivery_a_message_cut_off_by_kill_9_is_sent_once_more_under_the_same_id() {
    let mut instance = Instance::running();
    // The first is never answered.
    let web = Web::answering(&[0]);
    shaky(&instance);
    instance
        .sandbox
        .ok(&["alerts", "add", "web", "--webhook", &web.url]);
    fail(&instance);
    until("it is being sent", || {
        (web.asked().len() == 1).then_some(())
    });
    let home = instance.sandbox.path("home");
    let first = courier(&home).unwrap();
    signal(first, Signal::KILL);
    let alerts = settled(&instance);
    assert_eq!((alerts.len(), &alerts[0]["state"]), (1, &"sent".into()));
    assert_eq!(alerts[0]["attempts"], 2);
    let asked = web.asked();
    assert_eq!(asked.len(), 2);
    let id = |n: usize| asked[n].header("x-crake-alert").map(str::to_owned);
    assert_eq!(id(0), id(1));
    until("it ends when there is nothing to do", || {
        courier(&home).is_none().then_some(())
    });
    instance.stop_and_audit();
}

#[test]
fn alert_delivery_a_wrong_address_is_given_up_visibly_and_without_its_secret() {
    let instance = Instance::running();
    let web = Web::answering(&[404; 3]);
    shaky(&instance);
    let add = [
        "alerts",
        "add",
        "web",
        "--webhook",
        &web.url,
        "--tries",
        "3",
    ];
    instance.sandbox.ok(&add);
    fail(&instance);
    let alerts = settled(&instance);
    assert_eq!(alerts[0]["state"], "failed", "{alerts:#?}");
    assert_eq!(alerts[0]["attempts"], 3);
    let told = instance.sandbox.items(&["events", "-n", "100"]);
    let told: Vec<&Value> = told.iter().filter(|e| e["kind"] == "alert").collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    let status = instance.status();
    let list = status["attention"].as_array().unwrap();
    let entry = list.iter().find(|a| a["kind"] == "alert").unwrap();
    assert_eq!(entry["level"], "urgent", "{entry}");
    assert_eq!(instance.sandbox.run(&["check"]).code, 2);
    for command in [
        &["--json", "alerts", "log"][..],
        &["--json", "alerts", "ls"],
        &["alerts", "show", "web"],
        &["--json", "events"],
        &["--json", "status"],
    ] {
        let answer = instance.sandbox.run(command);
        assert!(!answer.stdout.contains("secret-path"), "{answer:?}");
    }
    // As soon as it takes one, it is no longer on the list.
    instance.sandbox.ok(&["alerts", "test", "web"]);
    let status = instance.status();
    let list = status["attention"].as_array().unwrap();
    assert!(list.iter().all(|a| a["kind"] != "alert"), "{status}");
}

#[test]
fn alert_delivery_quiet_hours_hold_and_lose_nothing() {
    let instance = Instance::running();
    shaky(&instance);
    let now: i64 = instance
        .cell("SELECT CAST(strftime('%s') AS INT) % 86400")
        .unwrap();
    let time = |s: i64| {
        let s = s.rem_euclid(86_400);
        format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    };
    let quiet = format!("{}-{}", time(now - 60), time(now + 6));
    let add = [
        "alerts",
        "add",
        "one",
        "--command",
        "cat >> out",
        "--quiet",
        &quiet,
    ];
    let line = format!("cat >> {}", instance.sandbox.path("out").display());
    let add: Vec<&str> = add
        .map(|a| if a == "cat >> out" { &line } else { a })
        .to_vec();
    instance.sandbox.ok(&[&add[..], &["--tz", "UTC"]].concat());
    fail(&instance);
    succeed(&instance);
    instance.until_sql("(SELECT count(*) FROM alert WHERE state = 'held') = 2");
    assert_eq!(log(&instance)[0]["error"], "quiet hours");
    assert!(instance.lines("out").is_empty());
    let alerts = settled(&instance);
    assert!(alerts.iter().all(|a| a["state"] == "sent"), "{alerts:#?}");
    let lines = instance.lines("out");
    assert_eq!(lines.len(), 1, "both in one message: {lines:#?}");
    let message: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(message["kind"], "several");
    assert_eq!(message["alerts"].as_array().unwrap().len(), 2);
}

#[test]
fn alert_delivery_what_is_more_than_the_rate_goes_together_later() {
    let instance = Instance::running();
    shaky(&instance);
    let line = format!("cat >> {}", instance.sandbox.path("out").display());
    instance
        .sandbox
        .ok(&["alerts", "add", "one", "--command", &line, "--rate", "1/4s"]);
    fail(&instance);
    instance.until_lines("out", 1);
    succeed(&instance);
    fs::remove_file(instance.sandbox.path("well")).unwrap();
    fail(&instance);
    instance.until_sql("(SELECT count(*) FROM alert WHERE state = 'held') >= 1");
    let alerts = settled(&instance);
    assert_eq!(alerts.len(), 3, "{alerts:#?}");
    assert_eq!(instance.lines("out").len(), 2);
    assert_eq!(alerts[1]["message"], alerts[2]["message"]);
}

#[test]
fn alert_delivery_a_receiver_that_is_removed_is_told_nothing_more() {
    let instance = Instance::running();
    let web = Web::answering(&[500; 100]);
    shaky(&instance);
    instance
        .sandbox
        .ok(&["alerts", "add", "web", "--webhook", &web.url]);
    fail(&instance);
    until("it is tried", || (!web.asked().is_empty()).then_some(()));
    instance.sandbox.ok(&["alerts", "rm", "web"]);
    let alerts = settled(&instance);
    assert_eq!(alerts[0]["state"], "dropped", "{alerts:#?}");
    assert_eq!(alerts[0]["error"], "the receiver was removed");
    fail(&instance);
    assert_eq!(settled(&instance).len(), 1);
    let status = instance.status();
    let list = status["attention"].as_array().unwrap();
    assert!(list.iter().all(|a| a["kind"] != "alert"), "{status}");
    let home = instance.sandbox.path("home");
    until("its process ends", || {
        courier(&home).is_none().then_some(())
    });
}
