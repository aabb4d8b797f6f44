//! What there is to say of an attempt that is over.

use crate::clock::Now;
use crate::model::{Exit, Output, Report, StopCause, format_duration};
use crate::process::as_cron::{leaves_running, read_on};
use crate::process::carry::{READS_AT_ONCE, Run, read_some};
use crate::process::cgroup::Cgroup;
use crate::process::form::Failure;

impl Run {
    /// The report of an attempt that is over.
    pub(in crate::process) fn conclude(
        &mut self,
        survivors: Vec<String>,
        cgroup: &Cgroup,
        now: Now,
    ) -> Report {
        // Nobody of the tree is left to write, so what is in the pipes now is all there will be;
        // the bound is for outsiders that were handed the job's output.
        for pipe in &mut self.pipes {
            for _ in 0..READS_AT_ONCE {
                if !read_some(pipe, &mut self.recorder, now) {
                    break;
                }
            }
            if let Some(end) = pipe.fd.take().filter(|_| leaves_running(&self.order)) {
                read_on(end);
            }
        }
        // A job the kernel does not let die was sent the signal that will end it.
        let (mut exit, ended) = self.ended.unwrap_or((Exit::Signal(9), now));
        if self.stop.is_none() && exit != Exit::Code(0) {
            let last_word = self.meter.last_word(self.cpu_ms, cgroup);
            (self.stop, self.passed) = last_word.unzip();
        }
        let failure = self.trouble.said();
        if let Some(failure) = &failure {
            exit = Exit::Unspawnable(failure.errno);
            (self.stop, self.passed) = (None, None);
        }
        let mut said: Vec<String> = failure.map(|f| f.reason).into_iter().collect();
        said.extend(self.reasons());
        if self.verifying && exit != Exit::Code(0) && self.stop.is_none() {
            let words = verdict(exit);
            match said.first_mut().filter(|_| words.is_none()) {
                Some(first) => first.insert_str(0, "verify: "),
                None => said.insert(0, words.unwrap_or_default()),
            }
            exit = Exit::Code(exit_code(exit));
        }
        said.extend(survivors);
        Report {
            started_at: self.started_at,
            ended_at: ended.wall,
            exit,
            stop: self.stop,
            reason: (!said.is_empty()).then(|| said.join("; ")),
            cpu_ms: self.cpu_ms,
            max_rss: self.max_rss,
            output: Output::default(),
        }
    }

    fn reasons(&self) -> Vec<String> {
        let mut said = Vec::new();
        let during = if self.unprepared {
            ", and was still being prepared"
        } else if self.verifying {
            ", and was being verified"
        } else {
            ""
        };
        match (self.stop, self.order.timeout_ms, self.order.silence_ms) {
            (Some(StopCause::Timeout), Some(ms), _) => {
                said.push(format!(
                    "it ran longer than {}{during}",
                    format_duration(ms)
                ));
            }
            (Some(StopCause::Silence), _, Some(ms)) => {
                said.push(format!(
                    "it wrote nothing for {}{during}",
                    format_duration(ms)
                ));
            }
            _ => said.extend(self.passed.as_ref().map(|what| format!("it passed {what}"))),
        }
        if self.stop.is_none() && self.left_over > 0 {
            said.push("processes it left behind were ended".to_owned());
        }
        said
    }
}

// Nothing of what could not be executed: that says why by itself.
fn verdict(exit: Exit) -> Option<String> {
    match exit {
        Exit::Code(code) => Some(format!("verify: exited with {code}")),
        Exit::Signal(signal) => Some(format!("verify: ended by signal {signal}")),
        Exit::Unspawnable(_) => None,
    }
}

// As a shell tells it; ENOENT is 2 on every Unix this runs on.
fn exit_code(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
        Exit::Unspawnable(2) => 127,
        Exit::Unspawnable(_) => 126,
    }
}

/// The report of an attempt that was never executed.
pub(in crate::process) fn not_executed(failure: Failure, now: Now) -> Report {
    Report {
        started_at: now.wall,
        ended_at: now.wall,
        exit: Exit::Unspawnable(failure.errno),
        stop: None,
        reason: Some(failure.reason),
        cpu_ms: 0,
        max_rss: 0,
        output: Output::default(),
    }
}

/// Says of an attempt that did its work that the line which verifies it could not be executed.
pub(in crate::process) fn unverified(report: &mut Report, failure: Failure) {
    report.exit = Exit::Code(exit_code(Exit::Unspawnable(failure.errno)));
    report.reason = Some(format!("verify: {}", failure.reason));
}
