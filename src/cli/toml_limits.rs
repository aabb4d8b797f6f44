//! As whom a job runs and what it may take, as keys of a definition in TOML.

use serde::{Deserialize, Serialize};

use crate::cli::error::{CliError, Kind};
use crate::cli::limit_flags::{memory, nice, processes};
use crate::model::{Limits, Raw, Spec, format_duration, parse_duration};

/// The keys; one left out limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LimitKeys {
    pub user: Option<String>,
    pub nice: Option<i32>,
    pub ionice: Option<String>,
    pub memory_max: Option<Size>,
    pub cpu_max: Option<String>,
    pub processes_max: Option<u32>,
    pub verify: Option<Raw>,
}

/// Bytes as a number, or as text such as `512M`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Size {
    Bytes(u64),
    Text(String),
}

/// The keys of a definition.
pub fn keys_of(spec: &Spec) -> LimitKeys {
    let limits = &spec.limits;
    LimitKeys {
        user: limits.user.clone(),
        nice: limits.nice,
        ionice: limits.ionice.map(|io| io.to_string()),
        memory_max: limits.memory_max.map(|n| Size::Text(in_units(n))),
        cpu_max: limits.cpu_max_ms.map(format_duration),
        processes_max: limits.processes_max,
        verify: spec.verify.clone(),
    }
}

/// Bytes in the largest unit that divides them, as the flags take them.
pub fn in_units(bytes: u64) -> String {
    for (shift, unit) in [(30, 'G'), (20, 'M'), (10, 'K')] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

impl LimitKeys {
    /// Writes them into a definition; `old` says which number a user that stays the same had.
    ///
    /// # Errors
    /// A value that is none.
    pub fn limit(self, spec: &mut Spec, old: &Limits) -> Result<(), CliError> {
        let wrong =
            |key: &str, text: String| CliError::new(Kind::Invalid, format!("{key}: {text}"));
        let cpu = self.cpu_max.as_deref().map(parse_duration).transpose();
        let cpu = cpu.map_err(|e| wrong("cpu_max", e.to_string()))?;
        if cpu == Some(0) {
            return Err(wrong("cpu_max", "write a length above zero".to_owned()));
        }
        let size = self.memory_max.map(|size| match size {
            Size::Bytes(bytes) => memory(&bytes.to_string()),
            Size::Text(text) => memory(&text),
        });
        let ionice = self.ionice.as_deref().map(str::parse).transpose();
        let checked = |number: Option<i32>| number.map(|n| nice(&n.to_string())).transpose();
        let most = self.processes_max.map(|n| processes(&n.to_string()));
        spec.limits = Limits {
            uid: old.uid.filter(|_| self.user == old.user),
            user: self.user,
            nice: checked(self.nice).map_err(|e| wrong("nice", e))?,
            ionice: ionice.map_err(|e| wrong("ionice", e))?,
            memory_max: size.transpose().map_err(|e| wrong("memory_max", e))?,
            cpu_max_ms: cpu,
            processes_max: most.transpose().map_err(|e| wrong("processes_max", e))?,
        };
        spec.verify = self.verify;
        Ok(())
    }
}
