//! When a trigger is due.
