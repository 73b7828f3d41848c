//! "Did you mean": the nearest known word to an unknown one.

/// The candidate nearest to `given` where one is near enough to be a likely slip, else none.
///
/// Near enough means at least 0.7 on a similarity of 0 to 1; ties go to the alphabetically first.
#[must_use]
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut near: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| {
            (strsim::normalized_damerau_levenshtein(given, candidate).max(strsim::jaro_winkler(given, candidate) - 0.1), candidate)
        })
        .filter(|(score, _)| *score >= 0.7)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.first().map(|(_, candidate)| *candidate)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let queues = ["default", "gpu-a100", "gpu-h100", "cpu"];
        assert_eq!(did_you_mean("gpu-a10", queues), Some("gpu-a100"));
        assert_eq!(did_you_mean("defualt", queues), Some("default"));
        assert_eq!(did_you_mean("tpu-pod-slice", queues), None);
        assert_eq!(did_you_mean("", queues), None);
    }
}
