//! The ceiling of HTTP: the service's routes on the same server library and allocator, with constant responses. Bodies
//! and headers come from a file that was recorded from the service. Each core has a single-threaded runtime with its
//! own connections; since nothing is shared, this is faster than one runtime for all cores.
//!
//! It reads a request's body and ignores it. It writes no log, checks no key, and has no limits.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io, thread};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::serve::Listener;
use clap::Parser;
use mimalloc::MiMalloc;
use orders_inventory_benches::Failure;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Parser)]
struct Options {
    /// The responses: a JSON array of objects with method, route, status, headers and body
    answers: PathBuf,
    /// The port to listen on, at 127.0.0.1
    #[arg(long, env)]
    port: u16,
}

/// The response of one route.
#[derive(Deserialize)]
struct Answer {
    method: String,
    route: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// The same, ready to send.
struct Constant {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Constant {
    fn new(answer: &Answer) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in &answer.headers {
            headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        Ok(Self {
            status: StatusCode::from_u16(answer.status)?,
            headers,
            body: Bytes::from(answer.body.clone()),
        })
    }

    fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response
    }
}

fn route(answer: &Answer) -> Result<MethodRouter, Failure> {
    let method: Method = answer.method.parse()?;
    let filter = MethodFilter::try_from(method.clone())?;
    let constant = Arc::new(Constant::new(answer)?);
    Ok(if method == Method::POST {
        on(filter, async move |_: Bytes| constant.response())
    } else {
        on(filter, async move || constant.response())
    })
}

/// The connections that a thread receives from the main thread.
struct Received {
    address: SocketAddr,
    connections: UnboundedReceiver<std::net::TcpStream>,
}

impl Listener for Received {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        while let Some(connection) = self.connections.recv().await {
            if let Ok(connection) = TcpStream::from_std(connection) {
                return (connection, self.address);
            }
        }
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Starts a thread that serves the connections sent to it.
fn serving(address: SocketAddr, router: Router) -> io::Result<UnboundedSender<std::net::TcpStream>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (give, connections) = unbounded_channel();
    let given = Received { address, connections };
    thread::spawn(move || runtime.block_on(axum::serve(given, router).into_future()));
    Ok(give)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let Options { answers, port } = Options::parse();
    let answers: Vec<Answer> = serde_json::from_slice(&fs::read(answers)?)?;
    let mut router = Router::new();
    for answer in &answers {
        router = router.route(&answer.route, route(answer)?);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    let count = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = (0..count)
        .map(|_| serving(address, router.clone()))
        .collect::<io::Result<Vec<_>>>()?;
    // Round robin balances the threads: all connections of a load open and close together.
    for give in threads.iter().cycle() {
        let (connection, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => break,
        };
        // As in the service: Nagle's algorithm would delay responses.
        let _ = connection.set_nodelay(true);
        give.send(connection.into_std()?)?;
    }
    Ok(())
}
