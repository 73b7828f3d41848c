//! The weight that labels say.

use super::{super::labels::Labels, rules::Amount};

/// The labels that say a weight, on a task or on the pod of its queue's template; the first that is there counts.
pub const WEIGHT_LABELS: [&str; 2] = ["slipway.dev/weight", "clear.ml/resource-usage"];

/// The weight that labels say, in thousandths; 0 where none does. What is no amount says 0: submits and templates with such
/// a label are refused ([`not_a_weight`]).
#[must_use]
pub fn weight_of(labels: &Labels) -> u64 {
    let label = WEIGHT_LABELS.iter().find_map(|name| labels.get(*name));
    label.and_then(|text| text.parse::<Amount>().ok()).unwrap_or_default().0
}

/// The weight of a task that bears these labels, and whose variables make its pods say that one; in thousandths.
#[must_use]
pub fn counted_weight(labels: &Labels, by_variables: Option<u64>) -> u64 {
    match weight_of(labels) {
        0 => by_variables.unwrap_or(0),
        own => own,
    }
}

/// What is wrong with a label that says a weight; none where it says one, or is another label.
#[must_use]
pub fn not_a_weight(key: &str, value: &str) -> Option<String> {
    let wrong = WEIGHT_LABELS.contains(&key).then(|| value.parse::<Amount>().err()).flatten()?;
    Some(format!("{key} says a weight: {wrong}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_label_that_is_there_says_the_weight() {
        let of = |labels: &[(&str, &str)]| weight_of(&labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        assert_eq!(of(&[("team", "7")]), 0);
        assert_eq!(of(&[("clear.ml/resource-usage", "0.14")]), 140);
        assert_eq!(of(&[("clear.ml/resource-usage", "2"), ("slipway.dev/weight", "0.5")]), 500);
        assert_eq!(of(&[("slipway.dev/weight", "much"), ("clear.ml/resource-usage", "2")]), 0);
    }

    #[test]
    fn a_tasks_own_label_comes_before_what_its_variables_say() {
        let own = |weight: &str| [("slipway.dev/weight".to_owned(), weight.to_owned())].into();
        assert_eq!(counted_weight(&own("2"), Some(500)), 2_000);
        assert_eq!(counted_weight(&own("0"), Some(500)), 500);
        assert_eq!((counted_weight(&Labels::new(), Some(500)), counted_weight(&Labels::new(), None)), (500, 0));
    }

    #[test]
    fn a_weight_that_is_no_amount_is_named() {
        assert_eq!(not_a_weight("slipway.dev/weight", "0.5"), None);
        assert_eq!(not_a_weight("team", "vision"), None);
        let told = not_a_weight("clear.ml/resource-usage", "much").unwrap();
        assert!(told.contains("clear.ml/resource-usage") && told.contains("\"much\""), "{told}");
    }
}
