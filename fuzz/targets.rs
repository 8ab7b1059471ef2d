//! What is fed with foreign bytes, and what must hold whatever they are. Used by the fuzz targets, and by the test that
//! replays their corpora.
#![allow(dead_code, reason = "each fuzz target uses one")]

use std::path::Path;

use netbackup_exporter::collector::{self, jobs};
use netbackup_exporter::config::{Config, Environment, WebConfig};
use netbackup_exporter::exposition::{Encoding, Format, Rendered, negotiate_encoding, negotiate_format};
use netbackup_exporter::netbackup::{read_any_list, read_jobs_page, read_storage_units_page};
use netbackup_exporter::state::write_bytes;

/// As a value it must not be found in a message about the file.
const SECRET: &str = "S3CRET";

/// The configuration file.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A file that it names would be read.
    if text.contains("_file") || text.contains("directory") {
        return;
    }
    let environment = Environment::from([("KEY".to_owned(), "value".to_owned())]);
    match Config::parse(text, Path::new("config.toml"), &environment) {
        Ok(config) => {
            assert!(!config.sites.is_empty() && !config.web.listen_addresses.is_empty());
            for site in &config.sites {
                assert!(site.poll.request_timeout <= site.poll.timeout);
                for (_, timing) in &site.collectors {
                    assert!(timing.ttl <= timing.limits.stale_after);
                    assert!(timing.limits.stale_after < timing.limits.expire_after);
                }
            }
        }
        Err(mistakes) => {
            assert!(mistakes.iter().count() > 0);
            hides(text, "api_key = \"S3CRET\"", &mistakes.to_string());
        }
    }
}

/// A page of the job list.
pub fn job_page(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(page) = read_jobs_page(text) {
        for row in &page.rows {
            assert!(!row.state.is_empty());
            assert!(row.clone().into_owned() == *row);
        }
        assert_eq!(page.rejected > 0, page.first_rejection.is_some());
    }
}

/// A page of the storage units.
pub fn storage_page(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(page) = read_storage_units_page(text) {
        assert!(page.rows.iter().all(|row| !row.name.is_empty()));
        assert_eq!(page.rejected > 0, page.first_rejection.is_some());
    }
}

/// A page of every further list, and a list that comes whole.
pub fn lists(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // No record is shorter than two bytes, and each of some two dozen readers finds it once.
    assert!(read_any_list(text) <= text.len().saturating_mul(12));
}

/// `Accept` and `Accept-Encoding` of a scrape.
pub fn accept(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (format, encoding) = (negotiate_format(Some(text)), negotiate_encoding(Some(text)));
    // Nobody gets what was not named.
    let lower = text.to_ascii_lowercase();
    assert!(format == Format::Text || lower.contains("application/") || lower.contains('*'));
    assert!(encoding == Encoding::Identity || lower.contains("gzip") || lower.contains('*'));
}

/// The web configuration.
pub fn web_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.contains("_file") {
        return;
    }
    if let Err(mistakes) = WebConfig::parse(text, Path::new("web.yml")) {
        assert!(mistakes.iter().count() > 0);
        hides(text, "admin: \"S3CRET\"", &mistakes.to_string());
    }
}

/// A state file: as it is, and as parts of a file whose checksums are right.
pub fn state_file(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    match mode % 3 {
        0 => drop(jobs::read_state(bytes)),
        1 => {
            let frames: Vec<&[u8]> = frames(bytes);
            let (base, changes) = frames.split_at(frames.len().min(1 + usize::from(mode / 64)));
            let (name, version) = jobs::STATE_FILE;
            if let Ok(file) = write_bytes(version, name, base, changes) {
                let _ = jobs::read_state(&file);
            }
        }
        _ => {
            let known = |name: &str| collector::families().find(|family| family.name == name);
            if let Some(rendered) = Rendered::restore(bytes, known) {
                assert_eq!(rendered.export(), bytes, "what is taken is what would be written");
            }
        }
    }
}

/// Parts of `bytes`, each after its length.
fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (frame, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        frames.push(frame);
        bytes = rest;
    }
    frames
}

/// A message may repeat a key, never a value: where the secret stands as a value only, `message` must not hold it.
pub fn hides(text: &str, value: &str, message: &str) {
    assert!(text.replace(value, "").contains(SECRET) || !message.contains(SECRET), "a value in a message");
}
