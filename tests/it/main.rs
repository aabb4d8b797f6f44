//! The one test binary.

mod schedule_drawn;
mod schedule_engines;
mod schedule_properties;
mod schedule_text;
mod schedule_traps;
mod schedule_vectors;
