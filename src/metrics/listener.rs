//! The listener for metrics. It has its own address, so that metrics are never public.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

use super::Recorder;

/// How long a refresh may take; after that the last known values are served.
const REFRESH_WAIT: Duration = Duration::from_secs(2);

/// Serves the metrics at `/metrics` of this listener, for as long as the future is polled. Each scrape runs `refresh`
/// first, for values that must be looked up. Slow clients are not limited: only the operator's network reaches it.
///
/// # Errors
/// Where the listener fails.
pub async fn serve<F, R>(listener: TcpListener, recorder: Recorder, refresh: F) -> io::Result<()>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send,
{
    let recorder = Arc::new(recorder);
    let scrape = async move |State(recorder): State<Arc<Recorder>>| {
        // A hanging store must not hide the metrics that show it hanging.
        let _ = tokio::time::timeout(REFRESH_WAIT, refresh()).await;
        text(recorder).await
    };
    let router = Router::new().route("/metrics", get(scrape)).with_state(recorder);
    listener.set_nonblocking(true)?;
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

async fn text(recorder: Arc<Recorder>) -> Response {
    // File sizes come from system calls that may block.
    let text = tokio::task::spawn_blocking(move || recorder.text()).await;
    match text {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "the metrics could not be written");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
