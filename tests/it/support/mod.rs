//! What several tests share: a home of their own, waiting for a condition, a world made by hand.

pub mod bench;
pub mod instance;
pub mod sandbox;
pub mod servers;
pub mod wait;
pub mod world;
