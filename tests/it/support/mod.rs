//! What several tests share: a home of their own, waiting for a condition, a world made by hand.

pub mod bench;
pub mod corpus;
pub mod facility;
pub mod instance;
pub mod lookout;
pub mod picture;
pub mod pollers;
pub mod sandbox;
pub mod scene;
pub mod seen;
pub mod servers;
pub mod shops;
pub mod sides;
pub mod sinks;
pub mod ticking;
pub mod tmux;
pub mod volume;
pub mod wait;
pub mod watching;
pub mod weather;
pub mod world;
