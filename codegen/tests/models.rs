//! The models in the hands of clients: serialized, deserialized, compared.

use std::fmt::Debug;

use fixture::models;
use fixture::types::{Decimal, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), text);
    assert_eq!(serde_json::from_str::<T>(text).unwrap(), *value);
    // Through `serde_json::Value` as well, as test clients do.
    let tree: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::from_value::<T>(tree).unwrap(), *value);
}

#[test]
fn clients_can_use_every_model() {
    let decimal = |text| Decimal::from_json_text(text).unwrap();
    let note = models::Note {
        text: "é\n".to_owned()
    };
    round_trip(&note, r#"{"text":"é\n"}"#);
    let mut thing = models::Thing {
        id: 1,
        flag: false,
        maybe: None,
        maybe_price: None,
        maybe_at: None,
        r_type: String::new(),
        r_match: None,
        r_move: None,
        errors: vec![],
        at: None,
        color: None,
        kind: None,
        price: None,
    };
    round_trip(
        &thing,
        r#"{"id":1,"flag":false,"maybe":null,"maybe_price":null,"maybe_at":null,"type":"","errors":[]}"#,
    );
    thing.maybe_price = Some(decimal("0.50"));
    thing.maybe_at = Some(Timestamp::from_unix_ms(0));
    thing.color = Some(models::Color::LightGreen);
    thing.errors.push(note.clone());
    round_trip(
        &thing,
        r#"{"id":1,"flag":false,"maybe":null,"maybe_price":0.5,"maybe_at":"1970-01-01T00:00:00.000Z","type":"","errors":[{"text":"é\n"}],"color":"/colors/light-green"}"#,
    );
    let strings: models::Strings = serde_json::from_str("{}").unwrap();
    round_trip(&strings, "{}");
    let numbers = models::Numbers {
        half: Some(decimal("0.5")),
        long: Some(i64::MIN),
        ..serde_json::from_str("{}").unwrap()
    };
    round_trip(&numbers, r#"{"long":-9223372036854775808,"half":0.5}"#);
    let open = models::Open {
        known: true,
        other: Some(note),
    };
    round_trip(&open, r#"{"known":true,"other":{"text":"é\n"}}"#);
    let inner = models::Inner {
        open: Some(open),
        prices: Some(vec![decimal("1e2")]),
        ..serde_json::from_str("{}").unwrap()
    };
    round_trip(
        &models::Nested { inner },
        r#"{"inner":{"prices":[100],"open":{"known":true,"other":{"text":"é\n"}}}}"#,
    );
    assert!(serde_json::from_str::<models::Note>(r#"{"text":"","more":1}"#).is_err());
    assert!(serde_json::from_str::<models::Open>(r#"{"known":true,"more":1}"#).is_ok());
}

#[test]
fn enums_keep_the_spelling_of_the_contract() {
    for color in models::Color::ALL {
        round_trip(color, &format!("\"{}\"", color.as_str()));
    }
    let spelled = models::Color::ALL.iter().map(|color| color.as_str());
    let contract = [
        "RED",
        "dark-red",
        "dark_blue",
        "/colors/light-green",
        "größe 2",
        "self.service",
        "B&W <1>",
        "none",
    ];
    assert!(spelled.eq(contract));
}
