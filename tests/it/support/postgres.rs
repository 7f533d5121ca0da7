//! Databases for tests on the PostgreSQL server of `make check-postgres`. The tests in `src/` include this file.

use std::env;

use tokio_postgres::{NoTls, SimpleQueryMessage};
use uuid::Uuid;

/// Whether the tests that can run over either backend are to run over PostgreSQL: `TEST_BACKEND` says so.
pub(crate) fn is_chosen() -> bool {
    env::var("TEST_BACKEND").is_ok_and(|backend| backend == "postgres")
}

/// The URL of a new, empty database. It is dropped with the server.
pub(crate) async fn new_database() -> String {
    let name = format!("test_{}", Uuid::now_v7().simple());
    admin(&format!("CREATE DATABASE {name} OWNER shop TEMPLATE template0")).await;
    with_database(&variable("TEST_POSTGRES_URL"), &name)
}

/// Runs statements as the superuser, outside of any transaction.
pub(crate) async fn admin(sql: &str) {
    run(&variable("TEST_POSTGRES_ADMIN_URL"), sql).await;
}

/// Runs statements in this database, as the role of its URL.
pub(crate) async fn run(url: &str, sql: &str) {
    rows(url, sql).await;
}

/// The same URL with another database.
pub(crate) fn with_database(url: &str, name: &str) -> String {
    let (server, rest) = url.rsplit_once('/').expect("a database in the URL");
    let options = rest.split_once('?').map_or("", |(_, options)| options);
    format!("{server}/{name}?{options}")
}

/// The name of the database in a URL.
#[allow(dead_code, reason = "not every test crate that includes this file needs it")]
pub(crate) fn database_of(url: &str) -> &str {
    let (_, name) = url.rsplit_once('/').expect("a database in the URL");
    name.split('?').next().expect("a part")
}

/// The number that this SQL gives in this database.
#[allow(dead_code, reason = "not every test crate that includes this file counts")]
pub(crate) async fn count(url: &str, sql: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a database");
    let connection = tokio::spawn(connection);
    let row = client.query_one(sql, &[]).await.expect("a number");
    connection.abort();
    row.get(0)
}

/// Runs statements in this database, as the role of its URL, and returns the rows of all of them as texts.
pub(crate) async fn rows(url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a database");
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    connection.abort();
    let mut rows = Vec::new();
    for message in &messages {
        if let SimpleQueryMessage::Row(row) = message {
            rows.push((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect());
        }
    }
    rows
}

/// A variable of `server.py`.
pub(crate) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is set by make check-postgres"))
}
