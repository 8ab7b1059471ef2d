//! Where the configuration comes from: a file, or the environment alone.

use std::path::{Path, PathBuf};

use super::{Config, ConfigErrors, Environment, Overrides, base_url};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "config.toml";

/// The variable that makes the environment a configuration.
const URL_VARIABLE: &str = "NETBACKUP_URL";

/// Where the configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// A file.
    File(PathBuf),
    /// `NETBACKUP_URL` and its fellows.
    Environment,
}

impl ConfigSource {
    /// A file that was named always wins, then `config.toml` if it is there, then the environment if it names a
    /// primary. With none of these it is still `config.toml`, whose absence is then told.
    #[must_use]
    pub fn locate(named: Option<&Path>, environment: &Environment) -> ConfigSource {
        ConfigSource::locate_by(named, Path::new(DEFAULT_FILE), environment)
    }

    fn locate_by(named: Option<&Path>, default: &Path, environment: &Environment) -> ConfigSource {
        let file = |path: &Path| ConfigSource::File(path.to_owned());
        let names_primary = url_variable(environment).is_some();
        match named {
            Some(path) => file(path),
            // A file that cannot even be looked at is there: reading it tells why it fails.
            None if names_primary && matches!(default.try_exists(), Ok(false)) => ConfigSource::Environment,
            None => file(default),
        }
    }

    /// The configuration, checked, with the flags of the command line put over it.
    ///
    /// # Errors
    /// Every mistake of the file or the environment, of the flags, and of the web configuration.
    pub fn load(&self, environment: &Environment, overrides: &Overrides) -> Result<Config, ConfigErrors> {
        let config = match self {
            ConfigSource::File(path) => Config::load(path, environment).map(|mut config| {
                config.warnings.extend(unused_environment(&config, path, environment));
                config
            }),
            ConfigSource::Environment => Config::from_environment(environment).unwrap_or_else(|| {
                Err(ConfigErrors::one("environment", URL_VARIABLE, "not set: it names the primary to poll"))
            }),
        };
        match config {
            Ok(config) => config.with_overrides(overrides),
            // What the flags say, and the file that one of them names, is judged all the same.
            Err(errors) => Err(match Config::of_sites(Vec::new()).with_overrides(overrides) {
                Ok(_) => errors,
                Err(more) => errors.and(more),
            }),
        }
    }
}

fn url_variable(environment: &Environment) -> Option<&str> {
    environment.get(URL_VARIABLE).map(String::as_str).filter(|url| !url.is_empty())
}

/// The warning about a primary that the environment names in vain. A file that polls this primary, be it as
/// `url = "${NETBACKUP_URL}"`, makes it no mistake.
fn unused_environment(config: &Config, path: &Path, environment: &Environment) -> Option<String> {
    let url = base_url::parse(url_variable(environment)?).ok();
    let is_polled = url.is_some_and(|url| config.sites.iter().any(|site| site.url == url));
    (!is_polled).then(|| {
        format!(
            "{}: this file is the configuration, and {URL_VARIABLE} of the environment has no effect",
            path.display()
        )
    })
}

impl std::fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigSource::File(path) => write!(f, "{}", path.display()),
            ConfigSource::Environment => f.write_str("environment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_of_the_environment_that_a_file_hides_is_warned_about() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(DEFAULT_FILE);
        std::fs::write(&path, "[[site]]\nname = \"a\"\nurl = \"https://nbu\"\napi_key = \"k\"\n").unwrap();
        #[cfg(unix)]
        let_nobody_else_read(&path);
        let warnings = |url: &str| {
            let environment = Environment::from([("NETBACKUP_URL".into(), url.into())]);
            let source = ConfigSource::locate_by(None, &path, &environment);
            source.load(&environment, &Overrides::default()).unwrap().warnings
        };
        for url in ["https://other-primary", "other-primary"] {
            let warnings = warnings(url);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].starts_with(&path.display().to_string()), "{warnings:?}");
            assert!(warnings[0].contains("NETBACKUP_URL") && !warnings[0].contains("other-primary"), "{warnings:?}");
        }
        for url in ["", "https://nbu/netbackup/"] {
            assert!(warnings(url).is_empty(), "{url}");
        }
    }

    #[cfg(unix)]
    fn let_nobody_else_read(path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_key_in_a_file_that_everybody_may_read_is_warned_about() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(DEFAULT_FILE);
        let environment = Environment::from([("KEY".into(), "s3ntinelXq9".into())]);
        let warnings = |credential: &str, mode| {
            let text = format!("[[site]]\nname = \"a\"\nurl = \"https://nbu\"\n{credential}\n");
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            ConfigSource::File(path.clone()).load(&environment, &Overrides::default()).unwrap().warnings
        };
        let told = warnings("api_key = \"s3ntinelXq9\"", 0o644);
        assert!(told.len() == 1 && told[0].contains("site[0].api_key: every user of this machine"), "{told:?}");
        assert!(!told[0].contains("s3ntinelXq9"));
        assert!(warnings("api_key = \"s3ntinelXq9\"", 0o640).is_empty());
        assert!(warnings("api_key = \"${KEY}\"", 0o644).is_empty(), "it is not in the file");
    }

    #[test]
    fn a_named_file_wins_then_the_default_file_then_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let default = directory.path().join(DEFAULT_FILE);
        let (named, file) = (Path::new("/etc/x.toml"), ConfigSource::File(default.clone()));
        let primary = Environment::from([("NETBACKUP_URL".into(), "https://nbu".into())]);
        let empty = Environment::from([("NETBACKUP_URL".into(), String::new())]);
        let locate = |named, environment: &Environment| ConfigSource::locate_by(named, &default, environment);

        assert_eq!(locate(None, &primary), ConfigSource::Environment);
        assert_eq!(locate(None, &empty), file);
        assert_eq!(locate(None, &Environment::new()), file);
        assert_eq!(locate(Some(named), &primary), ConfigSource::File(named.into()));
        std::fs::write(&default, "").unwrap();
        assert_eq!(locate(None, &primary), file);
    }
}
