//! The store of whichever backend the settings name.

use super::{Error, PostgresStore, SqliteStore, Store, Tx, View};

/// A store in an SQLite file or in a PostgreSQL database. Clones share it.
#[derive(Clone)]
pub enum AnyStore {
    /// In one file, for one instance.
    Sqlite(SqliteStore),
    /// In a database that several instances share.
    Postgres(PostgresStore),
}

impl AnyStore {
    /// Where the data is, for people: the file, or the hosts and the name of the database.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite(store) => store.path().display().to_string(),
            Self::Postgres(store) => store.place().to_owned(),
        }
    }

    /// Accepts no more work, and returns when all accepted writes are done and answered.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }

    /// Why no write is taken any more, where the database is not where it was when the store was opened.
    pub fn lost(&self) -> Option<String> {
        match self {
            Self::Sqlite(store) => store.lost(),
            Self::Postgres(_) => None,
        }
    }

    /// Sets the gauges of the database, and says whether this instance is the one that also tells how many rows there are of
    /// a kind. It blocks no runtime thread.
    pub async fn measure(&self) -> bool {
        match self {
            Self::Sqlite(store) => {
                super::measure_files(store.path().to_owned()).await;
                true
            }
            Self::Postgres(store) => store.measure().await,
        }
    }
}

impl Store for AnyStore {
    async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        match self {
            Self::Sqlite(store) => store.read(work).await,
            Self::Postgres(store) => store.read(work).await,
        }
    }

    async fn scan<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&dyn View) -> Result<T, Error> + Send + 'static,
    {
        match self {
            Self::Sqlite(store) => store.scan(work).await,
            Self::Postgres(store) => store.scan(work).await,
        }
    }

    async fn write_then<T, F, A>(&self, work: F, then: A) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        match self {
            Self::Sqlite(store) => store.write_then(work, then).await,
            Self::Postgres(store) => store.write_then(work, then).await,
        }
    }

    async fn ready(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.ready().await,
            Self::Postgres(store) => store.ready().await,
        }
    }
}
