//! `slipway config set` and `unset`: the user's own file, changed where it is to change and nowhere else.

use super::{
    keys::{self, Kind},
    layers::Origin,
    read::{Whose, read},
    show::unknown,
};
use crate::cli::{
    context::Context,
    exit::{Exit, Failure},
    style::clean,
};
use serde::Serialize;
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use toml_edit::{DocumentMut, Item, Table, TableLike, value};

/// What was done.
#[derive(Debug, Serialize)]
struct Done<'a> {
    key: &'a str,
    file: PathBuf,
    changed: bool,
}

/// Sets a value.
pub(super) fn set(key: &str, value: &str, context: &Context) -> Result<Exit, Failure> {
    let (path, text) = own(context)?;
    let new = with(&path, &text, key, value)?;
    tell(context, key, &path, &text, &new, "set", "is already so")?;
    // What is set does nothing where something stronger speaks.
    if let Some(setting) = context.config.get(key)
        && !matches!(&setting.origin, Origin::File { path: of, .. } if *of == path)
    {
        context.console.note(format_args!("Here {} counts, which goes over it.", setting.origin));
    }
    Ok(Exit::Ok)
}

/// Removes a value.
pub(super) fn unset(key: &str, context: &Context) -> Result<Exit, Failure> {
    let (path, text) = own(context)?;
    let new = without(&path, &text, key)?;
    tell(context, key, &path, &text, &new, "removed", "was not set")?;
    Ok(Exit::Ok)
}

fn tell(context: &Context, key: &str, path: &Path, old: &str, new: &str, done: &str, idle: &str) -> Result<(), Failure> {
    let changed = old != new;
    if changed {
        write(path, new).map_err(|e| Failure::new(Exit::Error, format!("cannot write {}: {e}", path.display())))?;
    }
    let told = Done { key, file: path.to_owned(), changed };
    let what = if changed { done } else { idle };
    context.print(&told, |told| vec![told.key.to_owned()], |told| format!("{} {what} in {}\n", clean(told.key), told.file.display()))
}

/// The user's file, and what is in it.
fn own(context: &Context) -> Result<(PathBuf, String), Failure> {
    let path = context.own_config().ok_or_else(|| Failure::new(Exit::Error, "there is no home to keep a configuration in".to_owned()))?;
    match fs::read_to_string(path) {
        Ok(text) => Ok((path.to_owned(), text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((path.to_owned(), String::new())),
        Err(error) => Err(Failure::usage(format!("cannot read the configuration in {}: {error}", path.display()))),
    }
}

/// The text with a value set: all else, comments too, stays as it was.
fn with(path: &Path, text: &str, key: &str, new: &str) -> Result<String, Failure> {
    if keys::is_connection(key) {
        return Err(Failure::usage(format!("{key} is kept with its server, not in the configuration"))
            .hint("slipway login URL --name NAME keeps it; slipway context ls shows what is kept"));
    }
    let (known, entry) = keys::find(key).ok_or_else(|| unknown(key))?;
    if known.kind == Kind::Table && entry.is_none() {
        return Err(Failure::usage(format!("{key} is a table: name an entry of it")).hint(format!("slipway config set {key}.NAME VALUE")));
    }
    (known.check)(new).map_err(|why| Failure::usage(format!("{key}: {why}")))?;
    let mut document = parsed(path, text)?;
    let (tables, last) = steps(known.name, entry);
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for step in tables {
        let item = table.entry(step).or_insert_with(|| {
            let mut fresh = Table::new();
            fresh.set_implicit(true);
            Item::Table(fresh)
        });
        table = item.as_table_like_mut().ok_or_else(|| Failure::usage(format!("{}: {step} is a table: [{step}]", path.display())))?;
    }
    let item = match (known.kind, new.parse::<i64>()) {
        (Kind::Whole, Ok(number)) => value(number),
        _ => value(new),
    };
    match table.get_mut(last).and_then(Item::as_value_mut) {
        Some(old) => {
            // The comment behind the value belongs to its line.
            let decor = old.decor().clone();
            if let Item::Value(mut fresh) = item {
                *fresh.decor_mut() = decor;
                if old.to_string() != fresh.to_string() {
                    *old = fresh;
                }
            }
        }
        None => drop(table.insert(last, item)),
    }
    Ok(document.to_string())
}

/// The text without a value. A table that is left empty goes, too.
fn without(path: &Path, text: &str, key: &str) -> Result<String, Failure> {
    let (known, entry) = keys::find(key).ok_or_else(|| unknown(key))?;
    let mut document = DocumentMut::clone(&parsed_as_it_is(path, text)?);
    let (tables, last) = steps(known.name, entry);
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for step in &tables {
        match table.get_mut(step).and_then(Item::as_table_like_mut) {
            Some(below) => table = below,
            None => return Ok(text.to_owned()),
        }
    }
    if table.remove(last).is_none() {
        return Ok(text.to_owned());
    }
    for depth in (1..=tables.len()).rev() {
        let mut above: &mut dyn TableLike = document.as_table_mut();
        for step in &tables[..depth - 1] {
            match above.get_mut(step).and_then(Item::as_table_like_mut) {
                Some(below) => above = below,
                None => return Ok(document.to_string()),
            }
        }
        if above.get(tables[depth - 1]).and_then(Item::as_table_like).is_some_and(TableLike::is_empty) {
            above.remove(tables[depth - 1]);
        }
    }
    Ok(document.to_string())
}

/// The tables that lead to a value, and its own name.
fn steps<'a>(name: &'a str, entry: Option<&'a str>) -> (Vec<&'a str>, &'a str) {
    let mut steps: Vec<&str> = name.split('.').chain(entry).collect();
    let last = steps.pop().unwrap_or_default();
    (steps, last)
}

/// What is changed must be sound before, or the fault would be laid at this change's door.
fn parsed(path: &Path, text: &str) -> Result<DocumentMut, Failure> {
    read(Whose::User, path, text, &[])?;
    parsed_as_it_is(path, text)
}

/// A key that has no place in the file can still be removed from it.
fn parsed_as_it_is(path: &Path, text: &str) -> Result<DocumentMut, Failure> {
    text.parse::<DocumentMut>().map_err(|error| Failure::usage(format!("{}: {}", path.display(), error.message().trim())))
}

/// Replaces the file, whole or not at all. A link stays one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let new = path.with_added_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    if let Ok(present) = fs::metadata(&path) {
        file.set_permissions(present.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "# mine\noutput = \"wide\" # for a broad screen\n\n[submit]\n# until the move\nqueue = \"gpu\"\n";

    fn set(text: &str, key: &str, value: &str) -> String {
        match with(Path::new("c.toml"), text, key, value) {
            Ok(text) => text,
            Err(failure) => [failure.message.unwrap()].into_iter().chain(failure.hints).collect::<Vec<_>>().join("\n  "),
        }
    }

    #[test]
    fn a_value_is_set_and_all_else_stays() {
        assert_eq!(set(MINE, "output", "wide"), MINE);
        assert_eq!(set(MINE, "output", "json"), MINE.replace("\"wide\"", "\"json\""));
        assert_eq!(set(MINE, "submit.queue", "cpu"), MINE.replace("\"gpu\"", "\"cpu\""));
        assert_eq!(set(MINE, "submit.gpus", "2"), format!("{MINE}gpus = 2\n"));
        assert_eq!(set("", "submit.env.A.B", "x"), "[submit.env]\n\"A.B\" = \"x\"\n");
        assert_eq!(set("submit.env.A = \"1\"\n", "submit.env.B", "2"), "submit.env.A = \"1\"\nsubmit.env.B = \"2\"\n");
    }

    #[test]
    fn what_is_removed_leaves_no_empty_table() {
        let unset = |text: &str, key: &str| without(Path::new("c.toml"), text, key).unwrap();
        assert_eq!(unset(MINE, "submit.time"), MINE);
        assert_eq!(unset(MINE, "submit.queue"), "# mine\noutput = \"wide\" # for a broad screen\n");
        assert_eq!(unset("[submit.env]\nA = \"1\"\nB = \"2\"\n", "submit.env.A"), "[submit.env]\nB = \"2\"\n");
        assert_eq!(unset("color = \"never\"\n[submit.env]\nA = \"1\"\n", "submit.env"), "color = \"never\"\n");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let all = [
            set("", "submit.quue", "gpu"),
            set("", "queue", "gpu"),
            set("", "url", "https://a"),
            set("", "submit.env", "A=1"),
            set("", "submit.gpus", "many"),
            set("", "output", "xml"),
            set("quue = 1\n", "output", "json"),
            set("output = \n", "output", "json"),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
