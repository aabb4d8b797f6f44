//! What is done between the start of a process and the job in it, where that cannot be done by
//! `posix_spawn`: another user, priorities, limits of the kernel.
//!
//! The worker starts `/proc/self/exe __exec PAPERS TROUBLE`. The stage reads from the first file
//! what is to be done, does it, and executes the job in its own place, so that the job has the
//! process id the worker knows. What goes wrong it writes into the second file, a pipe that the exec
//! closes. Users are looked up here and nowhere else: where that hangs, this process hangs, and the
//! worker ends it like a job that hangs.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;

use rustix::fs::MemfdFlags;
use serde::{Deserialize, Serialize};

use crate::model::{Limits, Order, Raw};

/// Limits of the kernel for each process by itself. They stand in where the whole tree cannot be
/// limited, or behind a limit the worker keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::process) struct Backstops {
    /// Bytes of data each process may have.
    pub data: Option<u64>,
    /// Seconds of CPU time each process may use.
    pub cpu_s: Option<u64>,
    /// Processes and threads of the job.
    pub tasks: Option<u32>,
}

impl Backstops {
    /// Whether a job needs a stage before it.
    pub fn need_stage(&self, limits: &Limits) -> bool {
        *self != Backstops::default()
            || limits.user.is_some()
            || limits.nice.is_some()
            || limits.ionice.is_some()
    }
}

/// What the stage is to do.
#[derive(Serialize, Deserialize)]
pub(in crate::process) struct Prepared {
    /// The order; its input stays with the worker.
    pub order: Order,
    /// Variables that name the run.
    pub marks: Vec<(String, String)>,
    /// Limits of the kernel.
    pub backstops: Backstops,
}

impl Prepared {
    pub fn new(order: &Order, marks: &[(&str, String)], backstops: &Backstops) -> Prepared {
        Prepared {
            order: Order {
                stdin: order.stdin.as_ref().map(|_| Raw::default()),
                ..order.clone()
            },
            marks: marks
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            backstops: *backstops,
        }
    }

    /// Writes it where only the stage finds it: it holds the job's environment.
    pub fn write(&self) -> io::Result<OwnedFd> {
        let mut file = File::from(rustix::fs::memfd_create("papers", MemfdFlags::CLOEXEC)?);
        file.write_all(&serde_json::to_vec(self)?)?;
        file.rewind()?;
        Ok(file.into())
    }

    /// Reads what was written.
    pub fn read(file: OwnedFd) -> io::Result<Prepared> {
        let mut bytes = Vec::new();
        File::from(file).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}
