//! Watches: queries that are asked again and again, in processes that may be killed.
//!
//! The [`round`] is a thread of the core that neither writes the store nor speaks to a database. What
//! it wants of the store it wishes of the [`clerk`], who works on the store side; what it wants of a
//! source it has asked by a poller at its [`post`]. Everything else is pure: [`charge`] says when a
//! watch is asked, [`wording`] what, [`ending`] what comes of the answer.

mod asking;
pub mod charge;
pub mod clerk;
pub mod ending;
mod heard;
pub mod inputs;
pub mod post;
pub mod round;
pub mod telling;
pub mod wish;
pub mod wording;
