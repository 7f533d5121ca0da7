//! The memory that request bodies take while they arrive: bounded for all together, for one client address and for one
//! connection.
//!
//! Received bytes count, announced ones do not, so a client that only announces bodies holds nothing. A body that arrives
//! in one piece is never held, and does not count. No library has such a limit: tower's `ConcurrencyLimit` counts requests,
//! and knows no clients.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};

use super::client;

/// How many bytes all bodies that are still arriving may take together, unless single bodies may be large.
const BYTES_MAX: usize = 64 << 20;
/// Which part of it one client address may take: so many full addresses leave no room for others.
const ADDRESSES: usize = 8;
/// Which part of an address's share one of its connections may take.
const CONNECTIONS: usize = 4;

/// The memory for arriving bodies. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Arriving(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    trusted_proxies: usize,
    taken: Mutex<Taken>,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    all: usize,
    address: usize,
    connection: usize,
}

impl Bounds {
    /// Each bound has room for a body of the largest size.
    fn new(body_bytes_max: usize) -> Self {
        let address = body_bytes_max.max(BYTES_MAX / ADDRESSES);
        Self {
            all: address.saturating_mul(ADDRESSES),
            address,
            connection: body_bytes_max.max(address / CONNECTIONS),
        }
    }

    const fn of(&self, holder: Holder) -> usize {
        match holder {
            Holder::Address(_) => self.address,
            Holder::Connection(_) => self.connection,
        }
    }
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only those who hold something.
    by: HashMap<Holder, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Address(IpAddr),
    Connection(SocketAddr),
}

/// There is no room for more bytes of this client.
#[derive(Debug, thiserror::Error)]
#[error("arriving bodies take too much memory")]
pub(super) struct NoRoom;

impl Arriving {
    pub(super) fn new(body_bytes_max: usize, trusted_proxies: usize) -> Self {
        Self(Arc::new(Shared {
            bounds: Bounds::new(body_bytes_max),
            trusted_proxies,
            taken: Mutex::default(),
        }))
    }

    /// Counts the request's body against its client as it arrives. Reading it fails with [`NoRoom`] where a bound is
    /// exceeded.
    pub(super) fn count(&self, request: Request) -> Request {
        if request.body().is_end_stream() {
            return request;
        }
        let proxies = self.0.trusted_proxies;
        let address = client::address(request.headers(), request.extensions(), proxies);
        // A proxy's connections carry the requests of many clients, so there only addresses count.
        let connection = client::connection(request.extensions()).filter(|_| proxies == 0);
        let share = Share {
            shared: Arc::clone(&self.0),
            holders: [Some(Holder::Address(address)), connection.map(Holder::Connection)],
            bytes: 0,
        };
        request.map(|body| Body::new(CountedBody { body, share }))
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one body takes. It is given back when this is dropped.
#[derive(Debug)]
struct Share {
    shared: Arc<Shared>,
    holders: [Option<Holder>; 2],
    bytes: usize,
}

impl Share {
    /// Takes so many bytes more.
    fn take(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bounds = self.shared.bounds;
        let mut taken = self.shared.taken();
        let has_room =
            |holder: &Holder| taken.by.get(holder).copied().unwrap_or_default() + bytes <= bounds.of(*holder);
        if taken.all + bytes > bounds.all || !self.holders.iter().flatten().all(has_room) {
            return Err(NoRoom);
        }
        taken.all += bytes;
        for holder in self.holders.into_iter().flatten() {
            *taken.by.entry(holder).or_default() += bytes;
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut taken = self.shared.taken();
        taken.all -= self.bytes;
        for holder in self.holders.into_iter().flatten() {
            if let Some(bytes) = taken.by.get_mut(&holder) {
                *bytes -= self.bytes;
                if *bytes == 0 {
                    taken.by.remove(&holder);
                }
            }
        }
    }
}

/// A body whose received bytes count until it is dropped.
struct CountedBody {
    body: Body,
    share: Share,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        if let Some(data) = frame.data_ref().filter(|_| !self.body.is_end_stream()) {
            let bytes = data.len();
            self.share.take(bytes)?;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::ConnectInfo;
    use futures_util::{FutureExt, StreamExt, future, stream};
    use http_body_util::BodyExt;

    use super::*;

    fn share(arriving: &Arriving, address: [u8; 4], connection: Option<u16>) -> Share {
        let peer = |port| Holder::Connection((address, port).into());
        Share {
            shared: Arc::clone(&arriving.0),
            holders: [Some(Holder::Address(address.into())), connection.map(peer)],
            bytes: 0,
        }
    }

    /// Who holds bytes of a request from 192.0.2.1:80 while its body is arriving.
    fn holders(trusted_proxies: usize) -> Vec<Holder> {
        let arriving = Arriving::new(65_536, trusted_proxies);
        let begin = stream::once(future::ready(Ok::<_, axum::Error>("{")));
        let mut request = Request::new(Body::from_stream(begin.chain(stream::pending())));
        let peer = SocketAddr::from(([192, 0, 2, 1], 80));
        request.extensions_mut().insert(ConnectInfo(peer));
        let forwarded = "198.51.100.1".parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", forwarded);
        let mut body = arriving.count(request).into_body();
        assert!(arriving.0.taken().by.is_empty(), "nothing has arrived");
        assert!(body.frame().now_or_never().is_some());
        let taken = arriving.0.taken();
        assert!(
            taken.all == 1 && taken.by.values().all(|bytes| *bytes == 1),
            "{taken:?}"
        );
        taken.by.keys().copied().collect()
    }

    #[test]
    fn bytes_count_for_the_client_and_for_its_connection_where_that_is_its_own() {
        let direct = holders(0);
        assert!(direct.contains(&Holder::Address([192, 0, 2, 1].into())), "{direct:?}");
        assert!(
            direct.contains(&Holder::Connection(([192, 0, 2, 1], 80).into())),
            "{direct:?}"
        );
        assert_eq!(holders(1), [Holder::Address([198, 51, 100, 1].into())]);
    }

    #[test]
    fn an_address_a_connection_and_all_together_have_bounds_and_give_back_what_they_took() {
        let arriving = Arriving::new(65_536, 0);
        let Bounds {
            all,
            address,
            connection,
        } = arriving.0.bounds;
        assert_eq!((all, address, connection), (64 << 20, 8 << 20, 2 << 20));

        let [mut first, mut second] = [0, 0].map(|_| share(&arriving, [192, 0, 2, 1], Some(1)));
        first.take(connection - 1).unwrap();
        second.take(1).unwrap();
        second.take(1).expect_err("the connection has its share");
        let mut others: Vec<_> = (2..=4)
            .map(|port| share(&arriving, [192, 0, 2, 1], Some(port)))
            .collect();
        for other in &mut others {
            other.take(connection).unwrap();
        }
        let mut fifth = share(&arriving, [192, 0, 2, 1], Some(5));
        fifth.take(1).expect_err("the address has its share");

        // Those of other addresses are not affected until everything is taken.
        let mut full: Vec<_> = (2..=8).map(|last| share(&arriving, [192, 0, 2, last], None)).collect();
        for one in &mut full {
            one.take(address).unwrap();
        }
        let mut late = share(&arriving, [192, 0, 2, 9], None);
        late.take(1).expect_err("everything is taken");
        drop(full);
        late.take(address).unwrap();
        drop((first, second, others));
        fifth.take(connection).unwrap();
        drop((fifth, late));
        let taken = arriving.0.taken();
        assert!(taken.all == 0 && taken.by.is_empty(), "{taken:?}");
    }

    #[test]
    fn a_body_of_the_largest_size_fits_into_each_bound() {
        let arriving = Arriving::new(16 << 20, 0);
        share(&arriving, [192, 0, 2, 1], Some(1)).take(16 << 20).unwrap();
        assert_eq!(arriving.0.bounds.all, 128 << 20);
    }
}
