//! The listener for metrics. It has its own address, so that metrics are never public.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use metrics_process::Collector;

use super::install_recorder;

/// Prometheus' text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long a refresh may take; after that the last known values are served.
const REFRESH_WAIT: Duration = Duration::from_secs(2);

/// How often observed durations are sorted into buckets. Until then the recorder keeps each of them.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// The recorder of this process and a listener for its metrics.
#[derive(Debug)]
pub struct Exporter {
    listener: TcpListener,
    recorder: PrometheusHandle,
}

impl Exporter {
    /// Binds the address and installs the recorder. From here on the process counts.
    ///
    /// # Errors
    /// Where the address cannot be bound, or the process has a recorder already.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let recorder = install_recorder().map_err(io::Error::other)?;
        Ok(Self { listener, recorder })
    }

    /// The listener's address.
    ///
    /// # Errors
    /// Where the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves the metrics at `/metrics`, for as long as the future is polled. Each scrape runs `refresh` first, for
    /// values that must be looked up. Slow clients are not limited: only the operator's network reaches the listener.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn serve<F, R>(self, refresh: F) -> io::Result<()>
    where
        F: Fn() -> R + Clone + Send + Sync + 'static,
        R: Future<Output = ()> + Send,
    {
        let Self { listener, recorder } = self;
        let rendered = recorder.clone();
        let scrape = async move || {
            // A hanging store must not hide the metrics that show it hanging.
            let _ = tokio::time::timeout(REFRESH_WAIT, refresh()).await;
            Collector::default().collect();
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], rendered.render())
        };
        let router = Router::new().route("/metrics", get(scrape));
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP_PERIOD).await;
                recorder.run_upkeep();
            }
        };
        tokio::select! {
            served = axum::serve(tokio::net::TcpListener::from_std(listener)?, router).into_future() => served,
            () = upkeep => Ok(()),
        }
    }
}
