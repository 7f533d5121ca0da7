//! The metrics of the running service: who counts, and where it is shown.

use std::io;
use std::net::{SocketAddr, TcpListener};

use orders_inventory::http::{self, Clock};
use orders_inventory::store::{self, SqliteStore};
use orders_inventory::telemetry::{self, Counter, Gauge, Recorder, table};

/// Everything that is counted, and the listener that will show it.
pub(crate) struct Telemetry {
    listener: TcpListener,
    recorder: Recorder,
    http: http::Measures,
    connections: Connections,
    pub(crate) store: store::Metrics,
}

impl Telemetry {
    /// Takes the address. Who cannot have it hears so before anything else happens.
    ///
    /// # Errors
    /// The one line that says so.
    pub(crate) fn listen(address: SocketAddr, options: &store::Options) -> Result<Self, String> {
        let listener =
            TcpListener::bind(address).map_err(|error| format!("METRICS_ADDR: cannot listen on {address}: {error}"))?;
        let mut recorder = Recorder::new();
        let http = http::Measures::new(&mut recorder)
            .map_err(|error| format!("the embedded contract cannot be read: {error}"))?;
        let connections = Connections::new(&mut recorder);
        let store = store::Metrics::new(&mut recorder, options);
        Ok(Self {
            listener,
            recorder,
            http,
            connections,
            store,
        })
    }

    /// What counts requests, and what counts connections.
    pub(crate) fn handles(&self) -> (http::Measures, Connections) {
        (self.http.clone(), self.connections.clone())
    }

    /// Shows everything from now on; where.
    ///
    /// # Errors
    /// Where the listener has no address, which one that listens has.
    pub(crate) fn show(self, store: SqliteStore, clock: Clock) -> io::Result<SocketAddr> {
        let Self {
            listener,
            recorder,
            http,
            ..
        } = self;
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

/// What counts connections; by default nothing does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Option<(Gauge, Counter)>);

impl Connections {
    fn new(recorder: &mut Recorder) -> Self {
        let open = recorder.gauge(&table::HTTP_CONNECTIONS_OPEN);
        let refused = recorder.counter(&table::HTTP_CONNECTIONS_REFUSED);
        Self(Some((open, refused)))
    }

    /// One was one too many.
    pub(crate) fn refused(&self) {
        if let Some((_, refused)) = &self.0 {
            refused.inc();
        }
    }

    /// One is open until this future has ended or was given up.
    pub(crate) fn while_open<F: Future>(&self, held: F) -> impl Future<Output = F::Output> + use<F> {
        let open = self.0.as_ref().map(|(open, _)| Open::begin(open.clone()));
        async move {
            let _open = open;
            held.await
        }
    }
}

/// A connection that is open.
struct Open(Gauge);

impl Open {
    fn begin(open: Gauge) -> Self {
        open.inc();
        Self(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
