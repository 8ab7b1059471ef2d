//! The closed set of endpoints that are asked, and what is fixed about each.

/// An endpoint of the API. Adding one is adding a line to `Endpoint::facts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Reach, clock and API version, without credentials.
    Ping,
    /// Claims of the caller: the cheapest way to have credentials judged.
    AuthorizationContext,
    /// The list of jobs.
    Jobs,
    /// One job.
    Job,
    /// How many jobs match a filter; a read, although it is a POST.
    JobsCount,
    /// The list of storage units.
    StorageUnits,
    /// Who the primary is, without credentials.
    ServerInfo,
    /// A session for a user and a password.
    Login,
    /// The end of a session.
    Logout,
    /// The list of disk pools.
    DiskPools,
    /// One disk pool: 10.x lists may omit its sizes.
    DiskPool,
    /// The list of storage servers.
    StorageServers,
    /// The list of media servers.
    MediaServers,
    /// The list of tape drives.
    Drives,
    /// The list of tape media.
    TapeMedia,
    /// Hosts that robots are attached to.
    RobotDeviceHosts,
    /// The list of tape volume pools.
    VolumePools,
    /// The list of alerts.
    Alerts,
    /// The list of events.
    Notifications,
    /// The latest malware scan result of each image.
    MalwareResults,
    /// The list of anomalies.
    Anomalies,
    /// The risk score of the domain.
    SecurityStatus,
    /// Certificates that the primary's own CA has issued.
    Certificates,
    /// The list of API keys.
    ApiKeys,
    /// Certificates of the primary's CA, without credentials.
    CaCertificates,
    /// The list of images.
    Images,
    /// Images that storage lifecycle policies have to copy.
    SlpImages,
    /// Definitions of storage lifecycle policies.
    Slps,
    /// Protection plans.
    Slos,
    /// Front-end capacity in use.
    Capacity,
    /// Licences.
    Entitlements,
    /// Every host, in one answer.
    Hosts,
    /// Clients whose jobs are paused.
    PausedClients,
}

/// What never changes about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Path without base, placeholders in braces: the `endpoint` label.
    pub(crate) template: &'static str,
    /// `GET` or `POST`.
    pub(crate) method: Method,
    /// What the answer is made of.
    pub(crate) accept: Accept,
    /// Whether the key is sent. It never goes where it is not needed.
    pub(crate) needs_auth: bool,
    /// The right that a role must have, where one is needed.
    pub(crate) right: Option<&'static str>,
}

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// No body, and so no `Content-Type`: some endpoints answer 415 to one.
    Get,
    /// A JSON body of the same version as the answer.
    Post,
}

impl Method {
    /// As HTTP writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// The media type that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accept {
    /// Plain text; the JSON type is a documented 406 here.
    Text,
    /// `application/vnd.netbackup+json` with a version.
    Json,
}

impl Endpoint {
    /// Every endpoint, in the order of their numbers.
    #[rustfmt::skip]
    pub const ALL: [Endpoint; 33] = [
        Endpoint::Ping,
        Endpoint::AuthorizationContext,
        Endpoint::Jobs,
        Endpoint::Job,
        Endpoint::JobsCount,
        Endpoint::StorageUnits,
        Endpoint::ServerInfo,
        Endpoint::Login,
        Endpoint::Logout,
        Endpoint::DiskPools,
        Endpoint::DiskPool,
        Endpoint::StorageServers,
        Endpoint::MediaServers,
        Endpoint::Drives,
        Endpoint::TapeMedia,
        Endpoint::RobotDeviceHosts,
        Endpoint::VolumePools,
        Endpoint::Alerts,
        Endpoint::Notifications,
        Endpoint::MalwareResults,
        Endpoint::Anomalies,
        Endpoint::SecurityStatus,
        Endpoint::Certificates,
        Endpoint::ApiKeys,
        Endpoint::CaCertificates,
        Endpoint::Images,
        Endpoint::SlpImages,
        Endpoint::Slps,
        Endpoint::Slos,
        Endpoint::Capacity,
        Endpoint::Entitlements,
        Endpoint::Hosts,
        Endpoint::PausedClients,
    ];

    pub(crate) const fn facts(self) -> Facts {
        const fn json(template: &'static str, method: Method, right: Option<&'static str>) -> Facts {
            Facts { template, method, accept: Accept::Json, needs_auth: true, right }
        }
        const fn list(template: &'static str, right: &'static str) -> Facts {
            json(template, Method::Get, Some(right))
        }
        match self {
            Endpoint::Ping => {
                Facts { template: "/ping", method: Method::Get, accept: Accept::Text, needs_auth: false, right: None }
            }
            Endpoint::AuthorizationContext => json("/authorization-context", Method::Get, None),
            Endpoint::Jobs => json("/admin/jobs", Method::Get, Some("MANAGE/JOBS VIEW")),
            Endpoint::Job => json("/admin/jobs/{jobId}", Method::Get, Some("MANAGE/JOBS VIEW")),
            Endpoint::JobsCount => json("/admin/jobs-count-requests", Method::Post, Some("MANAGE/JOBS VIEW")),
            Endpoint::ServerInfo => Facts { needs_auth: false, ..json("/security/serverinfo", Method::Get, None) },
            Endpoint::Login => Facts { needs_auth: false, ..json("/login", Method::Post, None) },
            Endpoint::Logout => json("/logout", Method::Post, None),
            Endpoint::StorageUnits => list("/storage/storage-units", "STORAGE/STORAGE-UNITS VIEW"),
            Endpoint::DiskPools => list("/storage/disk-pools", "STORAGE/DISK-POOLS VIEW"),
            Endpoint::DiskPool => list("/storage/disk-pools/{diskPoolId}", "STORAGE/DISK-POOLS VIEW"),
            Endpoint::StorageServers => list("/storage/storage-servers", "STORAGE/STORAGE-SERVERS VIEW"),
            Endpoint::MediaServers => list("/config/media-servers", "MANAGE/MEDIA-SERVERS VIEW"),
            Endpoint::Drives => list("/storage/drives", "STORAGE/TAPE-DEVICES VIEW"),
            Endpoint::TapeMedia => list("/storage/tape-media", "STORAGE/TAPE-MEDIA VIEW"),
            Endpoint::RobotDeviceHosts => list("/storage/robots-device-hosts", "STORAGE/TAPE-DEVICES VIEW"),
            Endpoint::VolumePools => list("/storage/tape-volume-pools", "STORAGE/TAPE-MEDIA/VOLUME-POOLS VIEW"),
            Endpoint::Alerts => list("/manage/alerts", "MANAGE/EMAIL-NOTIFICATIONS VIEW"),
            Endpoint::Notifications => list("/eventlog/notifications", "MANAGE/EVENTLOGS/NOTIFICATIONS VIEW"),
            Endpoint::MalwareResults => list("/malware/latest-scan-results", "MANAGE/MALWARE VIEW-SCAN-RESULT"),
            Endpoint::Anomalies => list("/security/anomalies", "MANAGE/ANOMALIES VIEW"),
            Endpoint::SecurityStatus => list("/security/status", "SECURITY/SETTINGS VIEW"),
            Endpoint::Certificates => {
                list("/security/certificates/current", "SECURITY/CERTIFICATE-MANAGEMENT/NETBACKUP-CERTIFICATES VIEW")
            }
            Endpoint::ApiKeys => list("/security/api-keys", "SECURITY/USERS/API-KEYS VIEW"),
            Endpoint::CaCertificates => Facts { needs_auth: false, ..json("/security/cacert", Method::Get, None) },
            Endpoint::Images => list("/catalog/images", "MANAGE/IMAGES VIEW"),
            Endpoint::SlpImages => list("/catalog/slp-images", "MANAGE/STORAGE-LIFECYCLE-IMAGES VIEW"),
            Endpoint::Slps => list("/config/slps", "PROTECTION/SLPS VIEW"),
            // Granted per object: who may see none is told of none.
            Endpoint::Slos => list("/servicecatalog/slos", "VIEW on protection plans"),
            Endpoint::Capacity => list("/licensing/capacity", "MANAGE/LICENSING/USAGE VIEW"),
            Endpoint::Entitlements => list("/licensing/entitlements", "MANAGE/LICENSING VIEW"),
            Endpoint::Hosts => list("/config/hosts", "MANAGE/HOSTS VIEW"),
            Endpoint::PausedClients => list("/config/paused-clients", "MANAGE/HOSTS/HOST-PROPERTIES VIEW"),
        }
    }

    /// Path template without base, such as `/admin/jobs/{jobId}`.
    #[must_use]
    pub const fn template(self) -> &'static str {
        self.facts().template
    }

    /// The method as it is written.
    pub(crate) const fn method(self) -> &'static str {
        match self.facts().method {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }

    /// The right that a role must hold, in the words of `check`, such as `MANAGE/JOBS VIEW`.
    #[must_use]
    pub const fn right(self) -> Option<&'static str> {
        self.facts().right
    }

    /// Whether sending it again changes nothing. A second wrong password would count towards locking the account.
    pub(crate) const fn may_repeat(self) -> bool {
        !matches!(self, Endpoint::Login | Endpoint::Logout)
    }

    /// Whether an answer of this status is what was asked for.
    pub(crate) const fn is_success(self, status: u16) -> bool {
        status == 200 || (status == 201 && matches!(self, Endpoint::Login))
    }

    /// The number under which statistics are kept.
    pub(crate) const fn slot(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::ApiStats;

    #[test]
    fn every_endpoint_has_its_own_number_and_template() {
        let mut templates = std::collections::BTreeSet::new();
        for (number, endpoint) in Endpoint::ALL.into_iter().enumerate() {
            assert_eq!(endpoint.slot(), number);
            assert!(templates.insert(endpoint.template()), "{endpoint:?}");
            assert!(endpoint.template().starts_with('/'));
        }
        assert!(Endpoint::ALL.len() <= ApiStats::ENDPOINTS);
    }
}
