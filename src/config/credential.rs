//! How a site signs in: exactly one of four ways, each checked as far as it can be without asking the primary.

use std::path::{Path, PathBuf};

use super::error::{Mistakes, Spot};
use super::raw::{RawLogin, RawSite};
use super::reader::{Field, Typed};
use super::{Secret, site};

/// How a site signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An API key written in the configuration (usually as `${VAR}`).
    ApiKey(Secret),
    /// An API key read from a file; one trailing newline is dropped.
    ApiKeyFile(PathBuf),
    /// An API key that a program prints: the program, then its arguments. No shell.
    ApiKeyCommand(Vec<String>),
    /// A user and a password.
    Login(Login),
}

/// `[site.login]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub username: String,
    /// Where its password is read from; one trailing newline is dropped.
    pub password_file: PathBuf,
    /// The domain of the account, where the primary needs one.
    pub domain_name: Option<String>,
    /// The kind of that domain, where the primary needs it.
    pub domain_type: Option<DomainType>,
}

/// `domain_type`: where an account is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainType {
    /// A Windows domain.
    Nt,
    /// An account of NetBackup's own.
    Vx,
    /// The Unix password file of the primary.
    UnixPwd,
    /// A directory.
    Ldap,
}

impl DomainType {
    const ALL: [DomainType; 4] = [DomainType::Nt, DomainType::Vx, DomainType::UnixPwd, DomainType::Ldap];

    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            DomainType::Nt => "NT",
            DomainType::Vx => "vx",
            DomainType::UnixPwd => "unixpwd",
            DomainType::Ldap => "ldap",
        }
    }

    fn parse(text: &str) -> Result<DomainType, String> {
        let found = DomainType::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| "expected one of \"NT\", \"vx\", \"unixpwd\", \"ldap\"".into())
    }
}

/// The one way that is given; `None` when there is none or it is wrong, which is noted.
pub(super) fn resolve(raw: &RawSite, directory: &Path, mistakes: &mut Mistakes) -> Option<Credential> {
    one_of_four(raw, mistakes);
    if let Some(login) = &raw.login {
        return self::login(login, directory, mistakes).map(Credential::Login);
    }
    if let Some(typed) = raw.api_key_command.given() {
        return command(typed, directory, mistakes).map(Credential::ApiKeyCommand);
    }
    if let Some(typed) = raw.api_key_file.given() {
        return secret_file(typed, "key", check_key, directory, mistakes).map(Credential::ApiKeyFile);
    }
    let typed = raw.api_key.given()?;
    check_key(typed.value.expose())
        .map_err(|problem| mistakes.error(&typed.spot, format!("the key {problem}")))
        .ok()?;
    if raw.api_key_is_literal && mistakes.is_file_world_readable() {
        let message =
            "every user of this machine can read this file, and so the key; chmod o-r it, or use api_key_file";
        mistakes.warn(&typed.spot, message);
    }
    Some(Credential::ApiKey(typed.value.clone()))
}

fn one_of_four(raw: &RawSite, mistakes: &mut Mistakes) {
    fn spot<T>(field: &Field<T>) -> Option<&Spot> {
        field.given().map(|typed| &typed.spot)
    }
    let ways = [
        ("api_key", raw.api_key.is_there(), spot(&raw.api_key)),
        ("api_key_file", raw.api_key_file.is_there(), spot(&raw.api_key_file)),
        ("api_key_command", raw.api_key_command.is_there(), spot(&raw.api_key_command)),
        ("[site.login]", raw.login.is_some(), raw.login.as_ref().map(|login| &login.spot)),
    ];
    let mut given = ways.into_iter().filter(|(_, is_there, _)| *is_there);
    let Some((first, ..)) = given.next() else {
        if !raw.credential_told && !mistakes.has_syntax_errors() {
            let message = "an API key is missing: give api_key_file, or api_key (as \"${VARIABLE}\"), or api_key_command; \
                           or a [site.login] with username and password_file";
            mistakes.error(&raw.spot, message);
        }
        return;
    };
    for spot in given.filter_map(|(_, _, spot)| spot) {
        mistakes.error(spot, format!("{first} is given too: keep one way to sign in"));
    }
}

/// A file that holds nothing but a secret.
fn secret_file(
    typed: &Typed<String>,
    what: &str,
    check: fn(&str) -> Result<(), &'static str>,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<PathBuf> {
    let path = site::path(typed, directory, mistakes)?;
    let bytes = site::file(&path, typed, mistakes)?;
    let text = std::str::from_utf8(&bytes).unwrap_or("\0");
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if let Err(problem) = check(text) {
        mistakes.error(&typed.spot, format!("the file does not hold a {what}: the {what} {problem}"));
        return None;
    }
    site::warn_if_world_readable(&path, typed, mistakes);
    Some(path)
}

/// What is wrong with a key, if anything, wherever it comes from. It is sent as a header: what a header cannot carry would
/// fail at every request.
pub(crate) fn check_key(key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        Err("is empty")
    } else if key.bytes().any(|b| matches!(b, b'\n' | b'\r')) {
        Err("has more than one line")
    } else if !key.bytes().all(|b| b.is_ascii_graphic()) {
        Err("holds blanks, control characters or characters beyond ASCII")
    } else {
        Ok(())
    }
}

/// What is wrong with a password, if anything: it may hold whatever can be typed.
pub(crate) fn check_password(password: &str) -> Result<(), &'static str> {
    if password.is_empty() {
        Err("is empty")
    } else if password.bytes().any(|b| matches!(b, b'\n' | b'\r')) {
        Err("has more than one line")
    } else if password.chars().any(char::is_control) {
        Err("holds control characters, or the file is not UTF-8")
    } else {
        Ok(())
    }
}

fn check_word(text: &str) -> Result<(), String> {
    if text.is_empty() || text.chars().any(char::is_control) {
        Err("expected a name, without control characters".into())
    } else {
        Ok(())
    }
}

/// The program and its arguments. One with a slash is a path like any other of the file; one without is looked for in PATH
/// when it is run.
fn command(typed: &Typed<Vec<Typed<String>>>, directory: &Path, mistakes: &mut Mistakes) -> Option<Vec<String>> {
    let Some((program, arguments)) = typed.value.split_first() else {
        mistakes.error(&typed.spot, "expected a program, then its arguments");
        return None;
    };
    if let Some(bad) = typed.value.iter().find(|word| word.value.contains('\0')) {
        mistakes.error(&bad.spot, "a NUL character cannot be given to a program");
        return None;
    }
    let mut words = Vec::new();
    if program.value.contains('/') {
        let path = site::path(program, directory, mistakes)?;
        if !path.is_file() {
            mistakes.error(&program.spot, "there is no such program");
            return None;
        }
        // What was typed is UTF-8; a directory that is not cannot be written as a word.
        words.push(path.into_os_string().into_string().unwrap_or_else(|_| program.value.clone()));
    } else if program.value.trim().is_empty() {
        mistakes.error(&program.spot, "expected a program");
        return None;
    } else {
        words.push(program.value.clone());
    }
    words.extend(arguments.iter().map(|word| word.value.clone()));
    Some(words)
}

fn login(raw: &RawLogin, directory: &Path, mistakes: &mut Mistakes) -> Option<Login> {
    for (key, field) in [("username", &raw.username), ("password_file", &raw.password_file)] {
        if !field.is_there() && !mistakes.has_syntax_errors() {
            let spot = Spot { key: format!("{}.{key}", raw.spot.key), offset: raw.spot.offset };
            mistakes.error(&spot, format!("missing: a login needs a {key}"));
        }
    }
    let mut word = |field: &Field<String>| {
        let typed = field.given()?;
        site::checked(typed, check_word, mistakes).map(|()| typed.value.clone())
    };
    let (username, domain_name) = (word(&raw.username), word(&raw.domain_name));
    let kind = raw.domain_type.given().map(|typed| site::checked(typed, DomainType::parse, mistakes));
    let file = raw.password_file.given();
    let file = file.and_then(|typed| secret_file(typed, "password", check_password, directory, mistakes));
    let domain_type = match kind {
        Some(kind) => Some(kind?),
        None => None,
    };
    Some(Login { username: username?, password_file: file?, domain_name, domain_type })
}
