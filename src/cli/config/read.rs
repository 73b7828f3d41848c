//! From the text of a file to what it says: each value checked, each fault with its line. Pure.

use super::{
    keys::{self, KEYS, Key, Kind},
    layers::{Origin, Setting, Settings},
};
use crate::{cli::exit::Failure, domain::did_you_mean};
use std::path::Path;
use toml_edit::{Document, Item, TableLike};

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The user's own.
    User,
    /// A project's: it comes with a repository, and others wrote it.
    Project,
}

/// Reads a file; `under` are the tables that lead to ours. None where there is no such table.
///
/// # Errors
/// It is no TOML, a key is unknown or has no place in it, or a value is none for its key.
pub(super) fn read(whose: Whose, path: &Path, text: &str, under: &[&str]) -> Result<Option<Settings>, Failure> {
    let document = Document::parse(text).map_err(|error| {
        let line = error.span().map(|span| format!(":{}", line_of(text, span.start))).unwrap_or_default();
        Failure::usage(format!("{}{line}: {}", path.display(), error.message().trim()))
    })?;
    let mut reader = Reader { whose, path, text, found: Settings::new() };
    let mut table: &dyn TableLike = document.as_table();
    for name in under {
        match table.get(name) {
            None => return Ok(None),
            Some(item) => match item.as_table_like() {
                Some(below) => table = below,
                None => return Err(reader.fault(line_in(text, table, name), &format!("{} is a table", under.join(".")))),
            },
        }
    }
    reader.table("", table)?;
    Ok(Some(reader.found))
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

/// The line of a key.
fn line_in(text: &str, table: &dyn TableLike, name: &str) -> usize {
    let of_key = table.key(name).and_then(toml_edit::Key::span);
    of_key.or_else(|| table.get(name)?.span()).map_or(1, |span| line_of(text, span.start))
}

struct Reader<'a> {
    whose: Whose,
    path: &'a Path,
    text: &'a str,
    found: Settings,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &dyn TableLike) -> Result<(), Failure> {
        for (name, item) in table.iter() {
            let full = format!("{prefix}{name}");
            let line = line_in(self.text, table, name);
            match keys::find(&full) {
                Some((key, None)) => {
                    if key.own && self.whose == Whose::Project {
                        return Err(self
                            .fault(line, &format!("{full} belongs in your own file: how things are shown is up to who reads them"))
                            .hint(format!("slipway config set {full} VALUE")));
                    }
                    self.value(key, &full, item, line)?;
                }
                _ if KEYS.iter().any(|key| key.name.starts_with(&format!("{full}."))) => match item.as_table_like() {
                    Some(below) => self.table(&format!("{full}."), below)?,
                    None => return Err(self.fault(line, &format!("{full} is a table: [{full}]"))),
                },
                _ => return Err(self.unknown(prefix, name, line)),
            }
        }
        Ok(())
    }

    fn value(&mut self, key: &Key, full: &str, item: &Item, line: usize) -> Result<(), Failure> {
        if key.kind != Kind::Table {
            let value = written(item).ok_or_else(|| self.fault(line, &format!("{full} takes {}", takes(key))))?;
            (key.check)(&value).map_err(|why| self.fault(line, &format!("{full}: {why}")))?;
            self.keep(full, value, line);
            return Ok(());
        }
        let table = item.as_table_like().ok_or_else(|| self.fault(line, &format!("{full} is a table: [{full}]")))?;
        for (name, item) in table.iter() {
            let line = line_in(self.text, table, name);
            let entry = format!("{full}.{name}");
            let value = written(item).filter(|_| !name.is_empty());
            let value = value.ok_or_else(|| self.fault(line, &format!("{entry} takes a text")))?;
            (key.check)(&value).map_err(|why| self.fault(line, &format!("{entry}: {why}")))?;
            self.keep(&entry, value, line);
        }
        Ok(())
    }

    fn keep(&mut self, key: &str, value: String, line: usize) {
        let origin = Origin::File { path: self.path.to_owned(), line };
        self.found.insert(key.to_owned(), Setting { value, origin });
    }

    fn unknown(&self, prefix: &str, name: &str, line: usize) -> Failure {
        let full = format!("{prefix}{name}");
        if keys::is_connection(name) {
            return match self.whose {
                Whose::Project => self
                    .fault(
                        line,
                        &format!("{full} has no place in a project's file: whoever wrote it would say where your token and your code go"),
                    )
                    .hint("name a context, which each user has of their own: context = \"NAME\", made by slipway login URL --name NAME"),
                Whose::User => self
                    .fault(line, &format!("{full} is kept with its server, not here"))
                    .hint("slipway login URL --name NAME keeps it; slipway context ls shows what is kept"),
            };
        }
        let failure = self.fault(line, &format!("unknown key {full:?}"));
        // The nearest of all, also where it stands in another table.
        let near = did_you_mean(&full, KEYS.iter().map(|key| key.name))
            .or_else(|| KEYS.iter().map(|key| key.name).find(|known| known.rsplit('.').next() == Some(name)));
        match near {
            Some(near) => failure.hint(format!("did you mean {near:?}?")),
            None => failure.hint(format!("known keys: {}", KEYS.map(|key| key.name).join(", "))),
        }
    }

    fn fault(&self, line: usize, what: &str) -> Failure {
        Failure::usage(format!("{}:{line}: {what}", self.path.display()))
    }
}

fn takes(key: &Key) -> &'static str {
    if key.kind == Kind::Whole { "a whole number" } else { "a text" }
}

/// A text, a number or a truth as it would be typed.
fn written(item: &Item) -> Option<String> {
    let value = item.as_value()?;
    let number = || value.as_integer().map(|number| number.to_string()).or_else(|| Some(value.as_float()?.to_string()));
    value.as_str().map(str::to_owned).or_else(number).or_else(|| value.as_bool().map(|truth| truth.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(whose: Whose, text: &str, under: &[&str]) -> String {
        match read(whose, Path::new("f.toml"), text, under) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(found)) => {
                let lines: Vec<_> =
                    found.iter().map(|(key, setting)| format!("{key} = {} ({})\n", setting.value, setting.origin)).collect();
                lines.concat()
            }
            Err(failure) => [failure.message.unwrap()].into_iter().chain(failure.hints).collect::<Vec<_>>().join("\n  ") + "\n",
        }
    }

    #[test]
    fn every_value_is_found_with_its_line() {
        let text = "# ours\ncontext = \"lab\"\n\n[submit]\nqueue = \"gpu\"\ngpus = 2\ntime = \"2h\"\nlabels = {team = \"vision\"}\n\n\
                    [submit.env]\nEPOCHS = 90\n\"a.b\" = \"x\"\n";
        insta::assert_snapshot!(told(Whose::Project, text, &[]));
    }

    #[test]
    fn a_table_of_pyproject_is_read_and_the_rest_is_not_ours() {
        let text = "[project]\nname = \"x\"\n[tool.ruff]\nline-length = 1\n[tool.slipway]\nsubmit.queue = \"gpu\"\n";
        assert_eq!(told(Whose::Project, text, &["tool", "slipway"]), "submit.queue = gpu (f.toml:6)\n");
        assert_eq!(told(Whose::Project, "[tool.ruff]\n", &["tool", "slipway"]), "nothing");
        assert_eq!(told(Whose::Project, "[tool]\nslipway = 1\n", &["tool", "slipway"]), "f.toml:2: tool.slipway is a table\n");
    }

    #[test]
    fn faults_have_file_line_key_and_remedy() {
        let project = [
            "context = \n",
            "\n[submit]\nquue = \"gpu\"\n",
            "queue = \"gpu\"\n",
            "[submit]\nmaxWait = \"2h\"\n",
            "zebra = 1\n",
            "url = \"https://evil\"\n",
            "[submit]\ntoken = \"slw_x\"\n",
            "token-file = \"x\"\n",
            "caFile = \"x\"\n",
            "data_dir = \"x\"\n",
            "output = \"json\"\n",
            "submit = 1\n",
            "[submit]\nenv = \"A=1\"\n",
            "[submit]\nenv = {HF_TOKEN = [\"hf_x\"]}\n",
            "[submit]\ngpus = \"many\"\n",
            "[submit]\ngpus = [1]\n",
            "[submit]\ntime = \"soon\"\n",
            "[submit]\npriority = \"urgent\"\n",
        ];
        let user = ["url = \"https://a\"\n", "output = \"xml\"\n"];
        let all: String = project.iter().map(|text| told(Whose::Project, text, &[])).collect();
        let all = all + &user.iter().map(|text| told(Whose::User, text, &[])).collect::<String>();
        assert!(!all.contains("slw_x") && !all.contains("hf_x"), "{all}");
        insta::assert_snapshot!(all);
    }
}
