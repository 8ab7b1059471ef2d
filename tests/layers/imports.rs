//! Which top-level modules of the crate a file reaches: `crate::x`, `use crate::{a, b::c}`, `super::super::x`, and
//! `netbackup_exporter::x` in the program. Every path counts, not only those in `use`.
//!
//! Limit: a name that one module re-exports from another is taken for the module that it is named by.

use crate::source::{Code, Token};

/// What a file reaches.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// The top-level module; `None` where the path ends at the root itself (`use crate as x`, `super::*`), which
    /// would hide what is reached.
    pub module: Option<String>,
    /// Where, counted from 1.
    pub line: usize,
}

/// The module path of a file below `src`: `["server", "page"]`, and nothing for the two roots.
pub fn module_path(file: &str) -> Vec<String> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod") || matches!(inner, "main" | "lib") {
        path.pop();
    }
    path
}

/// Every path in the code of a module that leads to the root of the crate or through it.
pub fn imports(module: &[String], code: &Code) -> Vec<Import> {
    let tokens = &code.tokens;
    let mut found = Vec::new();
    let mut inner = module.to_vec();
    // Depth of braces at which each inline `mod name {` ends.
    let mut open = Vec::new();
    let mut depth = 0_usize;
    // Where the last path ended: a `super` or `self` inside of a tree starts no path of its own.
    let mut end = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if open.last() == Some(&depth) {
                    open.pop();
                    inner.pop();
                }
            }
            "mod" if word(tokens, at + 2) == "{" => {
                inner.push(word(tokens, at + 1).to_owned());
                open.push(depth);
            }
            _ if at >= end && starts_path(tokens, at) => end = follow(tokens, at, &inner, &mut found),
            _ => {}
        }
    }
    found
}

fn word(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

fn starts_path(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |before| word(tokens, before));
    let continued = before == "::" && at.checked_sub(2).is_some_and(|first| is_name(word(tokens, first)));
    match word(tokens, at) {
        _ if continued => false,
        // `pub(crate)` and `pub(super)` say who may look in, not who is looked at.
        "crate" | "super" => !(before == "(" && word(tokens, at + 1) == ")"),
        "self" | "netbackup_exporter" => word(tokens, at + 1) == "::",
        _ => false,
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Follows one path, or tree of paths, from `at`; `here` is the module that it starts from. Returns where it ended.
fn follow(tokens: &[Token], mut at: usize, here: &[String], found: &mut Vec<Import>) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut path = here.to_vec();
    loop {
        match word(tokens, at) {
            "crate" | "netbackup_exporter" => path.clear(),
            "super" => {
                path.pop();
            }
            "self" => {}
            "{" => return follow_tree(tokens, at, &path, found),
            name => {
                let module = path.first().map(String::as_str).or_else(|| is_name(name).then_some(name));
                found.push(Import { module: module.map(str::to_owned), line });
                return at + 1;
            }
        }
        at += 1;
        if word(tokens, at) != "::" {
            found.push(Import { module: path.first().cloned(), line });
            return at;
        }
        at += 1;
    }
}

fn follow_tree(tokens: &[Token], at: usize, path: &[String], found: &mut Vec<Import>) -> usize {
    let mut at = at + 1;
    loop {
        at = follow(tokens, at, path, found);
        // What follows the part that decided (`::rest`, `as name`, a nested group) changes nothing.
        let mut depth = 0_usize;
        loop {
            match word(tokens, at) {
                "" => return at,
                "{" => depth += 1,
                "}" if depth == 0 => return at + 1,
                "}" => depth -= 1,
                "," if depth == 0 => break,
                _ => {}
            }
            at += 1;
        }
        at += 1;
        if word(tokens, at) == "}" {
            return at + 1;
        }
    }
}
