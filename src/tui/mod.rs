//! The dashboard, `crake top`.
//!
//! A [`state::State`] is plain data with the time in it; [`update::update`] is the only code that
//! changes it and does nothing else; [`screens::draw`] paints it and reads no clock and no file. What
//! is to be done outside comes back as effects, which the loop carries out. The feed reads the
//! store in a thread of its own. The dashboard names no process and no command: who starts it
//! passes in functions for what it cannot know by itself (`sources`).

mod columns;
pub mod data;
mod event_loop;
pub mod feed;
pub mod filter;
pub mod keymap;
pub mod message;
pub mod once;
mod paint;
pub mod screens;
pub mod sources;
pub mod state;
mod terminal;
pub mod theme;
pub mod update;
pub mod want;
mod words;

pub use event_loop::run;
