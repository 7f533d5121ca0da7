//! One TCP connection for one case: everything is sent, then everything that comes back is read.

use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::oracle::{Came, End};

/// How long one case may take; above all timeouts of the service.
const CASE_MAX: Duration = Duration::from_secs(30);

/// Sends these bytes, says that no more will come, and reads until the service closes the connection.
///
/// # Errors
/// Where no connection can be opened.
pub(crate) fn exchange(address: SocketAddr, sent: &[u8]) -> io::Result<Came> {
    let until = Instant::now() + CASE_MAX;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(CASE_MAX))?;
    // An error here means that the service closed the connection; what it answered before can still be read.
    let _ = stream.write_all(sent).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Came { bytes, end: End::Open });
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => {
                return Ok(Came {
                    bytes,
                    end: End::Closed,
                });
            }
            Ok(length) => bytes.extend(buffer.iter().take(length)),
            Err(error) if error.kind() == Interrupted => {}
            Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => return Ok(Came { bytes, end: End::Open }),
            Err(_) => return Ok(Came { bytes, end: End::Reset }),
        }
    }
}
