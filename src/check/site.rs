//! The order in which a site is asked.

use std::sync::Arc;

use super::primary::{self, Judged};
use super::report::SiteReport;
use super::trail::Trail;
use super::{collectors, connection};
use crate::config::Site;
use crate::netbackup::Client;
use crate::stats::ApiStats;

/// Asks a site everything, and ends the session that this may have taken.
pub(super) async fn examine(site: &Site, client: Client, stats: Arc<ApiStats>) -> SiteReport {
    let report = ask(site, &client, stats).await;
    client.logout().await;
    report
}

async fn ask(site: &Site, client: &Client, stats: Arc<ApiStats>) -> SiteReport {
    let mut trail = Trail::new(site);
    let is_open = connection::examine(site, client.is_proxied(), &mut trail).await
        && primary::find_version(site, client, &stats, &mut trail).await;
    if !is_open {
        return SiteReport::new(
            site,
            trail.finish(),
            collectors::skip(site, "not asked: the primary cannot be spoken to"),
        );
    }
    let judged = primary::have_credentials_judged(client, &mut trail).await;
    // A key that is refused again and again may be locked.
    if matches!(judged, Judged::Refused) {
        return SiteReport::new(site, trail.finish(), collectors::skip(site, "not asked: the key is refused"));
    }
    let collectors = collectors::examine(site, client, &trail).await;
    if let Judged::Open(why) = judged {
        primary::judge_by_answers(&why, &stats, &mut trail);
    }
    SiteReport::new(site, trail.finish(), collectors)
}
