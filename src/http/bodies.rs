//! Reads request bodies within limits of size, time and memory, and refuses the others.
//!
//! tower-http's limits do not fit: its body timeout restarts with each frame, so a trickling body never times out. The
//! limit of memory is that of `arriving`.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Problem;
use super::arriving::NoRoom;
use crate::error::Error;

/// The limits of one body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Its largest size, in bytes.
    pub bytes_max: usize,
    /// How long it may take to arrive.
    pub timeout: Duration,
}

/// Reads bodies.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyReader {
    limits: BodyLimits,
}

impl BodyReader {
    pub(super) const fn new(limits: BodyLimits) -> Self {
        Self { limits }
    }

    /// Reads the whole body. Where its operation has a limit of its own, it may be as large as the larger of the two.
    ///
    /// # Errors
    /// `payload-too-large`, `request-timeout`, `malformed-json` for a body that broke off, and `overloaded` where
    /// arriving bodies take too much memory.
    pub(super) async fn read(&self, body: Body, operation_bytes_max: Option<usize>) -> Result<Bytes, Problem> {
        let BodyLimits { bytes_max, timeout } = self.limits;
        let bytes_max = bytes_max.max(operation_bytes_max.unwrap_or_default());
        // A Content-Length above the limit is refused before the body is read.
        if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > bytes_max) {
            return Err(Problem::payload_too_large(bytes_max));
        }
        match tokio::time::timeout(timeout, collect(body, bytes_max)).await {
            Ok(body) => body,
            Err(_) => Err(Problem::request_timeout(timeout)),
        }
    }
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let mut body = Limited::new(body, bytes_max);
    let mut received = Received::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| refuse(error.as_ref(), bytes_max))?;
        let Ok(data) = frame.into_data() else { continue };
        // Most bodies are one frame, which is not copied.
        if received.bytes == 0 && body.is_end_stream() {
            return Ok(data);
        }
        // Others are: a frame of one byte may keep the whole buffer that it was received into.
        received.add(&data);
    }
    Ok(received.blocks.concat().into())
}

fn refuse(error: &(dyn std::error::Error + 'static), bytes_max: usize) -> Problem {
    if error.is::<LengthLimitError>() {
        Problem::payload_too_large(bytes_max)
    } else if error.source().is_some_and(<dyn std::error::Error>::is::<NoRoom>) {
        Error::Overloaded.into()
    } else {
        Problem::body_unreadable(&error)
    }
}

/// The largest block of a body that is arriving.
const BLOCK_BYTES: usize = 16 << 10;

/// What has arrived, in blocks. One buffer that grows would take several times the memory, for it moves each time.
#[derive(Default)]
struct Received {
    bytes: usize,
    blocks: Vec<Vec<u8>>,
}

impl Received {
    fn add(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let room = self.blocks.last().map_or(0, |block| block.capacity() - block.len());
            if room == 0 {
                let capacity = self.bytes.max(data.len()).min(BLOCK_BYTES);
                self.blocks.push(Vec::with_capacity(capacity));
                continue;
            }
            let (fits, rest) = data.split_at(room.min(data.len()));
            if let Some(block) = self.blocks.last_mut() {
                block.extend_from_slice(fits);
            }
            self.bytes += fits.len();
            data = rest;
        }
    }
}
