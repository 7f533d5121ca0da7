//! A TCP proxy that breaks connections in every way a network or a server does.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// What becomes of bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All goes through.
    Passes,
    /// Connections are accepted, and nothing goes through. What was sent meanwhile does so later.
    IsSilent,
    /// The server gets all, and none of its answers goes through. What it said meanwhile does so later.
    IsDeaf,
    /// As `IsDeaf`, for each connection from the moment that it commits.
    LosesCommits,
    /// Connections are closed, also new ones.
    Cuts,
    /// As `Cuts`, for each connection at the moment that it commits, and before the server knows.
    CutsBeforeCommits,
}

impl Mode {
    /// Whether the server gets what the client says.
    const fn is_heard(self) -> bool {
        match self {
            Self::Passes | Self::IsDeaf | Self::LosesCommits | Self::CutsBeforeCommits => true,
            Self::IsSilent | Self::Cuts => false,
        }
    }
}

/// How a commit reads on its way to the server.
const COMMIT: &[u8] = b"COMMIT\0";

/// It ends when this is dropped. It has threads of its own, so that tests may block theirs.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Counts up when all connections of before are to be closed.
    generation: watch::Sender<u64>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// A proxy of this server.
    pub(crate) fn of(server: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (mode, modes) = watch::channel(Mode::Passes);
        let (generation, generations) = watch::channel(0);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server, modes.clone(), generations.clone()));
            }
        });
        Self {
            address,
            mode,
            generation,
            runtime: Some(runtime),
        }
    }

    /// From now on, for all connections.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Closes all connections that there are; new ones are in this mode.
    pub(crate) fn cut_then(&self, mode: Mode) {
        self.mode.send_replace(mode);
        self.generation.send_modify(|generation| *generation += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A runtime cannot wait for its end within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One connection, until one side closes it or it is cut.
async fn serve(
    client: TcpStream,
    server: SocketAddr,
    modes: watch::Receiver<Mode>,
    mut generations: watch::Receiver<u64>,
) {
    generations.borrow_and_update();
    let mut cut = modes.clone();
    let through = async {
        if modes.clone().wait_for(|mode| mode.is_heard()).await.is_err() {
            return;
        }
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        let (client_in, client_out) = client.into_split();
        let (server_in, server_out) = server.into_split();
        let (committed, has_committed) = watch::channel(false);
        tokio::select! {
            () = to_server(client_in, server_out, modes.clone(), committed) => {}
            () = to_client(server_in, client_out, modes.clone(), has_committed) => {}
        }
    };
    tokio::select! {
        () = through => {}
        _ = cut.wait_for(|mode| *mode == Mode::Cuts) => {}
        _ = generations.changed() => {}
    }
}

/// Copies what the client says, and tells where it commits.
async fn to_server(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut modes: watch::Receiver<Mode>,
    committed: watch::Sender<bool>,
) {
    let mut bytes = vec![0; 256 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let Ok(mode) = modes.wait_for(|mode| mode.is_heard()).await.map(|mode| *mode) else {
            break;
        };
        if bytes[..count].windows(COMMIT.len()).any(|window| window == COMMIT) {
            match mode {
                Mode::CutsBeforeCommits => break,
                Mode::LosesCommits => drop(committed.send_replace(true)),
                Mode::Passes | Mode::IsDeaf | Mode::IsSilent | Mode::Cuts => {}
            }
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
}

/// Copies what the server says.
async fn to_client(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut modes: watch::Receiver<Mode>,
    has_committed: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let goes_through = |mode: &Mode| match mode {
            Mode::Passes | Mode::CutsBeforeCommits => true,
            Mode::LosesCommits => !*has_committed.borrow(),
            Mode::IsSilent | Mode::IsDeaf | Mode::Cuts => false,
        };
        if modes.wait_for(goes_through).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
}

/// The address of the server in the URL of a database.
pub(crate) fn address_of(url: &str) -> SocketAddr {
    let after_user = url.rsplit_once('@').expect("a user in the URL").1;
    let address = after_user.split(['/', '?']).next().expect("a part");
    address.parse().expect("an address in the URL")
}
