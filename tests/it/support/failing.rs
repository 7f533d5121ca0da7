//! A store that always fails. The real store fails like this only when a disk does.

use orders_inventory::error::Error;
use orders_inventory::http::{self, Clock};
use orders_inventory::store::{Store, Tx, View};

use super::Client;
use super::app::options;

/// Fails with the function's error, or panics if the function does.
#[derive(Clone, Copy)]
struct FailingStore(fn() -> Error);

impl Store for FailingStore {
    async fn read<T, F>(&self, _: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        Err((self.0)())
    }

    async fn scan<T, F>(&self, _: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        Err((self.0)())
    }

    async fn write_then<T, F, A>(&self, _: F, _: A) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        Err((self.0)())
    }

    async fn ready(&self) -> Result<(), Error> {
        Err((self.0)())
    }
}

/// The service with a store that always fails with this error.
pub(crate) fn service(error: fn() -> Error, clock: Clock) -> Client {
    service_with(error, clock, |_| ())
}

/// The same, with other options.
pub(crate) fn service_with(error: fn() -> Error, clock: Clock, change: impl FnOnce(&mut http::Options)) -> Client {
    let mut options = options(clock);
    change(&mut options);
    Client::new(http::router(FailingStore(error), options))
}
