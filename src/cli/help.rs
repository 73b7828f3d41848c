//! The help texts, kept as expected output: a change of the command line shows in review.

use clap::{CommandFactory, Parser};

/// Slipway's command line
#[derive(Debug, Parser)]
#[command(name = "slipway", disable_help_subcommand = true)]
struct Root {
    #[command(subcommand)]
    command: super::Command,
}

/// A command line of the user's commands alone.
pub(super) fn root() -> clap::Command {
    Root::command()
}

/// The command that these words stand for.
pub(super) fn parsed(words: &[&str]) -> super::Command {
    Root::try_parse_from([&["slipway"], words].concat()).unwrap_or_else(|e| panic!("{words:?}: {e}")).command
}

#[test]
fn the_command_line_is_sound() {
    root().debug_assert();
}

#[test]
fn every_command_has_its_help() {
    fn walk(command: &mut clap::Command, path: &str, all: &mut Vec<(String, String)>) {
        let rendered = command.clone().term_width(110).render_help().to_string();
        all.push((path.to_owned(), rendered.lines().map(|line| line.trim_end().to_owned() + "\n").collect()));
        for sub in command.get_subcommands_mut() {
            let path = format!("{path}-{}", sub.get_name());
            walk(sub, &path, all);
        }
    }
    let mut all = Vec::new();
    let mut root = root();
    root.build();
    walk(&mut root, "help", &mut all);
    for (path, text) in all {
        insta::assert_snapshot!(path, text);
    }
}

#[test]
fn every_shell_gets_its_script() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let bench = super::testing::Bench::default();
        let context = bench.context(super::Common::default());
        let super::Command::Completion(args) = parsed(&["completion", shell]) else { panic!("not completion") };
        super::completion::run(&args, &context).unwrap();
        assert!(bench.out.text().contains("SLIPWAY_COMPLETE"), "{shell}: {}", bench.out.text());
    }
}
