//! What must hold of every schedule, whatever its text.

use crake::schedule::{DstRule, ParseOptions, Schedule, UnixMs, Zone};
use proptest::prelude::{any, prop_oneof};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use crate::schedule_drawn::{FEW, MANY, any_schedule, check, instant, rule, zone_name};
use crate::schedule_text::{shown, zone};

fn next_and_prev_agree(cases: u32) {
    let strategy = (any_schedule(), zone_name(), rule(), instant(), any::<u64>());
    check(cases, strategy, |(text, zone_name, dst, after, seed)| {
        let anchor = (seed % 2 == 0).then_some(631_152_000_000 + (seed % 900_000_000_000) as i64);
        let options = ParseOptions {
            zone: zone(zone_name),
            dst,
            anchor,
            ..Default::default()
        };
        let Ok(schedule) = Schedule::parse(&text, &options) else {
            return Err(TestCaseError::reject(
                "the second engine has narrower steps",
            ));
        };
        let Some(next) = schedule.next_after(after) else {
            return Ok(());
        };
        let show = |at: UnixMs| format!("{text}: {}", shown(at, schedule.zone()));
        prop_assert!(next > after, "{} is not after {after}", show(next));
        prop_assert_eq!(schedule.next_after(next - 1), Some(next), "{}", show(next));
        prop_assert_eq!(schedule.next_after((next - 1000).max(after)), Some(next));
        prop_assert_eq!(schedule.prev_before(next + 1), Some(next), "{}", show(next));
        if let Some(prev) = schedule.prev_before(next) {
            prop_assert!(prev <= after, "{} lies between", show(prev));
            prop_assert_eq!(schedule.next_after(prev), Some(next), "{}", show(prev));
        }
        if let Some(prev) = schedule.prev_before(after) {
            prop_assert!(prev < after);
            prop_assert_eq!(schedule.prev_before(prev + 1), Some(prev), "{}", show(prev));
        }
        Ok(())
    });
}

#[test]
fn schedule_property_next_is_later_and_prev_mirrors_it() {
    next_and_prev_agree(FEW);
}

#[test]
#[ignore = "long"]
fn schedule_property_next_is_later_and_prev_mirrors_it_long() {
    next_and_prev_agree(MANY);
}

fn nothing_panics(cases: u32) {
    let alphabet = "[0-9*/,~?LWH#@a-zA-Z()$: \t.+-]{0,24}";
    let near_miss = "(every |at |@|)?([0-9*/,~?LW#a-z-]{1,6}[ \t]){4,7}[0-9*L#-]{1,3}";
    let text = prop_oneof![any::<String>(), alphabet, near_miss, any_schedule()];
    let strategy = (text, any::<i64>(), any::<i64>(), zone_name(), any::<u64>());
    check(cases, strategy, |(text, at, anchor, zone_name, seed)| {
        let options = ParseOptions {
            zone: zone(zone_name),
            dst: DstRule::ALL[(seed % 4) as usize],
            anchor: Some(anchor),
            seed,
            allow_hash: seed % 3 == 0,
        };
        match Schedule::parse(&text, &options) {
            Ok(schedule) => {
                for at in [at, i64::MIN, i64::MAX, at % 300_000_000_000_000] {
                    schedule.next_after(at);
                    schedule.prev_before(at);
                    crake::schedule::explain(&schedule, at);
                    crake::schedule::note_for(&schedule, at);
                }
                schedule.warnings();
                crake::schedule::describe(&schedule);
            }
            Err(error) => {
                prop_assert!(
                    (1..=text.chars().count() + 1).contains(&error.column),
                    "{error}"
                );
                prop_assert_eq!(error.caret().lines().count(), 2, "{}", error);
            }
        }
        Ok(())
    });
}

#[test]
fn schedule_property_no_text_and_no_instant_panics() {
    nothing_panics(FEW);
}

#[test]
#[ignore = "long"]
fn schedule_property_a_million_texts_do_not_panic() {
    nothing_panics(1_000_000);
}

#[test]
fn schedule_zone_names_and_changes_are_safe_on_any_input() {
    check(
        FEW,
        (any::<String>(), any::<i64>(), zone_name()),
        |(name, at, zone_name)| {
            let _ = Zone::named(&name);
            let _ = Zone::system_from(Some(&name));
            let zone = zone(zone_name);
            zone.abbreviation_at(at);
            if let Some(change) = zone.next_transition(at) {
                prop_assert!(change.at > at);
                prop_assert_eq!(zone.prev_transition(change.at + 1), Some(change));
            }
            Ok(())
        },
    );
}
