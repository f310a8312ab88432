//! Errors as text, and text to those who read it.

use std::any::Any;
use std::io::{self, Write};

use super::UsageError;

/// An error with all its causes, on one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    on_one_line(&text)
}

/// `text` with its control characters as escapes: a file's name may hold any of them, and a message
/// is one line that moves no cursor.
#[must_use]
pub fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// What a panic said.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let owned = panic.downcast_ref::<String>().cloned();
    let text = owned.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
    text.unwrap_or_else(|| "no text".to_owned())
}

/// Writes a line to standard error. Where nobody reads it, or a disk is full, it is lost and the run
/// goes on.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What came of printing to standard output: a reader that goes away, as `head` does, has enough.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn printed(outcome: io::Result<()>) -> Result<(), UsageError> {
    match outcome {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(UsageError::Print(source)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_the_file_is_called() {
        let text = on_one_line("`a\nb\u{1b}[31mé \\ d.png`");
        assert_eq!(text, "`a\\nb\\u{1b}[31mé \\ d.png`");
        let path = PathBuf::from("new\nline");
        let error = UsageError::NoSuchInput { path, source: io::Error::other("gone") };
        assert_eq!(with_causes(&error), r"failed to find the input `new\nline`: gone");
    }
}
