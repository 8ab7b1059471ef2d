//! A YAML document as a tree in which every value has its place. The parser is a library; what is built from its
//! events is bounded: one document, no anchors, no aliases, no tags, little depth. A web configuration needs none of
//! these, and an alias is how a small file becomes a large one.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use zeroize::Zeroizing;

/// Far deeper than any key of the format.
const DEEPEST: usize = 8;

/// A value, and where it begins in the text, in bytes.
pub(super) struct Node {
    pub(super) offset: usize,
    pub(super) value: Value,
}

pub(super) enum Value {
    /// Text; `plain`: without quotes.
    Scalar {
        text: Zeroizing<String>,
        plain: bool,
    },
    List(Vec<Node>),
    /// Keys as they come; one may stand twice.
    Map(Vec<(Node, Node)>),
}

/// Where a document ceases to be one that is understood, and why.
pub(super) struct Broken {
    pub(super) offset: usize,
    pub(super) message: &'static str,
}

/// The document; `None`: the file holds nothing but comments.
///
/// # Errors
/// The first thing that is no YAML, or YAML of a kind that is not taken.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Broken> {
    let mut tree = Tree { parser: Parser::new_from_str(text), offsets: offsets(text), end: text.len() };
    let mut document = None;
    loop {
        let (event, span) = tree.next()?;
        match event {
            Event::StreamEnd => return Ok(document),
            Event::DocumentStart(_) if document.is_some() => {
                return Err(tree.broken(span, "a second document begins here; the file is one document"));
            }
            Event::DocumentStart(_) => {
                let (event, span) = tree.next()?;
                document = Some(tree.node(event, span, 0)?);
            }
            _ => {}
        }
    }
}

struct Tree<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Byte offset by character; `None`: they are the same.
    offsets: Option<Vec<usize>>,
    end: usize,
}

impl<'t> Tree<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Broken> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Broken { offset: self.offset(error.marker().index()), message: words(&error) }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Broken> {
        let offset = self.offset(span.start.index());
        if depth > DEEPEST {
            return Err(self.broken(span, "nested deeper than any key of a web configuration"));
        }
        let (anchor, tag) = match &event {
            Event::Alias(_) => (1, false),
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.is_some())
            }
            _ => (0, false),
        };
        if anchor != 0 {
            return Err(self.broken(span, "anchors and aliases are not taken here: write the value out"));
        }
        if tag {
            return Err(self.broken(span, "tags (!…) are not taken here; put a text that begins with ! in quotes"));
        }
        let value = match event {
            Event::Scalar(text, style, ..) => {
                Value::Scalar { text: Zeroizing::new(text.into_owned()), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(list),
                        (event, span) => list.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut map = Vec::new();
                loop {
                    let key = match self.next()? {
                        (Event::MappingEnd, _) => break Value::Map(map),
                        (event, span) => self.node(event, span, depth + 1)?,
                    };
                    let (event, span) = self.next()?;
                    map.push((key, self.node(event, span, depth + 1)?));
                }
            }
            _ => return Err(self.broken(span, "not YAML: a value was expected here")),
        };
        Ok(Node { offset, value })
    }

    fn broken(&self, span: Span, message: &'static str) -> Broken {
        Broken { offset: self.offset(span.start.index()), message }
    }

    /// The parser counts characters.
    fn offset(&self, character: usize) -> usize {
        match &self.offsets {
            None => character.min(self.end),
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.end),
        }
    }
}

fn offsets(text: &str) -> Option<Vec<usize>> {
    (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset).collect())
}

/// The parser's own words may quote the text.
fn words(error: &ScanError) -> &'static str {
    if error.info().contains("tab") {
        "not YAML: indent with spaces, not with tabs"
    } else {
        "not YAML: something else was expected here; look at the indentation, the space after each colon and the quotes"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn broken(text: &str) -> (usize, &'static str) {
        match parse(text) {
            Ok(_) => panic!("accepted: {text}"),
            Err(broken) => (broken.offset, broken.message),
        }
    }

    #[test]
    fn values_have_their_place_in_bytes() {
        let text = "é: 'x'\nb:\n  - 1\n  - \"2\"\n";
        let Value::Map(map) = parse(text).ok().flatten().unwrap().value else { panic!("no map") };
        let places: Vec<usize> = map.iter().flat_map(|(key, value)| [key.offset, value.offset]).collect();
        assert_eq!(places, [0, text.find('\'').unwrap(), text.find('b').unwrap(), text.find('-').unwrap()]);
        let Value::List(list) = &map[1].1.value else { panic!("no list") };
        let scalars: Vec<(&str, bool)> = list
            .iter()
            .map(|node| match &node.value {
                Value::Scalar { text, plain } => (text.as_str(), *plain),
                _ => panic!("no scalar"),
            })
            .collect();
        assert_eq!(scalars, [("1", true), ("2", false)]);
    }

    #[test]
    fn nothing_is_no_document() {
        for text in ["", "# only words\n", "\n\n"] {
            assert!(parse(text).is_ok_and(|document| document.is_none()), "{text:?}");
        }
    }

    #[test]
    fn what_makes_a_small_file_large_is_refused() {
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
        for (text, offset, word) in [
            (bomb, 6, "anchors"),
            ("a: *b\n", 3, ""),
            ("a: !!binary x\n", 3, "tags"),
            ("a: 1\n---\nb: 2\n", 5, "second document"),
            ("a: {b: {c: {d: {e: {f: {g: {h: {i: {}}}}}}}}}\n", 34, "deeper"),
            ("a:\n\tb: 1\n", 3, "not YAML"),
            ("a: [1\n", 6, "not YAML"),
            ("a: 'x\n", 3, "not YAML"),
        ] {
            let (at, message) = broken(text);
            assert!(message.contains(word), "{text}: {message}");
            assert!(at.abs_diff(offset) <= 3, "{text}: {at}");
        }
        let deep = "[".repeat(1024 * 1024);
        broken(&deep);
        broken(&(0..1000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-a:\\[\\]{}&*!|>'\"%@`#,? \\n\\t~\\\\é0.<]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_on_a_damaged_file(
            from in 0..200_usize,
            length in 0..40_usize,
            with in "[-a:\\[\\]{}&*!|>'\"%@#,? \\n\\t]{0,6}",
        ) {
            let good = "tls_server_config:\n  cert_file: a.crt\n  key: |\n    x\n    y\n  cipher_suites: [A, B]\n  \
                        client_allowed_sans:\n    - 'x'\n    - \"y\\n\"\nhttp_server_config:\n  headers: {X: >-\n  a}\n";
            let end = (from + length).min(good.len());
            let start = from.min(end);
            let _ = parse(&format!("{}{with}{}", &good[..start], &good[end..]));
        }
    }
}
