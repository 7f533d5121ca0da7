//! The contract's rules for single values, checked by `validator`, and the sentence for each broken rule.
//!
//! `validator` has no rules for `x-decimals-max`, `not` and `pattern`, so this module has functions for them. The sentences
//! contain the numbers of the rule; `validator`'s own messages are not used, since they do not.

use std::borrow::Cow;
use std::fmt;

use regex::Regex;
use validator::{Validate, ValidationError, ValidationErrorsKind};

use crate::types::Decimal;

/// Every broken rule of a draft: the contract's name of the field, and the sentence. `names` maps Rust's name of a
/// field to the contract's, where the two differ.
pub(super) fn broken_rules<'a>(
    draft: &impl Validate,
    names: &'a [(&str, &str)],
) -> impl Iterator<Item = (Cow<'a, str>, String)> {
    let fields = draft
        .validate()
        .err()
        .into_iter()
        .flat_map(validator::ValidationErrors::into_errors);
    fields.flat_map(|(field, kind)| {
        let name = names
            .iter()
            .find(|(rust, _)| *rust == field)
            .map_or(field, |(_, name)| Cow::Borrowed(*name));
        let errors = match kind {
            ValidationErrorsKind::Field(errors) => errors,
            // Nested objects were checked when they were read.
            ValidationErrorsKind::Struct(_) | ValidationErrorsKind::List(_) => Vec::new(),
        };
        errors.into_iter().map(move |error| (name.clone(), sentence(&error)))
    })
}

fn sentence(error: &ValidationError) -> String {
    let rule = |name: &str| error.params.get(name);
    match (error.code.as_ref(), &error.message) {
        (_, Some(message)) => message.to_string(),
        ("length", None) => {
            let unit = if error.params["value"].is_array() {
                "item"
            } else {
                "character"
            };
            match (rule("min"), rule("max")) {
                (Some(min), Some(max)) if min == max => format!("must have exactly {}", counted(min, unit)),
                (Some(min), Some(max)) => format!("must have {min} to {}", counted(max, unit)),
                (Some(min), None) => format!("must have at least {}", counted(min, unit)),
                (None, Some(max)) => format!("must have at most {}", counted(max, unit)),
                (None, None) => format!("has a wrong number of {unit}s"),
            }
        }
        ("range", None) => {
            if let (Some(min), Some(max)) = (rule("min"), rule("max")) {
                return format!("must be from {min} to {max}");
            }
            let low = rule("min").map(|min| format!("at least {min}"));
            let low = low.or(rule("exclusive_min").map(|min| format!("greater than {min}")));
            let high = rule("max").map(|max| format!("at most {max}"));
            let high = high.or(rule("exclusive_max").map(|max| format!("less than {max}")));
            let bounds: Vec<String> = low.into_iter().chain(high).collect();
            format!("must be {}", bounds.join(" and "))
        }
        (code, None) => format!("breaks the rule `{code}`"),
    }
}

/// `1 item`, `2 items`
pub(super) fn counted(count: impl fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    format!("{count} {noun}{}", if count == "1" { "" } else { "s" })
}

fn broken(code: &'static str, sentence: String) -> ValidationError {
    ValidationError::new(code).with_message(sentence.into())
}

/// `x-decimals-max`, on the exact number. (Validators of JSON Schema calculate `multipleOf` with doubles, and refuse 0.07
/// as a multiple of 0.01.)
///
/// # Errors
///
/// Where `value` has more than `max` digits after the point.
pub fn at_most_decimals(value: Decimal, max: u32) -> Result<(), ValidationError> {
    match value.decimals() <= max {
        true => Ok(()),
        false => Err(broken(
            "decimals",
            format!("must have at most {}", counted(max, "decimal")),
        )),
    }
}

/// `not: {enum: […]}`
///
/// # Errors
///
/// Where `value` is in `refused`.
pub fn none_of<T: PartialEq + fmt::Display + Copy>(value: T, refused: &[T]) -> Result<(), ValidationError> {
    match refused.contains(&value) {
        true => Err(broken("not", format!("must not be {value}"))),
        false => Ok(()),
    }
}

/// `pattern`; it may match anywhere in the text, as in JSON Schema. `says` is the contract's own sentence for it.
///
/// # Errors
///
/// Where `text` does not match.
pub fn matches(text: &str, pattern: &Regex, says: Option<&'static str>) -> Result<(), ValidationError> {
    match pattern.is_match(text) {
        true => Ok(()),
        false => Err(broken(
            "pattern",
            says.map_or_else(|| format!("must match {pattern}"), str::to_owned),
        )),
    }
}

/// Compiles a pattern of the contract.
///
/// # Panics
///
/// Where `text` is not a regular expression, which `codegen/check.py` refuses before code is generated.
#[allow(
    clippy::expect_used,
    reason = "a pattern of the contract, which check.py accepts only if it compiles"
)]
pub fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of the contract is a regular expression")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Validate)]
    struct Draft {
        #[validate(length(min = 2, max = 3))]
        r_type: Option<String>,
        #[validate(length(max = 1))]
        items: Option<Vec<i64>>,
        #[validate(range(exclusive_min = const { Decimal::literal("0") }, max = const { Decimal::literal("9.5") }))]
        #[validate(custom(function = "decimals"))]
        price: Option<Decimal>,
    }

    fn decimals(value: &Decimal) -> Result<(), ValidationError> {
        at_most_decimals(*value, 2)
    }

    fn broken(draft: &Draft) -> Vec<String> {
        let broken = broken_rules(draft, &[("r_type", "type")]);
        let mut broken: Vec<String> = broken.map(|(name, sentence)| format!("{name} {sentence}")).collect();
        broken.sort_unstable();
        broken
    }

    #[test]
    fn every_broken_rule_is_reported_with_the_contracts_name_and_its_numbers() {
        let draft = Draft {
            r_type: Some("abcd".to_owned()),
            items: Some(vec![1, 2]),
            price: Decimal::from_json_text("-0.001"),
        };
        let sentences = [
            "items must have at most 1 item",
            "price must be greater than 0 and at most 9.5",
            "price must have at most 2 decimals",
            "type must have 2 to 3 characters",
        ];
        assert_eq!(broken(&draft), sentences);
        let absent = Draft {
            r_type: None,
            items: None,
            price: None,
        };
        assert_eq!(broken(&absent), [""; 0]);
    }

    #[test]
    fn rules_that_validator_lacks_have_sentences_as_well() {
        let message = |result: Result<(), ValidationError>| result.unwrap_err().message.unwrap_or_default();
        assert_eq!(message(none_of(0, &[1, 0])), "must not be 0");
        assert!(none_of(2, &[1, 0]).is_ok());
        assert_eq!(message(matches("b", &pattern("^a"), None)), "must match ^a");
        assert_eq!(
            message(matches("b", &pattern("^a"), Some("must begin with a"))),
            "must begin with a"
        );
        assert!(matches("ab", &pattern("b"), None).is_ok());
    }
}
