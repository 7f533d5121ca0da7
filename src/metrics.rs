//! The metrics of the running service: who counts, and where it is shown.

use std::io;
use std::net::{SocketAddr, TcpListener};

use axum_server::Handle;
use orders_inventory::http::{self, Clock};
use orders_inventory::store::{self, SqliteStore};
use orders_inventory::telemetry::{self, Recorder, table};

/// Everything that is counted, and the listener that will show it.
pub(crate) struct Telemetry {
    listener: TcpListener,
    recorder: Recorder,
    pub(crate) http: http::Measures,
    pub(crate) store: store::Measures,
}

impl Telemetry {
    /// Takes the address. Who cannot have it hears so before anything else happens.
    ///
    /// # Errors
    /// The one line that says so.
    pub(crate) fn listen(address: SocketAddr, options: &store::Options) -> Result<Self, String> {
        let failed = |error: &dyn std::error::Error| format!("METRICS_ADDR: cannot listen on {address}: {error}");
        let listener = TcpListener::bind(address).map_err(|error| failed(&error))?;
        let mut recorder = Recorder::new();
        let http = http::Measures::new(&mut recorder).map_err(|error| format!("the contract is none: {error}"))?;
        let store = store::Measures::new(&mut recorder, options);
        Ok(Self {
            listener,
            recorder,
            http,
            store,
        })
    }

    /// Shows everything from now on; where.
    ///
    /// # Errors
    /// Where the listener has no address, which one that listens has.
    pub(crate) fn show(self, store: SqliteStore, clock: Clock, handle: Handle<SocketAddr>) -> io::Result<SocketAddr> {
        let Self {
            listener,
            mut recorder,
            http,
            store: _,
        } = self;
        let connections = move || u32::try_from(handle.connection_count()).ok().map(f64::from);
        recorder.asked(&table::HTTP_CONNECTIONS_OPEN, connections);
        let address = listener.local_addr()?;
        let refresh = move || {
            let (http, store, now) = (http.clone(), store.clone(), clock.now());
            async move { http.refresh(&store, now).await }
        };
        tokio::spawn(async move {
            if let Err(error) = telemetry::serve(listener, recorder, refresh).await {
                tracing::error!(%error, "the metrics listener failed");
            }
        });
        Ok(address)
    }
}
