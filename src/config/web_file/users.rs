//! `basic_auth_users`: names and bcrypt hashes.

use std::collections::BTreeSet;

use super::super::error::{Mistakes, Spot};
use super::super::secret::Secret;
use super::table::{Table, name_of};

/// What one more step of the cost doubles takes some 4 s at 16: nobody would wait for more.
const HIGHEST_COST: u32 = 16;

/// Names and hashes; those that are wrong are noted and left out. A place is told by number, never by name: what stands
/// there may be a password that slipped.
pub(super) fn read(table: &Table<'_>, mistakes: &mut Mistakes) -> Vec<(String, Secret)> {
    let mut users = Vec::new();
    let mut names = BTreeSet::new();
    let mut costs = BTreeSet::new();
    for (at, (name, hash)) in table.entries().iter().enumerate() {
        let spot = |offset| Spot { key: format!("{}[{at}]", table.spot().key), offset: Some(offset) };
        let (name_spot, hash_spot) = (spot(name.offset), spot(hash.offset));
        match name_of(name) {
            Some(name) if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) => {
                mistakes.error(&name_spot, "expected the name of a user: not empty, without colons");
                continue;
            }
            Some(name) if !names.insert(name) => {
                mistakes.error(&name_spot, "this user is written twice; keep one");
                continue;
            }
            Some(_) => {}
            None => {
                mistakes.error(&name_spot, "expected the name of a user");
                continue;
            }
        }
        let checked = name_of(hash).ok_or("expected a bcrypt hash in quotes").and_then(|hash| Ok((hash, cost(hash)?)));
        match (name_of(name), checked) {
            (Some(name), Ok((hash, cost))) => {
                costs.insert(cost);
                users.push((name.to_owned(), Secret::new(hash.to_owned())));
            }
            (_, Err(message)) => mistakes.error(&hash_spot, message),
            (None, Ok(_)) => {}
        }
    }
    if costs.len() > 1 {
        let message = "the hashes have different costs: how long an answer takes can tell which users exist";
        mistakes.warn(table.spot(), message);
    }
    users
}

/// The cost of a hash that can be used.
fn cost(hash: &str) -> Result<u32, &'static str> {
    let is_known = ["$2a$", "$2b$", "$2y$"].iter().any(|start| hash.starts_with(start));
    let parts: Option<bcrypt::HashParts> = hash.parse().ok().filter(|_| is_known);
    let message = "expected a bcrypt hash of 60 characters that begins with $2a$, $2b$ or $2y$ (`htpasswd -nBC 10 USER` \
                   writes one)";
    match parts.as_ref().map(bcrypt::HashParts::get_cost) {
        Some(cost @ 4..=HIGHEST_COST) => Ok(cost),
        Some(0..=3) => Err("a bcrypt hash of a cost below 4 does not exist"),
        Some(_) => Err("the cost of this hash is above 16: to check a password once would take many seconds"),
        None => Err(message),
    }
}
