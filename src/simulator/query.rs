//! Query parameters, read strictly: every name must be known, stand once, and be encoded as the guide asks.

use url::form_urlencoded::{Serializer, parse};

use super::reply::Problem;

/// The parameters of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string; only the names in `known` may occur.
    pub(crate) fn read(query: &str, known: &[&str]) -> Result<Params, Problem> {
        let raw =
            |byte: u8| matches!(byte, b'[' | b']' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}');
        if query.bytes().any(raw) || !query.is_ascii() {
            return Err(Problem::parameter("names and values of the query must be percent-encoded"));
        }
        if query.split('%').skip(1).any(|after| !after.bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2)) {
            return Err(Problem::parameter("a percent sign of the query is not followed by two hexadecimal digits"));
        }
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in parse(query.as_bytes()) {
            if !known.contains(&&*name) {
                return Err(Problem::parameter(format!("unknown parameter: {name}")));
            }
            if params.iter().any(|(seen, _)| *seen == *name) {
                return Err(Problem::parameter(format!("parameter given twice: {name}")));
            }
            if value.is_empty() || value.contains('\u{fffd}') {
                return Err(Problem::parameter(format!("parameter without a usable value: {name}")));
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        Ok(Params(params))
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A whole number between two bounds, both included.
    pub(crate) fn number(&self, name: &str, default: usize, low: usize, high: usize) -> Result<usize, Problem> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| digits && (low..=high).contains(number));
        number.ok_or_else(|| Problem::parameter(format!("{name} must be a number from {low} to {high}")))
    }

    /// The query string of a link: these parameters without those in `drop`, then `add`.
    pub(crate) fn link(&self, drop: &[&str], add: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(self.0.iter().filter(|(name, _)| !drop.contains(&name.as_str())));
        query.extend_pairs(add);
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encoded_known_single_parameters_pass() {
        let known = ["filter", "page[limit]"];
        let params = Params::read("page%5Blimit%5D=100&filter=state+ne+%27DONE%27", &known).unwrap();
        assert_eq!(params.get("filter"), Some("state ne 'DONE'"));
        assert_eq!(params.number("page[limit]", 10, 1, 100), Ok(100));
        assert!(params.number("page[limit]", 10, 1, 99).is_err());
        assert_eq!(
            params.link(&["filter"], &[("page[after]", "a+b=")]),
            "page%5Blimit%5D=100&page%5Bafter%5D=a%2Bb%3D"
        );
        for bad in ["page[limit]=1", "filter=a&filter=b", "filter=", "limit=1", "filter=%2", "filter=%zz", "filter=%ff"]
        {
            assert!(Params::read(bad, &known).is_err(), "accepted: {bad}");
        }
        for bad in ["%2B1", "-1", "0x1", "1.0", "1e1", "99999999999999999999999"] {
            let params = Params::read(&format!("page%5Blimit%5D={bad}"), &known).unwrap();
            assert!(params.number("page[limit]", 10, 1, 100).is_err(), "accepted: {bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "[a-z%=&+0-9\\[\\]]{0,60}|.{0,30}") {
            let _ = Params::read(&query, &["filter", "a"]);
        }

        #[test]
        fn any_encoded_value_is_read_back(value in ".{1,40}") {
            proptest::prop_assume!(!value.contains('\u{fffd}'));
            let query = Serializer::new(String::new()).append_pair("filter", &value).finish();
            let params = Params::read(&query, &["filter"]).unwrap();
            proptest::prop_assert_eq!(params.get("filter"), Some(value.as_str()));
        }
    }
}
