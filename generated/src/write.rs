//! How a value becomes JSON: straight into the buffer that goes out, in one pass and without a failure.
//!
//! What is written is what `Serialize` says of the same value; this is only the shorter way there, for an answer is
//! written far more often than anything else.

use crate::types::{AnyJson, Decimal, Timestamp};

/// What can be written as JSON.
pub trait Write {
    /// Appends the value to the text.
    fn write(&self, json: &mut Vec<u8>);
}

/// A value as JSON.
pub fn json(value: &impl Write) -> Vec<u8> {
    // Most answers fit without growing.
    let mut json = Vec::with_capacity(512);
    value.write(&mut json);
    json
}

/// An object on its way out. Every member has a comma before it; the first one's becomes the brace.
pub(crate) struct Object<'a> {
    json: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Object<'a> {
    pub(crate) fn open(json: &'a mut Vec<u8>) -> Self {
        let start = json.len();
        Self { json, start }
    }

    /// Appends a member, whose name comes as JSON between its comma and its colon.
    // Where it is called the name's length is known, and a few bytes are copied without asking how many.
    #[inline(always)]
    pub(crate) fn member(&mut self, name: &str, value: &impl Write) {
        self.json.extend_from_slice(name.as_bytes());
        value.write(self.json);
    }

    /// Appends a member that has a value.
    pub(crate) fn optional(&mut self, name: &str, value: Option<&impl Write>) {
        if let Some(value) = value {
            self.member(name, value);
        }
    }

    pub(crate) fn close(self) {
        match self.json.get_mut(self.start) {
            Some(comma) => *comma = b'{',
            None => self.json.push(b'{'),
        }
        self.json.push(b'}');
    }
}

impl Write for str {
    fn write(&self, json: &mut Vec<u8>) {
        let mut text = self.as_bytes();
        json.push(b'"');
        // Most texts have nothing to escape, and to know that is quicker than to look for the place.
        if !is_plain(text) {
            while let Some(at) = text.iter().position(|byte| is_special(*byte)) {
                let (before, rest) = text.split_at(at);
                json.extend_from_slice(before);
                escape(rest[0], json);
                text = &rest[1..];
            }
        }
        json.extend_from_slice(text);
        json.push(b'"');
    }
}

/// RFC 8259, section 7: quotation mark, reverse solidus and control characters cannot stand for themselves.
const fn is_special(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'"' | b'\\')
}

/// Whether no byte is special. Eight are looked at together, the last eight perhaps twice.
fn is_plain(text: &[u8]) -> bool {
    match text.last_chunk() {
        Some(last) => text.as_chunks().0.iter().chain([last]).all(|eight| are_plain(*eight)),
        None => !text.iter().any(|byte| is_special(*byte)),
    }
}

/// Whether none of eight bytes is special. A byte that is smaller than what is taken from it borrows, and then has its
/// highest bit set: a control character is smaller than 32, and a byte that must not be there is 0, once XORed with that,
/// and smaller than 1. A byte that had this bit before is neither. What the next byte lends can make it look special,
/// too, and cannot hide that it is.
const fn are_plain(eight: [u8; 8]) -> bool {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let bytes = u64::from_le_bytes(eight);
    let borrowed = bytes.wrapping_sub(each(0x20))
        | (bytes ^ each(b'"')).wrapping_sub(each(1))
        | (bytes ^ each(b'\\')).wrapping_sub(each(1));
    borrowed & !bytes & each(0x80) == 0
}

fn escape(byte: u8, json: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]);
            return json.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    json.extend_from_slice(&[b'\\', short]);
}

impl Write for String {
    fn write(&self, json: &mut Vec<u8>) {
        self.as_str().write(json);
    }
}

impl Write for bool {
    fn write(&self, json: &mut Vec<u8>) {
        json.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Write for i32 {
    fn write(&self, json: &mut Vec<u8>) {
        i64::from(*self).write(json);
    }
}

impl Write for i64 {
    fn write(&self, json: &mut Vec<u8>) {
        json.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
    }
}

impl Write for Decimal {
    fn write(&self, json: &mut Vec<u8>) {
        let (digits, scale) = self.parts();
        if digits < 0 {
            json.push(b'-');
        }
        let mut buffer = itoa::Buffer::new();
        let digits = match u64::try_from(digits.unsigned_abs()) {
            Ok(digits) => buffer.format(digits),
            Err(_) => buffer.format(digits.unsigned_abs()),
        };
        let digits = digits.as_bytes();
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
        json.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
        if scale > 0 {
            json.push(b'.');
            json.extend(std::iter::repeat_n(b'0', scale - fraction.len()));
            json.extend_from_slice(fraction);
        }
    }
}

impl Write for Timestamp {
    fn write(&self, json: &mut Vec<u8>) {
        let mut quoted = [b'"'; 26];
        quoted[1..25].copy_from_slice(&self.to_ascii());
        json.extend_from_slice(&quoted);
    }
}

impl Write for AnyJson {
    fn write(&self, json: &mut Vec<u8>) {
        json.extend_from_slice(self.get().get().as_bytes());
    }
}

/// `None` is `null`.
impl<T: Write> Write for Option<T> {
    fn write(&self, json: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(json),
            None => json.extend_from_slice(b"null"),
        }
    }
}

impl<T: Write> Write for Vec<T> {
    fn write(&self, json: &mut Vec<u8>) {
        json.push(b'[');
        if let Some((first, rest)) = self.split_first() {
            let start = json.len();
            first.write(json);
            // The others are about as long: room for all of them at once.
            let length = json.len() - start;
            json.reserve(rest.len() * (length + length / 8));
            for item in rest {
                json.push(b',');
                item.write(json);
            }
        }
        json.push(b']');
    }
}
