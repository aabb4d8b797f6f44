//! The one test binary.

mod schedule_text;
mod schedule_vectors;
