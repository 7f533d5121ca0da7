//! An event as a line.

use std::fmt;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use orders_inventory_api::types::Timestamp;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::request;

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// For people: time, level, message, and the fields as `name=value`.
    Text {
        /// Whether the level has its color, as terminals show it.
        is_colored: bool,
    },
    /// For machines: one JSON object (RFC 8259) with `timestamp`, `level`, `message`, the fields, and `request_id`.
    Json,
}

impl Shape {
    /// Appends the line, with its end.
    pub(super) fn write(self, event: &Event<'_>, line: &mut Vec<u8>) {
        let level = event.metadata().level();
        match self {
            Self::Json => {
                line.extend_from_slice(b"{\"timestamp\":");
                json(&now(), line);
                line.extend_from_slice(b",\"level\":");
                json(level.as_str(), line);
                event.record(&mut JsonFields(line));
                request::with_current(|id| {
                    line.extend_from_slice(b",\"request_id\":");
                    json(id, line);
                });
                line.extend_from_slice(b"}\n");
            }
            Self::Text { is_colored } => {
                let _ = write!(line, "{}", now());
                line.push(b' ');
                if is_colored {
                    // Memory takes everything.
                    let _ = write!(line, "\x1b[{}m{level:>5}\x1b[0m", color(*level));
                } else {
                    line.extend_from_slice(if level.as_str().len() < 5 { b" " } else { b"" });
                    line.extend_from_slice(level.as_str().as_bytes());
                }
                event.record(&mut TextFields(line));
                request::with_current(|id| {
                    line.extend_from_slice(b" request_id=");
                    line.extend_from_slice(id.as_bytes());
                });
                line.push(b'\n');
            }
        }
    }
}

/// Appends a value as JSON.
fn json(value: &(impl Serialize + ?Sized), line: &mut Vec<u8>) {
    // Memory takes everything.
    let _ = serde_json::to_writer(line, value);
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// The color of a level (ECMA-48, "Select Graphic Rendition").
fn color(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

/// Those that the bridge from the `log` crate adds say where in a library a line comes from.
fn is_of_the_bridge(field: &Field) -> bool {
    field.name().starts_with("log.")
}

/// The fields of an event as members of an object.
struct JsonFields<'a>(&'a mut Vec<u8>);

impl JsonFields<'_> {
    fn value(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        if is_of_the_bridge(field) {
            return;
        }
        self.0.push(b',');
        json(field.name(), self.0);
        self.0.push(b':');
        json(value, self.0);
    }
}

impl Visit for JsonFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.value(field, &value),
            Err(_) => self.value(field, &value.to_string()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.value(field, &format!("{value:?}"));
    }
}

/// The message, and the other fields as `name=value`.
struct TextFields<'a>(&'a mut Vec<u8>);

impl TextFields<'_> {
    fn value(&mut self, field: &Field, write: impl FnOnce(&mut Vec<u8>)) {
        if is_of_the_bridge(field) {
            return;
        }
        self.0.push(b' ');
        if field.name() != "message" {
            self.0.extend_from_slice(field.name().as_bytes());
            self.0.push(b'=');
        }
        let from = self.0.len();
        write(self.0);
        spell_out_controls(self.0, from);
    }
}

/// Text keeps to its line: where control characters stand in what was written from here on, it is spelled out.
fn spell_out_controls(line: &mut Vec<u8>, from: usize) {
    let written = line.get(from..).unwrap_or_default();
    // Nearly everything that is written is plain ASCII.
    if written.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return;
    }
    let written = str::from_utf8(written).unwrap_or_default();
    if written.chars().any(char::is_control) {
        let spelled = written.escape_debug().to_string();
        line.truncate(from);
        line.extend_from_slice(spelled.as_bytes());
    }
}

impl Visit for TextFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, |line| line.extend_from_slice(value.as_bytes()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, |line| json(&value, line));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Memory takes everything.
        self.value(field, |line| _ = write!(line, "{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::http::HeaderValue;
    use serde_json::{Value, json};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    use super::*;

    struct Kept(Shape, Arc<Mutex<Vec<u8>>>);

    impl<S: tracing::Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.write(event, &mut self.1.lock().unwrap());
        }
    }

    fn lines(shape: Shape, say: impl FnOnce()) -> Vec<String> {
        let kept = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Kept(shape, Arc::clone(&kept)));
        tracing::subscriber::with_default(subscriber, say);
        let text = String::from_utf8(std::mem::take(&mut *kept.lock().unwrap())).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        text.lines().map(str::to_owned).collect()
    }

    fn say() {
        tracing::warn!(name = "a \"b\"\nc", count = 7, most = u64::MAX, is_it = true, what = ?Some(1), "done {}", 5);
        let _entered = request::enter(&HeaderValue::from_static("r-1"));
        tracing::info!(below = -3, "answered");
    }

    #[test]
    fn machines_get_one_object_a_line() {
        let lines = lines(Shape::Json, say);
        let mut objects: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        for object in &mut objects {
            let time = object.as_object_mut().unwrap().remove("timestamp").unwrap();
            time.as_str().unwrap().parse::<Timestamp>().unwrap();
        }
        let first = json!({"level": "WARN", "message": "done 5", "name": "a \"b\"\nc", "count": 7,
            "most": u64::MAX.to_string(), "is_it": true, "what": "Some(1)"});
        let second = json!({"level": "INFO", "message": "answered", "below": -3, "request_id": "r-1"});
        assert_eq!(objects, [first, second]);
    }

    #[test]
    fn people_get_one_line_each() {
        let plain = lines(Shape::Text { is_colored: false }, say);
        let rest: Vec<&str> = plain.iter().map(|line| &line[25..]).collect();
        let first = format!(
            " WARN done 5 name=a \\\"b\\\"\\nc count=7 most={} is_it=true what=Some(1)",
            u64::MAX
        );
        assert_eq!(rest, [first.as_str(), " INFO answered below=-3 request_id=r-1"]);
        let colored = lines(Shape::Text { is_colored: true }, say);
        assert!(colored[0].contains("\x1b[33m WARN\x1b[0m done 5"), "{colored:?}");
    }
}
