//! Enough of a Rust lexer to read this crate's own sources: comments and strings gone, test code gone, names and
//! punctuation left. It need not accept every program, only never take a comment for code or code for a comment.

use std::fs;
use std::path::{Path, PathBuf};

/// A piece of code and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// A word (name, keyword, number), `::`, or one other character. A string literal is the one character `"`.
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

/// One file of the crate.
#[derive(Debug)]
pub struct Source {
    /// As a person names it: `src/server/page.rs`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Its product code.
    pub code: Code,
}

/// What is left of a file without its tests.
#[derive(Debug, Default)]
pub struct Code {
    /// In the order of the file.
    pub tokens: Vec<Token>,
    /// Names of modules that are declared for tests only and live in a file of their own.
    pub test_modules: Vec<String>,
    /// Lines that belong to test code.
    pub test_lines: usize,
}

/// Every `.rs` file below `directory`, in the order of their names, named from `root`.
pub fn read_all(root: &Path, directory: &str) -> std::io::Result<Vec<Source>> {
    let mut files = Vec::new();
    collect(&root.join(directory), &mut files)?;
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        sources.push(Source { name, code: product_code(&tokens(&text)), text });
    }
    Ok(sources)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Splits a text into tokens, without comments and without what stands inside literals.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next(rest, first);
        let (piece, after) = rest.split_at(length);
        match kind {
            Kind::Nothing => {}
            Kind::Code => {
                let name = piece.strip_prefix("r#").unwrap_or(piece);
                found.push(Token { text: name.to_owned(), line });
            }
            Kind::Literal => found.push(Token { text: "\"".to_owned(), line }),
        }
        line += piece.matches('\n').count();
        rest = after;
    }
    found
}

enum Kind {
    Nothing,
    Code,
    Literal,
}

fn next(rest: &str, first: char) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Nothing, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Nothing, block_comment(rest));
    }
    if first.is_whitespace() {
        return (Kind::Nothing, first.len_utf8());
    }
    if let Some(length) = string(rest) {
        return (Kind::Literal, length);
    }
    if first == '\'' {
        return quote(rest);
    }
    if rest.starts_with("::") {
        return (Kind::Code, 2);
    }
    let raw = if rest.strip_prefix("r#").is_some_and(|name| name.starts_with(is_word)) { 2 } else { 0 };
    let word = rest.get(raw..).unwrap_or_default();
    let length = word.find(|c| !is_word(c)).unwrap_or(word.len());
    (Kind::Code, if length == 0 { first.len_utf8() } else { raw + length })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let here = rest.get(at..).unwrap_or_default();
        let Some(found) = here.find(['/', '*']) else { return rest.len() };
        let mark = here.get(found..).unwrap_or_default();
        if mark.starts_with("/*") {
            depth += 1;
            at += found + 2;
        } else if mark.starts_with("*/") {
            depth -= 1;
            at += found + 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += found + 1;
        }
    }
}

/// The length of a string literal of any kind (`"`, `b"`, `c"`, `r"`, `br#"`, …) that starts here.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let raw = prefix.ends_with('r');
        rest.strip_prefix(prefix).is_some_and(|body| body.trim_start_matches(|c| raw && c == '#').starts_with('"'))
    })?;
    let body = rest.get(prefix.len()..)?;
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let content = body.get(hashes + 1..)?;
        return Some(content.find(&end).map_or(rest.len(), |at| prefix.len() + hashes + 1 + at + end.len()));
    }
    let mut escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix.len() + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// A character literal, or the quote of a lifetime or label.
fn quote(rest: &str) -> (Kind, usize) {
    let mut chars = rest.char_indices().skip(1);
    let Some((_, first)) = chars.next() else { return (Kind::Code, 1) };
    if first == '\\' {
        // The escaped character may itself be a quote, so the end is looked for behind it.
        let end = chars.nth(1).and_then(|(at, _)| rest.get(at..)?.find('\'').map(|more| at + more + 1));
        return (Kind::Literal, end.unwrap_or(rest.len()));
    }
    match chars.next() {
        Some((at, '\'')) => (Kind::Literal, at + 1),
        _ => (Kind::Code, 1),
    }
}

/// Leaves out every item under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
pub fn product_code(tokens: &[Token]) -> Code {
    let mut code = Code::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let rest = tokens.get(at..).unwrap_or_default();
        if is_test_attribute(rest, &["#", "!", "["]) {
            return Code { test_lines: tokens.last().map_or(0, |last| last.line), ..Code::default() };
        }
        match test_item(rest) {
            Some(length) => {
                let item = rest.get(..length).unwrap_or_default();
                code.test_lines += item.last().map_or(0, |last| last.line + 1 - token.line);
                code.test_modules.extend(file_module(item));
                at += length;
            }
            None => {
                code.tokens.push(token.clone());
                at += 1;
            }
        }
    }
    code
}

/// Whether `opening`, `#[` or `#![`, starts `cfg(test)` or `cfg(all(test, …))` here.
fn is_test_attribute(rest: &[Token], opening: &[&str]) -> bool {
    let conditions: [&[&str]; 2] = [&["cfg", "(", "test", ")"], &["cfg", "(", "all", "(", "test", ","]];
    conditions.iter().any(|condition| {
        let length = opening.len() + condition.len();
        rest.len() >= length && rest.iter().zip(opening.iter().chain(*condition)).all(|(have, want)| have.text == *want)
    })
}

/// How many tokens the item has that is for tests only, its attributes included.
fn test_item(rest: &[Token]) -> Option<usize> {
    if !is_test_attribute(rest, &["#", "["]) {
        return None;
    }
    let mut at = 0;
    while rest.get(at).is_some_and(|token| token.text == "#") {
        at += 1 + balanced(rest.get(at + 1..)?)?;
    }
    const ITEMS: [&str; 14] = [
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "pub",
        "static",
        "struct",
        "trait",
        "type",
        "use",
    ];
    if !ITEMS.contains(&rest.get(at)?.text.as_str()) {
        // A field, an arm, a statement: where it ends is not worth knowing, so it counts as product code.
        return None;
    }
    loop {
        match rest.get(at)?.text.as_str() {
            ";" => return Some(at + 1),
            "{" => return Some(at + balanced(rest.get(at..)?)?),
            "(" | "[" => at += balanced(rest.get(at..)?)?,
            _ => at += 1,
        }
    }
}

/// How many tokens there are up to the bracket that closes the first one.
fn balanced(rest: &[Token]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in rest.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// The name in `mod name;`.
fn file_module(item: &[Token]) -> Option<String> {
    match item {
        [.., keyword, name, end] if keyword.text == "mod" && end.text == ";" => Some(name.text.clone()),
        _ => None,
    }
}
