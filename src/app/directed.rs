//! `slipway submit SCRIPT` with the flags that stand in the script.

use super::args::{Cli, Command};
use crate::cli::{self, directives};
use clap::{CommandFactory, FromArgMatches, Parser, error::ErrorKind};
use std::ffi::OsString;

/// The command line with the flags of the script that it submits, if any; those that were typed go over them.
///
/// # Errors
/// What is wrong with a line of the script, with its place.
pub(super) fn with_script(words: &[OsString], parsed: Cli) -> Result<Cli, String> {
    let Command::User(command) = &parsed.command else { return Ok(parsed) };
    let cli::Command::Submit(submit) = &**command else { return Ok(parsed) };
    // What cannot be read is for the command itself to tell.
    let Some((script, text)) = submit.script().and_then(|path| Some((path.to_owned(), std::fs::read_to_string(path).ok()?))) else {
        return Ok(parsed);
    };
    let lines = directives(&script, &text)?;
    if lines.is_empty() {
        return Ok(parsed);
    }
    for (nth, line) in &lines {
        checked(line).map_err(|why| format!("{script}:{nth}: {why}"))?;
    }
    let flags = lines.into_iter().flat_map(|(_, line)| line).map(OsString::from);
    let whole = ["slipway", "submit"].map(OsString::from).into_iter().chain(flags).chain(words.iter().skip(1).cloned());
    Ok(Cli::parse_from(whole))
}

/// Whether a line holds flags of `submit` and nothing else.
fn checked(line: &[String]) -> Result<(), String> {
    if let Some(word) = line.iter().find(|word| ["--", "-h", "--help", "-f", "--file"].contains(&word.as_str())) {
        return Err(format!("{word} has no place here: the script is what runs"));
    }
    let words = ["slipway", "submit"].into_iter().chain(line.iter().map(String::as_str));
    let matches = Cli::command().try_get_matches_from(words).map_err(|error| said(&error))?;
    let parsed = Cli::from_arg_matches(&matches).map_err(|error| said(&error))?;
    let Command::User(command) = parsed.command else { return Ok(()) };
    match *command {
        cli::Command::Submit(submit) => submit.script().map_or(Ok(()), |word| Err(format!("{word:?} is no flag"))),
        _ => Ok(()),
    }
}

/// The first line of what clap says, without the word before it.
fn said(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelp {
        return "flags of slipway submit stand here".to_owned();
    }
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(script: &str, typed: &[&str]) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.sh");
        std::fs::write(&path, script).unwrap();
        let path = path.to_str().unwrap();
        let words: Vec<OsString> = ["submit"].into_iter().chain(typed.iter().copied()).chain([path]).map(OsString::from).collect();
        let cli = Cli::parse_from(std::iter::once(OsString::from("slipway")).chain(words.iter().cloned()));
        let told = with_script(&words, cli).map(|cli| format!("{:?}", cli.command));
        told.map(|text| text.replace(path, "train.sh")).map_err(|text| text.replace(path, "train.sh"))
    }

    #[test]
    fn flags_of_the_script_count_and_typed_ones_go_over_them() {
        let script = "#!/bin/sh\n#SLIPWAY -q gpu --gpus 2 --time 2h\n#SLIPWAY -e A=1 --label team=x\nexec train\n";
        let told = parsed(script, &[]).unwrap();
        for part in ["queue: Some(\"gpu\")", "gpus: Some(2)", "time: Some(7200)", "env: [(\"A\", \"1\")]", "script: Some(\"train.sh\")"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let told = parsed(script, &["--gpus", "1", "-e", "B=2"]).unwrap();
        for part in ["queue: Some(\"gpu\")", "gpus: Some(1)", "env: [(\"A\", \"1\"), (\"B\", \"2\")]"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(parsed("echo\n#SLIPWAY -q late\n", &[]).unwrap().contains("queue: None"));
    }

    #[test]
    fn what_is_wrong_with_a_line_has_a_place() {
        for (line, why) in [
            ("--gpu 1", "train.sh:1: unexpected argument '--gpu' found"),
            ("--gpus many", "train.sh:1: invalid value 'many' for '--gpus <N>': invalid digit found in string"),
            ("train.py", "train.sh:1: \"train.py\" is no flag"),
            ("-- rm -rf", "train.sh:1: -- has no place here: the script is what runs"),
            ("-f task.yaml", "train.sh:1: -f has no place here: the script is what runs"),
            ("-n 'a", "train.sh:1: a quote is not closed"),
        ] {
            assert_eq!(parsed(&format!("#SLIPWAY {line}\n"), &[]).unwrap_err(), why);
        }
    }
}
