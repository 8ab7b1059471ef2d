//! What fuzzing has found worth keeping, fed again to the same functions: each file of `fuzz/corpus` must still be taken
//! without a panic and hold what `fuzz/targets.rs` says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

#[path = "../fuzz/targets.rs"]
mod targets;

type Target = fn(&[u8]);

/// Every target, and where its corpus lies.
const TARGETS: [(&str, Target); 7] = [
    ("accept", targets::accept),
    ("configuration", targets::configuration),
    ("job_page", targets::job_page),
    ("lists", targets::lists),
    ("state_file", targets::state_file),
    ("storage_page", targets::storage_page),
    ("web_config", targets::web_config),
];

#[test]
fn every_corpus_is_replayed() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut names: Vec<String> =
        std::fs::read_dir(&corpora).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, TARGETS.map(|(name, _)| name), "a corpus for each target, and no other");
    for (name, target) in TARGETS {
        let mut files = 0;
        for entry in std::fs::read_dir(corpora.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| target(&bytes)).is_err() {
                panic!("{} does not hold", path.display());
            }
            files += 1;
        }
        assert!(files >= 10, "{name} has {files} files");
    }
}

/// Whether the checks of the targets can fail at all.
#[test]
fn a_value_in_a_message_is_a_finding() {
    for text in ["api_key = \"S3CRET\"", "[web]\napi_key = \"S3CRET\"\n"] {
        targets::configuration(text.as_bytes());
    }
    assert!(
        std::panic::catch_unwind(|| targets::hides("api_key = \"S3CRET\"", "api_key = \"S3CRET\"", "S3CRET")).is_err()
    );
    targets::hides("S3CRET = \"S3CRET\"", "api_key = \"S3CRET\"", "S3CRET");
}
