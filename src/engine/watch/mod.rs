//! What a watch asks and what it makes of the answer: pure functions of its definition, what it
//! remembers, and the rows.

mod changed;
mod cursor;
mod deliver;
mod digest;
mod key;
mod order;
mod pace;
mod statement;
mod threshold;

pub use deliver::{Delivery, Found, ROW_LIMIT, deliveries};
pub use digest::{Against, Change, Digest, Fresh, Unusable, digest, keys_of};
pub use key::{fingerprint, key_text};
pub use order::compare;
pub use pace::{Standing, next_poll};
pub use statement::{Asked, Shape, Statement, builtin_names, statement};
