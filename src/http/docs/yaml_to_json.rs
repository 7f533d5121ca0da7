//! Turns the contract from YAML into JSON of the same value: members in the order of the file, numbers digit for digit
//! (`12.50` stays `12.50`, which a detour over a float would not keep).
//!
//! Part of the build script, and compiled here for its tests only. Plain scalars are read by YAML 1.2's core schema
//! (section 10.3.2). Refused, because a contract needs none of it and JSON cannot say it: anchors, aliases, tags, keys
//! that are not scalars or stand twice, numbers that JSON spells differently (`.5`, `0x1F`, `007`), a second document.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "of the parser's events only a few are for a contract"
)]

use std::{borrow::Cow, collections::HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

/// Writes a YAML document as JSON of the same value.
///
/// # Errors
///
/// What is refused, after the `line:column` where it stands.
pub(crate) fn json_from_yaml(yaml: &str) -> Result<String, String> {
    let mut converter = Converter {
        events: Parser::new_from_str(yaml),
        json: String::with_capacity(yaml.len()),
    };
    converter.expect("the start of the file", |event| matches!(event, Event::StreamStart))?;
    converter.expect("a document", |event| matches!(event, Event::DocumentStart(_)))?;
    let (event, span) = converter.next()?;
    converter.value(event, span)?;
    converter.expect("the end of the value", |event| matches!(event, Event::DocumentEnd))?;
    converter.expect("the end of the file", |event| matches!(event, Event::StreamEnd))?;
    Ok(converter.json)
}

struct Converter<'yaml> {
    events: Parser<'yaml, StrInput<'yaml>>,
    json: String,
}

impl<'yaml> Converter<'yaml> {
    fn next(&mut self) -> Result<(Event<'yaml>, Span), String> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(at(error.marker(), error.info())),
            None => Err(" the file ends too early".to_owned()),
        }
    }

    fn expect(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Result<(), String> {
        let (event, span) = self.next()?;
        if fits(&event) {
            Ok(())
        } else {
            Err(at(&span.start, &format!("expected {what}")))
        }
    }

    /// Writes the value that begins with `event`. A member that is present here as 0 or `None` is an absent anchor or tag.
    fn value(&mut self, event: Event<'yaml>, span: Span) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, 0, None) => {
                let scalar = if style == ScalarStyle::Plain {
                    plain_scalar(text)
                } else {
                    Ok(quote(&text))
                };
                self.json.push_str(&scalar.map_err(|error| at(&span.start, &error))?);
                Ok(())
            }
            Event::SequenceStart(0, None) => self.sequence(),
            Event::MappingStart(0, None) => self.mapping(),
            _ => Err(at(&span.start, "anchors, aliases and tags are not for the contract")),
        }
    }

    fn sequence(&mut self) -> Result<(), String> {
        self.json.push('[');
        for index in 0.. {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                break;
            }
            if index > 0 {
                self.json.push(',');
            }
            self.value(event, span)?;
        }
        self.json.push(']');
        Ok(())
    }

    fn mapping(&mut self) -> Result<(), String> {
        let mut keys = HashSet::new();
        self.json.push('{');
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(key, _, 0, None) => key,
                _ => return Err(at(&span.start, "a key must be a scalar without anchor or tag")),
            };
            if !keys.is_empty() {
                self.json.push(',');
            }
            self.json.push_str(&quote(&key));
            self.json.push(':');
            if let Some(key) = keys.replace(key) {
                return Err(at(&span.start, &format!("key {key} stands twice")));
            }
            let (event, span) = self.next()?;
            self.value(event, span)?;
        }
        self.json.push('}');
        Ok(())
    }
}

fn plain_scalar(text: Cow<str>) -> Result<String, String> {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Ok("null".to_owned()),
        "true" | "True" | "TRUE" => Ok("true".to_owned()),
        "false" | "False" | "FALSE" => Ok("false".to_owned()),
        number if serde_json::from_str::<serde_json::Number>(number).is_ok() => Ok(text.into_owned()),
        number if is_yaml_number(number) => Err(format!("JSON has no number {number}; quote it if it is a string")),
        string => Ok(quote(string)),
    }
}

/// Whether the core schema reads `text` as a number of any spelling. Only asked where JSON's spelling is ruled out, so
/// it may be generous: a string it takes for a number has to be quoted.
fn is_yaml_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let decimal = || text.starts_with(|first: char| !first.is_alphabetic()) && text.parse::<f64>().is_ok();
    let special = || [".inf", ".nan"].contains(&unsigned.to_ascii_lowercase().as_str());
    let radix = |prefix, radix| {
        unsigned
            .strip_prefix(prefix)
            .is_some_and(|digits| u128::from_str_radix(digits, radix).is_ok())
    };
    decimal() || special() || radix("0x", 16) || radix("0o", 8)
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn at(marker: &Marker, what: &str) -> String {
    format!("{}:{}: {what}", marker.line(), marker.col() + 1)
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
            json("z: { price: 12.50, step: 0.01 }\na: [-3, 1e3, 19.990000000000000001, 9223372036854775807]\n"),
            r#"{"z":{"price":12.50,"step":0.01},"a":[-3,1e3,19.990000000000000001,9223372036854775807]}"#
        );
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
            ("-", "[null]"),
            ("'200'", r#""200""#),
            (r#""null""#, r#""null""#),
            (r#"'\S'"#, r#""\\S""#),
            ("infinity", r#""infinity""#),
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
    fn what_json_cannot_say_is_refused_where_it_stands() {
        for (yaml, error) in [
            (
                "a: 1\nb: &x 2\n",
                "2:4: anchors, aliases and tags are not for the contract",
            ),
            (
                "a: !!str 2\n",
                "1:4: anchors, aliases and tags are not for the contract",
            ),
            ("a: 1\nb: 2\na: 3\n", "3:1: key a stands twice"),
            ("[a]: 1\n", "1:1: a key must be a scalar without anchor or tag"),
            ("a: 007\n", "1:4: JSON has no number 007; quote it if it is a string"),
            ("a: +1\n", "1:4: JSON has no number +1; quote it if it is a string"),
            ("a: .5\n", "1:4: JSON has no number .5; quote it if it is a string"),
            ("a: 0x1F\n", "1:4: JSON has no number 0x1F; quote it if it is a string"),
            (
                "a: -.INF\n",
                "1:4: JSON has no number -.INF; quote it if it is a string",
            ),
            ("a: 1\n---\nb: 2\n", "2:1: expected the end of the file"),
            ("", "1:1: expected a document"),
        ] {
            assert_eq!(json_from_yaml(yaml), Err(error.to_owned()), "{yaml}");
        }
        assert!(json_from_yaml("a: [1\n").is_err());
    }
}
