//! Reads request bodies within limits of size, time and memory, and refuses the others.
//!
//! tower-http's limits do not fit: its body timeout restarts with each frame, so a trickling body never times out, and
//! no layer bounds the memory of all bodies together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Problem;
use crate::error::Error;

/// How many bytes all bodies that are still arriving may take together.
const ARRIVING_BYTES_MAX: usize = 256 << 20;

/// The limits of one body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Its largest size, in bytes.
    pub bytes_max: usize,
    /// How long it may take to arrive.
    pub timeout: Duration,
}

/// Reads bodies. Clones share one memory limit.
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
        let mut first = Bytes::new();
        let mut rest = Vec::new();
        let mut permits_held: Option<SemaphorePermit<'_>> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
                true => Problem::payload_too_large(self.limits.bytes_max),
                false => Problem::body_unreadable(&error),
            })?;
            let Ok(data) = frame.into_data() else { continue };
            // Count received bytes, not announced ones: a client that sends nothing must not use up the memory limit.
            let permits = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let permit = self.memory.try_acquire_many(permits).map_err(|_| Error::Overloaded)?;
            match &mut permits_held {
                Some(permits) => permits.merge(permit),
                None => permits_held = Some(permit),
            }
            // Most bodies are one frame, which is not copied.
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
