//! `basic_auth_users`: names and bcrypt hashes.

use std::collections::BTreeSet;

use super::super::error::{Mistakes, Spot};
use super::super::secret::Secret;
use super::table::{MOST_WRONG, Table, name_of};
use super::yaml::Node;

/// Each step of the cost doubles the time; at 16 it is some 4 s, and nobody would wait for more.
const HIGHEST_COST: u32 = 16;

const NO_HASH: &str = "expected a bcrypt hash of 60 characters that begins with $2a$, $2b$ or $2y$ (`htpasswd -nBC 10 \
                       USER` writes one)";

/// Names and hashes; those that are wrong are noted and left out. A place is told by number, never by name: what stands
/// there may be a password that slipped.
pub(super) fn read(table: &Table<'_>, mistakes: &mut Mistakes) -> Vec<(String, Secret)> {
    let mut users = Vec::new();
    let mut names = BTreeSet::new();
    let mut costs = BTreeSet::new();
    let mut wrong = 0;
    for (at, (name, hash)) in table.entries().iter().enumerate() {
        let spot = |offset| Spot { key: format!("{}[{at}]", table.spot().key), offset: Some(offset) };
        let user = user(name, &mut names).map_err(|message| (name.offset, message));
        let checked = name_of(hash).ok_or(NO_HASH).and_then(|hash| Ok((hash, cost(hash)?)));
        let checked = checked.map_err(|message| (hash.offset, message));
        match user.and_then(|user| Ok((user, checked?))) {
            Ok((user, (hash, cost))) => {
                costs.insert(cost);
                users.push((user.to_owned(), Secret::new(hash.to_owned())));
            }
            Err((offset, message)) => {
                mistakes.error(&spot(offset), message);
                wrong += 1;
                if wrong == MOST_WRONG {
                    break;
                }
            }
        }
    }
    if costs.len() > 1 {
        let message = "the hashes have different costs: how long an answer takes can tell which users exist";
        mistakes.warn(table.spot(), message);
    }
    users
}

/// A name that nobody had before.
fn user<'n>(node: &'n Node, names: &mut BTreeSet<&'n str>) -> Result<&'n str, &'static str> {
    let name = name_of(node).ok_or("expected the name of a user")?;
    if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
        Err("expected the name of a user: not empty, without colons")
    } else if names.insert(name) {
        Ok(name)
    } else {
        Err("this user is written twice; keep one")
    }
}

/// The cost of a hash that can be used.
fn cost(hash: &str) -> Result<u32, &'static str> {
    let is_known = ["$2a$", "$2b$", "$2y$"].iter().any(|start| hash.starts_with(start));
    let parts: Option<bcrypt::HashParts> = hash.parse().ok().filter(|_| is_known);
    match parts.as_ref().map(bcrypt::HashParts::get_cost) {
        Some(cost @ 4..=HIGHEST_COST) => Ok(cost),
        Some(0..=3) => Err("a bcrypt hash of a cost below 4 does not exist"),
        Some(_) => Err("the cost of this hash is above 16: to check a password once would take many seconds"),
        None => Err(NO_HASH),
    }
}
