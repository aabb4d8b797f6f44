//! The one test binary.

mod schedule_text;
mod schedule_traps;
mod schedule_vectors;
