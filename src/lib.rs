//! `netbackup_exporter`: polls the slow REST API of one or many NetBackup primaries in the background and serves the
//! newest snapshot to Prometheus at once, always saying how old it is.
//!
//! ```text
//!  NetBackup primary ─HTTP─▶ netbackup::Client ─▶ Collector::poll ─▶ Rendered ─▶ Slot (ArcSwap) ─▶ GET /metrics
//!    (or simulator)          one per site         one task per       bytes of     one writer,      copies bytes,
//!                                                 site x collector   a snapshot   many readers     adds freshness
//! ```
//!
//! Reading order: [`config`], [`freshness`], [`cache`], [`exposition`], [`netbackup`], [`collector`], [`poll`],
//! [`state`], [`sites`], [`server`], then `main.rs`.
//!
//! Layers (checked by `tests/layers.rs`), each may use those to its right and its own:
//! `main, check, demo, reload, run -> {sites, server, poll} -> {collector, health, state, telemetry} ->
//! {netbackup, cache, exposition} -> {config, freshness, reason, stats, clock, trace}`. `server` never sees `netbackup`;
//! `netbackup` never sees `exposition`; `simulator` sees none of them.

pub mod cache;
pub mod check;
pub mod cli;
pub mod clock;
pub mod collector;
pub mod config;
pub mod demo;
pub mod exposition;
pub mod freshness;
pub mod health;
pub mod netbackup;
pub mod poll;
pub mod reason;
pub mod reload;
pub mod run;
pub mod server;
pub mod simulator;
pub mod sites;
pub mod state;
pub mod stats;
pub mod telemetry;
pub mod trace;
