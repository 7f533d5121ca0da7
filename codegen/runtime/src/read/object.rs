//! Reads JSON objects, member by member.
//!
//! It refuses duplicate members, and unknown members where the contract does not allow them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use validator::Validate;

use super::rules::{broken_rules, counted};
use super::value::Str;
use super::{Failures, Pointer, Read};

/// A member: its name, and its value as JSON text.
type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The members of a JSON object, which are taken one by one.
pub struct Object<'a> {
    /// The members not taken yet, each name once.
    members: Vec<Member<'a>>,
    /// How many different names the object has.
    len: usize,
    at: Pointer<'a>,
    failures: &'a mut Failures,
}

impl<'a> Object<'a> {
    /// Reads `json` as an object; where it is not one, records a failure and returns `None`.
    pub fn open(json: &'a RawValue, at: Pointer<'a>, failures: &'a mut Failures) -> Option<Self> {
        if !json.get().starts_with('{') {
            failures.pointer(at, "must be an object");
            return None;
        }
        // The text is valid JSON, so this fails only for a name with an unpaired surrogate.
        let Ok(mut members) = serde_json::Deserializer::from_str(json.get()).deserialize_map(Members) else {
            failures.pointer(at, "must have member names of valid Unicode");
            return None;
        };
        let mut seen = HashSet::with_capacity(members.len());
        members.retain(|(name, _)| {
            let is_first = seen.insert(name.clone());
            if !is_first {
                failures.pointer(Pointer::Member(&at, name), "is given more than once");
            }
            is_first
        });
        Some(Self {
            len: members.len(),
            members,
            at,
            failures,
        })
    }

    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.swap_remove(index).1)
    }

    /// A required member that cannot be null.
    pub fn required<T: Read>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            Some(json) => T::read(json, Pointer::Member(&self.at, name), self.failures),
            None => {
                self.failures.pointer(Pointer::Member(&self.at, name), "is required");
                None
            }
        }
    }

    /// An optional member that cannot be null.
    pub fn optional<T: Read>(&mut self, name: &'static str) -> Option<T> {
        let json = self.take(name)?;
        T::read(json, Pointer::Member(&self.at, name), self.failures)
    }

    /// A required member that can be null.
    pub fn nullable<T: Read>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            Some(json) if json.get() == "null" => None,
            Some(json) => T::read(json, Pointer::Member(&self.at, name), self.failures),
            None => {
                self.failures.pointer(Pointer::Member(&self.at, name), "is required");
                None
            }
        }
    }

    /// Requires at least this many members, known or unknown.
    pub fn at_least(&mut self, members: usize) {
        if self.len < members {
            self.failures
                .pointer(self.at, format!("must have at least {}", counted(members, "member")));
        }
    }

    /// Refuses the members that were not taken.
    pub fn refuse_unknown(&mut self) {
        for (name, _) in &self.members {
            self.failures
                .pointer(Pointer::Member(&self.at, name), "is not a known member");
        }
    }

    /// Records the broken rules of the members that could be read. `names` maps Rust's name of a field to the
    /// contract's, where the two differ.
    pub fn check(self, draft: &impl Validate, names: &[(&str, &str)]) {
        for (name, sentence) in broken_rules(draft, names) {
            self.failures.pointer(Pointer::Member(&self.at, &name), sentence);
        }
    }
}

/// Collects an object's members in order, including duplicates.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((name, value)) = map.next_entry::<Str<'de>, &'de RawValue>()? {
            members.push((name.0, value));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The failures that `read` records.
    fn failures(json: &str, read: impl FnOnce(Option<Object<'_>>)) -> Vec<String> {
        let mut failures = Failures::default();
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        read(Object::open(raw, Pointer::Root, &mut failures));
        failures.lines()
    }

    #[test]
    fn members_are_taken_in_any_order_and_the_first_of_two_counts() {
        let json = r#"{"b":null,"\u0061":1,"a":"x","c":true}"#;
        let found = failures(json, |object| {
            let mut object = object.unwrap();
            assert_eq!(object.required::<i64>("a"), Some(1));
            assert_eq!(object.optional::<bool>("c"), Some(true));
            assert_eq!(object.optional::<i64>("d"), None);
            assert_eq!(object.nullable::<i64>("b"), None);
            object.refuse_unknown();
        });
        assert_eq!(found, ["#/a is given more than once"]);
    }

    #[test]
    fn missing_unknown_and_too_few_members_are_recorded() {
        let found = failures(r#"{"a~/":1,"n":null}"#, |object| {
            let mut object = object.unwrap();
            assert_eq!(object.required::<i64>("a"), None);
            assert_eq!(object.nullable::<i64>("b"), None);
            assert_eq!(object.optional::<i64>("n"), None);
            object.at_least(3);
            object.refuse_unknown();
        });
        let wanted = [
            "# must have at least 3 members",
            "#/a is required",
            "#/a~0~1 is not a known member",
            "#/b is required",
            "#/n must be a 64-bit integer",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn only_an_object_with_valid_unicode_names_is_opened() {
        for (json, detail) in [
            ("[]", "must be an object"),
            (r#"{"\ud83c":1}"#, "must have member names of valid Unicode"),
        ] {
            assert_eq!(
                failures(json, |object| assert!(object.is_none())),
                [format!("# {detail}")]
            );
        }
    }
}
