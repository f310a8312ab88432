//! Finds the modules that a Rust source names: just enough of a parser, without a compiler.

/// A module at the top of the crate that a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Naming {
    pub(crate) module: String,
    pub(crate) line: usize,
}

/// A word, or one character of another kind, with its line.
type Token = (String, usize);

/// The words of a source outside comments and literals, with their lines.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Token> {
    tokens(text).into_iter().filter(|(token, _)| token.starts_with(is_word))
}

/// All modules at the top of the crate that paths in `text` start with, by `crate` or by as many
/// `super` as lead there from a file that is `depth` modules deep.
pub(crate) fn namings(text: &str, depth: usize) -> Vec<Naming> {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |(token, _)| token.as_str());
    let mut found = Vec::new();
    // For each open brace, whether it opens a module.
    let mut open: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let inside = depth + open.iter().filter(|&&is_module| is_module).count();
        match word(at) {
            "{" => open.push(at >= 2 && word(at - 2) == "mod"),
            "}" => drop(open.pop()),
            "crate" if is_separator(&tokens, at + 1) => first_names(&tokens, at + 3, &mut found),
            "super" if is_separator(&tokens, at + 1) => {
                let mut climbed = 1;
                while word(at + 3) == "super" && is_separator(&tokens, at + 4) {
                    climbed += 1;
                    at += 3;
                }
                if climbed >= inside {
                    first_names(&tokens, at + 3, &mut found);
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn is_separator(tokens: &[Token], at: usize) -> bool {
    tokens.get(at..at + 2).is_some_and(|pair| pair.iter().all(|(token, _)| token == ":"))
}

/// The first name of the path at `at`, or of each path in the braces there.
fn first_names(tokens: &[Token], at: usize, found: &mut Vec<Naming>) {
    let Some((start, line)) = tokens.get(at) else { return };
    if start != "{" {
        found.push(Naming { module: start.clone(), line: *line });
        return;
    }
    let mut depth = 0;
    let mut expected = true;
    for (token, line) in &tokens[at..] {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => expected = true,
            name if depth == 1 && expected => {
                found.push(Naming { module: name.to_owned(), line: *line });
                expected = false;
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Takes a source apart; comments and literals are left out.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' | 'b' if raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            '\'' => character(rest),
            _ if is_word(next) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => next.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        let literal = token.starts_with(['"', '\'']) || token.ends_with(['"', '#']) && length > 1;
        if !literal && !token.starts_with("//") && !token.starts_with("/*") && !next.is_whitespace()
        {
            tokens.push((token.to_owned(), line));
        }
        line += token.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of a block comment; such comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal that ends with the quotation mark it starts with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' | '\'' if text.starts_with(character) => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string, if one starts here.
fn raw_string(text: &str) -> Option<usize> {
    let start = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = start.len() - start.trim_start_matches('#').len();
    let content = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = content.find(&end).map_or(content.len(), |at| at + end.len());
    Some(text.len() - content.len() + length)
}

/// The length of a character, or of the mark that begins a lifetime.
fn character(text: &str) -> usize {
    let mut following = text.chars().skip(1);
    match (following.next(), following.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(text),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str, depth: usize) -> Vec<(String, usize)> {
        namings(text, depth).into_iter().map(|naming| (naming.module, naming.line)).collect()
    }

    fn names(text: &str) -> Vec<String> {
        named(text, 1).into_iter().map(|(module, _)| module).collect()
    }

    #[test]
    fn plain_and_inline_paths_are_found_with_their_line() {
        let text = "use crate::band::Band;\n\nfn f() -> crate::error::E { $crate::ops::g() }";
        let expected = [("band", 1), ("error", 3), ("ops", 3)];
        assert_eq!(named(text, 1), expected.map(|(module, line)| (module.to_owned(), line)));
    }

    #[test]
    fn braces_are_taken_apart_over_lines_and_levels() {
        let text =
            "use crate::{\n    band::{Band, BandMut},\n    error::{E, F as G},\n    ops,\n};";
        let expected = [("band", 2), ("error", 3), ("ops", 4)];
        assert_eq!(named(text, 1), expected.map(|(module, line)| (module.to_owned(), line)));
        assert_eq!(
            names("pub(in crate::ops) use crate :: plan :: { self, a::{b, c} };"),
            ["ops", "plan"]
        );
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        let text = r####"
            // crate::band
            /// [`crate::band`]
            /* crate::band /* and */ crate::band */
            let a = ("crate::band \" crate::band", r#"crate::band " crate::band"#, '"', b"crate::band");
            fn f<'a>(_: &'a str) -> char { '\'' }
            crate::ops
        "####;
        assert_eq!(named(text, 1), [("ops".to_owned(), 7)]);
        assert!(names("mycrate::band; crate_::band; extern crate band;").is_empty());
    }

    #[test]
    fn climbing_out_of_the_own_module_counts() {
        assert_eq!(names("use super::band;"), ["band"]);
        assert!(names("mod tests { use super::*; }").is_empty());
        assert_eq!(names("mod tests { use super::super::band; } use super::ops;"), ["band", "ops"]);
        assert!(
            named("use super::gray; mod tests { fn f() { super::super::gray() } }", 2).is_empty()
        );
        assert_eq!(named("use super::super::{band, plan};", 2).len(), 2);
    }
}
