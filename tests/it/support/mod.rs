//! What several tests need.

pub mod sandbox;
