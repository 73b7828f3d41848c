//! `slipway template presets`: the ready files, which travel with the program.

use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        file,
        format::Format,
        table::{Table, cell},
    },
    domain::did_you_mean,
};
use serde::Serialize;
use serde_json::Value;

macro_rules! presets {
    ($($name:literal),+) => {
        &[$(($name, include_str!(concat!("../../../templates/", $name, ".yaml")))),+]
    };
}

/// The files of `templates`, by name.
const PRESETS: &[(&str, &str)] = presets!(
    "amd",
    "cpu",
    "gpu",
    "kueue",
    "mig",
    "mig-a100",
    "mig-h200",
    "mig-single",
    "multi-gpu",
    "pytorchjob",
    "spot",
    "time-sliced",
    "tpu"
);

/// One of them in a list.
#[derive(Debug, Serialize)]
struct Preset {
    name: &'static str,
    description: &'static str,
}

/// Lists the ready files, or prints one.
pub(super) fn run(name: Option<&str>, context: &Context) -> Result<Exit, Failure> {
    let Some(name) = name else {
        let all: Vec<_> = PRESETS.iter().map(|(name, text)| Preset { name, description: description(text) }).collect();
        let names = |all: &Vec<Preset>| all.iter().map(|preset| preset.name.to_owned()).collect();
        let row = |preset: &Preset| vec![cell(preset.name), cell(preset.description)];
        let table = |all: &Vec<Preset>| Table::new(&["PRESET", "FOR"], all.iter().map(row).collect());
        context.print(&all, names, |all| table(all).render(context.headers(), context.width()))?;
        return Ok(Exit::Ok);
    };
    let Some((name, text)) = PRESETS.iter().find(|(known, _)| *known == name) else {
        let failure = Failure::new(Exit::NotFound, format!("there is no preset {name:?}"));
        return Err(match did_you_mean(name, PRESETS.iter().map(|(known, _)| *known)) {
            Some(near) => failure.hint(format!("did you mean {near:?}?")),
            None => failure.hint("all of them: slipway template presets"),
        });
    };
    match context.format() {
        // For people the file as it is, with what it says of itself.
        Format::Table | Format::Wide | Format::Yaml => context.console.text(text)?,
        _ => {
            let document: Value = file::parse(name, text)?;
            context.print(&document, |_| vec![(*name).to_owned()], |_| String::new())?;
        }
    }
    Ok(Exit::Ok)
}

/// What the first line of a file says that it is for.
fn description(text: &'static str) -> &'static str {
    let line = text.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']);
    line.split_once(':').map_or(line, |(what, _)| what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs};

    #[test]
    fn every_ready_file_is_there_and_says_what_it_is_for() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<_> = files.filter_map(|name| Some(name.strip_suffix(".yaml")?.to_owned())).collect();
        assert_eq!(files, PRESETS.iter().map(|(name, _)| (*name).to_owned()).collect());
        let lines: Vec<_> = PRESETS.iter().map(|(name, text)| format!("{name}: {}", description(text))).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
