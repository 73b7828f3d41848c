//! What is made of a chart's `values.yaml`: the schema that Helm checks values by, and the table of its README.
//!
//! In `values.yaml` a comment `# -- TEXT` makes the key below it a value, with what it means; the lines of the comment that follow go on
//! with it. `# @schema JSON` says what the default does not. A key without such a comment holds others.

mod kubernetes;
mod readme;
mod schema;
#[cfg(test)]
mod tests;
mod values;

use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Makes schema and README of a chart, from its values and from the types of the code
#[derive(Clone, Debug, clap::Args)]
pub struct ChartArgs {
    /// The project, with charts/slipway in it
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Write nothing: fail where a file is not what would be written
    #[arg(long)]
    check: bool,
}

/// The generated files with their texts.
fn made(project: &Path) -> Result<Vec<(PathBuf, String)>> {
    let read = |name: &str| fs::read_to_string(project.join(name)).with_context(|| format!("cannot read {name}"));
    let json = |name: &str| serde_json::from_str(&read(name)?).with_context(|| format!("cannot read {name}"));
    let values = values::read(&read("charts/slipway/values.yaml")?).context("charts/slipway/values.yaml")?;
    let foreign = serde_yaml::from_str(&read("charts/slipway/files/foreign.yaml")?).context("charts/slipway/files/foreign.yaml")?;
    let schema = schema::of(&values, &foreign, &json("docs/openapi.json")?, &json("tests/data/job-fields.json")?)?;
    let readme = "charts/slipway/README.md";
    Ok(vec![
        (project.join("charts/slipway/values.schema.json"), serde_json::to_string_pretty(&schema)? + "\n"),
        (project.join(readme), readme::with_table(&read(readme)?, &values).context(readme)?),
    ])
}

/// Writes them, or says which are old.
pub fn run(args: &ChartArgs) -> Result<()> {
    for (path, text) in made(&args.project)? {
        let old = fs::read_to_string(&path).unwrap_or_default() != text;
        ensure!(!(args.check && old), "{} is old: make chart", path.display());
        if old {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
