//! How a URL of the API is written. Built by hand, because the primary wants blanks as `%20` (form encoding writes
//! `+`) and the brackets of `page[limit]` encoded.

use std::fmt::Write as _;

/// Percent-encodes one path segment, or one name or value of a query.
fn encode_into(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Path and query of a request, grown from an endpoint's template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    path: String,
    query: String,
    /// Which page of a list it asks for, from 1; only told to a trace.
    pub(crate) page: Option<u64>,
}

impl Target {
    /// The path of `template`, whose placeholders (`{…}`) are filled from `arguments` in order.
    pub(crate) fn new(template: &str, arguments: &[&str]) -> Target {
        let mut arguments = arguments.iter();
        let mut path = String::with_capacity(template.len() + 16);
        for segment in template.split('/').skip(1) {
            path.push('/');
            match segment.starts_with('{').then(|| arguments.next()).flatten() {
                Some(argument) => encode_into(&mut path, argument),
                None => path.push_str(segment),
            }
        }
        Target { path, query: String::new(), page: None }
    }

    /// Adds a parameter.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        encode_into(&mut self.query, name);
        self.query.push('=');
        encode_into(&mut self.query, value);
    }

    /// The whole URL below `base`, which has no trailing slash.
    pub(crate) fn below(&self, base: &str) -> String {
        let separator = if self.query.is_empty() { "" } else { "?" };
        format!("{base}{}{separator}{}", self.path, self.query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_jobs_url_is_written_as_the_primary_wants_it() {
        let mut target = Target::new("/admin/jobs", &[]);
        target.push("page[limit]", "100");
        target.push("filter", "lastUpdateTime ge 2025-11-26T22:00:00.000Z and state ne 'DONE'");
        target.push("sort", "-lastUpdateTime");
        assert_eq!(
            target.below("https://nbu:1556/netbackup"),
            "https://nbu:1556/netbackup/admin/jobs?page%5Blimit%5D=100&filter=lastUpdateTime%20ge%202025-11-26T22%3A00%3A00.000Z\
             %20and%20state%20ne%20%27DONE%27&sort=-lastUpdateTime"
        );
    }

    #[test]
    fn path_arguments_cannot_leave_their_segment() {
        let target = Target::new("/storage/disk-pools/{id}", &["PureDisk:a/../b?c#d"]);
        assert_eq!(target.below(""), "/storage/disk-pools/PureDisk%3Aa%2F..%2Fb%3Fc%23d");
        assert_eq!(Target::new("/admin/jobs/{jobId}", &["7"]).below(""), "/admin/jobs/7");
    }

    proptest! {
        #[test]
        fn every_value_comes_back_whole(value in any::<String>(), other in any::<String>()) {
            let mut target = Target::new("/x", &[]);
            target.push("filter", &value);
            target.push("page[after]", &other);
            let url = url::Url::parse(&target.below("http://h")).unwrap();
            prop_assert!(!url.query().unwrap().contains('+'));
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [("filter".to_owned(), value), ("page[after]".to_owned(), other)]);
        }
    }
}
