//! Bytes that are nearly always text.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A command line, an environment value or an input text, byte for byte as it was given.
///
/// In JSON it is a string, or `{"b64": "..."}` where the bytes are not UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Raw(pub Vec<u8>);

impl Raw {
    /// The text for people; bytes that are not UTF-8 show as U+FFFD.
    pub fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// For handing to the operating system.
    pub fn to_os(&self) -> OsString {
        OsString::from_vec(self.0.clone())
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.lossy())
    }
}

impl From<&str> for Raw {
    fn from(text: &str) -> Raw {
        Raw(text.as_bytes().to_vec())
    }
}

impl From<String> for Raw {
    fn from(text: String) -> Raw {
        Raw(text.into_bytes())
    }
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    b64: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Text(String),
    Encoded(Encoded),
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Encoded {
                b64: STANDARD.encode(&self.0),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        match Either::deserialize(deserializer)? {
            Either::Text(text) => Ok(Raw(text.into_bytes())),
            Either::Encoded(e) => STANDARD.decode(e.b64).map(Raw).map_err(de::Error::custom),
        }
    }
}
