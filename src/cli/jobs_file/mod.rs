//! Jobs files: reading them, checking them, and what is made of their description.

pub mod check;
pub mod fault;
pub mod keys;
pub mod page;
pub mod reading;
pub mod schema;
pub mod values;
