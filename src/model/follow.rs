//! Jobs that run because of how a run of another one ended.

use serde::{Deserialize, Serialize};

use crate::model::Outcome;
use crate::model::words::words;

words! {
    /// Which ends of a run are followed.
    Whence, "kind of end" {
        /// It succeeded.
        Success => "success",
        /// It failed, in whatever way; one that somebody killed or took back did not.
        Failure => "failure",
    }
}

impl Outcome {
    /// Which followers an end has; those of a run that somebody killed or took back are none.
    pub fn whence(self) -> Option<Whence> {
        match self {
            Outcome::Succeeded => Some(Whence::Success),
            Outcome::Killed | Outcome::Cancelled => None,
            Outcome::Failed
            | Outcome::Signaled
            | Outcome::TimedOut
            | Outcome::Expired
            | Outcome::Lost
            | Outcome::Interrupted
            | Outcome::Unspawnable => Some(Whence::Failure),
        }
    }
}

/// Which jobs follow a job, and which it follows, as its definition says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Follow {
    /// These run when it has succeeded.
    pub on_success: Vec<String>,
    /// These run when it has failed.
    pub on_failure: Vec<String>,
    /// It runs when one of these has succeeded.
    pub after: Vec<String>,
}

impl Follow {
    /// Whether it says nothing.
    pub fn is_none(&self) -> bool {
        *self == Follow::default()
    }

    /// What it says of the job of this name: which job, by which ends, is followed by which.
    pub fn edges<'a>(&'a self, job: &'a str) -> Vec<(&'a str, Whence, &'a str)> {
        let of = |names: &'a [String], whence| {
            let edge = move |name: &'a String| (job, whence, name.as_str());
            names.iter().map(edge)
        };
        let after = self
            .after
            .iter()
            .map(|n| (n.as_str(), Whence::Success, job));
        of(&self.on_success, Whence::Success)
            .chain(of(&self.on_failure, Whence::Failure))
            .chain(after)
            .collect()
    }

    /// The same where a job has another name. Says whether it was named.
    pub fn rename(&mut self, old: &str, new: &str) -> bool {
        let mut named = false;
        let lists = [&mut self.on_success, &mut self.on_failure, &mut self.after];
        for name in lists.into_iter().flatten().filter(|n| *n == old) {
            new.clone_into(name);
            named = true;
        }
        named
    }
}
