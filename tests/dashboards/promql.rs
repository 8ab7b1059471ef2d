//! What is found in PromQL is what stands there.

use crate::support::promql::{Selector, grouping_labels, made_labels, selectors};

fn names(expr: &str) -> Vec<String> {
    selectors(expr).into_iter().map(|selector| selector.name).collect()
}

fn matcher(label: &str, operator: &str, value: &str) -> (String, String, String) {
    (label.to_owned(), operator.to_owned(), value.to_owned())
}

#[test]
fn names_and_matchers_are_found() {
    let found = selectors(r#"rate(netbackup_x_total{site=~"$site", state!="A\"}{b", o!~'p|q'}[5m]) / up"#);
    assert_eq!(found[0].name, "netbackup_x_total");
    let wanted = [matcher("site", "=~", "$site"), matcher("state", "!=", "A\"}{b"), matcher("o", "!~", "p|q")];
    assert_eq!(found[0].matchers, wanted);
    assert_eq!(found[1], Selector { name: "up".to_owned(), matchers: Vec::new() });
    assert_eq!(found.len(), 2);
}

#[test]
fn functions_keywords_numbers_and_ranges_are_no_names() {
    let expr = "histogram_quantile(0.9, sum by (le, site) (rate(a_bucket[$__rate_interval] offset 5m))) > bool 1e-9 \
                or topk without (job) (5, b) and on (site) group_left (name) c{} unless SUM(d) by (e) # f";
    assert_eq!(names(expr), ["a_bucket", "b", "c", "d"]);
    assert_eq!(names("max_over_time((time() - g)[1h:5m]) + $__range_s * ${scale} + -Inf + 0x1f"), ["g"]);
    assert_eq!(names("netbackup:threshold:h * 2"), ["netbackup:threshold:h"]);
}

#[test]
fn a_selector_without_a_name_is_found() {
    let found = selectors(r#"count({__name__=~"netbackup_.*"})"#);
    assert_eq!(found, [Selector { name: String::new(), matchers: vec![matcher("__name__", "=~", "netbackup_.*")] }]);
}

#[test]
fn labels_of_every_kind_of_list_are_found() {
    let expr =
        "sum by (site, le) (a) / on (client) group_left (policy) b unless ignoring (job) max without(instance) (c)";
    assert_eq!(grouping_labels(expr), ["site", "le", "client", "policy", "job", "instance"]);
    assert!(grouping_labels(r#"up{by="on (site)"}"#).is_empty());
}

#[test]
fn labels_that_an_expression_makes_are_found() {
    let expr = r#"label_replace(up{job="x"}, "kind", "$1", "job", "(.*)") or count_values("value", up)"#;
    assert_eq!(made_labels(expr), ["kind", "value"]);
    assert_eq!(names(expr), ["up", "up"]);
}
