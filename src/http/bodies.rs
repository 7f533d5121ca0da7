//! Reading request bodies: whole, within their limits of size, time and memory, or not at all.
//!
//! tower-http's limits do not fit: its body timeout starts anew with each frame, so a body that trickles never ends, and
//! none of its layers bounds what all bodies hold together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Problem;
use crate::error::Error;

/// How many bytes of bodies that are still arriving may be held at once.
const ARRIVING_BYTES_MAX: usize = 256 << 20;

/// What a body may take.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Its size, in bytes.
    pub bytes_max: usize,
    /// How long it may take to arrive.
    pub timeout: Duration,
}

/// Reads bodies. Clones share the memory that these may take.
#[derive(Clone, Debug)]
pub(super) struct BodyReader {
    limits: BodyLimits,
    memory: Arc<Semaphore>,
}

impl BodyReader {
    pub(super) fn new(limits: BodyLimits) -> Self {
        Self {
            limits,
            memory: Arc::new(Semaphore::new(ARRIVING_BYTES_MAX)),
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// `payload-too-large`, `request-timeout`, `malformed-json` for a body that broke off, and `overloaded` where bodies
    /// that are arriving hold too much memory.
    pub(super) async fn read(&self, body: Body) -> Result<Bytes, Problem> {
        let BodyLimits { bytes_max, timeout } = self.limits;
        // One that announces too much is refused before it is sent.
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
        let mut first = Bytes::new();
        let mut rest = Vec::new();
        let mut held: Option<SemaphorePermit<'_>> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
                true => Problem::payload_too_large(self.limits.bytes_max),
                false => Problem::body_unreadable(&error),
            })?;
            let Ok(data) = frame.into_data() else { continue };
            // Counted as it comes, not as it is announced: what is not sent takes no memory from anybody.
            let permits = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let permit = self.memory.try_acquire_many(permits).map_err(|_| Error::Overloaded)?;
            match &mut held {
                Some(held) => held.merge(permit),
                None => held = Some(permit),
            }
            // Most bodies are one frame, which needs no copy.
            if first.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&data);
            }
        }
        if rest.is_empty() {
            return Ok(first);
        }
        rest.splice(0..0, first);
        Ok(rest.into())
    }
}
