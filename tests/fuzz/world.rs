//! The service that is fuzzed: the binary over a fresh database, with products and orders whose ids are always the same.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::contract::Contract;
use crate::oracle::{Came, judge};
use crate::pieces::Request;
use crate::process::{self, Server};
use crate::signing::{SIGNED, fill};
use crate::wire::exchange;

pub(crate) const API_KEY: &str = "fuzz-key";
pub(crate) const SECRET: &str = "fuzz-secret";
pub(crate) const STRIPE_SECRET: &str = "fuzz-stripe-secret";
/// There are products and orders with the ids from 1 to this, until a case deletes one.
pub(crate) const IDS: u32 = 12;

/// How long the audit may take.
const AUDIT_MAX: Duration = Duration::from_secs(60);

/// A running service.
pub(crate) struct World {
    server: Server,
    database: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    /// Starts the service, and fills it with orders in every status.
    ///
    /// # Errors
    /// Where the service does not take what is right.
    pub(crate) fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let database = folder.path().join("shop.db");
        let mut command = process::command(&database);
        command
            .env("API_KEYS", format!("some-other-key,{API_KEY}"))
            .env("WEBHOOK_SECRET", SECRET)
            .env("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET)
            .env("CURRENCY", "EUR")
            .env("LOG_FORMAT", "json")
            .env("RUST_LOG", "warn");
        let world = Self {
            server: Server::start(&mut command),
            database,
            _folder: folder,
        };
        world.fill()?;
        Ok(world)
    }

    fn fill(&self) -> Result<(), String> {
        for id in 1..=IDS {
            let product = json!({"sku": format!("SKU-{id}"), "name": "Mug", "price": 2.5, "stock": 1000});
            self.set_up("POST", "/products", &product)?;
        }
        for id in 1..=IDS {
            self.set_up("POST", "/orders", &json!({"product_id": id, "quantity": 2}))?;
            let (path, event) = (format!("/orders/{id}"), format!("set-up-{id}"));
            let paid = json!({"id": event, "type": "payment.succeeded", "data": {"order_id": id, "payment_id": "a"}});
            match id {
                5..=8 => self.set_up("POST", "/webhooks/payment", &paid)?,
                9..=11 => self.set_up("PUT", &path, &json!({"status": "CANCELED"}))?,
                _ => {}
            }
            match id {
                8 => self.set_up("PUT", &path, &json!({"status": "SHIPPED"}))?,
                // The money for a canceled order is owed back.
                11 => self.set_up("POST", "/webhooks/payment", &paid)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn set_up(&self, method: &str, target: &str, body: &Value) -> Result<(), String> {
        let header = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let request = Request {
            method: method.into(),
            target: target.into(),
            headers: vec![
                header("X-API-Key", API_KEY),
                header("X-Webhook-Signature", SIGNED),
                header("Content-Type", "application/json"),
            ],
            body: body.to_string().into_bytes(),
            is_chunked: false,
        };
        let case = request.into_bytes();
        let (sent, came) = self.send(&case)?;
        match came.bytes.starts_with(b"HTTP/1.1 20") {
            true => Ok(()),
            false => Err(format!("the set-up failed: {}", describe(&sent, &came))),
        }
    }

    /// Sends a case and judges what comes back; returns the status of every answer.
    ///
    /// # Errors
    /// What is wrong, and the bytes of both directions.
    pub(crate) fn try_case(&self, case: &[u8]) -> Result<Vec<u16>, String> {
        let (sent, came) = self.send(case)?;
        let judged = judge(Contract::of_the_service(), &sent, &came);
        judged.map_err(|why| format!("{why}\n{}", describe(&sent, &came)))
    }

    fn send(&self, case: &[u8]) -> Result<(Vec<u8>, Came), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let sent = fill(case, now.as_secs());
        let came = exchange(self.server.address, &sent);
        let came = came.map_err(|error| format!("the service cannot be reached: {error}"))?;
        Ok((sent, came))
    }

    /// Audits the books, stops the service, and looks into its log.
    ///
    /// # Errors
    /// Where the books do not add up, the process did not end well, or its log has an error.
    pub(crate) fn finish(self) -> Result<(), String> {
        let audit = process::run(process::command(&self.database).arg("audit"), AUDIT_MAX);
        if !audit.status.success() {
            let (out, err) = (
                String::from_utf8_lossy(&audit.stdout),
                String::from_utf8_lossy(&audit.stderr),
            );
            return Err(format!("the audit ended with {}: {out}{err}", audit.status));
        }
        self.server.signal(Signal::TERM);
        let log = self.server.rest_of_log();
        let ended = self.server.ended();
        if !ended.success() {
            return Err(format!("the service ended with {ended}: {log:?}"));
        }
        log.iter()
            .find(|line| is_fault(line))
            .map_or(Ok(()), |line| Err(format!("in the log: {line}")))
    }
}

/// Whether a line of the log speaks of something that no caller should be able to cause. Warnings are about callers.
fn is_fault(line: &str) -> bool {
    let parsed: Value = serde_json::from_str(line).unwrap_or_default();
    !matches!(parsed["level"].as_str(), Some("WARN" | "INFO")) || line.contains("panic")
}

fn describe(sent: &[u8], came: &Came) -> String {
    let end = came.end;
    format!(
        "sent: {}\ncame: {} ({end:?})",
        sent.escape_ascii(),
        came.bytes.escape_ascii()
    )
}

#[test]
fn an_error_or_a_panic_in_the_log_is_a_finding() {
    assert!(!is_fault(
        r#"{"level":"WARN","fields":{"message":"a webhook was refused"}}"#
    ));
    assert!(!is_fault(r#"{"level":"INFO","fields":{"message":"stopped"}}"#));
    assert!(is_fault(r#"{"level":"ERROR","fields":{"message":"a request failed"}}"#));
    assert!(is_fault(r#"{"level":"WARN","fields":{"message":"a job panicked"}}"#));
    assert!(is_fault("thread 'main' panicked at src/main.rs:1:1:"));
    assert!(is_fault("memory allocation of 9 bytes failed"));
}
