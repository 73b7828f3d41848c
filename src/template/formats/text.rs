//! `${…}` in texts of foreign files.

/// What is wrong with a text in which ClearML's own templates are expanded: `${CLEARML_TASK.path[:default]}`. None where
/// nothing is.
pub(super) fn bad_template(text: &str) -> Option<String> {
    for part in text.split("${CLEARML_TASK").skip(1) {
        let Some((inside, _)) = part.split_once('}') else { return Some("${CLEARML_TASK without its }".into()) };
        if let Some((_, operation)) = inside.split_once('|') {
            return Some(format!("the operation |{operation} in ${{CLEARML_TASK{inside}}} is not known"));
        }
        if !inside.starts_with('.') || inside.len() < 2 {
            return Some(format!("${{CLEARML_TASK{inside}}} names nothing of the task: ${{CLEARML_TASK.name}}"));
        }
    }
    None
}

/// Writes `$${name}` for `${name}`: what no format expanded so far is not expanded now. `own` says which are.
pub(super) fn keep_macros(text: &mut String, own: impl Fn(&str) -> bool) {
    if !text.contains("${") {
        return;
    }
    let mut kept = String::with_capacity(text.len() + 8);
    let mut rest = text.as_str();
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        kept.push_str(before);
        let name = from[2..].split('}').next().unwrap_or_default();
        let is_macro = from.len() > name.len() + 2 && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_macro && !own(name) {
            kept.push('$');
        }
        kept.push_str("${");
        rest = &from[2..];
    }
    kept.push_str(rest);
    *text = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_expanded_stays() {
        let kept = |text: &str| {
            let mut text = text.to_owned();
            keep_macros(&mut text, |name| name == "run_id");
            text
        };
        assert_eq!(kept("echo ${HOME} ${run_id} $HOME ${X:-1} ${}"), "echo $${HOME} ${run_id} $HOME ${X:-1} ${}");
        assert_eq!(kept("${a}${b"), "$${a}${b");
    }

    #[test]
    fn an_operation_is_named() {
        assert_eq!(bad_template("x ${CLEARML_TASK.name:none} ${HOME}"), None);
        for (text, part) in [("${CLEARML_TASK.name|upper}", "|upper"), ("${CLEARML_TASK.name", "}"), ("${CLEARML_TASK}", "names nothing")] {
            assert!(bad_template(text).unwrap().contains(part), "{text}");
        }
    }
}
