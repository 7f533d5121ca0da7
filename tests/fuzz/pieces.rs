//! The pieces of requests that the subjects have in common. Everything is bytes, since much of it is not text.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use crate::contract::Contract;
use crate::world::{API_KEY, IDS};

/// A strategy for bytes.
pub(crate) type Bytes = BoxedStrategy<Vec<u8>>;
/// A header: its name and its value.
pub(crate) type Header = (Vec<u8>, Vec<u8>);

/// An operation of the contract, as requests need it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) template: String,
    /// The names of its query parameters.
    pub(crate) query: Vec<String>,
    /// The first example of its body.
    pub(crate) body: Option<serde_json::Value>,
    /// The names of all members that its body can have.
    pub(crate) members: Vec<String>,
}

/// Every operation of the contract.
pub(crate) fn operations() -> Vec<Operation> {
    let contract = Contract::of_the_service();
    let all = contract.operations().map(|operation| {
        let parameters = operation.definition["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| contract.resolved(parameter));
        let query = parameters.filter(|parameter| parameter["in"] == "query");
        let schema = &operation.definition["requestBody"]["content"]["application/json"]["schema"];
        let members = contract.resolved(schema)["properties"].as_object();
        Operation {
            method: operation.method.to_string(),
            template: operation.template.to_owned(),
            query: query
                .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
                .collect(),
            body: contract.valid_request(&operation).1,
            members: members.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
        }
    });
    all.collect()
}

/// The operations of which this holds; there must be some.
pub(crate) fn operations_with(holds: impl Fn(&Operation) -> bool) -> BoxedStrategy<Operation> {
    select(operations().into_iter().filter(holds).collect::<Vec<_>>()).boxed()
}

/// One of these texts.
pub(crate) fn one_of(texts: &[&str]) -> Bytes {
    let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    select(texts).boxed()
}

/// Text that this regular expression matches.
pub(crate) fn like(expression: &str) -> Bytes {
    let text = proptest::string::bytes_regex(expression).expect("a regular expression");
    text.boxed()
}

/// One of these strategies, as often as its weight says.
pub(crate) fn weighted(strategies: Vec<(u32, Bytes)>) -> Bytes {
    Union::new_weighted(strategies).boxed()
}

/// Up to so many pieces, one after the other.
pub(crate) fn run_of(piece: Bytes, max: usize) -> Bytes {
    vec(piece, 0..=max).prop_map(|pieces| pieces.concat()).boxed()
}

/// Bytes that a header's value may have.
pub(crate) fn header_value() -> Bytes {
    let byte = prop_oneof![4 => 0x20..=0x7e_u8, 1 => Just(b'\t'), 1 => 0x80..=0xff_u8];
    vec(byte, 0..60).boxed()
}

/// A path for this template: mostly an id that is there.
pub(crate) fn path(template: &str) -> Bytes {
    let template = template.to_owned();
    let good = (1..=IDS).prop_map(|id| id.to_string().into_bytes()).boxed();
    let odd = one_of(&[
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e0",
        "%31",
        "%2B1",
        "%201",
        "x",
        "%FF",
        "%00",
        "%2F",
        "%",
        "%zz",
        "9999",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999999",
        "\u{663}",
        ";id=1",
        "..",
        ".",
    ]);
    let names = one_of(&[
        "not-found",
        "insufficient-stock",
        "x",
        "%6Eot-found",
        "NOT-FOUND",
        "%E2%82%AC",
        "%FF",
    ]);
    let name = weighted(vec![(4, names), (1, odd.clone())]);
    (weighted(vec![(9, good), (1, odd)]), name)
        .prop_map(move |(id, name)| {
            let mut path = Vec::new();
            for part in template.split('/').skip(1) {
                path.push(b'/');
                path.extend(match part {
                    "{id}" => id.clone(),
                    "{name}" => name.clone(),
                    fixed => fixed.as_bytes().to_vec(),
                });
            }
            path
        })
        .boxed()
}

/// The headers with the API key: mostly the right one.
pub(crate) fn key() -> BoxedStrategy<Vec<Header>> {
    let header = |value: &str| (b"X-API-Key".to_vec(), value.as_bytes().to_vec());
    let odd = header_value().prop_map(move |value| vec![(b"x-api-key".to_vec(), value)]);
    prop_oneof![
        60 => Just(vec![header(API_KEY)]),
        1 => Just(Vec::new()),
        1 => Just(vec![header("another")]),
        1 => Just(vec![header(API_KEY), header(API_KEY)]),
        1 => odd,
    ]
    .boxed()
}

/// A request whose framing is right, whatever else is not.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
    pub(crate) is_chunked: bool,
}

impl Request {
    /// The bytes on the wire.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = [&self.method, &b" "[..], &self.target, b" HTTP/1.1\r\nHost: fuzz\r\n"].concat();
        for (name, value) in &self.headers {
            bytes.extend([&name[..], b": ", value, b"\r\n"].concat());
        }
        if self.is_chunked {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            // Two chunks where there is enough for two.
            for chunk in self.body.chunks(self.body.len().div_ceil(2).max(1)) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend([chunk, b"\r\n"].concat());
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            if !(self.body.is_empty() && matches!(&self.method[..], b"GET" | b"HEAD" | b"DELETE")) {
                bytes.extend(format!("Content-Length: {}\r\n", self.body.len()).into_bytes());
            }
            bytes.extend(b"\r\n");
            bytes.extend(self.body);
        }
        bytes
    }
}
