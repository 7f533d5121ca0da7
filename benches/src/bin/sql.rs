//! Runs statements in a PostgreSQL database, and prints the rows of all of them as a JSON array of arrays of texts.

use clap::Parser;
use orders_inventory_benches::{Failure, postgres};
use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;

#[derive(Parser)]
struct Options {
    /// The database
    url: String,
    /// The statements, each of which is sent by itself
    statements: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let client = postgres::connect(&options.url).await?;
    let mut rows = Vec::new();
    for statement in &options.statements {
        for message in client.simple_query(statement).await? {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push(
                    (0..row.len())
                        .map(|column| row.get(column).map(Value::from))
                        .collect::<Vec<_>>(),
                );
            }
        }
    }
    println!("{}", serde_json::to_string(&rows)?);
    Ok(())
}
