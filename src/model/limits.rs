//! As whom a job runs, and what it may take of the host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::words::words;

words! {
    /// How a job's reads and writes are served beside those of others, as ionice(1) has it.
    IoClass, "class of input and output" {
        /// Only when nobody else reads or writes.
        Idle => "idle",
        /// By level, as everybody's.
        BestEffort => "best-effort",
        /// Before everybody else's.
        Realtime => "realtime",
    }
}

/// A class of input and output with a level in it: `idle`, `best-effort:7`, `realtime:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoNice {
    /// The class.
    pub class: IoClass,
    /// 0 goes first, 7 last; `idle` has no levels. The kernel's own is 4.
    pub level: Option<u8>,
}

impl fmt::Display for IoNice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "{}:{level}", self.class),
            None => write!(f, "{}", self.class),
        }
    }
}

impl FromStr for IoNice {
    type Err = String;

    fn from_str(text: &str) -> Result<IoNice, String> {
        let (class, level) = match text.split_once(':') {
            Some((class, level)) => (class, Some(level)),
            None => (text, None),
        };
        let class: IoClass = class
            .parse()
            .map_err(|e: crate::model::UnknownWord| e.to_string())?;
        let level = level.map(|level| level.parse::<u8>().ok().filter(|n| *n <= 7));
        match (class, level) {
            (IoClass::Idle, Some(_)) => Err("the class idle has no levels".to_owned()),
            (_, Some(None)) => Err("write a level from 0 to 7, such as best-effort:7".to_owned()),
            (class, level) => Ok(IoNice {
                class,
                level: level.flatten(),
            }),
        }
    }
}

impl Serialize for IoNice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IoNice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IoNice, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// As whom a job runs, and what it may take of the host; what is absent is as the daemon has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// The user it runs as, by name.
    pub user: Option<String>,
    /// The number that user had when the job was defined; another one by now is a refusal.
    pub uid: Option<u32>,
    /// Scheduling priority, -20 to 19.
    pub nice: Option<i32>,
    /// Input and output priority.
    pub ionice: Option<IoNice>,
    /// Memory of all its processes together, bytes.
    pub memory_max: Option<u64>,
    /// CPU time of all its processes together, milliseconds.
    pub cpu_max_ms: Option<i64>,
    /// Processes and threads alive at once.
    pub processes_max: Option<u32>,
}

#[cfg(test)]
mod tests {
    use crate::model::limits::{IoClass, IoNice};

    #[test]
    fn classes_of_input_and_output_are_the_words_of_ionice() {
        let parse = |text: &str| text.parse::<IoNice>();
        let idle = parse("idle").unwrap();
        assert_eq!((idle.class, idle.level), (IoClass::Idle, None));
        for text in ["idle", "best-effort", "best-effort:0", "realtime:7"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "best",
            "idle:1",
            "best-effort:8",
            "best-effort:",
            "realtime:-1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
