//! Files that describe one task or several.

use super::{exit::Failure, file};
use crate::wire::{BatchRequest, NewTask};

/// What a file describes.
pub(super) enum Described {
    /// A task.
    One(Box<NewTask>),
    /// A list, or what stands under `tasks`.
    Several(Vec<NewTask>),
}

/// Reads the text of a file.
///
/// # Errors
/// A message with the place of the fault.
pub(super) fn parse(name: &str, text: &str) -> Result<Described, Failure> {
    // What it is shows in its outermost form; faults below that are told by the reader of the right kind.
    match serde_yaml::from_str::<serde_yaml::Value>(text) {
        Ok(serde_yaml::Value::Sequence(_)) => file::parse(name, text).map(Described::Several),
        Ok(serde_yaml::Value::Mapping(fields)) if fields.contains_key("tasks") => {
            file::parse::<BatchRequest>(name, text).map(|batch| Described::Several(batch.tasks))
        }
        _ => file::parse(name, text).map(|task| Described::One(Box::new(task))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_several_tasks_and_so_is_what_stands_under_tasks() {
        let list = "- {ref: prep, command: [make, prep]}\n- command: [make]\n  dependsOn: {afterSuccess: [prep, 7]}\n";
        let under = "tasks:\n- command: [make]\n";
        for (text, count) in [(list, 2), (under, 1)] {
            let Described::Several(tasks) = parse("chain.yaml", text).unwrap() else { panic!("several tasks") };
            assert_eq!(tasks.len(), count);
        }
        let Described::One(task) = parse("task.yaml", "command: [make]\n").unwrap() else { panic!("one task") };
        assert_eq!(task.command, Some(vec!["make".to_owned()]));
    }

    #[test]
    fn faults_of_a_list_are_named_with_their_place() {
        let told = |text: &str| parse("chain.yaml", text).err().and_then(|failure| failure.message).unwrap();
        let all = [
            "- command: [make]\n  dependson: {}\n",
            "- command: [make]\n  dependsOn: {afterSuccess: prep}\n",
            "- command: [make]\n  dependsOn: {afterAny: [[1]]}\n",
            "tasks: {command: [make]}\n",
            "tasks: []\nqueue: gpu\n",
        ]
        .map(told)
        .join("\n");
        insta::assert_snapshot!(all);
    }
}
