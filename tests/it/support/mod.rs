pub mod bench;
pub mod wait;
