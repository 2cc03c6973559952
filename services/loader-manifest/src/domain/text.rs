//! Texts that people give: bounded, checked, without the one character that PostgreSQL cannot keep.

use crate::error::Error;
use target::{Columns, Target};

/// Checks the name of a loader or manifest.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Error> {
    let length = name.chars().count();
    if length == 0 || length > 256 || name.chars().any(char::is_control) {
        let detail = format!(
            "{what} has invalid name: 1 to 256 characters are taken, no control characters"
        );
        return Err(Error::invalid("name-invalid", "/name", detail));
    }
    Ok(())
}

/// Reads a condition over loaders: its form, its columns and its types hold.
pub(crate) fn parse_target(text: &str) -> Result<Target, target::TargetError> {
    let target = target::parse(text)?;
    target.check(&Columns::loaders())?;
    Ok(target)
}
