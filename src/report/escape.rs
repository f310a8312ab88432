//! Text that is safe in a page, whatever it holds.

use std::fmt::{self, Display, Write};
use std::path::Path;

/// `Text(x)` shows `x` so that HTML takes all of it for text, in an element or in a quoted attribute.
/// Characters that are not seen, or that turn others around, become escapes.
#[derive(Debug)]
pub(super) struct Text<T>(pub(super) T);

impl<T: Display> Display for Text<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(out), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            _ if is_unseen(character) => write!(self.0, "{}", character.escape_default()),
            _ => self.0.write_char(character),
        })
    }
}

/// Control characters, and those that change the direction or the joining of text around them.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A path as text that is safe in a page; bytes that are no UTF-8 become escapes.
pub(super) fn path_text(path: &Path) -> Text<String> {
    use std::os::unix::ffi::OsStrExt;
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    Text(text)
}

/// A word for a shell, quoted where it must be.
pub(super) fn shell_word(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./=:,%+@".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn nothing_leaves_its_place() {
        assert_eq!(
            Text("<script>\"a\" & 'b'\n\u{202e}é").to_string(),
            r"&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;\n\u{202e}é"
        );
        let path = Path::new(OsStr::from_bytes(b"a\xff<b>\x1b"));
        assert_eq!(path_text(path).to_string(), r"a\xff&lt;b&gt;\u{1b}");
    }

    #[test]
    fn shells_take_a_word_for_one() {
        assert_eq!(shell_word("out/a-1"), "out/a-1");
        assert_eq!(shell_word("it's $x"), r"'it'\''s $x'");
        assert_eq!(shell_word(""), "''");
    }
}
