//! Files that the configuration names: read once at load, so that a wrong path is told at start and not at the first poll.
//! Messages name neither the path nor what the file holds.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// Nothing that is named here is longer.
const LARGEST: u64 = 1024 * 1024;

/// Reads a file of at most 1 MiB.
///
/// # Errors
/// Why not, and what to do.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > LARGEST => {
            Err("the file is larger than 1 MiB: this cannot be the right one".into())
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(reason(error.kind())),
    }
}

/// As [`read`], for files that are read again later: pipes and devices are refused, they would block or run dry.
///
/// # Errors
/// Why not, and what to do.
pub(super) fn read_regular(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| reason(error.kind()))?;
    if metadata.is_file() { read(path) } else { Err("this is not a regular file".into()) }
}

/// Whether any user of the machine may read the file.
#[cfg(unix)]
pub(super) fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// Whether any user of the machine may read the file: not known on this system.
#[cfg(not(unix))]
pub(super) fn is_world_readable(_path: &Path) -> bool {
    false
}

/// Checks that text holds at least one whole PEM block whose label ends in `label`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_pem(bytes: &[u8], label: &str) -> Result<(), String> {
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    let end_of_begin = format!("{label}-----");
    let mut found = false;
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if !(line.starts_with("-----BEGIN ") && line.ends_with(&end_of_begin)) {
            continue;
        }
        let mut length = 0;
        let mut first = None;
        loop {
            let line = lines.next().ok_or_else(|| format!("a PEM block of {label} has no end"))?;
            if line.starts_with("-----END ") {
                break;
            }
            // Old private keys carry headers such as `Proc-Type: 4,ENCRYPTED` before the data.
            if line.contains(": ") {
                continue;
            }
            if !line.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')) {
                return Err(format!("a PEM block of {label} is not base64"));
            }
            first = first.or(line.bytes().next());
            length += line.len();
        }
        // DER starts with a sequence, 0x30, which base64 writes as `M`.
        if length == 0 || length % 4 != 0 || first != Some(b'M') {
            return Err(format!("a PEM block of {label} is damaged"));
        }
        found = true;
    }
    if found { Ok(()) } else { Err(format!("expected a PEM file with at least one block of {label}")) }
}

fn reason(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::NotFound => "there is no such file".into(),
        ErrorKind::PermissionDenied => "the file may not be read by the user that the exporter runs as".into(),
        ErrorKind::IsADirectory => "this is a directory, expected a file".into(),
        kind => format!("the file cannot be read ({kind})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_says_why_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("good"), "x").unwrap();
        std::fs::write(path("large"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
        assert_eq!(*read_regular(&path("good")).unwrap(), b"x");
        assert!(read_regular(&path("large")).unwrap_err().contains("1 MiB"));
        assert!(read_regular(&path("none")).unwrap_err().contains("no such file"));
        assert!(read_regular(directory.path()).unwrap_err().contains("regular"));
        assert!(read(directory.path()).unwrap_err().contains("directory"));
        assert!(read_regular(Path::new("/dev/zero")).unwrap_err().contains("regular"));
        assert!(read(Path::new("/dev/zero")).unwrap_err().contains("1 MiB"));
    }

    #[cfg(unix)]
    #[test]
    fn sees_who_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, expected) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_world_readable(file.path()), expected, "{mode:o}");
        }
    }

    #[test]
    fn pem_is_whole_or_refused() {
        let good = "text\n-----BEGIN CERTIFICATE-----\nMIIB\nAAA=\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4\r\n\r\nMIIB\r\n-----END RSA PRIVATE KEY-----\r\n";
        assert_eq!(check_pem(good.as_bytes(), "CERTIFICATE"), Ok(()));
        assert_eq!(check_pem(format!("{good}{good}").as_bytes(), "CERTIFICATE"), Ok(()));
        assert_eq!(check_pem(key.as_bytes(), "PRIVATE KEY"), Ok(()));
        for (text, word) in [
            (String::new(), "at least one"),
            ("garbage".into(), "at least one"),
            (key.into(), "at least one"),
            (good.replace("-----END CERTIFICATE-----", ""), "no end"),
            (good.replace("MIIB", "M!IB"), "not base64"),
            (good.replace("MIIB", "MII"), "damaged"),
            (good.replace("MIIB", "AIIB"), "damaged"),
            (good.replace("MIIB\nAAA=\n", ""), "damaged"),
            (format!("{good}-----BEGIN CERTIFICATE-----\n"), "no end"),
        ] {
            let error = check_pem(text.as_bytes(), "CERTIFICATE").unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
