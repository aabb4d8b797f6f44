//! The loop that joins the parts: guardian, core, firing, store, workers.

pub mod firing;
pub mod keeper;
pub mod order;
pub mod ring;
pub mod zones;
