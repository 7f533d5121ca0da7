//! Each check, broken on purpose.
