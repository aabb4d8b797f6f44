//! Drawn expressions, zones and instants for the properties of schedules.

use std::collections::BTreeSet;
use std::fmt::Debug;

use chrono::{DateTime, Datelike, Timelike, Utc};
use crake::schedule::{DstRule, UnixMs};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

/// Cases for each property in an ordinary run, the same ones every time.
pub const FEW: u32 = 2_000;
/// Cases in the long run, different ones every time:
/// `cargo test --release --test it -- --ignored schedule_`.
pub const MANY: u32 = 150_000;

/// Zones with every kind of change there has been since 1990: an hour, half of one, two, three, a
/// day of the calendar lost, changes at midnight, changes of standard time.
pub const ZONES: [&str; 21] = [
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Scoresbysund",
    "America/Caracas",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Tehran",
    "Asia/Kolkata",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Pacific/Apia",
    "Pacific/Kwajalein",
];

/// A crontab field with the meaning it was drawn to have.
#[derive(Clone, Debug)]
pub struct DrawnField {
    pub text: String,
    pub values: BTreeSet<u32>,
    pub star: bool,
}

pub fn field(low: u32, high: u32) -> impl Strategy<Value = DrawnField> {
    let star = Just(DrawnField {
        text: "*".to_owned(),
        values: (low..=high).collect(),
        star: true,
    });
    let star_step = (1..=high).prop_map(move |step| DrawnField {
        text: format!("*/{step}"),
        values: (low..=high).step_by(step as usize).collect(),
        star: true,
    });
    let list = proptest::collection::vec(low..=high, 1..4).prop_map(|values| DrawnField {
        text: values
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(","),
        values: values.into_iter().collect(),
        star: false,
    });
    let range = (low..=high, low..=high, 1..=7_u32).prop_map(|(a, b, step)| {
        let (first, last) = (a.min(b), a.max(b));
        DrawnField {
            text: format!("{first}-{last}/{step}"),
            values: (first..=last).step_by(step as usize).collect(),
            star: false,
        }
    });
    prop_oneof![3 => star, 1 => star_step, 3 => list, 2 => range]
}

#[derive(Clone, Debug)]
pub struct Drawn {
    pub fields: [DrawnField; 5],
}

impl Drawn {
    pub fn text(&self) -> String {
        self.fields
            .each_ref()
            .map(|field| field.text.clone())
            .join(" ")
    }

    pub fn is_wild(&self) -> bool {
        self.fields[0].star || self.fields[1].star
    }

    /// Says whether a minute of the wall clock matches, straight from the rule of crontab(5).
    pub fn matches(&self, wall: DateTime<Utc>) -> bool {
        let [minute, hour, dom, month, dow] = &self.fields;
        let weekday = wall.weekday().num_days_from_sunday();
        let dom_matches = dom.values.contains(&wall.day());
        let dow_matches =
            dow.values.contains(&weekday) || (weekday == 0 && dow.values.contains(&7));
        let day_matches = if dom.star || dow.star {
            dom_matches && dow_matches
        } else {
            dom_matches || dow_matches
        };
        minute.values.contains(&wall.minute())
            && hour.values.contains(&wall.hour())
            && month.values.contains(&wall.month())
            && day_matches
    }
}

pub fn expression() -> impl Strategy<Value = Drawn> {
    (
        field(0, 59),
        field(0, 23),
        field(1, 31),
        field(1, 12),
        field(0, 7),
    )
        .prop_map(|(minute, hour, dom, month, dow)| Drawn {
            fields: [minute, hour, dom, month, dow],
        })
}

/// Expressions that fire within days, for windows around a clock change.
pub fn busy_expression() -> impl Strategy<Value = Drawn> {
    let minute = field(0, 59);
    let hour = prop_oneof![
        3 => proptest::collection::btree_set(0..4_u32, 1..4).prop_map(|values| DrawnField {
            text: values.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
            values,
            star: false,
        }),
        2 => field(0, 23),
    ];
    (minute, hour, field(1, 31), field(0, 7), 0..3_u32).prop_map(
        |(minute, hour, dom, dow, days)| {
            let star = |high: u32, low: u32| DrawnField {
                text: "*".to_owned(),
                values: (low..=high).collect(),
                star: true,
            };
            let dom = if days == 1 { dom } else { star(31, 1) };
            let dow = if days == 2 { dow } else { star(7, 0) };
            Drawn {
                fields: [minute, hour, dom, star(12, 1), dow],
            }
        },
    )
}

pub fn zone_name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(ZONES.as_slice())
}

pub fn rule() -> impl Strategy<Value = DstRule> {
    proptest::sample::select(DstRule::ALL.as_slice())
}

/// Instants from 1990 to 2060, in milliseconds.
pub fn instant() -> impl Strategy<Value = UnixMs> {
    631_152_000_000..2_840_140_800_000_i64
}

/// Any schedule there is a syntax for.
pub fn any_schedule() -> impl Strategy<Value = String> {
    let token = proptest::sample::select(vec!["L", "L-3", "LW", "15W", "1W", "31W", "13", "1,L"]);
    let weekday = proptest::sample::select(vec!["FRIL", "FRI#2", "MON#5", "SUN-WED", "5L,TUE"]);
    prop_oneof![
        4 => expression().prop_map(|drawn| drawn.text()),
        1 => (field(0, 59), expression(), token).prop_map(|(second, drawn, dom)| {
            let [minute, hour, _, month, _] = drawn.fields.map(|field| field.text);
            let month = if month.contains('/') { "*".to_owned() } else { month };
            format!("{} {minute} {hour} {dom} {month} ?", second.text)
        }),
        1 => (expression(), weekday, 2020..2060_i32).prop_map(|(drawn, dow, year)| {
            let [minute, hour, _, _, _] = drawn.fields.map(|field| field.text);
            format!("0 {minute} {hour} ? * {dow} {year}-2090")
        }),
        1 => (1..100_000_u32).prop_map(|seconds| format!("every {seconds}s")),
        1 => (1..400_u32).prop_map(|days| format!("every {days}d")),
        1 => (1..30_u32).prop_map(|months| format!("every {months} months")),
        1 => (1..300_u32, 0..12_u32, 12..24_u32).prop_map(|(step, open, close)| {
            format!("every {step}m {open:02}:15-{close:02}:45 mon-sat")
        }),
    ]
}

pub fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> TestCaseResult)
where
    S::Value: Debug,
{
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = if cases == FEW {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        TestRunner::new_with_rng(config, rng)
    } else {
        TestRunner::new(config)
    };
    if let Err(error) = runner.run(&strategy, test) {
        panic!("{error}");
    }
}
