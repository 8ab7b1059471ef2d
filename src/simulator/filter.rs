//! The OData subset of `filter`: comparisons and text functions joined by `and`, checked against a table of
//! attributes. Whatever the published pages do not promise is refused, so that a client which passes here is safe.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::world::time::{parse_iso, parse_iso_duration};

/// What an attribute holds, and so how its literals are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Bare digits.
    Int,
    /// Bare digits, a point allowed.
    Float,
    /// A bare time in UTC that ends in `Z`; in quotes it is refused.
    Time,
    /// A bare ISO 8601 duration.
    Duration,
    /// In single quotes, a quote doubled.
    Text,
    /// In single quotes, one of these.
    Enum(&'static [&'static str]),
    /// A bare number that stands for a word in the answer.
    Code(&'static [(i64, &'static str)]),
}

/// Which operators an attribute allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ops {
    Eq,
    EqNe,
    /// `ge` and `le`.
    Between,
    /// All six comparisons.
    Order,
    /// `eq`, `ne` and the three functions.
    Search,
    /// The three functions.
    SearchOnly,
    /// `eq` and `contains`.
    EqSearch,
    /// Everything.
    All,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) ops: Ops,
}

/// An operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
    Contains,
    StartsWith,
    EndsWith,
}

/// A value of a row, or a literal. Times and durations are integers of milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field<'a> {
    /// The row does not have it.
    Null,
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) name: &'static str,
    pub(crate) op: Op,
    pub(crate) value: Field<'static>,
}

/// All comparisons; a row must satisfy each.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Filter {
    pub(crate) terms: Vec<Term>,
}

/// Why a filter is refused.
pub(crate) type Refused = String;

impl Filter {
    /// Reads a filter against the table of the endpoint.
    pub(crate) fn parse(text: &str, table: impl Iterator<Item = Attribute> + Clone) -> Result<Filter, Refused> {
        let mut rest = text.trim();
        let mut terms = Vec::new();
        loop {
            let (term, after) = term(rest, table.clone())?;
            terms.push(term);
            let after_blank = after.trim_start();
            if after_blank.is_empty() {
                return Ok(Filter { terms });
            }
            rest = after_blank
                .strip_prefix("and ")
                .filter(|_| after_blank.len() < after.len())
                .ok_or_else(|| format!("expected 'and' before: {after}"))?
                .trim_start();
        }
    }

    /// Whether a row satisfies it, given the way to look its values up.
    pub(crate) fn matches<'a>(&self, look_up: impl Fn(&str) -> Field<'a>) -> bool {
        self.terms.iter().all(|term| term.matches(&look_up(term.name)))
    }

    /// The least and the greatest value that an integer or time attribute may have, both included; `None`: unbounded.
    pub(crate) fn bounds(&self, name: &str) -> Option<(i64, i64)> {
        let mut bounds = None;
        for term in self.terms.iter().filter(|term| term.name == name) {
            let Field::Int(value) = term.value else { continue };
            let (low, high) = bounds.unwrap_or((i64::MIN, i64::MAX));
            bounds = match term.op {
                Op::Eq => Some((low.max(value), high.min(value))),
                Op::Ge => Some((low.max(value), high)),
                Op::Gt => Some((low.max(value.saturating_add(1)), high)),
                Op::Le => Some((low, high.min(value))),
                Op::Lt => Some((low, high.min(value.saturating_sub(1)))),
                _ => bounds,
            };
        }
        bounds
    }

    /// Whether no row that is DONE can satisfy it.
    pub(crate) fn excludes_done(&self) -> bool {
        self.terms.iter().filter(|term| term.name == "state").any(|term| match (&term.op, &term.value) {
            (Op::Ne, Field::Text(state)) => state == "DONE",
            (Op::Eq, Field::Text(state)) => state != "DONE",
            _ => false,
        })
    }
}

impl Term {
    fn matches(&self, field: &Field<'_>) -> bool {
        if let (Field::Text(text), Field::Text(wanted)) = (field, &self.value) {
            match self.op {
                Op::Contains => return text.contains(&**wanted),
                Op::StartsWith => return text.starts_with(&**wanted),
                Op::EndsWith => return text.ends_with(&**wanted),
                _ => {}
            }
        }
        // A missing value differs from every literal and is neither above nor below any.
        let order = compare(field, &self.value);
        match self.op {
            Op::Eq => order == Some(Ordering::Equal),
            Op::Ne => order != Some(Ordering::Equal),
            Op::Lt => order == Some(Ordering::Less),
            Op::Gt => order == Some(Ordering::Greater),
            Op::Le => order.is_some_and(Ordering::is_le),
            Op::Ge => order.is_some_and(Ordering::is_ge),
            Op::Contains | Op::StartsWith | Op::EndsWith => false,
        }
    }
}

fn compare(field: &Field<'_>, value: &Field<'_>) -> Option<Ordering> {
    #[expect(clippy::cast_precision_loss, reason = "ratios and percentages only")]
    match (field, value) {
        (Field::Int(a), Field::Int(b)) => Some(a.cmp(b)),
        (Field::Float(a), Field::Float(b)) => a.partial_cmp(b),
        (Field::Int(a), Field::Float(b)) => (*a as f64).partial_cmp(b),
        (Field::Text(a), Field::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Reads one comparison or function call off the front.
fn term(text: &str, table: impl Iterator<Item = Attribute> + Clone) -> Result<(Term, &str), Refused> {
    let find = |name: &str| {
        let mut table = table.clone();
        table.find(|attribute| attribute.name == name).ok_or_else(|| format!("unknown attribute: {name}"))
    };
    let end = text.find([' ', '(', ',', '\'']).ok_or_else(|| format!("not a comparison: {text}"))?;
    let (word, rest) = text.split_at(end);
    if let Some(arguments) = rest.strip_prefix('(') {
        let op = match word {
            "contains" => Op::Contains,
            "startswith" => Op::StartsWith,
            "endswith" => Op::EndsWith,
            _ => return Err(format!("unsupported function or parentheses: {text}")),
        };
        let (name, rest) = arguments.split_once(',').ok_or_else(|| format!("not two arguments: {text}"))?;
        let attribute = find(name.trim())?;
        if !attribute.ops.allow(op) {
            return Err(format!("{word} is not supported on {}", attribute.name));
        }
        let (wanted, rest) = quoted(rest.trim_start())?;
        let rest = rest.trim_start().strip_prefix(')').ok_or_else(|| format!("missing parenthesis: {text}"))?;
        return Ok((Term { name: attribute.name, op, value: Field::Text(wanted.into()) }, rest));
    }
    let attribute = find(word)?;
    let rest = rest.trim_start();
    let (op, rest) = rest.split_once(' ').ok_or_else(|| format!("not a comparison: {text}"))?;
    let op = match op {
        "eq" => Op::Eq,
        "ne" => Op::Ne,
        "lt" => Op::Lt,
        "gt" => Op::Gt,
        "le" => Op::Le,
        "ge" => Op::Ge,
        _ => return Err(format!("unknown operator: {op}")),
    };
    if !attribute.ops.allow(op) {
        return Err(format!("this operator is not supported on {}", attribute.name));
    }
    let (value, rest) = literal(attribute, rest.trim_start())?;
    Ok((Term { name: attribute.name, op, value }, rest))
}

/// Reads the literal that this attribute asks for off the front.
fn literal(attribute: Attribute, text: &str) -> Result<(Field<'static>, &str), Refused> {
    let refuse = |what: &str| format!("{} takes {what}: {text}", attribute.name);
    if let Kind::Text | Kind::Enum(_) = attribute.kind {
        let (wanted, rest) = quoted(text)?;
        return match attribute.kind {
            Kind::Enum(values) if !values.contains(&wanted.as_str()) => Err(refuse("one of its own values")),
            _ => Ok((Field::Text(wanted.into()), rest)),
        };
    }
    let (bare, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
    let value = match attribute.kind {
        Kind::Int => integer(bare).map(Field::Int),
        Kind::Float => {
            let plain = bare.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
            bare.parse().ok().filter(|_| plain).map(Field::Float)
        }
        Kind::Time => parse_iso(bare).map(Field::Int),
        Kind::Duration => parse_iso_duration(bare).map(Field::Int),
        Kind::Code(codes) => integer(bare)
            .and_then(|code| codes.iter().find(|(known, _)| *known == code))
            .map(|(_, word)| Field::Text(Cow::Borrowed(word))),
        Kind::Text | Kind::Enum(_) => None,
    };
    let wanted = match attribute.kind {
        Kind::Time => "a bare time in UTC",
        Kind::Duration => "a bare duration",
        _ => "a bare number",
    };
    value.map(|value| (value, rest)).ok_or_else(|| refuse(wanted))
}

fn integer(text: &str) -> Option<i64> {
    // `parse` would also take a plus sign.
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

/// Reads a quoted text off the front; two quotes stand for one.
fn quoted(text: &str) -> Result<(String, &str), Refused> {
    let refused = || format!("expected a text in single quotes: {text}");
    let mut rest = text.strip_prefix('\'').ok_or_else(refused)?;
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('\'').ok_or_else(refused)?;
        value.push_str(part);
        let Some(more) = after.strip_prefix('\'') else { return Ok((value, after)) };
        value.push('\'');
        rest = more;
    }
}

impl Ops {
    fn allow(self, op: Op) -> bool {
        let function = matches!(op, Op::Contains | Op::StartsWith | Op::EndsWith);
        match self {
            Ops::Eq => op == Op::Eq,
            Ops::EqNe => matches!(op, Op::Eq | Op::Ne),
            Ops::Between => matches!(op, Op::Ge | Op::Le),
            Ops::Order => !function,
            Ops::Search => function || matches!(op, Op::Eq | Op::Ne),
            Ops::SearchOnly => function,
            Ops::EqSearch => matches!(op, Op::Eq | Op::Contains),
            Ops::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::attributes;
    use crate::simulator::release::Release;

    fn parse(text: &str) -> Result<Filter, Refused> {
        Filter::parse(text, attributes::list(Release::R11_2))
    }

    #[test]
    fn comparisons_are_read() {
        let filter = parse(
            "lastUpdateTime ge 2025-11-26T22:00:00.000Z and state ne 'DONE' and contains(policyName,'it''s') \
             and jobId lt 12 and dedupRatio gt 1.5 and applicationType eq 1 and elapsedTime gt PT5M",
        )
        .unwrap();
        assert_eq!(filter.terms.len(), 7);
        assert_eq!(filter.terms[2].value, Field::Text("it's".into()));
        assert_eq!(filter.terms[5].value, Field::Text("VMWARE".into()));
        assert_eq!(filter.bounds("lastUpdateTime"), Some((1_764_194_400_000, i64::MAX)));
        assert_eq!(filter.bounds("jobId"), Some((i64::MIN, 11)));
        assert_eq!(filter.bounds("startTime"), None);
        assert!(filter.excludes_done());
        assert!(!parse("state eq 'DONE'").unwrap().excludes_done());
    }

    #[test]
    fn what_is_not_published_is_refused() {
        for bad in [
            "",
            "state",
            "state eq DONE",
            "state eq \"DONE\"",
            "state eq 'done'",
            "state eq 'DONE",
            "state gt 'DONE'",
            "STATE eq 'DONE'",
            "lastUpdateTime ge '2025-11-26T22:00:00.000Z'",
            "lastUpdateTime ge 2025-11-26T22:00:00.000",
            "lastUpdateTime ge 2025-11-26",
            "lastUpdateTime ge datetime'2025-11-26T22:00:00Z'",
            "lastUpdateTime ge 1764194400000",
            "policyName eq 'x'",
            "contains(destinationMediaId,'x')",
            "toupper(clientName) eq 'X'",
            "jobId in (1,2)",
            "jobId eq '1'",
            "jobId eq 1.0",
            "jobId eq +1",
            "jobId eq 1 or jobId eq 2",
            "not state eq 'DONE'",
            "(state eq 'DONE')",
            "state eq 'DONE' and",
            "state eq 'DONE' And jobId eq 1",
            "state eq 'DONE'and jobId eq 1",
            "scheduleType eq 'FULL_BACKUP'",
            "applicationType eq 'VMWARE'",
            "childCount eq 0",
        ] {
            assert!(parse(bad).is_err(), "accepted: {bad}");
        }
        assert!(Filter::parse("lastUpdateTime ge 2025-11-26T22:00:00Z", attributes::count(Release::R11_2)).is_err());
        assert!(Filter::parse("backupId eq 'x'", attributes::list(Release::R10_3)).is_err());
    }

    #[test]
    fn a_missing_value_differs_and_has_no_order() {
        let missing = |_: &str| Field::Null;
        assert!(parse("status ne 0").unwrap().matches(missing));
        assert!(!parse("status ge 0").unwrap().matches(missing));
        assert!(!parse("status eq 0").unwrap().matches(missing));
        let zero = |_: &str| Field::Int(0);
        assert!(parse("status le 0 and status ge 0 and status eq 0").unwrap().matches(zero));
        assert!(!parse("status lt 0").unwrap().matches(zero));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = parse(&text);
            let _ = parse(&format!("clientName eq {text}"));
            let _ = parse(&format!("startTime ge {text}"));
        }

        #[test]
        fn any_value_can_be_quoted(wanted in ".{0,40}") {
            let doubled = wanted.replace('\'', "''");
            let filter = parse(&format!("clientName eq '{doubled}' and endswith(jobPath,'{doubled}')")).unwrap();
            for term in filter.terms {
                proptest::prop_assert_eq!(&term.value, &Field::Text(wanted.clone().into()));
            }
        }
    }
}
