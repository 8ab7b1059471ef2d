//! Tells the crate which revision and which compiler it was built from, and which pages of documentation it carries. A
//! tarball without history, or a build that must not depend on it, sets `NETBACKUP_EXPORTER_REVISION`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=NETBACKUP_EXPORTER_REVISION");
    // Moves with every commit and checkout. A file that is not there would make every build run this again.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = output("git", &["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let revision = std::env::var("NETBACKUP_EXPORTER_REVISION")
        .ok()
        .filter(|revision| !revision.is_empty())
        .or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"]))
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=BUILD_REVISION={revision}");

    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    // "rustc 1.95.0 (hash date)": the version alone is what the label asks for.
    let version = output(&rustc, &["--version"])
        .and_then(|line| line.split_whitespace().nth(1).map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=BUILD_RUSTVERSION={version}");
    collect_docs();
}

/// Writes the table of the pages below `docs` that `src/server/docs` serves: paths and, by inclusion, texts.
fn collect_docs() {
    println!("cargo::rerun-if-changed=docs");
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("docs");
    let mut pages = String::from("&[\n");
    for directory in ["", "runbooks/"] {
        let mut names: Vec<String> = std::fs::read_dir(root.join(directory))
            .map(|files| files.flatten().filter_map(|file| file.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        names.retain(|name| name.ends_with(".md"));
        names.sort();
        for name in names {
            let (path, file) = (format!("{directory}{name}"), root.join(directory).join(&name));
            pages.push_str(&format!("    ({path:?}, include_str!({file:?})),\n"));
        }
    }
    pages.push_str("]\n");
    let out = Path::new(&std::env::var("OUT_DIR").unwrap_or_default()).join("docs.rs");
    // Without the table the build fails where it is included, and says so.
    let _ = std::fs::write(out, pages);
}

/// The first line of what a program prints; `None` when it cannot run or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}
