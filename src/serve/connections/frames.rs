//! Which bytes of a connection belong to the head of a request: in HTTP/2, those of a header block.
//!
//! An HTTP/2 client may send PING, SETTINGS and WINDOW_UPDATE at any time without a request, so not every byte is part of a
//! head, as it is in HTTP/1. A header block is a HEADERS frame and its CONTINUATION frames, with no other frame in between
//! (RFC 9113, section 4.3). h2 has no timeout for it and does not show that one has begun. This reads frame headers and
//! nothing else, and checks nothing: h2 does.

/// What an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER_BYTES: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Follows the bytes that a client sends.
#[derive(Debug)]
pub(super) enum Heads {
    /// So many bytes of the preface have come.
    Preface(usize),
    Http1,
    Http2(Frames),
}

impl Default for Heads {
    fn default() -> Self {
        Self::Preface(0)
    }
}

/// What the last bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Bytes of HTTP/1, or not yet known to be of HTTP/2.
    Http1,
    /// Bytes of HTTP/2: how many header blocks have begun, and whether the last one is incomplete.
    Http2 { blocks: u64, is_in_block: bool },
}

impl Heads {
    /// Follows these bytes.
    pub(super) fn receive(&mut self, mut bytes: &[u8]) -> Received {
        if let Self::Preface(known) = self {
            let expected = PREFACE.get(*known..).unwrap_or_default();
            let length = expected.len().min(bytes.len());
            let (begin, rest) = bytes.split_at(length);
            *self = match expected.strip_prefix(begin) {
                None => Self::Http1,
                Some([]) => Self::Http2(Frames::default()),
                Some(_) => Self::Preface(*known + length),
            };
            bytes = rest;
        }
        match self {
            Self::Preface(_) | Self::Http1 => Received::Http1,
            Self::Http2(frames) => {
                frames.receive(bytes);
                Received::Http2 {
                    blocks: frames.blocks,
                    is_in_block: frames.is_in_block,
                }
            }
        }
    }
}

/// Follows HTTP/2 frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The header of the next frame, as far as it has come.
    header: [u8; FRAME_HEADER_BYTES],
    header_bytes: usize,
    /// How many bytes of the frame's payload are still to come.
    payload_left: usize,
    /// Whether the header block ends with this frame.
    ends_block: bool,
    is_in_block: bool,
    blocks: u64,
}

impl Frames {
    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let length = self.payload_left.min(bytes.len());
                bytes = bytes.get(length..).unwrap_or_default();
                self.payload_left -= length;
            } else {
                let [first, rest @ ..] = bytes else { return };
                bytes = rest;
                if let Some(place) = self.header.get_mut(self.header_bytes) {
                    *place = *first;
                }
                self.header_bytes += 1;
                if self.header_bytes < FRAME_HEADER_BYTES {
                    continue;
                }
                self.begin_frame();
            }
            if self.payload_left == 0 && self.ends_block {
                self.is_in_block = false;
                self.ends_block = false;
            }
        }
    }

    fn begin_frame(&mut self) {
        self.header_bytes = 0;
        let [a, b, c, kind, flags, ..] = self.header;
        self.payload_left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        if kind == HEADERS {
            self.is_in_block = true;
            self.blocks += 1;
        }
        // Without HEADERS before it, CONTINUATION is an error that h2 finds.
        self.ends_block = matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const DATA: u8 = 0;

    #[test]
    fn a_header_block_lasts_until_its_last_byte() {
        let mut heads = Heads::default();
        let mut receive = |bytes: &[u8]| match heads.receive(bytes) {
            Received::Http1 => None,
            Received::Http2 { blocks, is_in_block } => Some((blocks, is_in_block)),
        };
        let (begin, rest) = PREFACE.split_at(10);
        assert_eq!(receive(begin), None);
        assert_eq!(receive(rest), Some((0, false)));
        assert_eq!(receive(&frame(SETTINGS, 0, b"123456")), Some((0, false)));
        let headers = frame(HEADERS, END_HEADERS, b"head");
        assert_eq!(receive(&headers[..8]), Some((0, false)), "it may be any frame");
        assert_eq!(receive(&headers[8..9]), Some((1, true)));
        assert_eq!(receive(&headers[9..12]), Some((1, true)));
        assert_eq!(receive(&headers[12..]), Some((1, false)));
        // A payload that looks like HEADERS is none.
        assert_eq!(receive(&frame(DATA, 0, &frame(HEADERS, 0, b"head"))), Some((1, false)));
        assert_eq!(receive(&frame(HEADERS, 0, b"head")), Some((2, true)));
        for _ in 0..3 {
            assert_eq!(receive(&frame(CONTINUATION, 0, b"more")), Some((2, true)));
            assert_eq!(receive(&frame(CONTINUATION, 0, b"")), Some((2, true)));
        }
        assert_eq!(receive(&frame(CONTINUATION, END_HEADERS, b"")), Some((2, false)));
        for _ in 0..3 {
            assert_eq!(receive(&frame(PING, 0, b"12345678")), Some((2, false)));
        }
    }

    #[test]
    fn whatever_is_not_the_preface_is_http1() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", b"PX"] {
            assert_eq!(Heads::default().receive(bytes), Received::Http1);
            let mut heads = Heads::default();
            for byte in bytes {
                assert_eq!(heads.receive(&[*byte]), Received::Http1);
            }
            assert!(matches!(heads, Heads::Http1));
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_pieces_bytes_come(
            bytes in proptest::collection::vec(0_u8..12, 0..400), pieces in proptest::collection::vec(1_usize..20, 1..50)
        ) {
            let bytes = [PREFACE, &bytes].concat();
            let whole = Heads::default().receive(&bytes);
            let (mut heads, mut rest, mut last) = (Heads::default(), &bytes[..], Received::Http1);
            for piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at((*piece).min(rest.len()));
                last = heads.receive(now);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(last, whole);
        }
    }
}
