//! The `#SLIPWAY` lines of a script: flags of `submit` that travel with it. Pure.

/// The lines of a script that hold flags, with their numbers and words, up to its first command. Quotes are a shell's.
///
/// # Errors
/// A quote that nothing ends, with its place.
pub(crate) fn directives(script: &str, text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let comment = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    let lines = text.lines().take_while(comment).enumerate();
    let of_ours = lines.filter_map(|(nth, line)| Some((nth + 1, line.strip_prefix("#SLIPWAY")?)));
    let ours = of_ours.filter(|(_, rest)| rest.is_empty() || rest.starts_with([' ', '\t']));
    let words = |(nth, rest)| match shlex::split(rest) {
        Some(words) => Ok((nth, words)),
        None => Err(format!("{script}:{nth}: a quote is not closed")),
    };
    ours.map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_above_the_first_command() {
        let text = "#!/bin/sh\n# trains\n#SLIPWAY -q gpu --gpus 2   # two\n\n#SLIPWAYS no\n#SLIPWAY\t--name 'a b'\n#SLIPWAY\npython train.py\n#SLIPWAY -q late\n";
        let found = directives("train.sh", text).unwrap();
        let words: Vec<_> = found.iter().map(|(nth, words)| (*nth, words.iter().map(String::as_str).collect::<Vec<_>>())).collect();
        assert_eq!(words, [(3, vec!["-q", "gpu", "--gpus", "2"]), (6, vec!["--name", "a b"]), (7, vec![])]);
        assert!(directives("x", "").unwrap().is_empty());
        assert_eq!(directives("train.sh", "#SLIPWAY -n 'a").unwrap_err(), "train.sh:1: a quote is not closed");
    }
}
