//! Values as bytes of the log: one byte that names the encoding, then postcard.
//!
//! The log takes bytes and knows no types; this is how its callers, the shell and the simulator,
//! make them, both in the same way.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first byte of every record and checkpoint. Raise it when their encoding changes.
const FORMAT: u8 = 1;

/// The bytes of a record or checkpoint.
///
/// # Panics
/// If postcard cannot write the type: one without a known length, which none of ours is.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, vec![FORMAT]).expect("our types have nothing unknown to postcard")
}

/// The bytes of a value with a long byte string in the middle, which is there in parts and is not
/// copied: the same as [`encode`] of `(before, middle, after)`.
///
/// # Panics
/// As [`encode`].
pub fn encode_around(
    (before, middle, after): (impl Serialize, &[Bytes], impl Serialize),
) -> Vec<Bytes> {
    let length: usize = middle.iter().map(Bytes::len).sum();
    let mut parts = vec![Bytes::from(encode(&(before, length as u64)))];
    parts.extend_from_slice(middle);
    // Only the first part says how all of it is encoded.
    parts.push(Bytes::from(encode(&after)).slice(1..));
    parts
}

/// Reads what [`encode`] or [`encode_around`] wrote.
///
/// # Errors
/// Says what is wrong with the bytes, as the end of a sentence that names them.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => {
            postcard::from_bytes(rest).map_err(|error| format!("is damaged: {error}"))
        }
        Some((format, _)) => Err(format!(
            "is of format {format}, and this program reads format {FORMAT}: \
             start the newer toystore that wrote it"
        )),
        None => Err("is empty".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_in_parts_is_what_is_encoded_whole() {
        let middle = [Bytes::from(vec![7; 200]), Bytes::new(), Bytes::from_static(b"end")];
        let (before, after) = ((1u64, "before"), vec![2u32, 3]);
        let whole = encode(&(before, Bytes::from(middle.concat()), &after));
        assert_eq!(encode_around((before, &middle, &after)).concat(), whole);
        let nothing: Vec<u8> = encode(&(before, Bytes::new(), &after));
        assert_eq!(encode_around((before, &[], &after)).concat(), nothing);
    }
}
