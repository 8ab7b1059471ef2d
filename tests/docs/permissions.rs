//! `docs/permissions.md`: what a key must be allowed, and a role that allows no more. The rights are those of
//! `Endpoint::right`, the table by which `check` names a missing one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use netbackup_exporter::collector::{self, About};
use netbackup_exporter::netbackup::endpoint::Endpoint;

use super::{is_on_by_default, rights};

/// A right as RBAC writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Such as `|MANAGE|JOBS|`; `None`: it is given on single objects.
    namespace: Option<String>,
    /// Such as `|OPERATIONS|VIEW|`.
    operation: String,
    /// As `check` writes it, such as `MANAGE/JOBS VIEW`.
    pub words: &'static str,
}

impl Right {
    /// Reads what `check` writes. Operations beside VIEW carry the namespace that they belong to.
    pub fn read(words: &'static str) -> Right {
        if let Some((operation, _)) = words.split_once(" on ") {
            return Right { namespace: None, operation: format!("|OPERATIONS|{operation}|"), words };
        }
        let (object, operation) = words.rsplit_once(' ').expect("a right is an object and an operation");
        let path = object.replace('/', "|");
        let operation = match operation {
            "VIEW" => "|OPERATIONS|VIEW|".to_owned(),
            _ => format!("|OPERATIONS|{path}|{operation}|"),
        };
        Right { namespace: Some(format!("|{path}|")), operation, words }
    }
}

/// Where the web UI keeps the permissions of a namespace.
fn tab(namespace: &str) -> &'static str {
    match namespace.split('|').nth(1) {
        Some("MANAGE") => "Global > NetBackup management",
        Some("PROTECTION") => "Global > Protection",
        Some("SECURITY") => "Global > Security",
        Some("STORAGE") => "Global > Storage",
        other => panic!("which tab has {other:?}?"),
    }
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// Each endpoint of each collector, and what it needs.
fn endpoints_table(out: &mut String) {
    out.push_str("| collector | on by default | endpoint | namespace | operation |\n|---|---|---|---|---|\n");
    for about in collector::ALL {
        let on = if is_on_by_default(about.name) { "yes" } else { "no" };
        for endpoint in about.endpoints {
            let (namespace, operation) = match endpoint.right().map(Right::read) {
                None => ("none".to_owned(), String::new()),
                Some(Right { namespace: Some(namespace), operation, .. }) => (code(&namespace), code(&operation)),
                Some(Right { words, operation, .. }) => {
                    (format!("{}, per object", words.split_once(" on ").unwrap().1), code(&operation))
                }
            };
            let name = about.name;
            writeln!(out, "| `{name}` | {on} | `{}` | {namespace} | {operation} |", endpoint.template()).unwrap();
        }
    }
}

/// The rights of some collectors by tab of the web UI, and who needs them.
fn tabs(out: &mut String, abouts: &[&'static About]) {
    let mut tabs: BTreeMap<&str, BTreeMap<Right, BTreeSet<&str>>> = BTreeMap::new();
    for about in abouts {
        for right in rights(about) {
            let tab = right.namespace.as_deref().map_or("Single objects", tab);
            tabs.entry(tab).or_default().entry(right).or_default().insert(about.name);
        }
    }
    out.push_str("| tab | permission | for |\n|---|---|---|\n");
    for (tab, rights) in tabs {
        for (right, names) in rights {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            writeln!(out, "| {tab} | {} | {} |", right.words, names.join(", ")).unwrap();
        }
    }
}

/// A line per right, below the collector that needs it. A right that stands above already is only mentioned.
fn grants(out: &mut String, abouts: &[&'static About], given: &mut BTreeMap<Right, &'static str>) {
    for about in abouts {
        let mut lines = String::new();
        for right in rights(about) {
            let before = given.get(&right).copied();
            match (&right.namespace, before) {
                (_, Some(first)) => writeln!(lines, "# needs {} too: see {first}", right.words).unwrap(),
                (Some(namespace), None) => writeln!(lines, "grant '{namespace}' '{}'", right.operation).unwrap(),
                (None, None) => writeln!(lines, "# {}: not a namespace, see below", right.words).unwrap(),
            }
            given.entry(right).or_insert(about.name);
        }
        if lines.is_empty() {
            lines.push_str("# needs no right\n");
        }
        write!(out, "\n# {}\n{lines}", about.name).unwrap();
    }
}

const HEAD: &str = "# Permissions

Generated from the code: `UPDATE_DOCS=1 cargo test --test docs` rewrites this page.

The exporter only reads, and writes nothing to NetBackup; the one POST that it sends beside signing in and out, `/admin/jobs-count-requests`, counts jobs. Give the
user of its key a role of its own that holds what the collectors need that are switched on, and nothing else. The table below is the one by which `netbackup_exporter check` names a missing right,
with `/` for `|` and without the word OPERATIONS: `MANAGE/JOBS VIEW` is `|OPERATIONS|VIEW|` on `|MANAGE|JOBS|`. `check` also says what the key could read of collectors
that are off.

A collector whose right is missing says so in `netbackup_collector_permission_denied`; one that reads several endpoints shows what it may, and says of each endpoint that it asked what came of it in
`netbackup_collector_endpoint_state`; `/storage/disk-pools/{diskPoolId}` is asked, and found there, only where the list of disk pools has no sizes.

## What each collector needs

";

const ROLE: &str = "
`/ping`, `/security/serverinfo` and signing in need no right, nor does `/authorization-context`, by which credentials are judged.

Two things differ from the rest. Jobs can be shown per object: a key without rights gets an empty list, not a refusal, and a key with rights on single jobs only sees those. Rights on protection
plans are given per plan: a key sees the plans that it may view, and no others.

## A role of least privilege in the web UI

1. **Security > RBAC > Add**, a custom role, with a name such as `netbackup_exporter`.
2. On the card for permissions, choose these and no others. The web UI has names of its own for namespaces, which differ a little by release; the permission is always to view, unless another word stands here.

   For the collectors that are on by default:

";

const REST: &str = "3. Assign the role to a user that nobody else uses, and save.
4. Create an API key for that user (**Security > Access keys**), and put it where `api_key_file` says.
5. `netbackup_exporter check` shows what the key may read.

## The same over REST

The calls are those of the vendor's public code samples for RBAC of NetBackup 8.3 and later (`netbackup-api-code-samples` on GitHub): a role, then an access definition per namespace. They were not tried against
every release: compare them with the API reference that your primary serves itself (`https://<primary>:1556/api-docs/index.html`) before you rely on them.

You need `curl`, `jq`, the CA certificate of the primary in `ca.pem`, and in a file `authorization` that only you can read the line `Authorization: <token>`, with the token or API key of somebody who may
manage roles.

```sh
primary=https://nbuprimary.example.com:1556/netbackup
version=12.0   # no newer than what `curl --head` shows of $primary/ping as X-NetBackup-API-Version
media=\"application/vnd.netbackup+json;version=$version\"

post() {   # PATH BODY
    curl --fail-with-body --silent --show-error --cacert ca.pem --header @authorization \\
        --header \"Accept: $media\" --header \"Content-Type: $media\" --data \"$2\" \"$primary$1\"
}

role=$(post /access-control/roles '{\"data\": {\"type\": \"accessControlRole\", \"attributes\":
    {\"name\": \"netbackup_exporter\", \"description\": \"What netbackup_exporter reads\"}}}' | jq --raw-output .data.id)

grant() {   # NAMESPACE OPERATION
    body=$(jq --null-input --arg role \"$role\" --arg object \"$1\" --arg operation \"$2\" '{data: {
        type: \"accessDefinition\",
        attributes: {propagation: \"OBJECT_AND_CHILDREN\"},
        relationships: {
            role: {data: {type: \"accessControlRole\", id: $role}},
            operations: {data: [{type: \"accessControlOperation\", id: $operation}]},
            managed_object: {data: {type: \"managedObject\", id: $object}}}}}')
    post \"/access-control/managed-objects/$(jq --null-input --raw-output --arg object \"$1\" '$object | @uri')/access-definitions\" \"$body\"
}
```

For the collectors that are on by default:

```sh
";

const TAIL: &str = "```

`OBJECT_AND_CHILDREN` is what the vendor's samples say: a right on a namespace holds for what stands below it, such as host properties below hosts. Whether your release knows a narrower word is in its API reference.

The role still has no user. Add the user of the key on the role's **Users** tab of the web UI; over REST that is `POST /access-control/roles/{roleId}/relationships/user-principals`, whose body names the user
in a form that depends on its domain (see the API reference).

Protection plans are no namespace of the API's own description: give the role the right to view each plan, or all of them, where the web UI manages permissions of protection plans. The vendor's
sample roles use `|PROTECTION|PROTECTION_PLAN|` with `|OPERATIONS|VIEW|` for all plans; whether that suffices for `/servicecatalog/slos` is shown by `check`, which counts the plans that the key sees.
";

/// The whole page.
pub fn page() -> String {
    let (on, off): (Vec<_>, Vec<_>) = collector::ALL.into_iter().partition(|about| is_on_by_default(about.name));
    let mut out = HEAD.to_owned();
    endpoints_table(&mut out);
    out.push_str(ROLE);
    let indented = |abouts: &[&'static About]| {
        let mut table = String::new();
        tabs(&mut table, abouts);
        table.lines().map(|line| format!("   {line}\n")).collect::<String>()
    };
    out.push_str(&indented(&on));
    out.push_str("\n   For all the others. Leave out the lines of collectors that are off:\n\n");
    out.push_str(&indented(&off));
    out.push('\n');
    out.push_str(REST);
    let mut given = BTreeMap::new();
    let mut script = String::new();
    grants(&mut script, &on, &mut given);
    out.push_str(script.trim_start());
    out.push_str(
        "```\n\nFor all the others. Leave out the lines below the names of collectors that are off:\n\n```sh\n",
    );
    script.clear();
    grants(&mut script, &off, &mut given);
    out.push_str(script.trim_start());
    out.push_str(TAIL);
    out
}

#[test]
fn rights_are_read_as_rbac_writes_them() {
    let right = |endpoint: Endpoint| {
        let right = Right::read(endpoint.right().unwrap());
        (right.namespace, right.operation)
    };
    let namespace = |text: &str| Some(text.to_owned());
    assert_eq!(right(Endpoint::Jobs), (namespace("|MANAGE|JOBS|"), "|OPERATIONS|VIEW|".to_owned()));
    assert_eq!(
        right(Endpoint::MalwareResults),
        (namespace("|MANAGE|MALWARE|"), "|OPERATIONS|MANAGE|MALWARE|VIEW-SCAN-RESULT|".to_owned())
    );
    assert_eq!(
        right(Endpoint::VolumePools),
        (namespace("|STORAGE|TAPE-MEDIA|VOLUME-POOLS|"), "|OPERATIONS|VIEW|".to_owned())
    );
    assert_eq!(right(Endpoint::Slos), (None, "|OPERATIONS|VIEW|".to_owned()));
}

#[test]
fn every_right_is_given_once() {
    let page = page();
    let wanted: BTreeSet<String> =
        collector::ALL.into_iter().flat_map(rights).filter_map(|right| right.namespace).collect();
    for namespace in wanted {
        let lines = page.lines().filter(|line| line.starts_with(&format!("grant '{namespace}' "))).count();
        assert_eq!(lines, 1, "{namespace}");
    }
}
