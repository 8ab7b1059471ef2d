//! The feed against a model primary: random histories in virtual time, and the truth recounted from the model's own
//! ledger. `primary` answers, `history` says what happens, `ledger` knows what must have been counted, `bench` polls,
//! keeps, crashes and compares.

mod audit;
mod bench;
mod clients;
mod cold;
mod gaps;
mod histories;
mod history;
mod ledger;
mod primary;
mod soak;
