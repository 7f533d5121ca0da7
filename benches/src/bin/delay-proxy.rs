//! A proxy on 127.0.0.1 that makes a server look far away: what the server sends arrives later, by a fixed time, so each
//! round trip takes that much longer. It delays nothing else: a longer time is no lower rate.
//!
//! Prints its port. It holds what is on its way in memory without a bound, which is little where clients wait for answers.

use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use orders_inventory_benches::Failure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

#[derive(Parser)]
struct Options {
    /// The server's port, on 127.0.0.1
    port: u16,
    /// How much longer a round trip takes, in microseconds
    #[arg(long)]
    added_us: u64,
}

const BUFFER_BYTES: usize = 64 * 1024;

/// What is on its way to a client.
struct Held {
    until: Instant,
    bytes: Vec<u8>,
    client: UnboundedSender<Vec<u8>>,
}

/// Hands on what is due. All have the same delay, so the first to come is the first to go. A thread, since the timer of an
/// async runtime counts in whole milliseconds.
fn hand_on(held: &mpsc::Receiver<Held>) {
    while let Ok(Held { until, bytes, client }) = held.recv() {
        thread::sleep(until.saturating_duration_since(Instant::now()));
        // A client that has left needs no answer.
        let _ = client.send(bytes);
    }
}

/// Connects a client with the server until either leaves.
async fn connect(client: TcpStream, options: &Options, hold: mpsc::Sender<Held>) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, options.port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (give, mut due) = unbounded_channel::<Vec<u8>>();
    let added = Duration::from_micros(options.added_us);
    let there = async {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = from_client.read(&mut buffer).await?;
            if count == 0 {
                return to_server.shutdown().await;
            }
            to_server.write_all(&buffer[..count]).await?;
        }
    };
    let back = async move {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = from_server.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            let held = Held {
                until: Instant::now() + added,
                bytes: buffer[..count].to_vec(),
                client: give.clone(),
            };
            hold.send(held)
                .map_err(|_| std::io::Error::other("the thread that hands on has ended"))?;
        }
    };
    let out = async {
        while let Some(bytes) = due.recv().await {
            to_client.write_all(&bytes).await?;
        }
        to_client.shutdown().await
    };
    tokio::try_join!(there, back, out).map(|_| ())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options: &'static Options = Box::leak(Box::new(Options::parse()));
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let (hold, held) = mpsc::channel();
    thread::spawn(move || hand_on(&held));
    loop {
        let (client, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => return Ok(()),
        };
        let hold = hold.clone();
        tokio::spawn(async move {
            if let Err(error) = connect(client, options, hold).await {
                eprintln!("{error}");
            }
        });
    }
}
