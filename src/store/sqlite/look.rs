//! One read by a command, beside a service that may have the file. It changes nothing.

use std::path::Path;

use super::audit::{self, AuditError};
use super::session::Session;
use crate::error::Error;
use crate::store::View;

/// Runs `work` on one state of the database in this file, which must be ours and have the schema of this version.
pub(in crate::store) fn look<T>(
    path: &Path,
    work: impl Fn(&dyn View) -> Result<T, Error>,
) -> Result<Result<T, Error>, AuditError> {
    let snapshot = audit::open(&audit::resolve(path)?)?;
    Ok(work(&Session::new(&snapshot)))
}
