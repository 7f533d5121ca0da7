//! Any JSON value, kept as its text, for members that the contract leaves open.
//!
//! Only text that is not JSON is refused.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Any JSON value, as its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnyJson(Box<RawValue>);

impl AnyJson {
    /// The JSON text.
    pub fn get(&self) -> &RawValue {
        &self.0
    }
}

impl From<&RawValue> for AnyJson {
    fn from(json: &RawValue) -> Self {
        Self(json.to_owned())
    }
}

/// Compares the text: `1.0` and `1` differ.
impl PartialEq for AnyJson {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for AnyJson {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_is_written_as_it_was_read() {
        for text in ["null", "1.0", "{\"b\":[1e2, \"\\u00e9\"],\"a\":{}}", "\"\\ud83c\""] {
            let value: AnyJson = serde_json::from_str(text).unwrap();
            assert_eq!(value.get().get(), text);
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
        }
        assert_ne!(
            serde_json::from_str::<AnyJson>("1").unwrap(),
            serde_json::from_str::<AnyJson>("1.0").unwrap()
        );
        assert!(serde_json::from_str::<AnyJson>("{").is_err());
    }
}
