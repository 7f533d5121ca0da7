//! HTTP/1.1 by hand, for clients that misbehave or are too many for a library.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::process::PATIENCE;

/// A keep-alive connection.
pub(crate) struct Wire(BufReader<TcpStream>);

/// A response.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// The head, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = in_time(TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        in_time(self.0.write_all(bytes)).await
    }

    /// Ends this side's direction (FIN), as a client does that sends no more; responses can still be read.
    pub(crate) async fn half_close(&mut self) -> io::Result<()> {
        in_time(self.0.shutdown()).await
    }

    /// Sends a whole request.
    pub(crate) async fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.send(request.as_bytes()).await
    }

    /// Sends a request and reads the response.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<Got> {
        self.request(method, path, body).await?;
        self.answer().await
    }

    /// Reads the next response.
    pub(crate) async fn answer(&mut self) -> io::Result<Got> {
        in_time(async {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if self.0.read_line(&mut head).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            head.make_ascii_lowercase();
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let mut got = Got {
                status: status.unwrap_or_else(|| panic!("no status: {head:?}")),
                head,
                body: Vec::new(),
            };
            let length = got.header("content-length").and_then(|length| length.parse().ok());
            got.body.resize(length.unwrap_or_default(), 0);
            self.0.read_exact(&mut got.body).await?;
            Ok(got)
        })
        .await
    }

    /// Reads for this long; returns whether the other side has closed the connection.
    pub(crate) async fn take(&mut self, into: &mut Vec<u8>, during: Duration) -> bool {
        let closed = async {
            loop {
                if !matches!(self.0.read_buf(into).await, Ok(1..)) {
                    return;
                }
            }
        };
        tokio::time::timeout(during, closed).await.is_ok()
    }
}

/// The result, or an error after a client's timeout.
async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Raises the limit of open files of this process and its children.
pub(crate) fn allow_files(wanted: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap_or_else(|error| panic!("{wanted} files may not be open: {error}"));
}
