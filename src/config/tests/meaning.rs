//! What good files mean: defaults, merging, normalising, warnings.

use super::*;

fn timing(config: &Config, name: &str) -> (u64, u64, u64) {
    let (_, timing) = config.sites[0].collectors.iter().find(|(spec, _)| spec.name == name).unwrap();
    (timing.ttl.as_secs(), timing.limits.stale_after.as_secs(), timing.limits.expire_after.as_secs())
}

fn names(config: &Config) -> Vec<&str> {
    config.sites[0].collectors.iter().map(|(spec, _)| spec.name).collect()
}

#[test]
fn a_site_alone_gets_every_default() {
    let config = good("", "");
    assert_eq!((&config.web, config.health, &config.state), (&Web::default(), Health::default(), &State::default()));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.compat, Compat { go_exporter_names: false });
    let site = &config.sites[0];
    assert_eq!((&*site.name, site.url.as_str()), ("paris", "https://nbu.example.com/netbackup"));
    assert_eq!(site.credential, Credential::ApiKey(Secret::new(format!("{SENTINEL}-from-env"))));
    let same = by_default("paris", site.url.clone(), site.credential.clone());
    assert_eq!(*site, same);
    assert_eq!((timing(&config, "jobs"), timing(&config, "storage")), ((60, 180, 900), (300, 900, 3600)));
    assert!(!format!("{config:?}").contains(SENTINEL));
}

#[test]
fn every_key_is_taken() {
    let config = good(
        "[web]\nlisten_address = [\"127.0.0.1:1\", \"[::1]:2\"]\ntelemetry_path = \"/m/x\"\nmax_requests = 0\n\
         created_samples = true\n[health]\nttl = \"7s\"\ntimeout = \"800ms\"\n[state]\ndirectory = \"/var/lib/x\"\n\
         [compat]\ngo_exporter_names = true\n\
         [poll]\nlookback = \"48h\"\ntimeout = \"3m\"\nrequest_timeout = \"40s\"\nmax_requests = 9",
        "api_version = \"10.5\"\n[site.tls]\nserver_name = \"nbu\"\ninsecure_skip_verify = true",
    );
    let listen: Vec<SocketAddr> = vec!["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()];
    let web = Web {
        listen_addresses: listen,
        telemetry_path: "/m/x".into(),
        max_requests: 0,
        created_samples: true,
        ..Web::default()
    };
    assert_eq!(config.web, web);
    assert_eq!(config.health, Health { ttl: seconds(7), timeout: Duration::from_millis(800) });
    assert_eq!(config.state.directory.as_deref(), Some(Path::new("/var/lib/x")));
    assert_eq!(config.compat, Compat { go_exporter_names: true });
    let poll =
        Poll { lookback: seconds(172_800), timeout: seconds(180), request_timeout: seconds(40), max_requests: 9 };
    let site = &config.sites[0];
    assert_eq!((site.poll, site.api_version), (poll, ApiVersionChoice::Fixed(10, 5)));
    assert_eq!((site.tls.server_name.as_deref(), site.tls.insecure_skip_verify), (Some("nbu"), true));
}

#[test]
fn sections_of_a_site_override_key_by_key() {
    let config = good(
        "[poll]\nlookback = \"1h\"\ntimeout = \"1m\"\nmax_requests = 2",
        "[site.poll]\ntimeout = \"90s\"\n[[site]]\nname = \"b\"\nurl = \"https://b\"\napi_key = \"k\"",
    );
    let of = |timeout| Poll {
        lookback: seconds(3600),
        timeout: seconds(timeout),
        request_timeout: seconds(30),
        max_requests: 2,
    };
    assert_eq!([config.sites[0].poll, config.sites[1].poll], [of(90), of(60)]);
}

#[test]
fn the_default_request_timeout_follows_a_short_timeout() {
    let request_timeout = |poll: &str| good(poll, "").sites[0].poll.request_timeout;
    assert_eq!(request_timeout("[poll]\ntimeout = \"10s\""), seconds(10));
    assert_eq!(request_timeout("[poll]\ntimeout = \"10m\""), seconds(30));
    assert_eq!(request_timeout("[poll]\ntimeout = \"10m\"\nrequest_timeout = \"10m\""), seconds(600));
}

#[test]
fn ages_follow_the_ttl_unless_given() {
    for (global, site, expected) in [
        ("", "", (60, 180, 900)),
        ("jobs_ttl = \"10s\"", "", (10, 30, 900)),
        ("jobs_ttl = \"10m\"", "", (600, 1800, 7200)),
        ("jobs_ttl = \"10m\"", "jobs_ttl = \"1s\"", (1, 3, 900)),
        ("stale_after = \"5m\"\nexpire_after = \"6m\"", "storage_expire_after = \"1h\"", (60, 300, 360)),
        // The most specific counts, and the site before the rest.
        ("stale_after = \"5m\"\njobs_stale_after = \"6m\"", "", (60, 360, 900)),
        ("stale_after = \"5m\"\njobs_stale_after = \"6m\"", "stale_after = \"7m\"", (60, 420, 900)),
        ("jobs_stale_after = \"6m\"", "stale_after = \"7m\"\njobs_stale_after = \"8m\"", (60, 480, 900)),
        ("expire_after = \"16m\"\njobs_expire_after = \"17m\"", "expire_after = \"18m\"", (60, 180, 1080)),
        // Given values are taken as they are, equal to the TTL included.
        ("jobs_stale_after = \"1m\"\njobs_expire_after = \"61s\"", "", (60, 60, 61)),
    ] {
        let (global, site) =
            (format!("[poll]\n{global}\nstorage_stale_after = \"5m\""), format!("[site.poll]\n{site}"));
        assert_eq!(timing(&good(&global, &site), "jobs"), expected, "{global} {site}");
    }
}

#[test]
fn collectors_are_switched_key_by_key() {
    let all = |off: &[&str]| {
        let names = COLLECTORS.iter().map(|spec| spec.name);
        names.filter(|name| !off.contains(name)).collect::<Vec<_>>()
    };
    for (global, site, expected) in [
        ("", "", vec!["jobs", "storage"]),
        ("all = true", "", all(&[])),
        ("all = false", "", vec!["jobs", "storage"]),
        ("all = true\njobs = false", "", all(&["jobs", "clients"])),
        ("jobs = false", "", vec!["storage"]),
        ("jobs = false", "jobs = true", vec!["jobs", "storage"]),
        ("jobs = false", "storage = false", vec![]),
        ("jobs = false", "all = true", all(&["jobs", "clients"])),
        ("", "all = true\nstorage = false", all(&["storage"])),
        ("tape = true", "slo = true\njobs = false", vec!["storage", "tape", "slo"]),
        ("clients = true", "", vec!["jobs", "storage", "clients"]),
        ("all = true\nclients = false", "", all(&["clients"])),
        ("clients = true", "jobs = false\nclients = false", vec!["storage"]),
    ] {
        let config = good(&format!("[collectors]\n{global}"), &format!("[site.collectors]\n{site}"));
        assert_eq!(names(&config), expected, "{global} | {site}");
        assert_eq!(config.warnings.len(), usize::from(expected.is_empty()));
    }
}

#[test]
fn clients_are_chosen_for_every_site_that_shows_them() {
    let text = "[clients]\nmax = 7\ninclude = [\"web.*\", 'db\\d']\nexclude = \"web-test\"\n";
    let config = good(&format!("{text}[collectors]\nclients = true"), "");
    let clients = config.sites[0].clients.clone().unwrap();
    assert_eq!(clients, Clients::new(7, &["web.*", r"db\d"], &["web-test"]).unwrap());
    assert!(config.warnings.is_empty());
    assert_eq!(good("", "[site.collectors]\nclients = true").sites[0].clients, Some(Clients::default()));
    let config = good(text, "");
    assert_eq!(config.sites[0].clients, None);
    assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("config.toml:2:7: clients.max: has no effect"), "{:?}", config.warnings);
}

#[test]
fn clients_are_polled_no_more_often_than_the_jobs_that_they_come_from() {
    let on = "[site.collectors]\nclients = true";
    assert_eq!(timing(&good("", on), "clients"), (60, 180, 900));
    assert_eq!(timing(&good("[poll]\njobs_ttl = \"10m\"", on), "clients"), (600, 1800, 7200));
    assert_eq!(timing(&good("[poll]\njobs_ttl = \"1s\"", on), "clients"), (60, 180, 900));
    let both = "[poll]\njobs_ttl = \"1s\"\nclients_ttl = \"1s\"";
    assert_eq!(timing(&good(both, on), "clients"), (1, 3, 900));
}

#[test]
fn a_collector_that_is_off_may_have_any_ages() {
    good("[poll]\njobs_stale_after = \"1s\"\n[collectors]\njobs = false", "");
}

#[test]
fn api_versions_are_auto_or_fixed() {
    for (text, expected) in [
        ("auto", ApiVersionChoice::Auto),
        ("9.0", ApiVersionChoice::Fixed(9, 0)),
        ("12.1", ApiVersionChoice::Fixed(12, 1)),
        ("14.0", ApiVersionChoice::Fixed(14, 0)),
    ] {
        assert_eq!(good("", &format!("api_version = \"{text}\"")).sites[0].api_version, expected);
    }
}

#[test]
fn the_name_in_the_certificate_is_a_dns_name() {
    for name in ["nbu", "NBU_1.example.com", "1nbu.x-y.example", "10.0.0.1.example", "xn--bcher-kva.example"] {
        let config = good("", &format!("[site.tls]\nserver_name = \"{name}\""));
        assert_eq!(config.sites[0].tls.server_name.as_deref(), Some(name));
    }
}

#[test]
fn paths_start_at_the_directory_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("key"), "the-key\r\n").unwrap();
    let path = directory.path().join("x.toml");
    let text =
        with_site("[state]\ndirectory = \"state\"", "").replace("api_key = \"${KEY}\"", "api_key_file = \"key\"");
    std::fs::write(&path, &text).unwrap();
    let config = Config::load(&path, &environment()).unwrap();
    assert_eq!(config.state.directory.as_deref(), Some(directory.path().join("state").as_path()));
    assert_eq!(config.sites[0].credential, Credential::ApiKeyFile(directory.path().join("key")));
}

#[test]
fn ways_to_sign_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.toml");
    std::fs::write(directory.path().join("tool"), "").unwrap();
    std::fs::write(directory.path().join("password"), "pass wörd\n").unwrap();
    let way = |text: &str| {
        std::fs::write(&path, with_site("", "").replace("api_key = \"${KEY}\"", text)).unwrap();
        Config::load(&path, &environment()).unwrap().sites[0].credential.clone()
    };
    // A name is found by PATH when it is run; a path starts at the directory of the file, an argument is left alone.
    let words = |words: &[&str]| Credential::ApiKeyCommand(words.iter().map(|word| (*word).to_owned()).collect());
    assert_eq!(way("api_key_command = ['vault', 'read', './x']"), words(&["vault", "read", "./x"]));
    let tool = directory.path().join("./tool").display().to_string();
    assert_eq!(way("api_key_command = ['./tool']"), words(&[&tool]));
    assert_eq!(way("api_key_command = ['/bin/sh', '-c', \"echo $${X} ${KEY}\"]"), {
        words(&["/bin/sh", "-c", &format!("echo ${{X}} {SENTINEL}-from-env")])
    });

    let (username, password_file) = ("svc".to_owned(), directory.path().join("password"));
    let login = Login { username, password_file, domain_name: None, domain_type: None };
    let keys = "[site.login]\nusername = 'svc'\npassword_file = 'password'\n";
    assert_eq!(way(keys), Credential::Login(login.clone()));
    for (name, domain_type) in
        [("NT", DomainType::Nt), ("vx", DomainType::Vx), ("unixpwd", DomainType::UnixPwd), ("ldap", DomainType::Ldap)]
    {
        let (domain_name, domain_type) = (Some("EXAMPLE".to_owned()), Some(domain_type));
        let login = Login { domain_name, domain_type, ..login.clone() };
        let more = format!("{keys}domain_name = 'EXAMPLE'\ndomain_type = '{name}'");
        assert_eq!(way(&more), Credential::Login(login));
    }
}

#[test]
fn a_credential_of_systemd_is_named_by_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("paris"), "the-key").unwrap();
    let mut environment = environment();
    environment.insert("CREDENTIALS_DIRECTORY".into(), directory.path().display().to_string());
    let text = with_site("", "").replace("api_key = \"${KEY}\"", "api_key_file = \"${CREDENTIALS_DIRECTORY}/paris\"");
    let config = Config::parse(&text, Path::new("config.toml"), &environment).unwrap();
    assert_eq!(config.sites[0].credential, Credential::ApiKeyFile(directory.path().join("paris")));
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_all_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    let pem = String::from(
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
    );
    let key = "api_key = \"${KEY}\"";
    let good = with_site("", "");
    for (content, text, place) in [
        (SENTINEL, good.replace(key, &format!("api_key_file = '{path}'")), "site[0].api_key_file"),
        (
            SENTINEL,
            good.replace(key, &format!("[site.login]\nusername = 'svc'\npassword_file = '{path}'")),
            "site[0].login.password_file",
        ),
        (
            &pem,
            with_site("", &format!("[site.tls]\nclient_cert_file = '{path}'\nclient_key_file = '{path}'")),
            "site[0].tls.client_key_file",
        ),
    ] {
        std::fs::write(file.path(), content).unwrap();
        for (mode, expected) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let warnings = parse(&text).unwrap().warnings;
            assert_eq!(warnings.len(), expected, "{warnings:?}");
            let word = format!("{place}: every user of this machine can read the file");
            assert!(warnings.iter().all(|warning| warning.contains(&word)), "{warnings:?}");
        }
    }
}

#[test]
fn what_is_accepted_but_risky_is_warned_about() {
    let warned = |before: &str, more: &str, word: &str| {
        let warnings = good(before, more).warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("config.toml:") && warnings[0].contains(word), "{warnings:?}");
    };
    warned("[poll]\nlookback = \"1M\"", "", "2:12: poll.lookback: the unit M is a month");
    warned("", "[site.tls]\ninsecure_skip_verify = true", "site[0].tls.insecure_skip_verify: certificates");
    for (before, more) in [("", "[site.tls]\ninsecure_skip_verify = false"), ("[web]\ncreated_samples = true", "")] {
        assert!(good(before, more).warnings.is_empty(), "{before}{more}");
    }

    let plain = with_site("", "[site.tls]\nserver_name = \"x\"").replace("https:", "http:");
    let warnings = parse(&plain).unwrap().warnings;
    assert!(warnings[0].contains("site[0].url: with http the API key travels in clear"), "{warnings:?}");
    assert!(warnings[1].contains("site[0].tls.server_name: has no effect"), "{warnings:?}");
}

#[test]
fn variables_are_replaced_in_any_string() {
    let mut environment = environment();
    let set = [
        ("HOST", "nbu.example.com"),
        ("NAME", "lyon"),
        ("TTL", "20s"),
        ("ADDRESS", "127.0.0.1:7"),
        ("NESTED", "${KEY}"),
    ];
    environment.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let text = "web.listen_address = [\"${ADDRESS}\"]\npoll.jobs_ttl = '${TTL}'\n[[site]]\nname = \"${NAME}\"\n\
                url = \"https://${HOST}:1556\"\napi_key = \"a$${b}${NESTED}\"\n";
    let config = Config::parse(text, Path::new("c.toml"), &environment).unwrap();
    let site = &config.sites[0];
    assert_eq!((&*site.name, site.url.as_str()), ("lyon", "https://nbu.example.com:1556/netbackup"));
    assert_eq!(site.credential, Credential::ApiKey(Secret::new("a${b}${KEY}".into())));
    assert_eq!((timing(&config, "jobs").0, config.web.listen_addresses[0].port()), (20, 7));
}

#[test]
fn the_environment_alone_is_enough() {
    let environment = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let start = |pairs: &[(&str, &str)]| Config::from_environment(&environment(pairs));
    assert!(start(&[]).is_none() && start(&[("NETBACKUP_URL", "")]).is_none());

    let url = ("NETBACKUP_URL", "https://nbu:1556");
    let config = start(&[url, ("NETBACKUP_API_KEY", SENTINEL), ("NETBACKUP_API_KEY_FILE", "")]).unwrap().unwrap();
    let base = url::Url::parse("https://nbu:1556/netbackup").unwrap();
    assert_eq!(config.sites, [by_default("netbackup", base, Credential::ApiKey(Secret::new(SENTINEL.into())))]);
    assert_eq!(config.web, Web::default());

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SENTINEL).unwrap();
    let file = file.path().to_str().unwrap();
    let config = start(&[url, ("NETBACKUP_API_KEY_FILE", file), ("NETBACKUP_SITE", "oslo")]).unwrap().unwrap();
    assert_eq!((&*config.sites[0].name, &config.sites[0].credential), ("oslo", &Credential::ApiKeyFile(file.into())));

    // A `${` in the environment is no variable.
    let config = start(&[url, ("NETBACKUP_API_KEY", "a${b")]).unwrap().unwrap();
    assert_eq!(config.sites[0].credential, Credential::ApiKey(Secret::new("a${b".into())));

    let told = |pairs: &[(&str, &str)]| {
        let text = start(pairs).unwrap().unwrap_err().to_string();
        assert!(!text.contains(SENTINEL), "{text}");
        text
    };
    assert!(told(&[url]).starts_with("environment: NETBACKUP_API_KEY: not set"));
    let all_bad = told(&[
        ("NETBACKUP_URL", SENTINEL),
        ("NETBACKUP_API_KEY", SENTINEL),
        ("NETBACKUP_API_KEY_FILE", SENTINEL),
        ("NETBACKUP_CA_FILE", SENTINEL),
        ("NETBACKUP_SITE", "a/s3ntinelXq9"),
    ]);
    for name in ["URL: ", "API_KEY_FILE: api_key is given too", "API_KEY_FILE: there is no such", "CA_FILE: ", "SITE: "]
    {
        assert!(all_bad.contains(&format!("environment: NETBACKUP_{name}")), "{name}\n{all_bad}");
    }
}

#[test]
fn flags_win_over_the_file_by_the_same_rules() {
    let config = good("[web]\nlisten_address = \"127.0.0.1:1\"\nmax_requests = 3", "");
    let unchanged = config.clone().with_overrides(&Overrides::default()).unwrap();
    assert_eq!(unchanged.web, config.web);

    let listen = vec!["127.0.0.1:2".to_owned(), "[::1]:3".to_owned()];
    let all = Overrides { listen, telemetry_path: Some("/m".into()), max_requests: Some(0), ..Overrides::default() };
    let web = config.clone().with_overrides(&all).unwrap().web;
    assert_eq!(web.listen_addresses.len(), 2);
    assert_eq!((web.telemetry_path.as_str(), web.max_requests), ("/m", 0));

    let bad = Overrides {
        listen: vec!["127.0.0.1:2".into(), "127.0.0.1:2".into(), "nowhere".into()],
        telemetry_path: Some("/health".into()),
        max_requests: Some(100_001),
        ..Overrides::default()
    };
    let errors = config.with_overrides(&bad).unwrap_err().to_string();
    assert_eq!(errors.lines().count(), 4, "{errors}");
    assert!(errors.lines().all(|line| line.starts_with("command line: --web.")), "{errors}");
}

#[test]
fn telemetry_is_off_unless_there_is_an_endpoint() {
    assert_eq!(good("", "").telemetry, Telemetry::default());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("headers");
    std::fs::write(&path, format!("Authorization: {SENTINEL}\n")).unwrap();
    let section =
        format!("[telemetry]\notlp_endpoint = \"http://collector:4318\"\nsample_ratio = 0.25\nheaders_file = {path:?}");
    let config = good(&section, "");
    assert_eq!(config.telemetry.otlp_endpoint.as_ref().unwrap().as_str(), "http://collector:4318/v1/traces");
    assert_eq!(config.telemetry.sample_ratio, 0.25);
    let [(name, value)] = config.telemetry.headers.as_slice() else { panic!("{:?}", config.telemetry) };
    assert_eq!((name.as_str(), value.expose()), ("Authorization", SENTINEL));
    let warned = |config: &Config, word: &str| config.warnings.iter().any(|warning| warning.contains(word));
    assert!(warned(&config, "in clear"), "{:?}", config.warnings);
    assert_eq!(warned(&config, "built without OTLP"), !cfg!(feature = "otlp"));
    assert!(!format!("{config:?}").contains(SENTINEL));
    for whole in ["0", "1"] {
        let config = good(&format!("[telemetry]\nsample_ratio = {whole}"), "");
        assert_eq!(config.telemetry.sample_ratio.to_string(), whole);
        assert!(warned(&config, "no effect"), "{:?}", config.warnings);
    }
}

#[test]
fn telemetry_that_makes_no_sense_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("headers");
    std::fs::write(&path, SENTINEL).unwrap();
    for (line, word) in [
        (format!("otlp_endpoint = \"http://user:{SENTINEL}@host\""), "OTLP receiver"),
        ("sample_ratio = 1.5".into(), "from 0 to 1"),
        ("sample_ratio = -1".into(), "from 0 to 1"),
        ("sample_ratio = nan".into(), "from 0 to 1"),
        ("sample_ratio = \"1\"".into(), "from 0 to 1"),
        ("headers_file = \"/nonexistent\"".into(), "no such file"),
        (format!("headers_file = {path:?}"), "line 1"),
        ("endpoint = \"http://host\"".into(), "otlp_endpoint"),
    ] {
        let told = refused(&with_site(&format!("[telemetry]\n{line}"), ""));
        assert!(told.len() == 1 && told[0].contains("telemetry") && told[0].contains(word), "{line}: {told:?}");
    }
}
