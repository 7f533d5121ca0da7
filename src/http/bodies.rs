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

    /// Reads the whole body.
    ///
    /// # Errors
    /// `payload-too-large`, `request-timeout`, `malformed-json` for a body that broke off, and `overloaded` where
    /// arriving bodies take too much memory.
    pub(super) async fn read(&self, body: Body) -> Result<Bytes, Problem> {
        let BodyLimits { bytes_max, timeout } = self.limits;
        // A Content-Length above the limit is refused before the body is read.
        if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > bytes_max) {
            return Err(Problem::payload_too_large(bytes_max));
        }
        match tokio::time::timeout(timeout, self.collect(body)).await {
            Ok(body) => body,
            Err(_) => Err(Problem::request_timeout(timeout)),
        }
    }

    async fn collect(&self, body: Body) -> Result<Bytes, Problem> {
        let mut body = Limited::new(body, self.limits.bytes_max);
        let mut received = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.refuse(error.as_ref()))?;
            let Ok(data) = frame.into_data() else { continue };
            // Most bodies are one frame, which is not copied.
            if received.is_empty() && body.is_end_stream() {
                return Ok(data);
            }
            // Others are: a frame of one byte may keep the whole buffer that it was received into.
            if received.capacity() - received.len() < data.len() {
                // Not doubled, so that what is allocated is little more than what counts as received.
                received.reserve_exact(data.len().max(received.len() / 4));
            }
            received.extend_from_slice(&data);
        }
        Ok(received.into())
    }

    fn refuse(&self, error: &(dyn std::error::Error + 'static)) -> Problem {
        if error.is::<LengthLimitError>() {
            Problem::payload_too_large(self.limits.bytes_max)
        } else if error.source().is_some_and(<dyn std::error::Error>::is::<NoRoom>) {
            Error::Overloaded.into()
        } else {
            Problem::body_unreadable(&error)
        }
    }
}
