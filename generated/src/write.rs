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

/// An object on its way out.
pub(crate) struct Object<'a> {
    json: &'a mut Vec<u8>,
    /// What goes before the next member.
    separator: u8,
}

impl<'a> Object<'a> {
    pub(crate) fn open(json: &'a mut Vec<u8>) -> Self {
        Self { json, separator: b'{' }
    }

    /// Appends a member, whose name comes as JSON with its colon.
    pub(crate) fn member(&mut self, name: &str, value: &impl Write) {
        self.json.push(self.separator);
        self.separator = b',';
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
        if self.separator == b'{' {
            self.json.push(b'{');
        }
        self.json.push(b'}');
    }
}

impl Write for str {
    fn write(&self, json: &mut Vec<u8>) {
        json.push(b'"');
        let mut plain = self.as_bytes();
        // RFC 8259, section 7: quotation mark, reverse solidus and control characters cannot stand for themselves.
        while let Some(at) = plain.iter().position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\')) {
            let (before, rest) = plain.split_at(at);
            json.extend_from_slice(before);
            escape(rest[0], json);
            plain = &rest[1..];
        }
        json.extend_from_slice(plain);
        json.push(b'"');
    }
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
        let digits = buffer.format(digits.unsigned_abs()).as_bytes();
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
        json.push(b'"');
        json.extend_from_slice(&self.to_ascii());
        json.push(b'"');
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
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            item.write(json);
        }
        json.push(b']');
    }
}
