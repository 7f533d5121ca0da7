//! The metrics of a running binary, as Prometheus reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::process::PATIENCE;

/// The metrics at one moment.
#[derive(Debug)]
pub(crate) struct Scrape {
    /// The type and the help of each metric.
    pub(crate) described: BTreeMap<String, (String, String)>,
    /// The value of each series, by its name with labels.
    pub(crate) series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Scrapes the metrics.
    pub(crate) fn of(address: SocketAddr) -> Self {
        let (head, text) = get(address, "/metrics");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let lines = head.to_ascii_lowercase();
        assert!(lines.contains("\r\ncontent-type: text/plain; version=0.0.4"), "{head}");
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let mut described: BTreeMap<String, (String, String)> = BTreeMap::new();
        let mut series = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                    described.entry(name.to_owned()).or_default().1 = help.to_owned();
                }
                (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                    described.entry(name.to_owned()).or_default().0 = kind.to_owned();
                }
                _ => {
                    let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no series: {line}"));
                    let value = value.parse().unwrap_or_else(|_| panic!("no value: {line}"));
                    let before = series.insert(name.to_owned(), value);
                    assert_eq!(before, None, "{name} is repeated");
                }
            }
        }
        Self { described, series }
    }

    /// The value of a series.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        let value = self.series.get(series);
        *value.unwrap_or_else(|| panic!("there is no {series}"))
    }

    /// The names of all series, with their labels.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.series.keys().map(String::as_str).collect()
    }

    /// The service's own counters that are not 0.
    pub(crate) fn counted(&self) -> BTreeMap<&str, f64> {
        let series = self.series.iter().map(|(name, value)| (name.as_str(), *value));
        let counters = series.filter(|(name, _)| name.split('{').next().is_some_and(|name| name.ends_with("_total")));
        counters
            .filter(|(name, value)| *value != 0.0 && !name.starts_with("process_"))
            .collect()
    }
}

/// Sends GET to any listener; returns head and body of the response.
pub(crate) fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}
