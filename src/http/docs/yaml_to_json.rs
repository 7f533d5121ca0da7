//! Converts the contract from YAML to JSON with `yaml-rust2`. Members keep their order and numbers their digits, since
//! `yaml-rust2` keeps the text of a number that is not an integer (`12.50` stays `12.50`).
//!
//! Part of the build script; compiled here for its tests only. It refuses what JSON cannot express (numbers such as
//! `.5`, keys that are lists or objects), duplicate keys, and a second document.

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use yaml_rust2::{Yaml, YamlLoader};

/// Converts a YAML document to JSON with the same value.
///
/// # Errors
///
/// What is refused, with line and column where these are known.
pub(crate) fn json_from_yaml(yaml: &str) -> Result<String, String> {
    let documents = YamlLoader::load_from_str(yaml).map_err(|error| error.to_string())?;
    match &documents[..] {
        [document] => serde_json::to_string(&Json(document)).map_err(|error| error.to_string()),
        _ => Err(format!("there are {} documents, not one", documents.len())),
    }
}

/// A YAML value that serializes as JSON.
struct Json<'a>(&'a Yaml);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Yaml::Hash(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (Json(name), Json(value))))
            }
            Yaml::Array(items) => serializer.collect_seq(items.iter().map(Json)),
            Yaml::String(text) => serializer.serialize_str(text),
            Yaml::Integer(number) => serializer.serialize_i64(*number),
            Yaml::Real(text) => {
                let number = serde_json::from_str::<&RawValue>(text);
                let number = number.map_err(|_| S::Error::custom(format_args!("JSON has no number {text}")))?;
                number.serialize(serializer)
            }
            Yaml::Boolean(value) => serializer.serialize_bool(*value),
            Yaml::Null => serializer.serialize_unit(),
            Yaml::Alias(_) | Yaml::BadValue => Err(S::Error::custom("an unknown alias or tag")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(yaml: &str) -> String {
        json_from_yaml(yaml).unwrap()
    }

    #[test]
    fn members_keep_their_order_and_numbers_their_digits() {
        assert_eq!(
            json(
                "z: { price: 12.50, step: 0.01 }\na: [-3, 1e3, 19.990000000000000001, 9223372036854775807, 9223372036854775808]\n"
            ),
            r#"{"z":{"price":12.50,"step":0.01},"a":[-3,1e3,19.990000000000000001,9223372036854775807,9223372036854775808]}"#
        );
    }

    #[test]
    fn every_price_of_the_contract_keeps_its_digits() {
        let yaml = include_str!("../../../openapi.yaml");
        let prices = regex::Regex::new(r"\b(?:price|unit_price|total|amount): ([0-9]+\.[0-9]+)\b").unwrap();
        let as_json = regex::Regex::new(r#""(?:price|unit_price|total|amount)":([0-9]+\.[0-9]+)\b"#).unwrap();
        let (contract, written) = (json(yaml), |(_, [number]): (&str, [&str; 1])| number.to_owned());
        let before: Vec<String> = prices
            .captures_iter(yaml)
            .map(|found| found.extract())
            .map(written)
            .collect();
        let after: Vec<String> = as_json
            .captures_iter(&contract)
            .map(|found| found.extract())
            .map(written)
            .collect();
        assert!(!before.is_empty());
        assert_eq!(after, before);
    }

    #[test]
    fn plain_scalars_follow_the_core_schema_and_quoted_ones_are_strings() {
        for (yaml, as_json) in [
            ("", "null"),
            ("~", "null"),
            ("null", "null"),
            ("TRUE", "true"),
            ("false", "false"),
            ("no", r#""no""#),
            ("3.0.3", r#""3.0.3""#),
            ("2026-03-01", r#""2026-03-01""#),
            ("2026-03-01T09:30:00.000Z", r#""2026-03-01T09:30:00.000Z""#),
            ("-", "[null]"),
            ("'200'", r#""200""#),
            ("'1.50'", r#""1.50""#),
            (r#""null""#, r#""null""#),
            (r#"'\S'"#, r#""\\S""#),
            ("infinity", r#""infinity""#),
            ("!!str 1.50", r#""1.50""#),
        ] {
            assert_eq!(
                json(&format!("value: {yaml}\n").replace(": -\n", ":\n  -\n")),
                format!(r#"{{"value":{as_json}}}"#)
            );
        }
        assert_eq!(json("200: { on: true }"), r#"{"200":{"on":true}}"#);
    }

    #[test]
    fn text_blocks_keep_their_lines() {
        assert_eq!(
            json("text: |\n  one \"two\"\n\n  | a |\nnext: >\n  a\n  b\n"),
            r#"{"text":"one \"two\"\n\n| a |\n","next":"a b\n"}"#
        );
    }

    #[test]
    fn values_without_json_form_are_refused() {
        for (yaml, error) in [
            ("a: .5\n", "JSON has no number .5"),
            ("a: -.INF\n", "JSON has no number -.INF"),
            ("[a]: 1\n", "key must be a string"),
            ("a: 1\nb: 2\na: 3\n", "duplicated key in mapping at"),
            ("a: 1\n---\nb: 2\n", "there are 2 documents, not one"),
            ("", "there are 0 documents, not one"),
            ("a: [1\n", "at"),
        ] {
            let refused = json_from_yaml(yaml).unwrap_err();
            assert!(refused.contains(error), "{yaml} {refused}");
        }
    }
}
