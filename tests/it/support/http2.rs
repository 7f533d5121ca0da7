//! HTTP/2 frames by hand, for clients that misbehave.

/// A header's name and value.
pub(crate) type Header<'h> = (&'h str, &'h str);

/// What a client sends first: the preface, and SETTINGS with this initial window for answers.
pub(crate) fn preface(window: u32) -> Vec<u8> {
    let [a, b, c, d] = window.to_be_bytes();
    let settings = frame(4, 0, 0, &[0, 4, a, b, c, d]);
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// The headers that every request has.
pub(crate) fn request<'h>(method: &'h str, path: &'h str) -> [Header<'h>; 4] {
    [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
    ]
}

/// HEADERS with these, in HPACK without its table and without Huffman codes.
pub(crate) fn headers(stream: u32, headers: &[Header<'_>], ends_stream: bool) -> Vec<u8> {
    let block: Vec<u8> = headers
        .iter()
        .flat_map(|(name, value)| [vec![0], text(name), text(value)].concat())
        .collect();
    frame(1, 4 | u8::from(ends_stream), stream, &block)
}

/// A string: its length in HPACK's form for integers, with a prefix of 7 bits, and its bytes.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    match u8::try_from(text.len()) {
        Ok(length @ 0..127) => bytes.push(length),
        _ => {
            bytes.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).unwrap());
        }
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}
