//! `${VAR}` in a string: replaced from the environment, once. `$${` is a literal `${`; nothing else is special.

use super::Environment;

const UNSET: &str = "a variable in this string is not set in the environment; write `$${` for a plain `${`";

/// Replaces the variables of `text`; what they hold is not looked at again.
///
/// # Errors
/// Every variable that is not set, and every `${` that names none; each a message without a part of the text. What looks
/// like the name of a variable is told only where nothing stands around it: else it may be a piece of a key.
pub(super) fn interpolate(text: &str, environment: &Environment) -> Result<String, Vec<String>> {
    let mut replaced = String::with_capacity(text.len());
    let mut errors = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let (before, from_dollar) = rest.split_at(dollar);
        replaced.push_str(before);
        if let Some(after) = from_dollar.strip_prefix("$${") {
            replaced.push_str("${");
            rest = after;
        } else if let Some(after) = from_dollar.strip_prefix("${") {
            let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_variable_name(name)) else {
                errors.push(
                    "`${` must be followed by the name of a variable and `}`; write `$${` for a plain `${`".into(),
                );
                rest = after;
                continue;
            };
            match environment.get(name) {
                Some(value) => replaced.push_str(value),
                None if text == format!("${{{name}}}") => {
                    errors.push(format!("the environment variable {name} is not set"));
                }
                None => errors.push(UNSET.into()),
            }
            rest = after;
        } else {
            replaced.push('$');
            rest = from_dollar.strip_prefix('$').unwrap_or_default();
        }
    }
    replaced.push_str(rest);
    if errors.is_empty() { Ok(replaced) } else { Err(errors) }
}

/// Letters, digits and `_`, not starting with a digit: what every shell can set.
fn is_variable_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && name.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment() -> Environment {
        [("A", "1"), ("B_2", "two"), ("NESTED", "${A}"), ("EMPTY", "")].map(|(k, v)| (k.into(), v.into())).into()
    }

    #[test]
    fn replaces_set_variables_and_nothing_else() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("${A}", "1"),
            ("x${A}y${B_2}z", "x1ytwoz"),
            ("${EMPTY}", ""),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$A $ $$ $", "$A $ $$ $"),
            ("${NESTED}", "${A}"),
            ("a$${", "a${"),
            ("}{", "}{"),
        ] {
            assert_eq!(interpolate(text, &environment()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn names_an_unset_variable_only_where_it_is_the_whole_string() {
        let errors = |text| interpolate(text, &environment()).unwrap_err();
        assert_eq!(errors("${NO}"), ["the environment variable NO is not set"]);
        assert_eq!(errors("${NO} ${A} ${NEITHER}"), [UNSET, UNSET]);
        for text in ["pa${ss}word", "${ss}word", "pa${ss}", "$${${ss}", "${A}${ss}", "$${ss}${ss}", " ${ss}"] {
            assert_eq!(errors(text), [UNSET], "{text}");
        }
    }

    #[test]
    fn refuses_what_names_no_variable() {
        for text in ["${", "${}", "${A", "${1A}", "${A B}", "${A-B}", "${A:-default}"] {
            let errors = interpolate(text, &environment()).unwrap_err();
            assert!(errors[0].contains("must be followed"), "{text}: {errors:?}");
        }
    }

    proptest! {
        #[test]
        fn text_without_a_brace_after_a_dollar_is_untouched(text in "[^{]*") {
            prop_assert_eq!(interpolate(&text, &environment()), Ok(text));
        }

        #[test]
        fn never_panics(text in "[${}AB_2 é]*") {
            let _ = interpolate(&text, &environment());
        }
    }
}
