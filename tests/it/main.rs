//! The one test binary.

mod schedule_dialects;
mod schedule_drawn;
mod schedule_engines;
mod schedule_properties;
mod schedule_text;
mod schedule_traps;
mod schedule_vectors;
mod schedule_words;
mod schedule_zones;
