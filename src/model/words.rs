//! Enums that are one lower-case word each, the same in columns, JSON and commands.

use std::fmt;

/// A word that is none of those allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// What was to be named, for example `overlap`.
    pub what: &'static str,
    /// The word given.
    pub word: String,
    /// The words allowed.
    pub allowed: &'static [&'static str],
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown {} \"{}\": expected {}",
            self.what,
            self.word,
            self.allowed.join(", ")
        )
    }
}

impl std::error::Error for UnknownWord {}

/// Declares an enum whose variants are words, with `as_str`, `ALL`, `Display`, `FromStr` and serde.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$vmeta:meta])* $variant:ident => $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The words, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as it stands in columns, JSON and commands.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::model::UnknownWord;
            fn from_str(word: &str) -> Result<$name, Self::Err> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err($crate::model::UnknownWord {
                        what: $what,
                        word: word.to_owned(),
                        allowed: $name::WORDS,
                    }),
                }
            }
        }
    };
}

pub(in crate::model) use words;
