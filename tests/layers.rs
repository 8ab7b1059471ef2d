//! How the house is laid out, checked on the sources themselves: the layers that `src/lib.rs` describes, files of a
//! size that a person reads in one go, and a first line in each that says what it is for.
#![expect(clippy::expect_used, reason = "a test reports by panicking")]

use std::path::Path;

#[path = "layers/imports.rs"]
mod imports;
#[path = "layers/source.rs"]
mod source;

use imports::{imports, module_path};
use source::{Source, product_code, read_all, tokens};

/// From the ground up: a module may use those of lower layers and of its own.
const LAYERS: [&[&str]; 5] = [
    &["config", "freshness", "reason", "stats", "clock", "trace"],
    &["netbackup", "cache", "exposition"],
    &["collector", "health", "state", "telemetry"],
    &["sites", "server", "poll"],
    &["main", "check", "demo", "reload", "run"],
];

/// Pairs that the layers would allow. The client knows no metric, the exposition no primary, the cache neither, so that
/// the two meet in `collector` and above; a page is made of what the snapshots say.
const FORBIDDEN: [(&str, &str); 5] = [
    ("netbackup", "exposition"),
    ("exposition", "netbackup"),
    ("cache", "netbackup"),
    ("cache", "exposition"),
    ("server", "netbackup"),
];

/// Aside from the layers: what these may use, and who may use them.
const ASIDE: [(&str, &[&str], &[&str]); 2] =
    [("cli", &["config", "simulator", "telemetry"], &["main", "demo"]), ("simulator", &[], &["main", "demo", "cli"])];

/// Lines of a file of product code, tests aside.
const LONGEST_FILE: usize = 400;

/// Why `from` may not use `to`; `None`: it may.
fn objection(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    let layer = |module: &str| LAYERS.iter().position(|modules| modules.contains(&module));
    let aside = |module: &str| ASIDE.iter().find(|(name, ..)| *name == module);
    let allowed = match (aside(from), aside(to)) {
        (Some((_, may_use, _)), _) if !may_use.contains(&to) => false,
        (_, Some((_, _, used_by))) => used_by.contains(&from),
        (Some(_), None) => true,
        (None, None) => match (layer(from), layer(to)) {
            (Some(above), Some(below)) => above >= below && !FORBIDDEN.contains(&(from, to)),
            _ => return Some(format!("{from} or {to} has no place in the layers of tests/layers.rs")),
        },
    };
    (!allowed).then(|| format!("{from} may not use {to}"))
}

/// The sources that are no tests: neither declared as `#[cfg(test)] mod name;` nor below such a module.
fn product(sources: &[Source]) -> Vec<&Source> {
    let tests: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|source| {
            let path = module_path(&source.name);
            source.code.test_modules.iter().map(move |module| [path.as_slice(), std::slice::from_ref(module)].concat())
        })
        .collect();
    let is_test = |source: &&Source| tests.iter().any(|test| module_path(&source.name).starts_with(test));
    sources.iter().filter(|source| !is_test(source)).collect()
}

/// Everything in `sources` that breaks the rule, a line each.
fn violations(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in product(sources) {
        let path = module_path(&source.name);
        let from = match source.name.as_str() {
            // It declares the modules and does nothing, so nobody can reach one through it: a name at the root that is
            // no module has no place in the layers.
            "src/lib.rs" => continue,
            "src/main.rs" => "main",
            _ => path.first().map_or("", String::as_str),
        };
        for import in imports(&path, &source.code) {
            let why = match import.module {
                None => Some("a path ends at the root of the crate, which hides what is used".to_owned()),
                Some(to) => objection(from, &to),
            };
            found.extend(why.map(|why| format!("{}:{}: {why}", source.name, import.line)));
        }
        let words: Vec<&str> = source.code.tokens.iter().map(|token| token.text.as_str()).collect();
        if words.windows(3).any(|three| three == ["#", "[", "path"]) {
            found.push(format!("{}: #[path] hides to which module a file belongs", source.name));
        }
    }
    found
}

/// The sources of the crate. Nothing found would mean that nothing is checked.
fn crate_sources(directory: &str) -> Vec<Source> {
    let sources = read_all(Path::new(env!("CARGO_MANIFEST_DIR")), directory).expect("the sources can be read");
    assert!(!sources.is_empty(), "{directory} holds sources");
    sources
}

/// A file as the tests below write it.
fn file(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned(), code: product_code(&tokens(text)) }
}

/// What `imports` finds in the code of one file, as words; the root is `crate`.
fn reached(name: &str, text: &str) -> Vec<String> {
    let imports = imports(&module_path(name), &file(name, text).code);
    imports.into_iter().map(|import| import.module.unwrap_or_else(|| "crate".to_owned())).collect()
}

#[test]
fn the_crate_keeps_its_layers() {
    let found = violations(&crate_sources("src"));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_module_of_the_crate_has_a_place() {
    let lib = crate_sources("src").into_iter().find(|source| source.name == "src/lib.rs").expect("there is a library");
    let words: Vec<&str> = lib.code.tokens.iter().map(|token| token.text.as_str()).collect();
    let declared = words.windows(3).filter_map(|three| match three {
        ["mod", name, ";"] => Some(*name),
        _ => None,
    });
    let placed: Vec<&str> =
        LAYERS.iter().flat_map(|layer| layer.iter().copied()).chain(ASIDE.map(|(name, ..)| name)).collect();
    let homeless: Vec<&str> = declared.filter(|name| !placed.contains(name)).collect();
    assert!(homeless.is_empty(), "give these a place in LAYERS: {homeless:?}");
}

#[test]
fn files_are_short_enough_to_read() {
    let too_long: Vec<String> = product(&crate_sources("src"))
        .into_iter()
        .map(|source| (source, source.text.lines().count().saturating_sub(source.code.test_lines)))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(source, lines)| format!("{}: {lines} lines aside from its tests, {LONGEST_FILE} at most", source.name))
        .collect();
    assert!(too_long.is_empty(), "\n{}", too_long.join("\n"));
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent: Vec<String> = ["src", "tests"]
        .into_iter()
        .flat_map(crate_sources)
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.name)
        .collect();
    assert!(silent.is_empty(), "these do not open with `//! `: {silent:?}");
}

#[test]
fn the_rule_is_the_one_that_the_library_describes() {
    for (from, to) in [
        ("main", "demo"),
        ("demo", "simulator"),
        ("main", "cli"),
        ("cli", "config"),
        ("sites", "netbackup"),
        ("poll", "collector"),
        ("collector", "netbackup"),
        ("collector", "exposition"),
        ("server", "health"),
        ("server", "poll"),
        ("cache", "freshness"),
        ("config", "freshness"),
        ("netbackup", "netbackup"),
    ] {
        assert_eq!(objection(from, to), None);
    }
    for (from, to) in [
        ("server", "netbackup"),
        ("netbackup", "exposition"),
        ("exposition", "netbackup"),
        ("cache", "collector"),
        ("config", "cache"),
        ("collector", "poll"),
        ("server", "main"),
        ("server", "cli"),
        ("cli", "server"),
        ("simulator", "config"),
        ("simulator", "cli"),
        ("collector", "simulator"),
        ("server", "simulator"),
        ("server", "brand_new"),
        ("brand_new", "config"),
    ] {
        assert!(objection(from, to).is_some(), "{from} -> {to} must be refused");
    }
}

#[test]
fn every_way_to_write_an_import_is_seen() {
    for (text, expected) in [
        ("use crate::cache::Slot;", vec!["cache"]),
        ("use crate::{cache, clock::{Stamp, Clock}, config::{self, Config} as c,};", vec!["cache", "clock", "config"]),
        ("use ::std::fmt; use tokio::time::self_test;", vec![]),
        ("use super::super::netbackup::Client;", vec!["netbackup"]),
        ("use super::{super::netbackup, sibling};", vec!["netbackup", "server"]),
        ("use {crate::cache, std::fmt, crate::stats};", vec!["cache", "stats"]),
        ("use self::inner::x; fn f(&self) { self.x() }", vec!["server"]),
        ("fn f() -> crate::reason::Reason { crate::stats::Code::max() }", vec!["reason", "stats"]),
        ("macro_rules! m { () => { $crate::clock::now() } }", vec!["clock"]),
        ("impl Trait for crate::cache::Slot<super::super::stats::Code> {}", vec!["cache", "stats"]),
        ("mod inner { use super::super::super::cache; } use super::page;", vec!["cache", "server"]),
        ("mod a { mod b {} } use super::super::cache;", vec!["cache"]),
        ("use netbackup_exporter::health;", vec!["health"]),
        ("use crate::r#x; pub(crate) fn f() {} pub(super) struct S; pub(in crate::server) mod m;", vec!["x", "server"]),
        ("use crate as root;", vec!["crate"]),
        ("use crate::*;", vec!["crate"]),
        ("use super::super::*;", vec!["crate"]),
        ("use crate::{self as root, cache};", vec!["crate", "cache"]),
    ] {
        assert_eq!(reached("src/server/page.rs", text), expected, "{text}");
    }
}

#[test]
fn comments_strings_and_tests_are_no_imports() {
    let text = r####"
        //! [`crate::doc`]
        /* crate::block /* crate::nested */ crate::block */
        const A: &str = "crate::string \" crate::string";
        const B: &str = r#"crate::raw " crate::raw"#;
        const C: (char, char, u8) = ('"', '\'', b'"');
        fn life<'a>(x: &'a str) -> &'a str { x }
        #[cfg(test)]
        use crate::in_test;
        #[cfg(all(test, unix))]
        #[expect(dead_code, reason = "crate::attribute")]
        pub(crate) mod tests { use crate::in_test; fn f() { let x = [0; 3]; } }
        #[cfg(test)]
        mod more;
        #[cfg(not(test))]
        use crate::kept;
        #[cfg(test)]
        fn helper(x: [u8; 2]) -> u8 { crate::in_test::f(x) }
        use crate::last;
    "####;
    assert_eq!(reached("src/cache.rs", text), ["kept", "last"]);
    let code = file("src/cache.rs", text).code;
    assert_eq!(code.test_modules, ["more"]);
    assert_eq!(code.test_lines, 2 + 3 + 2 + 2);
    assert_eq!(reached("src/cache.rs", "#![cfg(test)]\nuse crate::server;"), Vec::<String>::new());
}

#[test]
fn a_breach_is_reported_with_file_and_line() {
    let breaches = [
        file("src/server/page.rs", "\nuse crate::netbackup::Client;"),
        file("src/config/mod.rs", "use super::server;"),
        file("src/cache.rs", "use crate::{exposition::Family, netbackup::Client};"),
        file("src/stats.rs", "#[cfg(test)]\nmod tests;"),
        file("src/stats/tests.rs", "use crate::server;"),
        file("src/stats/tests/deep.rs", "use crate::server;"),
        file("src/collector/jobs.rs", "use crate::{exposition::Family, netbackup::Client};"),
        file("src/main.rs", "use netbackup_exporter::Shortcut;"),
        file("src/poll.rs", "#[path = \"x.rs\"] mod x;"),
    ];
    assert_eq!(
        violations(&breaches),
        [
            "src/server/page.rs:2: server may not use netbackup",
            "src/config/mod.rs:1: config may not use server",
            "src/cache.rs:1: cache may not use exposition",
            "src/cache.rs:1: cache may not use netbackup",
            "src/main.rs:1: main or Shortcut has no place in the layers of tests/layers.rs",
            "src/poll.rs: #[path] hides to which module a file belongs",
        ]
    );
}
