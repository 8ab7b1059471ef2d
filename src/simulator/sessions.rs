//! Signing in with a user and a password: accounts, tokens, and what a primary does to who guesses.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::control::{Control, Shared, lock};
use super::reply::Problem;

/// What `validity` says unless a test sets another, in seconds.
const VALIDITY: u64 = 86_400;

/// How long the first of the two tokens of a sign-in with a second factor is good, in seconds.
const MFA_VALIDITY: u64 = 180;

/// What who signs in too often is asked to wait.
pub(crate) const RETRY_AFTER_SECONDS: u64 = 30;

/// A user that may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// `userName`.
    pub user_name: String,
    /// `password`.
    pub password: String,
    /// `domainName`, where it must be given.
    pub domain_name: Option<String>,
    /// `domainType`, where it must be given.
    pub domain_type: Option<String>,
    /// Whether the account has a second factor: a sign-in gives a token of the type `MFA`, which opens nothing.
    pub needs_second_factor: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sessions {
    account: Option<Account>,
    validity: u64,
    /// When each token ends, milliseconds since the epoch.
    tokens: BTreeMap<String, i64>,
    issued: u64,
    attempts: u64,
    /// Wrong passwords in a row, and how many lock the account.
    wrong: u32,
    locked_after: Option<u32>,
    /// How many sign-ins a minute are answered, and when the last ones came.
    limit: Option<usize>,
    recent: VecDeque<i64>,
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions {
            account: None,
            validity: VALIDITY,
            tokens: BTreeMap::new(),
            issued: 0,
            attempts: 0,
            wrong: 0,
            locked_after: None,
            limit: None,
            recent: VecDeque::new(),
        }
    }
}

impl Sessions {
    /// Whether `token` opens the primary at `now`.
    pub(crate) fn is_valid(&self, token: &str, now: i64) -> bool {
        self.tokens.get(token).is_some_and(|end| now < *end)
    }

    /// `POST /login`.
    pub(crate) fn login(&mut self, body: &[u8], now: i64) -> Result<String, Problem> {
        self.attempts += 1;
        let fields: Value = serde_json::from_slice(body).map_err(|_| Problem::parameter("the body is no JSON"))?;
        let word = |name: &str| fields.get(name).and_then(Value::as_str);
        let (Some(user), Some(password)) = (word("userName"), word("password")) else {
            return Err(Problem::parameter("userName and password are required"));
        };
        let known = ["NT", "vx", "unixpwd", "ldap"];
        if word("domainType").is_some_and(|kind| !known.contains(&kind)) {
            return Err(Problem::parameter("domainType is none of NT, vx, unixpwd, ldap"));
        }
        self.recent.retain(|at| now.saturating_sub(*at) < 60_000);
        if self.limit.is_some_and(|limit| self.recent.len() >= limit) {
            return Err(Problem::new(429, 8_954, "Too many requests."));
        }
        self.recent.push_back(now);
        // The numbers of the refusals are made up: only that they are not 8000 is known.
        if self.locked_after.is_some_and(|most| self.wrong >= most) {
            return Err(Problem::new(401, 5_931, "The account is locked."));
        }
        let suits = |account: &&Account| {
            account.user_name == user
                && account.password == password
                && (account.domain_name.is_none() || account.domain_name.as_deref() == word("domainName"))
                && (account.domain_type.is_none() || account.domain_type.as_deref() == word("domainType"))
        };
        let Some(account) = self.account.as_ref().filter(suits) else {
            self.wrong += 1;
            return Err(Problem::new(401, 5_932, "The user name or password is wrong."));
        };
        self.wrong = 0;
        self.issued += 1;
        let token = format!("eyJ0eXAiOiJKV1QifQ.simulated-{}.{now:x}", self.issued);
        if account.needs_second_factor {
            return Ok(json!({"token": token, "tokenType": "MFA", "validity": MFA_VALIDITY}).to_string());
        }
        let milliseconds = i64::try_from(self.validity.saturating_mul(1_000)).unwrap_or(i64::MAX);
        self.tokens.insert(token.clone(), now.saturating_add(milliseconds));
        Ok(json!({"token": token, "tokenType": "BEARER", "validity": self.validity}).to_string())
    }

    /// `POST /logout`.
    pub(crate) fn logout(&mut self, token: &str) {
        self.tokens.remove(token);
    }
}

impl Control {
    /// The one account that may sign in from now on; `None`: nobody may.
    pub fn set_account(&self, account: Option<Account>) {
        self.sessions(|sessions| sessions.account = account);
    }

    /// How long tokens that are given from now on are good, in seconds.
    pub fn set_token_validity(&self, seconds: u64) {
        self.sessions(|sessions| sessions.validity = seconds);
    }

    /// Ends every session, as an administrator may.
    pub fn revoke_tokens(&self) {
        self.sessions(|sessions| sessions.tokens.clear());
    }

    /// The account is locked after so many wrong passwords in a row; `None`: never. It stays so until this is set again.
    pub fn lock_after(&self, wrong_passwords: Option<u32>) {
        self.sessions(|sessions| (sessions.locked_after, sessions.wrong) = (wrong_passwords, 0));
    }

    /// Sign-ins beyond so many a minute get a 429; `None`: no limit.
    pub fn limit_logins(&self, per_minute: Option<usize>) {
        self.sessions(|sessions| sessions.limit = per_minute);
    }

    /// Sign-ins so far, refused ones included.
    #[must_use]
    pub fn login_attempts(&self) -> u64 {
        self.sessions(|sessions| sessions.attempts)
    }

    /// Tokens that are good now.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        let now = lock(&self.shared.settings).now();
        self.sessions(|sessions| sessions.tokens.values().filter(|end| now < **end).count())
    }

    fn sessions<T>(&self, what: impl FnOnce(&mut Sessions) -> T) -> T {
        what(&mut lock(&self.shared.sessions))
    }
}

impl Shared {
    /// Whether a request with this value of `Authorization` comes from somebody who signed in.
    pub(crate) fn is_signed_in(&self, value: &str, now: i64) -> bool {
        lock(&self.sessions).is_valid(value, now)
    }
}
