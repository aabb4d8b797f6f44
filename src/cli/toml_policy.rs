//! The rules by which fires become runs, as keys of a definition in TOML.

use serde::{Deserialize, Serialize};

use crate::cli::error::{CliError, Kind};
use crate::model::{
    CatchUp, DurationError, OnLost, Overlap, Policy, format_duration, parse_duration,
};

/// The keys; one left out means what it means for a new job.
#[derive(Debug, Serialize, Deserialize)]
pub struct PolicyKeys {
    queue: Option<String>,
    priority: Option<u8>,
    overlap: Option<Overlap>,
    max_parallel: Option<u32>,
    queue_max: Option<u32>,
    timeout: Option<String>,
    silence: Option<String>,
    kill_grace: Option<String>,
    start_deadline: Option<String>,
    retry: Option<u32>,
    backoff: Option<String>,
    on_lost: Option<OnLost>,
    catch_up: Option<CatchUp>,
    catch_up_window: Option<String>,
    catch_up_max: Option<u32>,
}

/// The keys of a definition.
pub fn keys_of(policy: &Policy) -> PolicyKeys {
    let limit = |ms: Option<i64>| Some(ms.map_or_else(|| "none".to_owned(), format_duration));
    PolicyKeys {
        queue: Some(policy.queue.clone()),
        priority: Some(policy.priority),
        overlap: Some(policy.overlap),
        max_parallel: policy.max_parallel,
        queue_max: Some(policy.queue_max),
        timeout: limit(policy.timeout_ms),
        silence: limit(policy.silence_ms),
        kill_grace: Some(format_duration(policy.kill_grace_ms)),
        start_deadline: limit(policy.start_deadline_ms),
        retry: Some(policy.retry),
        backoff: Some(policy.backoff.to_string()),
        on_lost: Some(policy.on_lost),
        catch_up: Some(policy.catch_up),
        catch_up_window: limit(policy.catch_up_window_ms),
        catch_up_max: Some(policy.catch_up_max),
    }
}

impl PolicyKeys {
    /// The rules they say.
    ///
    /// # Errors
    /// A value that is none.
    pub fn policy(&self) -> Result<Policy, CliError> {
        let wrong =
            |key: &str, text: String| CliError::new(Kind::Invalid, format!("{key}: {text}"));
        let limit = |key: &str, text: &Option<String>, unsaid: Option<i64>| match text.as_deref() {
            None => Ok(unsaid),
            Some("none") => Ok(None),
            Some(text) => parse_duration(text)
                .map(Some)
                .map_err(|e| wrong(key, e.to_string())),
        };
        let base = Policy::default();
        let priority = self.priority.unwrap_or(base.priority);
        if priority > 9 {
            return Err(wrong("priority", "write 0 to 9".to_owned()));
        }
        if self.max_parallel == Some(0) {
            return Err(wrong("max_parallel", "write 1 or more".to_owned()));
        }
        let grace = limit("kill_grace", &self.kill_grace, Some(base.kill_grace_ms))?;
        let backoff = self.backoff.as_deref().map(str::parse).transpose();
        Ok(Policy {
            queue: self.queue.clone().unwrap_or(base.queue),
            priority,
            overlap: self.overlap.unwrap_or(base.overlap),
            max_parallel: self.max_parallel,
            queue_max: self.queue_max.unwrap_or(base.queue_max),
            timeout_ms: limit("timeout", &self.timeout, base.timeout_ms)?,
            silence_ms: limit("silence", &self.silence, base.silence_ms)?,
            kill_grace_ms: grace.unwrap_or(base.kill_grace_ms),
            start_deadline_ms: limit("start_deadline", &self.start_deadline, None)?,
            retry: self.retry.unwrap_or(base.retry),
            backoff: backoff
                .map_err(|e: DurationError| wrong("backoff", e.to_string()))?
                .unwrap_or(base.backoff),
            on_lost: self.on_lost.unwrap_or(base.on_lost),
            catch_up: self.catch_up.unwrap_or(base.catch_up),
            catch_up_window_ms: limit("catch_up_window", &self.catch_up_window, None)?,
            catch_up_max: self.catch_up_max.unwrap_or(base.catch_up_max),
        })
    }
}
