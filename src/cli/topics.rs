//! `slipway help`: what commands do, and what they share: exit codes, variables, reasons.

use super::{
    context::Context,
    exit::{Exit, Failure},
    style::{Tone, paint, shell},
};
use crate::domain::{Reason, did_you_mean, reasons};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway help queue apply              as slipway queue apply --help
  slipway help exit-codes               what scripts can rely on
  slipway help environment              the variables that are read
  slipway help why NoRunnerForQueue     what a reason means, and what to do
  slipway help --man ~/.local/share/man/man1";

/// The arguments of `help`.
#[derive(Clone, Debug, clap::Args)]
pub struct HelpArgs {
    /// A command, or one of: exit-codes, environment, why CODE
    #[arg(value_name = "TOPIC")]
    words: Vec<String>,
    /// Write the manual pages of every command into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "words")]
    man: Option<PathBuf>,
}

/// What is no command.
pub(super) const TOPICS: [&str; 2] = ["exit-codes", "environment"];
/// The width of help where nobody's terminal is known, and in documents.
const WIDTH: u16 = 100;

/// Prints help.
pub(super) fn run(args: &HelpArgs, context: &Context) -> Result<Exit, Failure> {
    if let Some(dir) = &args.man {
        return manual(dir, (context.root)(), context);
    }
    let words: Vec<_> = args.words.iter().map(String::as_str).collect();
    let root = (context.root)().term_width(usize::from(context.width().unwrap_or(WIDTH)));
    context.console.text(&text(&words, root)?)?;
    Ok(Exit::Ok)
}

/// Writes a page for each command: slipway.1, slipway-submit.1 and so on.
fn manual(dir: &Path, root: clap::Command, context: &Context) -> Result<Exit, Failure> {
    let written = fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(root, dir));
    written.map_err(|e| Failure::new(Exit::Error, format!("cannot write the manual into {}: {e}", dir.display())))?;
    context.console.note(format_args!("Written. Read it: man {}", shell(&[dir.join("slipway.1").display().to_string()])));
    Ok(Exit::Ok)
}

fn text(words: &[&str], mut root: clap::Command) -> Result<String, Failure> {
    root.build();
    match words {
        ["exit-codes"] => Ok(lines(Exit::ALL.iter().map(|(exit, meaning)| format!("{:>4}  {meaning}", exit.code())))),
        ["environment"] => Ok(lines(variables(&root).iter().map(|(name, help)| format!("{name:<26}{help}")))),
        ["why", code] => reason(code),
        path => {
            let mut command = &mut root;
            for (nth, word) in path.iter().enumerate() {
                let names: Vec<_> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
                command = command.find_subcommand_mut(word).ok_or_else(|| unknown(&path[..nth], word, &names))?;
            }
            Ok(command.render_long_help().ansi().to_string())
        }
    }
}

fn lines(all: impl Iterator<Item = String>) -> String {
    all.map(|line| line + "\n").collect()
}

fn unknown(before: &[&str], word: &str, names: &[String]) -> Failure {
    let failure = Failure::usage(format!("there is no command or topic {:?}", [before, &[word]].concat().join(" ")));
    let topics = TOPICS.iter().copied().filter(|_| before.is_empty());
    match did_you_mean(word, names.iter().map(String::as_str).chain(topics)) {
        Some(near) => failure.hint(format!("did you mean: slipway help {}?", [before, &[near]].concat().join(" "))),
        None => failure.hint("all commands: slipway help"),
    }
}

/// A reason: its class, what it means, what to do.
fn reason(text: &str) -> Result<String, Failure> {
    let Some(code) = Reason::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(text)) else {
        let failure = Failure::new(Exit::NotFound, format!("there is no reason {text:?}"));
        return Err(match did_you_mean(text, Reason::ALL.iter().map(|code| code.as_str())) {
            Some(near) => failure.hint(format!("did you mean: slipway help why {near}?")),
            None => failure.hint("all of them: docs/REASONS.md"),
        });
    };
    let entry = reasons::entry(*code);
    Ok(format!("{}  {}\n  {}\n  next  {}\n", paint(Tone::Strong, code.as_str()), entry.class, entry.meaning, entry.hint))
}

/// What no argument tells of, or not to everybody: the name of the variable, and what it is for.
const BESIDE: [(&str, &str); 10] = [
    ("CLICOLOR_FORCE", "Colours also where no terminal is"),
    ("COLUMNS", "The width of tables at a terminal"),
    ("EDITOR", "The editor of slipway queue edit; VISUAL goes over it"),
    ("NO_COLOR", "No colours, whatever the terminal can"),
    ("SLIPWAY_CA_FILE", "Trust the authorities in this file, or directory of files, too (PEM)"),
    ("SLIPWAY_COMPLETE", "Set by the scripts of slipway completion: the shell that asks what may stand at the cursor"),
    ("SLIPWAY_TOKEN", "The token itself"),
    ("SLIPWAY_TOKEN_FILE", "Read the token from this file; ignored where SLIPWAY_TOKEN is set"),
    ("XDG_CONFIG_HOME", "Where slipway/contexts.yaml is, with what slipway login keeps, and slipway/config.toml [default: ~/.config]"),
    ("XDG_DATA_HOME", "Where a server on this machine keeps its data, in slipway [default: ~/.local/share]"),
];

/// The variables that the whole command line reads, by name, each with what it is for.
fn variables(root: &clap::Command) -> BTreeMap<String, String> {
    fn walk(command: &clap::Command, all: &mut BTreeMap<String, String>) {
        for arg in command.get_arguments() {
            if let (Some(name), Some(help)) = (arg.get_env(), arg.get_help()) {
                all.entry(name.to_string_lossy().into_owned()).or_insert_with(|| help.to_string());
            }
        }
        command.get_subcommands().for_each(|sub| walk(sub, all));
    }
    let mut all: BTreeMap<_, _> = BESIDE.map(|(name, help)| (name.to_owned(), help.to_owned())).into();
    all.extend(super::config::variables());
    walk(root, &mut all);
    all
}

/// The whole command line as a document, `docs/CLI.md`.
#[cfg(test)]
#[must_use]
pub(crate) fn markdown(root: clap::Command) -> String {
    use std::fmt::Write;
    fn walk(command: &mut clap::Command, path: &str, text: &mut String) {
        let help = command.render_long_help().to_string();
        let help: String = help.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
        let _ = write!(text, "\n## {path}\n\n```text\n{}\n```\n", help.trim_end());
        for sub in command.get_subcommands_mut() {
            let path = format!("{path} {}", sub.get_name());
            walk(sub, &path, text);
        }
    }
    let mut root = root.term_width(usize::from(WIDTH));
    root.build();
    let mut text = "# Command line\n\nEvery command with its help, the exit codes and the variables, made from the program itself; \
                    `slipway help` prints the same.\n\n## Exit codes\n\n| code | meaning |\n| ---: | --- |\n"
        .to_owned();
    for (exit, meaning) in Exit::ALL {
        let _ = writeln!(text, "| {} | {meaning} |", exit.code());
    }
    text += "\n## Variables\n\n| variable | what it is for |\n| --- | --- |\n";
    for (name, help) in variables(&root) {
        let _ = writeln!(text, "| `{name}` | {} |", help.replace('|', "\\|").replace('\n', " "));
    }
    walk(&mut root, "slipway", &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Common, help::root, testing::Bench};

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let pages = dir.path().join("man/man1");
        let bench = Bench::default();
        let args = HelpArgs { words: Vec::new(), man: Some(pages.clone()) };
        run(&args, &bench.context(Common::default())).unwrap();
        let page = |name: &str| fs::read_to_string(pages.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(page("slipway.1").contains("submit"));
        assert!(page("slipway-queue-apply.1").contains("Create or change queues from a file"));
        assert!(bench.err.text().contains("man/man1/slipway.1"), "{}", bench.err.text());
    }

    #[test]
    fn commands_and_topics_are_explained() {
        let plain = |words: &[&str]| text(words, root().term_width(100)).map(|text| anstream::adapter::strip_str(&text).to_string());
        assert!(plain(&[]).unwrap().contains("Commands:\n  submit"));
        assert!(plain(&["queue", "apply"]).unwrap().contains("Usage: slipway queue apply"));
        assert!(plain(&["why"]).unwrap().contains("Usage: slipway why"));
        insta::assert_snapshot!(
            plain(&["exit-codes"]).unwrap() + "\n" + &plain(&["environment"]).unwrap() + "\n" + &plain(&["why", "queuepaused"]).unwrap()
        );
        for (words, exit, hint) in [
            (&["sumbit"][..], Exit::Usage, "did you mean: slipway help submit?"),
            (&["queue", "aply"], Exit::Usage, "did you mean: slipway help queue apply?"),
            (&["exit-code"], Exit::Usage, "did you mean: slipway help exit-codes?"),
            (&["why", "NoRunerForQueue"], Exit::NotFound, "did you mean: slipway help why NoRunnerForQueue?"),
        ] {
            let failure = plain(words).unwrap_err();
            assert_eq!((failure.exit, failure.hints[0].as_str()), (exit, hint), "{words:?}");
        }
    }
}
