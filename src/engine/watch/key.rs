//! What tells a row apart, as text.

use serde_json::Value;

use crate::model::Cell;

/// Keys up to this length are written out; longer ones are a digest.
const WRITTEN: usize = 160;

/// A key as text, the same for the same values: one value as it stands in JSON, several as an array.
pub fn key_text(cells: &[Cell]) -> String {
    let text = match cells {
        [one] => one.to_json().to_string(),
        many => Value::Array(many.iter().map(Cell::to_json).collect()).to_string(),
    };
    if text.len() <= WRITTEN {
        text
    } else {
        format!("#{}", fingerprint(text.as_bytes()))
    }
}

/// A digest of bytes that is the same in every version: FNV-1a with 128 bits, in hexadecimal.
pub fn fingerprint(bytes: &[u8]) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = bytes
        .iter()
        .fold(OFFSET, |h, b| (h ^ u128::from(*b)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use crate::engine::watch::key::{fingerprint, key_text};
    use crate::model::Cell;

    #[test]
    fn a_key_is_what_it_says_and_a_long_one_is_a_digest() {
        assert_eq!(key_text(&[Cell::Int(7)]), "7");
        let text = Cell::Text("7".to_owned());
        assert_eq!(key_text(std::slice::from_ref(&text)), "\"7\"");
        assert_eq!(key_text(&[text, Cell::Null]), "[\"7\",null]");
        let long = key_text(&[Cell::Text("x".repeat(500))]);
        assert!(long.starts_with('#') && long.len() == 33, "{long}");
    }

    #[test]
    fn the_digest_is_fnv_1a() {
        // The test vectors of the authors for 128 bits.
        assert_eq!(fingerprint(b""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(fingerprint(b"a"), "d228cb696f1a8caf78912b704e4a8964");
    }
}
