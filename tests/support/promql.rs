//! What of a PromQL expression names series: its selectors and the labels that it groups and matches by.

/// A selector, such as `netbackup_up{site=~"$site"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Empty where the metric is not named before the braces.
    pub name: String,
    /// Label, operator (`=`, `!=`, `=~`, `!~`) and value.
    pub matchers: Vec<(String, String, String)>,
}

/// Every selector of an expression, in its order.
pub fn selectors(expr: &str) -> Vec<Selector> {
    let tokens = tokens(expr);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = |n: usize| tokens.get(at + n).unwrap_or(&Token::End);
        match token {
            Token::Word(word) if is_list(word) && *next(1) == Token::Sign('(') => at = labels(&tokens, at + 1).1,
            Token::Word(word) if *next(1) == Token::Sign('(') || is_keyword(word) => at += 1,
            Token::Word(word) => {
                let name = word.clone();
                let (matchers, end) =
                    if *next(1) == Token::Sign('{') { matchers(&tokens, at + 2) } else { (Vec::new(), at + 1) };
                found.push(Selector { name, matchers });
                at = end;
            }
            Token::Sign('{') => {
                let (matchers, end) = matchers(&tokens, at + 1);
                found.push(Selector { name: String::new(), matchers });
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

/// Every label in a list of `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`.
pub fn grouping_labels(expr: &str) -> Vec<String> {
    let tokens = tokens(expr);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if matches!(token, Token::Word(word) if is_list(word)) && tokens.get(at + 1) == Some(&Token::Sign('(')) {
            found.extend(labels(&tokens, at + 1).0);
        }
    }
    found
}

/// Labels that the expression makes: by `label_replace`, `label_join` and `count_values`.
pub fn made_labels(expr: &str) -> Vec<String> {
    let tokens = tokens(expr);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        // The name of the new label is the first text among the arguments, matchers within braces aside.
        if ["label_replace", "label_join", "count_values"].contains(&word.as_str()) {
            let mut braces = 0_i32;
            let text = tokens.iter().skip(at).find_map(|token| {
                match token {
                    Token::Sign('{') => braces += 1,
                    Token::Sign('}') => braces -= 1,
                    Token::Text(text) if braces == 0 => return Some(text),
                    _ => {}
                }
                None
            });
            found.extend(text.cloned());
        }
    }
    found
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
    End,
}

/// Numbers, durations, ranges in brackets, comments and dashboard variables are left out.
fn tokens(expr: &str) -> Vec<Token> {
    let mut chars = expr.chars().peekable();
    let mut found = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' | '`' => {
                let mut text = String::new();
                while let Some(inner) = chars.next().filter(|inner| *inner != c) {
                    let escaped = inner == '\\' && c != '`';
                    text.push(match escaped.then(|| chars.next().unwrap_or('\\')) {
                        Some('n') => '\n',
                        Some(other) => other,
                        None => inner,
                    });
                }
                found.push(Token::Text(text));
            }
            '#' => while chars.next().is_some_and(|inner| inner != '\n') {},
            '[' => while chars.next().is_some_and(|inner| inner != ']') {},
            '$' if chars.peek() == Some(&'{') => while chars.next().is_some_and(|inner| inner != '}') {},
            c if c.is_alphanumeric() || "_:$.".contains(c) => {
                let mut word = String::from(c);
                while let Some(inner) = chars.next_if(|inner| inner.is_alphanumeric() || "_:.".contains(*inner)) {
                    word.push(inner);
                }
                if !word.starts_with(|c: char| c.is_ascii_digit() || c == '$' || c == '.') {
                    found.push(Token::Word(word));
                }
            }
            c if c.is_whitespace() => {}
            c => found.push(Token::Sign(c)),
        }
    }
    found
}

/// What takes a list of labels.
fn is_list(word: &str) -> bool {
    ["by", "without", "on", "ignoring", "group_left", "group_right"].contains(&word.to_lowercase().as_str())
}

/// A word that is no metric though no parenthesis follows it; aggregations may have their list first.
fn is_keyword(word: &str) -> bool {
    const AGGREGATIONS: [&str; 12] = [
        "sum",
        "min",
        "max",
        "avg",
        "group",
        "stddev",
        "stdvar",
        "count",
        "count_values",
        "bottomk",
        "topk",
        "quantile",
    ];
    const OTHERS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"];
    let word = word.to_lowercase();
    is_list(&word) || AGGREGATIONS.contains(&word.as_str()) || OTHERS.contains(&word.as_str())
}

/// The words between parentheses, the first of which is at `open`, and where they end.
fn labels(tokens: &[Token], open: usize) -> (Vec<String>, usize) {
    let inner: Vec<_> = tokens.iter().skip(open + 1).take_while(|token| **token != Token::Sign(')')).collect();
    let end = open + inner.len() + 2;
    let words =
        inner.into_iter().filter_map(|token| if let Token::Word(word) = token { Some(word.clone()) } else { None });
    (words.collect(), end)
}

/// The matchers from `at` to the closing brace, and where they end.
fn matchers(tokens: &[Token], at: usize) -> (Vec<(String, String, String)>, usize) {
    let inner: Vec<_> = tokens.iter().skip(at).take_while(|token| **token != Token::Sign('}')).collect();
    let mut found = Vec::new();
    let (mut label, mut operator) = (String::new(), String::new());
    for token in &inner {
        match token {
            Token::Word(word) => label.clone_from(word),
            Token::Sign(',') | Token::End => {}
            Token::Sign(sign) => operator.push(*sign),
            Token::Text(text) => found.push((std::mem::take(&mut label), std::mem::take(&mut operator), text.clone())),
        }
    }
    (found, at + inner.len() + 1)
}
