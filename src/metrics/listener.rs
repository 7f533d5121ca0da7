//! The listener that shows the metrics, apart from the service's own, so that they are never public.

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

/// How long what has to be looked up may take; then what was known before is shown.
const REFRESH_WAIT: Duration = Duration::from_secs(2);

/// Shows everything at `/metrics` of this listener, for as long as the future is polled. `refresh` is done before each
/// look, for what has to be looked up. It takes no care of slow clients, for nobody but the operator's own can reach it.
///
/// # Errors
/// Where the listener fails.
pub async fn serve<F, R>(listener: TcpListener, recorder: Recorder, refresh: F) -> io::Result<()>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send,
{
    let recorder = Arc::new(recorder);
    let look = async move |State(recorder): State<Arc<Recorder>>| {
        // A store that does not answer must not hide that it does not.
        let _ = tokio::time::timeout(REFRESH_WAIT, refresh()).await;
        text(recorder).await
    };
    let router = Router::new().route("/metrics", get(look)).with_state(recorder);
    listener.set_nonblocking(true)?;
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

async fn text(recorder: Arc<Recorder>) -> Response {
    // The sizes of files are asked of the system, which may be slow to answer.
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
