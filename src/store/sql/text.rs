//! How a statement reads in each database.
//!
//! Marks, beside plain SQL that both read:
//!
//! - `rows($1: task int, name text, hash bytes)` is a table of the rows that argument 1 holds, each an array in the order of
//!   the columns. `fields(…)` is the same where each row is an object; `values($1: task int)` where each is a bare value.
//!   A column `nth` of no type is the row's place, from 0. The argument is JSON, in which bytes are hexadecimal text.
//! - `x in list($1: int)` asks whether x is one of the bare values that argument 1 holds.
//! - `{sqlite: A; postgres: B}` is A in the one and B in the other.
//! - `ordered join` is a join for which SQLite, whose planner is simple, has to read the left side first.
//!
//! In SQLite rows travel as one JSON text; in Postgres as one array for each column, which `unnest` puts together. A mark
//! keeps that out of some sixty statements.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, LazyLock, OnceLock, RwLock},
};

/// A database's own SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    Sqlite,
    Postgres,
}

/// The type of a column of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    Bytes,
}

/// What each of the rows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Alone,
    ByPlace,
    ByName,
}

/// What an argument becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Param {
    One,
    /// One for each of these columns.
    Columns(Shape, Vec<(String, Kind)>),
}

/// A statement in one dialect.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) sql: Arc<str>,
    /// By the number of the argument, from 0.
    pub(super) params: Vec<Param>,
    /// The columns of its answer, known from its first run on.
    pub(super) names: OnceLock<Arc<super::file::Names>>,
}

type Cache = RwLock<HashMap<(usize, usize), Arc<Written>>>;

/// The statements of fixed text, by where it stands.
static WRITTEN: LazyLock<[Cache; 2]> = LazyLock::new(Default::default);

/// The statement in a dialect.
pub(super) fn write(text: Cow<'static, str>, dialect: Dialect) -> Arc<Written> {
    let text = match text {
        Cow::Owned(text) => return Arc::new(translate(&text, dialect)),
        Cow::Borrowed(text) => text,
    };
    let cache = &WRITTEN[usize::from(dialect == Dialect::Postgres)];
    let key = (text.as_ptr().addr(), text.len());
    let known = cache.read().ok().and_then(|known| known.get(&key).cloned());
    known.unwrap_or_else(|| {
        let written = Arc::new(translate(text, dialect));
        if let Ok(mut cache) = cache.write() {
            cache.insert(key, written.clone());
        }
        written
    })
}

/// The statement as Postgres reads it.
#[cfg(test)]
pub(in crate::store) fn written(text: &str) -> Arc<str> {
    translate(text, Dialect::Postgres).sql
}

/// Pure; a mark that it cannot read stays as it is, which no database accepts.
fn translate(text: &str, dialect: Dialect) -> Written {
    let forked = fork(text, dialect);
    let marks = marks(&forked);
    let mut params = vec![Param::One; arguments(&forked)];
    for mark in &marks {
        if let Some(param) = params.get_mut(mark.argument - 1) {
            *param = Param::Columns(mark.shape, mark.columns.iter().filter_map(|(name, kind)| Some((name.clone(), (*kind)?))).collect());
        }
    }
    let numbers: Vec<usize> = match dialect {
        Dialect::Sqlite => (1..=params.len()).collect(),
        Dialect::Postgres => params
            .iter()
            .scan(1, |next, param| {
                let own = *next;
                *next += if let Param::Columns(_, columns) = param { columns.len() } else { 1 };
                Some(own)
            })
            .collect(),
    };
    // In SQLite `$1` is a name, whose place is that of its first mention; `?1` is a place.
    let sign = if dialect == Dialect::Sqlite { '?' } else { '$' };
    let mut sql = String::with_capacity(forked.len() * 2);
    let mut rest = 0;
    for mark in &marks {
        sql.push_str(&renumbered(&forked[rest..mark.from], &numbers, sign));
        mark.write(&mut sql, dialect, numbers[mark.argument - 1]);
        rest = mark.to;
    }
    sql.push_str(&renumbered(&forked[rest..], &numbers, sign));
    Written { sql: sql.into(), params, names: OnceLock::new() }
}

/// Takes the side of the dialect of every fork, and its word for an ordered join.
fn fork(text: &str, dialect: Dialect) -> String {
    const OPEN: &str = "{sqlite: ";
    const TURN: &str = "; postgres: ";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (sqlite, (postgres, after)))) = rest
        .split_once(OPEN)
        .and_then(|(before, fork)| Some((before, fork.split_once(TURN).and_then(|(s, f)| Some((s, f.split_once('}')?)))?)))
    {
        out.push_str(before);
        out.push_str(if dialect == Dialect::Sqlite { sqlite } else { postgres });
        rest = after;
    }
    out.push_str(rest);
    out.replace("ordered join ", if dialect == Dialect::Sqlite { "cross join " } else { "join " })
}

/// A `rows`, `fields`, `values` or `list` and where it stands.
struct Mark {
    from: usize,
    to: usize,
    list: bool,
    shape: Shape,
    argument: usize,
    /// None is the kind of `nth`.
    columns: Vec<(String, Option<Kind>)>,
}

fn marks(text: &str) -> Vec<Mark> {
    const WORDS: [(&str, Shape); 4] =
        [("rows($", Shape::ByPlace), ("fields($", Shape::ByName), ("values($", Shape::Alone), ("in list($", Shape::Alone)];
    let mut found: Vec<Mark> = WORDS
        .iter()
        .flat_map(|(word, shape)| {
            text.match_indices(word).filter_map(move |(from, _)| {
                let inside = from + word.len();
                let to = inside + text[inside..].find(')')?;
                let (argument, columns) = text[inside..to].split_once(':')?;
                let list = word.ends_with("list($");
                let columns =
                    if list { vec![("value".to_owned(), kind(columns.trim()))] } else { columns.split(',').map(column).collect() };
                Some(Mark { from, to: to + 1, list, shape: *shape, argument: argument.trim().parse().ok()?, columns })
            })
        })
        .collect();
    found.sort_by_key(|mark| mark.from);
    found
}

fn column(text: &str) -> (String, Option<Kind>) {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    (name, words.next().and_then(kind))
}

fn kind(word: &str) -> Option<Kind> {
    match word {
        "int" => Some(Kind::Int),
        "text" => Some(Kind::Text),
        "bytes" => Some(Kind::Bytes),
        _ => None,
    }
}

impl Mark {
    fn write(&self, sql: &mut String, dialect: Dialect, number: usize) {
        let typed = || self.columns.iter().filter_map(|(name, kind)| Some((name.as_str(), (*kind)?)));
        let array = |place: usize, kind: Kind| {
            let kind = match kind {
                Kind::Int => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("${}::{kind}[]", number + place)
        };
        // Writing to a string never fails.
        let _ = match dialect {
            Dialect::Sqlite if self.list => write!(sql, "in (select value from json_each(?{number}))"),
            Dialect::Postgres if self.list => {
                let lists: Vec<String> = typed().map(|(_, kind)| array(0, kind)).collect();
                write!(sql, "= any({})", lists.concat())
            }
            Dialect::Sqlite => {
                let mut place = 0;
                let columns = self.columns.iter().map(|(name, kind)| {
                    let Some(kind) = kind else { return format!("key as {name}") };
                    let value = match self.shape {
                        Shape::Alone => "value".to_owned(),
                        Shape::ByPlace => format!("value ->> {place}"),
                        Shape::ByName => format!("value ->> '{name}'"),
                    };
                    place += 1;
                    if *kind == Kind::Bytes { format!("unhex({value}) as {name}") } else { format!("{value} as {name}") }
                });
                let columns: Vec<String> = columns.collect();
                write!(sql, "(select {} from json_each(?{number}))", columns.join(", "))
            }
            Dialect::Postgres => {
                let names: Vec<&str> = typed().map(|(name, _)| name).collect();
                let arrays: Vec<String> = typed().enumerate().map(|(place, (_, kind))| array(place, kind)).collect();
                let (names, arrays) = (names.join(", "), arrays.join(", "));
                match self.columns.iter().find(|(_, kind)| kind.is_none()) {
                    None => write!(sql, "(select {names} from unnest({arrays}) as u({names}))"),
                    Some((nth, _)) => {
                        write!(sql, "(select {nth} - 1 as {nth}, {names} from unnest({arrays}) with ordinality as u({names}, {nth}))")
                    }
                }
            }
        };
    }
}

/// How many arguments the text names.
fn arguments(text: &str) -> usize {
    text.split('$').skip(1).filter_map(|after| leading_number(after).map(|(number, _)| number)).max().unwrap_or(0)
}

fn renumbered(text: &str, numbers: &[usize], sign: char) -> String {
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let _ = match leading_number(part) {
            Some((number, rest)) => write!(out, "{sign}{}{rest}", numbers.get(number.wrapping_sub(1)).copied().unwrap_or(number)),
            None => write!(out, "${part}"),
        };
    }
    out
}

fn leading_number(text: &str) -> Option<(usize, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(text: &str) -> (String, String) {
        (translate(text, Dialect::Sqlite).sql.to_string(), translate(text, Dialect::Postgres).sql.to_string())
    }

    #[test]
    fn rows_are_one_text_in_sqlite_and_a_list_for_each_column_in_postgres() {
        let (sqlite, postgres) = both("insert into t select j.a, j.b, $2 from rows($1: a int, b bytes) j where $3 > 0");
        assert_eq!(
            sqlite,
            "insert into t select j.a, j.b, ?2 from (select value ->> 0 as a, unhex(value ->> 1) as b from json_each(?1)) j where ?3 > 0"
        );
        assert_eq!(
            postgres,
            "insert into t select j.a, j.b, $3 from (select a, b from unnest($1::bigint[], $2::bytea[]) as u(a, b)) j where $4 > 0"
        );
    }

    #[test]
    fn rows_by_name_alone_and_with_their_place() {
        let (sqlite, postgres) = both("select * from fields($1: nth, a text) f join values($2: id int) v on v.id = f.nth");
        assert_eq!(
            sqlite,
            "select * from (select key as nth, value ->> 'a' as a from json_each(?1)) f join (select value as id from json_each(?2)) v on v.id = f.nth"
        );
        assert_eq!(
            postgres,
            "select * from (select nth - 1 as nth, a from unnest($1::text[]) with ordinality as u(a, nth)) f join \
             (select id from unnest($2::bigint[]) as u(id)) v on v.id = f.nth"
        );
    }

    #[test]
    fn lists_and_forks() {
        let (sqlite, postgres) = both("delete from t where id in list($1: int) and {sqlite: a; postgres: b} in list($2: text)");
        assert_eq!(sqlite, "delete from t where id in (select value from json_each(?1)) and a in (select value from json_each(?2))");
        assert_eq!(postgres, "delete from t where id = any($1::bigint[]) and b = any($2::text[])");
        let joins = ("a cross join b on c".to_owned(), "a join b on c".to_owned());
        assert_eq!(both("a ordered join b on c"), joins);
    }

    #[test]
    fn the_same_text_is_read_once() {
        let text = "select 1";
        assert!(Arc::ptr_eq(&write(text.into(), Dialect::Sqlite), &write(text.into(), Dialect::Sqlite)));
    }
}
