//! What a task costs of a budget.

use super::rules::Amount;

/// What one task takes of budgets, in either of the resources that a budget can count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Whole GPUs, slices included.
    pub gpus: u32,
    /// Its weight.
    pub weight: Amount,
}

/// The labels that say a weight, on a task or on the pod of its queue's template; the first that is there counts.
pub const WEIGHT_LABELS: [&str; 2] = ["slipway.dev/weight", "clear.ml/resource-usage"];

/// The weight that labels say, `label` being the value of one of them; none where no label does. A value that is no
/// amount says nothing: submits and templates with one are refused ([`not_a_weight`]).
pub fn weight<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Option<Amount> {
    WEIGHT_LABELS.iter().find_map(|key| label(key)).and_then(|value| value.parse().ok())
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
        let of = |labels: &[(&str, &'static str)]| weight(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v));
        assert_eq!(of(&[("team", "7")]), None);
        assert_eq!(of(&[("clear.ml/resource-usage", "0.14")]), Some(Amount(140)));
        assert_eq!(of(&[("clear.ml/resource-usage", "2"), ("slipway.dev/weight", "0.5")]), Some(Amount(500)));
        assert_eq!(of(&[("slipway.dev/weight", "0")]), Some(Amount(0)));
        assert_eq!(of(&[("slipway.dev/weight", "much"), ("clear.ml/resource-usage", "2")]), None);
    }

    #[test]
    fn a_weight_that_is_no_amount_is_named() {
        assert_eq!(not_a_weight("slipway.dev/weight", "0.5"), None);
        assert_eq!(not_a_weight("team", "vision"), None);
        let told = not_a_weight("clear.ml/resource-usage", "much").unwrap();
        assert!(told.contains("clear.ml/resource-usage") && told.contains("\"much\""), "{told}");
    }
}
