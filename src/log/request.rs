//! Whose request the current thread is at work on: every line that is logged meanwhile carries its id.

use std::cell::RefCell;

use axum::http::HeaderValue;

thread_local! {
    static CURRENT: RefCell<Option<HeaderValue>> = const { RefCell::new(None) };
}

/// As long as this lives, the thread is at work on a request.
#[must_use]
#[derive(Debug)]
pub struct Entered {
    before: Option<HeaderValue>,
}

/// The thread goes on with the request of this id.
pub fn enter(id: &HeaderValue) -> Entered {
    let before = CURRENT.with(|current| current.replace(Some(id.clone())));
    Entered { before }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with(|current| current.replace(self.before.take()));
    }
}

/// Hands over the id of the request at work, if there is one.
pub(super) fn with_current(use_id: impl FnOnce(&str)) {
    CURRENT.with(|current| {
        if let Some(id) = current.borrow().as_ref().and_then(|id| id.to_str().ok()) {
            use_id(id);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current() -> Option<String> {
        let mut found = None;
        with_current(|id| found = Some(id.to_owned()));
        found
    }

    #[test]
    fn requests_may_be_entered_within_each_other() {
        assert_eq!(current(), None);
        let outer = enter(&HeaderValue::from_static("outer"));
        {
            let _inner = enter(&HeaderValue::from_static("inner"));
            assert_eq!(current().as_deref(), Some("inner"));
        }
        assert_eq!(current().as_deref(), Some("outer"));
        drop(outer);
        assert_eq!(current(), None);
    }
}
