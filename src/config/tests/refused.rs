//! What is refused: each rule, with the place and the key that are told.

use super::*;

/// One mistake is told, at this place, with this word in it.
fn one(text: &str, place: &str, word: &str) {
    let told = refused(text);
    assert_eq!(told.len(), 1, "{text}\n{told:#?}");
    assert!(told[0].starts_with(&format!("config.toml:{place}: ")), "expected {place}:\n{told:#?}");
    assert!(told[0].contains(word), "expected {word}:\n{told:#?}");
}

#[test]
fn values_of_the_file() {
    for (section, key, value, word) in [
        ("web", "listen_address", "1", "expected a string in quotes, found a number"),
        ("web", "listen_address", "\"s3ntinelXq9\"", "expected host:port"),
        ("web", "listen_address", "\"s3ntinelXq9 :80\"", "expected host:port"),
        ("web", "listen_address", "[]", "at least one"),
        ("web", "telemetry_path", "\"s3ntinelXq9\"", "starts with /"),
        ("web", "telemetry_path", "\"/s3ntinelXq9?x\"", "no query"),
        ("web", "telemetry_path", "\"/{s3ntinelXq9}\"", "no query"),
        ("web", "telemetry_path", "\"/s3ntinelXq9/\"", "slash at the end"),
        ("web", "telemetry_path", "\"/..\"", "dots alone"),
        ("web", "telemetry_path", "\"/\"", "another page"),
        ("web", "telemetry_path", "\"/health\"", "another page"),
        ("web", "telemetry_path", "\"/-/ready\"", "another page"),
        ("web", "telemetry_path", "\"/api/v1/status\"", "another page"),
        ("web", "max_requests", "-1", "from 0 to 100000"),
        ("web", "max_requests", "100001", "from 0 to 100000"),
        ("web", "max_requests", "99999999999999999999999", "from 0 to 100000"),
        ("web", "max_requests", "\"s3ntinelXq9\"", "without quotes"),
        ("compat", "go_exporter_names", "\"s3ntinelXq9\"", "true or false without quotes, found a string"),
        ("web", "created_samples", "\"s3ntinelXq9\"", "true or false without quotes, found a string"),
        ("web", "config_file", "\"s3ntinelXq9\"", "no such file"),
        ("health", "ttl", "5", "has no unit"),
        ("health", "ttl", "\"s3ntinelXq9\"", "expected a duration"),
        ("health", "timeout", "\"0s\"", "zero"),
        ("health", "timeout", "\"1ms\"", "too short"),
        ("state", "directory", "\"\"", "expected a path"),
        ("state", "directory", "2020-01-01", "found a date"),
        ("poll", "lookback", "\"400d\"", "too long"),
        ("poll", "lookback", "1.5", "has no unit"),
        ("poll", "timeout", "true", "expected a string in quotes, found true or false"),
        ("poll", "request_timeout", "\"3m\"", "must not be above timeout, which is 2m by default"),
        ("poll", "max_requests", "0", "from 1 to 64"),
        ("poll", "max_requests", "65", "from 1 to 64"),
        ("poll", "max_requests", "1.0", "from 1 to 64"),
        ("poll", "jobs_ttl", "\"s3ntinelXq9\"", "expected a duration"),
        ("poll", "jobs_stale_after", "\"1s\"", "collector jobs: must not be below the default of jobs_ttl"),
        (
            "poll",
            "jobs_stale_after",
            "\"15m\"",
            "must be below expire_after, by default the larger of 12 x the default",
        ),
        ("poll", "storage_expire_after", "\"15m\"", "collector storage: must be above stale_after, by default 3 x"),
        ("collectors", "jobs", "1", "true or false"),
        ("collectors", "all", "\"s3ntinelXq9\"", "true or false"),
    ] {
        let text = with_site(&format!("[{section}]\n{key} = {value}"), "");
        one(&text, &format!("2:{}: {section}.{key}", key.len() + 4), word);
    }
}

#[test]
fn values_of_a_site() {
    for (key, value, word) in [
        ("name", "\"s3ntinelXq9/\"", "1 to 64 letters"),
        ("name", "\"\"", "1 to 64 letters"),
        ("name", "\"é\"", "1 to 64 letters"),
        ("name", "7", "found a number"),
        ("url", "\"s3ntinelXq9\"", "starts with https"),
        ("url", "\"https://user:s3ntinelXq9@nbu\"", "user info"),
        ("url", "\"https://nbu?key=s3ntinelXq9\"", "query"),
        ("url", "\"https://nbu#s3ntinelXq9\"", "fragment"),
        ("url", "\"https://s3ntinelXq9:/netbackup\"", "port is missing"),
        ("url", "[\"s3ntinelXq9\"]", "found a list"),
        ("api_key", "\"\"", "key is empty"),
        ("api_key", "\"s3ntinelXq9\\n\"", "more than one line"),
        ("api_key", "\"s3ntinelXq9 x\"", "blanks"),
        ("api_key", "\"s3ntinelXq9\\u0007\"", "control"),
        ("api_key", "\"${s3ntinel\"", "must be followed"),
        ("api_key", "\"${UNSET}\"", "environment variable UNSET is not set"),
        ("api_key", "\"pa${s3ntinelXq9}word\"", "a variable in this string is not set"),
        ("api_key", "{ s3ntinelXq9 = 1 }", "found a section"),
    ] {
        let good = with_site("", "");
        let (start, rest) = good.split_once(&format!("{key} = ")).unwrap();
        let text = format!("{start}{key} = {value}\n{}", rest.split_once('\n').unwrap().1);
        let line = start.lines().count() + 1;
        one(&text, &format!("{line}:{}: site[0].{key}", key.len() + 4), word);
    }
}

#[test]
fn further_values_of_a_site() {
    for (more, place, word) in [
        ("api_version = \"s3ntinelXq9\"", "6:15: site[0].api_version", "\"9.0\" to \"14.0\""),
        ("api_version = \"8.0\"", "6:15: site[0].api_version", "\"9.0\" to \"14.0\""),
        ("api_version = \"14.1\"", "6:15: site[0].api_version", "\"9.0\" to \"14.0\""),
        ("api_version = \"+9.0\"", "6:15: site[0].api_version", "\"9.0\" to \"14.0\""),
        ("api_version = \"12\"", "6:15: site[0].api_version", "\"9.0\" to \"14.0\""),
        ("api_version = 12.0", "6:15: site[0].api_version", "found a number"),
        ("api_key_file = \"/no/s3ntinelXq9\"", "6:16: site[0].api_key_file", ""),
        ("api_key_command = [\"s3ntinelXq9\"]", "6:19: site[0].api_key_command", "api_key is given too"),
        ("[site.login]\nusername = \"s3ntinelXq9\"", "6:1: site[0].login", "api_key is given too"),
        ("[site.login]\nusername = \"s3ntinelXq9\"", "6:1: site[0].login.password_file", "needs a password_file"),
        ("[site.login]\nusername = \"\"", "7:12: site[0].login.username", "expected a name"),
        (
            "[site.login]\npassword = \"s3ntinelXq9\"",
            "7:12: site[0].login.password",
            "name its file with password_file",
        ),
        (
            "[site.login]\ndomain_type = \"NIS\"",
            "7:15: site[0].login.domain_type",
            "\"NT\", \"vx\", \"unixpwd\", \"ldap\"",
        ),
        ("[site.login]\npassword_file = \"/no/s3ntinelXq9\"", "7:17: site[0].login.password_file", "no such file"),
        ("[site.tls]\nca_file = \"/no/s3ntinelXq9\"", "7:11: site[0].tls.ca_file", "no such file"),
        ("[site.tls]\nca_file = \"/\"", "7:11: site[0].tls.ca_file", "not a regular file"),
        ("[site.tls]\nca_file = \"Cargo.toml\"", "7:11: site[0].tls.ca_file", "at least one block of CERTIFICATE"),
        ("[site.tls]\nserver_name = \"s3ntinelXq9:1\"", "7:15: site[0].tls.server_name", "DNS name"),
        ("[site.tls]\nserver_name = \"\"", "7:15: site[0].tls.server_name", "DNS name"),
        ("[site.tls]\nserver_name = \"10.0.0.1\"", "7:15: site[0].tls.server_name", "not an address"),
        ("[site.tls]\nserver_name = \"::1\"", "7:15: site[0].tls.server_name", "not an address"),
        ("[site.tls]\nserver_name = \"[::1]\"", "7:15: site[0].tls.server_name", "not an address"),
        ("[site.tls]\nserver_name = \"10.1\"", "7:15: site[0].tls.server_name", "not an address"),
        ("[site.tls]\nserver_name = \"nbu.0x7f\"", "7:15: site[0].tls.server_name", "DNS name"),
        ("[site.tls]\nserver_name = \"-nbu\"", "7:15: site[0].tls.server_name", "DNS name"),
        ("[site.tls]\nserver_name = \"nbu-.x\"", "7:15: site[0].tls.server_name", "DNS name"),
        ("[site.tls]\nserver_name = \"xn--a\"", "7:15: site[0].tls.server_name", "DNS name"),
        ("[site.poll]\njobs_ttl = \"30M\"", "7:12: site[0].poll.jobs_ttl", "were minutes meant?"),
        ("[site.poll]\njobs_ttl = \"s3ntinelXq9\"", "7:12: site[0].poll.jobs_ttl", "duration"),
        (
            "[site.poll]\njobs_ttl = \"10m\"\njobs_stale_after = \"1m\"",
            "8:20: site[0].poll.jobs_stale_after",
            "below site[0].poll.jobs_ttl",
        ),
        (
            "[site.poll]\ntimeout = \"5s\"\nrequest_timeout = \"6s\"",
            "8:19: site[0].poll.request_timeout",
            "above site[0].poll.timeout",
        ),
        (
            "[site.poll]\nstale_after = \"6m\"\nexpire_after = \"6m\"",
            "8:16: site[0].poll.expire_after",
            "above site[0].poll.stale_after",
        ),
        ("[site.collectors]\njobs = \"s3ntinelXq9\"", "7:8: site[0].collectors.jobs", "true or false"),
        (
            "[site.collectors]\njobs = false\nclients = true",
            "8:11: site[0].collectors.clients",
            "reads the job feed: switch on jobs too",
        ),
        (
            "[site.poll]\nclients_ttl = \"30s\"\n[site.collectors]\nclients = true",
            "7:15: site[0].poll.clients_ttl",
            "must not be below jobs_ttl",
        ),
    ] {
        let text = with_site("", more);
        let told = refused(&text);
        assert!(
            told.iter().any(|line| line.starts_with(&format!("config.toml:{place}: ")) && line.contains(word)),
            "{more}\n{told:#?}"
        );
    }
}

#[test]
fn patterns_of_clients_are_checked_one_by_one() {
    for (section, place, word) in [
        ("max = 0", "2:7: clients.max", "1 to 100000"),
        ("include = [\"a.*\", \"s3ntinelXq9(\"]", "2:19: clients.include[1]", "matches the whole name of a client"),
        ("exclude = [\"s3ntinelXq9)|(\"]", "2:12: clients.exclude[0]", "regular expression"),
        ("exclude = \"\"", "2:11: clients.exclude", "an empty one matches none"),
        ("include = 7", "2:11: clients.include", "found a number"),
    ] {
        let told = refused(&with_site(&format!("[clients]\n{section}"), ""));
        let is_told = |line: &String| line.starts_with(&format!("config.toml:{place}: ")) && line.contains(word);
        assert!(told.len() == 1 && told.iter().any(is_told), "{section}\n{told:#?}");
    }
}

#[test]
fn unknown_keys_are_named_with_a_hint() {
    one(
        &with_site("[web]\nlisten_adress = \"s3ntinelXq9\"", ""),
        "2:1: web.listen_adress",
        "did you mean listen_address?",
    );
    one(&with_site("[web]\ncolour = \"s3ntinelXq9\"", ""), "2:1: web.colour", "known here: listen_address");
    one(&with_site("[webb]\nx = 1", ""), "1:2: webb", "did you mean web?");
    one(&with_site("", "uri = \"s3ntinelXq9\""), "6:1: site[0].uri", "did you mean url?");
    one(&with_site("", "[site.pol]"), "6:7: site[0].pol", "did you mean poll?");
    one(&with_site("", "[site.poll]\njob_ttl = \"1m\""), "7:1: site[0].poll.job_ttl", "did you mean jobs_ttl?");
    one(
        &with_site("[collectors]\nbackups = true", ""),
        "2:1: collectors.backups",
        "known here: all, jobs, storage, disk_pools,",
    );
    one(&with_site("", "[site.logins]"), "6:7: site[0].logins", "did you mean login?");
    one(&with_site("", "api_key_comand = 1"), "6:1: site[0].api_key_comand", "did you mean api_key_command?");
    // What cannot be a key of ours is not repeated: it may be something else that was pasted.
    one(&with_site("", "\"s3ntinelXq9 pasted\" = 1"), "6:1: site[0]", "unknown key");
}

#[test]
fn a_section_that_is_a_value_and_a_site_that_is_no_list() {
    one(&with_site("web = \"s3ntinelXq9\"", ""), "1:7: web", "expected a section, written [web], found a string");
    one("site = \"s3ntinelXq9\"", "1:8: site", "[[site]]");
    one("site = [\"s3ntinelXq9\"]\n", "1:9: site[0]", "[[site]]");
    let told = refused(&with_site("", "uri = 1").replace("[[site]]", "[site]"));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("[[site]]") && told[1].contains("site[0].uri"), "{told:#?}");
}

#[test]
fn a_site_needs_a_name_a_url_and_one_key() {
    assert_eq!(
        refused(""),
        ["config.toml: site: no site: add a [[site]] with name, url and api_key_file for each primary"]
    );
    let told = refused("\n[[site]]\n");
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("config.toml:2:1: site[0]: an API key is missing"));
    assert!(told[1].starts_with("config.toml:2:1: site[0].name: missing"));
    assert!(told[2].starts_with("config.toml:2:1: site[0].url: missing"));
    let both = with_site("", "api_key_file = \"Cargo.toml\"");
    assert!(refused(&both).iter().any(|line| line.contains("6:16: site[0].api_key_file: api_key is given too")));
}

#[test]
fn a_site_signs_in_in_one_way_which_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    let with = |way: &str| with_site("", "").replace("api_key = \"${KEY}\"", way);
    for (command, place, word) in [
        ("\"s3ntinelXq9 x\"", "5:19: site[0].api_key_command", "expected a list of strings in [ ], found a string"),
        ("[]", "5:19: site[0].api_key_command", "expected a program"),
        ("[\" \"]", "5:20: site[0].api_key_command[0]", "expected a program"),
        ("[\"a\", 1]", "5:25: site[0].api_key_command[1]", "found a number"),
        ("[\"a\", \"s3ntinelXq9\\u0000\"]", "5:25: site[0].api_key_command[1]", "NUL"),
        ("[\"/no/s3ntinelXq9\"]", "5:20: site[0].api_key_command[0]", "no such program"),
        ("[\"./s3ntinelXq9\"]", "5:20: site[0].api_key_command[0]", "no such program"),
    ] {
        one(&with(&format!("api_key_command = {command}")), place, word);
    }
    one(&with("login = \"s3ntinelXq9\""), "5:9: site[0].login", "expected a section, written [site[0].login]");
    let told = refused(&with("[site.login]"));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told.iter().all(|line| line.starts_with("config.toml:5:1: site[0].login.")), "{told:#?}");

    let login = with(&format!("[site.login]\nusername = \"svc\"\npassword_file = '{}'", file.display()));
    for (text, word) in [
        ("", "the password is empty"),
        ("\n", "the password is empty"),
        ("s3ntinelXq9\nx", "more than one line"),
        ("s3ntinelXq9\u{7}", "control characters"),
    ] {
        std::fs::write(&file, text).unwrap();
        one(&login, "7:17: site[0].login.password_file", word);
    }
    std::fs::write(&file, [0xff]).unwrap();
    one(&login, "7:17: site[0].login.password_file", "not UTF-8");

    let all = with(&format!(
        "api_key = \"${{KEY}}\"\napi_key_file = 'x'\napi_key_command = ['x']\n[site.login]\nusername = 'x'\npassword_file = '{}'",
        file.display()
    ));
    std::fs::write(&file, "s3ntinelXq9").unwrap();
    assert_eq!(refused(&all).iter().filter(|line| line.contains("api_key is given too")).count(), 3);
}

#[test]
fn names_are_unique() {
    let site = with_site("", "");
    one(&format!("{site}{site}"), "9:8: site[1].name", "site[0].name has the same");
    assert_eq!(refused(&format!("{site}{site}{site}")).len(), 2);
}

#[test]
fn an_address_is_given_once() {
    one(
        &with_site("web.listen_address = [\"127.0.0.1:1\", \"127.0.0.1:1\"]", ""),
        "1:38: web.listen_address[1]",
        "twice",
    );
    assert_eq!(refused(&with_site("web.listen_address = [\"s3ntinelXq9\", 1]", "")).len(), 1);
}

#[test]
fn the_files_of_a_site_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let pem = |label: &str| format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n");
    let (certificate, key) = (write("c.pem", &pem("CERTIFICATE")), write("k.pem", &pem("PRIVATE KEY")));
    let tls = |keys: &str| with_site("", &format!("[site.tls]\n{keys}"));
    let config = parse(&tls(&format!(
        "ca_file = '{certificate}'\nclient_cert_file = '{certificate}'\nclient_key_file = '{key}'"
    )));
    let files = config.unwrap().sites[0].tls.clone();
    assert_eq!((files.ca_file, files.client_key_file), (Some(certificate.clone().into()), Some(key.clone().into())));

    one(
        &tls(&format!("client_cert_file = '{certificate}'")),
        "7:20: site[0].tls.client_cert_file",
        "client_key_file is missing",
    );
    one(
        &tls(&format!("client_key_file = '{key}'")),
        "7:19: site[0].tls.client_key_file",
        "client_cert_file is missing",
    );
    one(&tls(&format!("ca_file = '{key}'")), "7:11: site[0].tls.ca_file", "block of CERTIFICATE");
    one(
        &tls(&format!("client_cert_file = '{certificate}'\nclient_key_file = '{certificate}'")),
        "8:19: site[0].tls.client_key_file",
        "block of PRIVATE KEY",
    );

    for (text, word) in [
        ("", "the key is empty"),
        ("\n", "the key is empty"),
        ("s3ntinelXq9\n\n", "more than one line"),
        ("s3ntinelXq9\nx", "more than one line"),
        (" s3ntinelXq9", "blanks"),
    ] {
        let file = write("key", text);
        let text = with_site("", "").replace("api_key = \"${KEY}\"", &format!("api_key_file = '{file}'"));
        one(&text, "5:16: site[0].api_key_file", word);
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_place_and_key() {
    for (line, column, word) in [
        ("jobs_ttl = 30s", 12, "jobs_ttl: not TOML: a string or a duration stands in quotes"),
        ("jobs_ttl = s3ntinelXq9", 12, "stands in quotes"),
        ("jobs_ttl = \"s3ntinelXq9", 0, "jobs_ttl: not TOML: the closing quote is missing"),
        ("jobs_ttl = 's3ntinelXq9", 0, "jobs_ttl: not TOML: the closing quote is missing"),
        ("jobs_ttl = \"C:\\s3ntinelXq9\"", 0, "jobs_ttl: not TOML: double a backslash"),
        ("jobs_ttl =", 0, "not TOML"),
        ("s3ntinelXq9", 0, "not TOML"),
        ("s3ntinelXq9 = = 1", 0, "not TOML"),
        ("[s3ntinelXq9", 0, "not TOML"),
    ] {
        let told = refused(&with_site(&format!("[poll]\n{line}"), ""));
        let place = if column == 0 { "config.toml:2:".to_owned() } else { format!("config.toml:2:{column}: ") };
        assert!(told[0].starts_with(&place) && told[0].contains(word), "{line}\n{told:#?}");
        assert_eq!(told.len(), 1, "{line}\n{told:#?}");
    }
    one(&with_site("[poll]\njobs_ttl = \"1m\"\njobs_ttl = \"s3ntinelXq9\"", ""), "3:1", "written twice");
    one(&with_site("[poll]\n[poll]", ""), "2:2", "written twice");
}

#[test]
fn every_mistake_is_told_at_once_in_the_order_of_the_file() {
    let text = "[web]\nlisten_address = 1\ntelemtry_path = \"s3ntinelXq9\"\n[poll]\njobs_ttl = 30s\ntimeout = \"s3ntinelXq9\"\n\
                [[site]]\nname = \"a b\"\nurl = \"nbu\"\napi_key = \"${UNSET}\"\n[[site]]\nname = 'x\nurl = \"https://nbu\"\n";
    let told = refused(text);
    let places: Vec<&str> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
    let expected =
        ["2:18", "3:1", "5:12", "6:11", "8:8", "9:7", "10:11", "12:10"].map(|place| format!("config.toml:{place}"));
    assert_eq!(places, expected, "{told:#?}");
}

#[test]
fn the_same_mistake_of_all_sites_is_told_once() {
    let (one_site, two) = (with_site("", ""), with_site("", "").replace("paris", "rome"));
    one(
        &format!("[poll]\njobs_stale_after = \"1s\"\n{one_site}{two}"),
        "2:20: poll.jobs_stale_after",
        "collector jobs",
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let told = |path: &Path| Config::load(path, &environment()).unwrap_err().to_string();
    let missing = directory.path().join("config.toml");
    assert!(told(&missing).starts_with(&missing.display().to_string()));
    assert!(told(&missing).contains("no such file") && told(&missing).contains("--config.file"));
    assert!(told(directory.path()).contains("directory"));
    std::fs::write(&missing, b"a = 1\nb = \"\xff\"\n").unwrap();
    assert!(told(&missing).starts_with(&format!("{}:2:6: not UTF-8", missing.display())), "{}", told(&missing));
    std::fs::write(&missing, "é = \"".bytes().chain([0xff]).collect::<Vec<_>>()).unwrap();
    let errors = Config::load(&missing, &environment()).unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| (error.line, error.column)).collect();
    assert_eq!(places, [(Some(1), Some(6))]);
}
