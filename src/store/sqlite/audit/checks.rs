//! What must hold, as questions to the data.

/// One thing that must hold.
pub(super) struct Check {
    /// What must hold, for people.
    pub(super) name: &'static str,
    /// How many rows it is checked for.
    pub(super) count: &'static str,
    /// One text for each row that breaks it.
    pub(super) broken: &'static str,
}

/// Every check, the file itself first.
pub(super) const CHECKS: &[Check] = &[Check {
    name: "the file is sound",
    count: "SELECT page_count FROM pragma_page_count",
    broken: "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
}];
