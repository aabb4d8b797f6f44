//! Names of time zones: which can be one, and which was perhaps meant.

/// Why a zone could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The name is empty.
    #[error("the time zone name is empty; write one such as Europe/Berlin or UTC")]
    Empty,
    /// The name is no name at all: a path, or with characters no zone has.
    #[error("{name:?} is not a time zone name; write one such as Europe/Berlin or UTC")]
    Malformed { name: String },
    /// No such zone in the system's tzdata nor in the bundled copy.
    #[error("unknown time zone {name:?}{}", .nearest.as_ref().map_or(String::new(), |near| format!("; did you mean {near}?")))]
    Unknown {
        name: String,
        nearest: Option<String>,
    },
    /// A zone file that cannot be read.
    #[error("cannot read the time zone file {path}: {reason}")]
    Unreadable { path: String, reason: String },
}

/// Zone names are relative paths of letters, digits, `_`, `+` and `-`; `posix/` and `right/` are
/// second copies of the tree, the latter with leap seconds that Unix time does not count.
pub(crate) fn is_plausible(name: &str) -> bool {
    let part_is_plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
    };
    name.len() <= 64
        && name.split('/').all(part_is_plain)
        && !name.starts_with("posix/")
        && !name.starts_with("right/")
}

/// Returns the candidate most like `name`, comparing whole names and cities alone.
pub(crate) fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let wanted = name.to_lowercase();
    let mut best: Option<(f64, String)> = None;
    for candidate in candidates {
        let lower = candidate.to_lowercase();
        let city = lower.rsplit('/').next().unwrap_or(&lower);
        let wanted_city = wanted.rsplit('/').next().unwrap_or(&wanted);
        let likeness = strsim::jaro_winkler(&wanted, &lower)
            .max(strsim::jaro_winkler(wanted_city, city) - 0.01);
        if best.as_ref().is_none_or(|(score, _)| likeness > *score) {
            best = Some((likeness, candidate));
        }
    }
    best.filter(|(likeness, _)| *likeness >= 0.85)
        .map(|(_, name)| name)
}
