//! A store that fails as it is told. The real one fails like this only where a disk does.

use orders_inventory::error::Error;
use orders_inventory::http::{self, Clock};
use orders_inventory::store::{Store, Tx, View};

use super::Client;
use super::app::options;

/// Does nothing but fail; a function that panics makes it panic.
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

    async fn write<T, F>(&self, _: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
    {
        Err((self.0)())
    }

    async fn ready(&self) -> Result<(), Error> {
        Err((self.0)())
    }
}

/// The service over a store that always fails like this.
pub(crate) fn service(error: fn() -> Error, clock: Clock) -> Client {
    Client::new(http::router(FailingStore(error), options(clock)))
}
