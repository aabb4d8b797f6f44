//! Which alerts are due, and when they go out: the pure rules.

use crake::engine::alert::{Happening, Rules, Step, Told, Waiting, calm, decide, send, silence};
use crake::model::{AlertKind, AlertState, Means, Outcome, Quiet, Rate, Receiver, RunId};
use crake::schedule::{UnixMs, Zone};

const MIN: i64 = 60_000;

fn receiver() -> Receiver {
    let line = "true".to_owned();
    Receiver::of("r", Means::Command { line })
}

fn ended(run: i64, outcome: Outcome) -> Happening {
    Happening::Ended {
        run: RunId(run),
        outcome,
        odd: None,
    }
}

/// What is decided when runs end so, one a minute.
fn told_of(receiver: &Receiver, outcomes: &[Outcome]) -> Vec<(i64, AlertKind, bool)> {
    let mut told = Told::default();
    let mut found = Vec::new();
    for (number, outcome) in (1..).zip(outcomes) {
        let decisions = decide(receiver, &mut told, &ended(number, *outcome), number * MIN);
        found.extend(
            decisions
                .iter()
                .map(|d| (number, d.kind, d.dropped.is_none())),
        );
    }
    found
}

use Outcome::{Cancelled, Failed, Killed, Lost, Succeeded, TimedOut};

#[test]
fn alert_rules_one_after_so_many_failures_and_one_recovery() {
    let mut third = receiver();
    third.after = 3;
    let (failed, recovered) = (AlertKind::Failed, AlertKind::Recovered);
    let outcomes = [
        Failed, TimedOut, Failed, Failed, Failed, Succeeded, Succeeded,
    ];
    assert_eq!(
        told_of(&third, &outcomes),
        [(3, failed, true), (6, recovered, true)]
    );
    // A success in between begins the count anew; what somebody ended neither counts nor heals.
    let outcomes = [
        Failed, Failed, Succeeded, Failed, Killed, Failed, Cancelled, Failed,
    ];
    assert_eq!(told_of(&third, &outcomes), [(8, failed, true)]);
    assert_eq!(told_of(&third, &[Failed, Failed, Succeeded]), []);
}

#[test]
fn alert_rules_a_receiver_hears_only_what_it_asked_for() {
    let mut of_lost = receiver();
    of_lost.on = vec![AlertKind::Lost];
    let outcomes = [Failed, Lost, Succeeded, Lost];
    let lost = AlertKind::Lost;
    assert_eq!(
        told_of(&of_lost, &outcomes),
        [(2, lost, true), (4, lost, true)]
    );
}

#[test]
fn alert_rules_a_job_that_goes_to_and_fro_is_held_down_until_it_is_calm() {
    let one = receiver();
    let mut told = Told::default();
    let mut said = Vec::new();
    let mut at = 0;
    for run in 1..=20 {
        at = run * MIN;
        let outcome = if run % 2 == 1 { Failed } else { Succeeded };
        let found = decide(&one, &mut told, &ended(run, outcome), at);
        assert_eq!(found.len(), 1, "each decision is recorded");
        said.extend(found.into_iter().filter(|d| d.dropped.is_none()));
    }
    assert_eq!(said.len(), 5, "{said:#?}");
    assert!(said[4].note.as_ref().unwrap().contains("over and over"));
    // It was last told of as unwell, and is well now.
    assert_eq!(calm(&one, &mut told, at + 29 * MIN), None);
    let look_at = told.look_at().unwrap();
    assert_eq!(look_at, at + 30 * MIN);
    let decision = calm(&one, &mut told, look_at).unwrap();
    assert_eq!(decision.kind, AlertKind::Recovered);
    assert_eq!(
        (calm(&one, &mut told, look_at), told.look_at()),
        (None, None)
    );
    let next = decide(&one, &mut told, &ended(21, Failed), look_at + MIN);
    assert_eq!((next.len(), &next[0].dropped), (1, &None));
}

#[test]
fn alert_rules_a_stuck_run_is_told_of_once_and_its_end_as_well() {
    let one = receiver();
    let mut told = Told::default();
    let stuck = Happening::Alive(RunId(1), AlertKind::Stuck);
    assert_eq!(decide(&one, &mut told, &stuck, 0).len(), 1);
    assert_eq!(decide(&one, &mut told, &stuck, 1), []);
    let over = decide(&one, &mut told, &ended(1, Succeeded), 2);
    assert_eq!(over[0].kind, AlertKind::Recovered);
    assert_eq!(told, Told::default());
}

#[test]
fn alert_rules_a_job_without_success_is_silent_once() {
    let mut one = receiver();
    one.on.push(AlertKind::Silent);
    one.silent_ms = Some(10 * MIN);
    let mut told = Told::default();
    assert_eq!(
        silence(&one, &mut told, MIN, 2 * MIN),
        (None, Some(11 * MIN))
    );
    let (found, again) = silence(&one, &mut told, MIN, 11 * MIN);
    assert_eq!((found.unwrap().kind, again), (AlertKind::Silent, None));
    assert_eq!(silence(&one, &mut told, MIN, 12 * MIN), (None, None));
    let well = decide(&one, &mut told, &ended(1, Succeeded), 13 * MIN);
    assert_eq!(well[0].kind, AlertKind::Recovered);
}

#[test]
fn alert_rules_a_ping_is_due_at_each_start_and_end() {
    let url = crake::model::Place::Url("https://h/u".to_owned());
    let one = Receiver::of("p", Means::Ping { url });
    let kinds = |happening| -> Vec<AlertKind> {
        let found = decide(&one, &mut Told::default(), &happening, 0);
        found.iter().map(|d| d.kind).collect()
    };
    assert_eq!(kinds(Happening::Started(RunId(1))), [AlertKind::Started]);
    assert_eq!(kinds(ended(1, Succeeded)), [AlertKind::Succeeded]);
    assert_eq!(kinds(ended(1, Killed)), [AlertKind::Failed]);
    assert_eq!(kinds(ended(1, Cancelled)), []);
}

fn waiting(id: i64, next_at: UnixMs) -> Waiting {
    Waiting {
        id,
        job: Some("j".to_owned()),
        state: AlertState::Pending,
        message: None,
        next_at,
    }
}

fn step(receiver: &Receiver, sent: &[UnixMs], list: &[Waiting], now: UnixMs) -> Option<Step> {
    let zone = Zone::utc();
    let rules = Rules {
        receiver,
        zone: &zone,
        sent,
    };
    send(&rules, list, now)
}

#[test]
fn alert_rules_what_belongs_together_goes_together() {
    let list = [waiting(1, 10), waiting(2, 20), waiting(3, 90)];
    assert_eq!(step(&receiver(), &[], &list, 5), Some(Step::Wait(10)));
    assert_eq!(step(&receiver(), &[], &list, 20), Some(Step::Send(vec![1])));
    let mut grouping = receiver();
    grouping.group_ms = Some(10);
    assert_eq!(
        step(&grouping, &[], &list, 20),
        Some(Step::Send(vec![1, 2, 3]))
    );
    // What went together once is tried again together, and with nothing else.
    let tried = |id| Waiting {
        message: Some(1),
        ..waiting(id, 10)
    };
    let list = [tried(1), tried(2), waiting(3, 10)];
    assert_eq!(
        step(&grouping, &[], &list, 20),
        Some(Step::Send(vec![1, 2]))
    );
    assert_eq!(step(&grouping, &[], &[], 20), None);
}

#[test]
fn alert_rules_the_rate_holds_what_is_too_much_until_there_is_room() {
    let mut rare = receiver();
    rare.rate = Some("2/h".parse::<Rate>().unwrap());
    let list = [waiting(5, 0), waiting(6, 0)];
    let hour = 60 * MIN;
    assert_eq!(step(&rare, &[MIN], &list, hour), Some(Step::Send(vec![5])));
    assert_eq!(
        step(&rare, &[MIN, 2 * MIN], &list, hour),
        Some(Step::Hold(vec![5, 6], hour + MIN, "its rate"))
    );
    let held = |id| Waiting {
        state: AlertState::Held,
        ..waiting(id, hour + MIN)
    };
    let list = [held(5), held(6)];
    assert_eq!(
        step(&rare, &[MIN, 2 * MIN], &list, hour + MIN),
        Some(Step::Send(vec![5, 6]))
    );
}

#[test]
fn alert_rules_quiet_hours_hold_until_they_end_also_over_midnight() {
    let mut sleeper = receiver();
    let hours = |h: u32| h * 3600;
    sleeper.quiet = Some(Quiet {
        from_s: hours(22),
        until_s: hours(7),
        zone: None,
    });
    let hour = 60 * MIN;
    for (now, until) in [
        (23, Some(31)),
        (2, Some(7)),
        (7, None),
        (21, None),
        (22, Some(31)),
    ] {
        let expected = match until {
            Some(until) => Step::Hold(vec![1], until * hour, "quiet hours"),
            None => Step::Send(vec![1]),
        };
        let list = [waiting(1, 0)];
        assert_eq!(
            step(&sleeper, &[], &list, now * hour),
            Some(expected),
            "{now}"
        );
    }
}

#[test]
fn alert_rules_quiet_hours_follow_the_clock_through_its_changes() {
    let mut sleeper = receiver();
    sleeper.quiet = Some(Quiet {
        from_s: 3600,
        until_s: 2 * 3600 + 1800,
        zone: None,
    });
    let zone = Zone::named("Europe/Zurich").unwrap();
    let rules = Rules {
        receiver: &sleeper,
        zone: &zone,
        sent: &[],
    };
    let at = |text: &str| {
        chrono::DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis()
    };
    for (now, until) in [
        // 02:30 is jumped over; the jump ends the hours.
        ("2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"),
        // 02:30 comes twice, and each of them ends them.
        ("2026-10-25T01:30:00+02:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"),
    ] {
        let found = send(&rules, &[waiting(1, 0)], at(now));
        assert_eq!(
            found,
            Some(Step::Hold(vec![1], at(until), "quiet hours")),
            "{now}"
        );
    }
}

#[test]
fn alert_rules_pings_of_a_job_keep_their_order() {
    let url = crake::model::Place::Url("https://h/u".to_owned());
    let one = Receiver::of("p", Means::Ping { url });
    let first = Waiting {
        message: Some(1),
        ..waiting(1, 100)
    };
    let other = Waiting {
        job: Some("other".to_owned()),
        ..waiting(3, 0)
    };
    let list = [first, waiting(2, 0), other];
    assert_eq!(step(&one, &[], &list, 50), Some(Step::Send(vec![3])));
    assert_eq!(step(&one, &[], &list[..2], 50), Some(Step::Wait(100)));
    assert_eq!(step(&one, &[], &list[..2], 100), Some(Step::Send(vec![1])));
}
