//! JSON Pointers (RFC 6901): the place of a value in a body.
//!
//! Nothing is refused: every place in a JSON document has a pointer.

use std::fmt;

/// The path from the body's root to a value. It is on the stack and becomes text only for a failure.
#[derive(Clone, Copy, Debug)]
pub enum Pointer<'a> {
    /// The body itself.
    Root,
    /// A member of an object.
    Member(&'a Pointer<'a>, &'a str),
    /// An item of an array.
    Item(&'a Pointer<'a>, usize),
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Item(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_written_with_its_escapes() {
        let (root, list) = (Pointer::Root, "a/b~c");
        let member = Pointer::Member(&root, list);
        let item = Pointer::Item(&member, 10);
        assert_eq!(
            (root.to_string(), item.to_string()),
            (String::new(), "/a~1b~0c/10".to_owned())
        );
        assert_eq!(Pointer::Member(&item, "").to_string(), "/a~1b~0c/10/");
    }
}
