//! A TCP proxy that breaks connections to PostgreSQL in the ways of networks and servers. The tests in `src/` include this file.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// What becomes of bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "not every test crate that includes this file needs each")]
pub(crate) enum Mode {
    /// All goes through.
    Passes,
    /// Connections are accepted, and nothing goes through. What was sent meanwhile does so later.
    IsSilent,
    /// The server gets all, and none of its answers goes through. What it said meanwhile does so later.
    IsDeaf,
    /// Connections are closed, also new ones.
    Cuts,
    /// A connection that commits is closed before the server knows of it.
    CutsBeforeCommits,
    /// A connection that commits is closed when the server has answered.
    CutsAfterCommits,
    /// The server's answer to a commit goes through later.
    HangsAtCommits,
    /// Before the server's answer to a commit comes a message of this severity and code.
    SaysAtCommits(&'static str, &'static str),
}

impl Mode {
    /// Whether the server gets what the client says.
    fn is_heard(self) -> bool {
        !matches!(self, Self::IsSilent | Self::Cuts)
    }

    /// Whether the client gets what the server says.
    fn is_told(self) -> bool {
        !matches!(self, Self::IsSilent | Self::IsDeaf | Self::Cuts)
    }
}

/// A commit on its way to the server: the end of a simple query.
const COMMIT: &[u8] = b"COMMIT\0";
/// The server's answer to it: `CommandComplete`.
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";

/// It ends when this is dropped. It has threads of its own, so that tests may block theirs.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// How many commits it has kept from going through.
    broken: watch::Receiver<usize>,
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
        let (breaks, broken) = watch::channel(0);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server, modes.clone(), breaks.clone()));
            }
        });
        Self {
            address,
            mode,
            broken,
            runtime: Some(runtime),
        }
    }

    /// From now on, for all connections.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Closes all connections; new ones go through.
    #[allow(dead_code, reason = "not every test crate that includes this file needs it")]
    pub(crate) async fn cut(&self) {
        self.set(Mode::Cuts);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.set(Mode::Passes);
    }

    /// Is in this mode until a commit did not go through because of it, and then lets all through.
    pub(crate) async fn break_commit(&self, mode: Mode) {
        let mut broken = self.broken.clone();
        let before = *broken.borrow_and_update();
        self.set(mode);
        broken.wait_for(|broken| *broken > before).await.unwrap();
        self.set(Mode::Passes);
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
async fn serve(client: TcpStream, server: SocketAddr, mut modes: watch::Receiver<Mode>, breaks: watch::Sender<usize>) {
    let mut cut = modes.clone();
    let through = async {
        if modes.wait_for(|mode| mode.is_heard()).await.is_err() {
            return;
        }
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        let (client_in, client_out) = client.into_split();
        let (server_in, server_out) = server.into_split();
        tokio::select! {
            () = to_server(client_in, server_out, modes.clone(), &breaks) => {}
            () = to_client(server_in, client_out, modes.clone(), &breaks) => {}
        }
    };
    tokio::select! {
        () = through => {}
        _ = cut.wait_for(|mode| *mode == Mode::Cuts) => {}
    }
}

/// Copies what the client says.
async fn to_server(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut modes: watch::Receiver<Mode>,
    breaks: &watch::Sender<usize>,
) {
    let mut bytes = vec![0; 256 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let said = &bytes[..count];
        let Ok(mode) = modes.wait_for(|mode| mode.is_heard()).await.map(|mode| *mode) else {
            break;
        };
        if mode == Mode::CutsBeforeCommits && find(said, COMMIT).is_some() {
            breaks.send_modify(|broken| *broken += 1);
            break;
        }
        if to.write_all(said).await.is_err() {
            break;
        }
    }
}

/// Copies what the server says.
async fn to_client(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut modes: watch::Receiver<Mode>,
    breaks: &watch::Sender<usize>,
) {
    let mut bytes = vec![0; 256 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let mut said = bytes[..count].to_vec();
        let Ok(mode) = modes.wait_for(|mode| mode.is_told()).await.map(|mode| *mode) else {
            break;
        };
        if let Some(place) = find(&said, COMMITTED) {
            match mode {
                Mode::CutsAfterCommits => {
                    breaks.send_modify(|broken| *broken += 1);
                    break;
                }
                Mode::HangsAtCommits => {
                    breaks.send_modify(|broken| *broken += 1);
                    let _ = modes.wait_for(|mode| *mode != Mode::HangsAtCommits).await;
                }
                Mode::SaysAtCommits(severity, code) => {
                    said.splice(place..place, message(severity, code));
                    breaks.send_modify(|broken| *broken += 1);
                }
                Mode::Passes | Mode::IsSilent | Mode::IsDeaf | Mode::Cuts | Mode::CutsBeforeCommits => {}
            }
        }
        if to.write_all(&said).await.is_err() {
            break;
        }
    }
}

/// Where these bytes begin, which are never split: a transaction's last messages are few.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A message of the server, as its protocol has it: `NoticeResponse` or `ErrorResponse`.
fn message(severity: &str, code: &str) -> Vec<u8> {
    let kind = if severity == "WARNING" { b'N' } else { b'E' };
    let fields = format!("S{severity}\0V{severity}\0C{code}\0Mof the test\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), fields.as_bytes()].concat()
}

/// The address of the server in the URL of a database.
pub(crate) fn address_of(url: &str) -> SocketAddr {
    let after_user = url.rsplit_once('@').expect("a user in the URL").1;
    let address = after_user.split(['/', '?']).next().expect("a part");
    address.parse().expect("an address in the URL")
}

/// The same URL at another address.
pub(crate) fn at(url: &str, address: SocketAddr) -> String {
    url.replacen(&address_of(url).to_string(), &address.to_string(), 1)
}
