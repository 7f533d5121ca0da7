//! The contract's own keyword `x-decimals-max`.

use jsonschema::{Keyword, ValidationError};
use serde_json::Value;

/// `x-decimals-max`: a number has at most so many digits after the point.
pub(super) struct DecimalsMax(usize);

impl DecimalsMax {
    pub(super) fn of(max: &Value) -> Self {
        let max = max.as_u64().and_then(|max| usize::try_from(max).ok());
        Self(max.expect("x-decimals-max is a small number"))
    }
}

impl<'i> Keyword<'i> for DecimalsMax {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.is_valid(instance) {
            true => Ok(()),
            false => Err(ValidationError::custom(format!(
                "{instance} has more than {} decimals",
                self.0
            ))),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        // The shortest text that is the same double; none of a valid amount is so large that it would have an exponent.
        let text = if instance.is_number() {
            instance.to_string()
        } else {
            String::new()
        };
        text.split_once('.')
            .is_none_or(|(_, decimals)| decimals.trim_end_matches('0').len() <= self.0)
    }
}
