//! Escaping, without loss: whatever a primary calls its things, a reader gets back the same text.

use std::borrow::Cow;

/// Appends a label value with exactly `\`, `"` and line feed escaped; everything else, controls included, verbatim.
pub(super) fn label_value(out: &mut Vec<u8>, value: &str) {
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
        let (verbatim, special) = rest.split_at(at);
        out.extend_from_slice(verbatim);
        out.extend_from_slice(match special.first() {
            Some(b'\\') => b"\\\\",
            Some(b'"') => b"\\\"",
            _ => b"\\n",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// The label value that was escaped for a sample line.
#[must_use]
pub fn unescaped(escaped: &str) -> Cow<'_, str> {
    if !escaped.contains('\\') {
        return escaped.into();
    }
    let (mut value, mut chars) = (String::with_capacity(escaped.len()), escaped.chars());
    while let Some(char) = chars.next() {
        value.push(match char {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => break,
            },
            char => char,
        });
    }
    value.into()
}

/// A HELP text as text 0.0.4 wants it: `\` and line feed escaped, quotes as they are.
pub(super) fn help(text: &str) -> Cow<'_, str> {
    if text.contains(['\\', '\n']) { text.replace('\\', "\\\\").replace('\n', "\\n").into() } else { text.into() }
}

/// What OpenMetrics wants escaped on top of [`help`]: quotes.
pub(super) fn quotes(escaped: &str) -> Cow<'_, str> {
    if escaped.contains('"') { escaped.replace('"', "\\\"").into() } else { escaped.into() }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a reader of the format makes of an escaped label value.
    pub(crate) fn unescape(escaped: &str) -> String {
        let mut chars = escaped.chars();
        let mut value = String::new();
        while let Some(char) = chars.next() {
            value.push(match (char, char == '\\') {
                (_, true) => match chars.next() {
                    Some('n') => '\n',
                    Some(char @ ('\\' | '"')) => char,
                    other => panic!("no such escape: {other:?}"),
                },
                (char, false) => char,
            });
        }
        value
    }

    fn escaped(value: &str) -> String {
        let mut out = Vec::new();
        label_value(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_exactly_three_characters() {
        assert_eq!(escaped("\\\\server\\share"), "\\\\\\\\server\\\\share");
        assert_eq!(escaped("say \"hi\"\nand\r\t\0é𝄞"), "say \\\"hi\\\"\\nand\r\t\0é𝄞");
        assert_eq!(escaped(""), "");
    }

    proptest! {
        #[test]
        fn a_reader_gets_back_the_same_text(value in r#"([\\"n\n\r\x00]|\PC){0,40}"#) {
            let escaped = escaped(&value);
            prop_assert!(!escaped.contains('\n'));
            prop_assert_eq!(unescape(&escaped), value.as_str());
            prop_assert_eq!(unescaped(&escaped), value);
        }
    }
}
