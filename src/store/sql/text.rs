//! How a statement reads in each database.
//!
//! Marks, beside plain SQL that both read:
//!
//! - `each($1: task int, name text, hash bytes)` is the rows of argument 1, in the order of its columns: SQLite runs the statement
//!   for one after the other, and Postgres once for all. It stands in one of three places:
//!   - `insert into t each($1: a int, b text)` inserts them, in their order;
//!   - `from each($1: a int) j where …`, `from each($1: a int) j, t where …` and, in a delete, `using each($1: a int) j where …` name
//!     their columns `j.a`;
//!   - `x in each($1: a int)`, of one column.
//! - `x in list($2: int)` asks whether x is one of the values that argument 2 holds.
//! - `{sqlite: A; postgres: B}` is A in the one and B in the other.
//! - `ordered join` is a join for which SQLite, whose planner is simple, has to read the left side first.
//!
//! In SQLite a column of a row is an argument, and a list one JSON text; in Postgres both are arrays, one for each column.

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

/// What an argument becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Param {
    One,
    /// The values of a list.
    List(Kind),
    /// One for each column of the rows.
    Each(Vec<Kind>),
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

impl Written {
    /// The columns of the rows that it takes as its first argument.
    pub(super) fn width(&self) -> usize {
        self.params.first().map_or(0, Param::width)
    }
}

impl Param {
    fn width(&self) -> usize {
        if let Self::Each(kinds) = self { kinds.len() } else { 1 }
    }
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
            *param = mark.param();
        }
    }
    let numbers: Vec<usize> = params
        .iter()
        .scan(1, |next, param| {
            let own = *next;
            *next += param.width();
            Some(own)
        })
        .collect();
    // In SQLite `$1` is a name, whose place is that of its first mention; `?1` is a place.
    let sign = if dialect == Dialect::Sqlite { '?' } else { '$' };
    let mut sql = String::with_capacity(forked.len() * 2);
    let mut rest = 0;
    for mark in &marks {
        sql.push_str(&renumbered(&forked[rest..mark.from], &numbers, sign));
        rest = mark.write(&mut sql, &forked, dialect, numbers[mark.argument - 1]);
    }
    sql.push_str(&renumbered(&forked[rest..], &numbers, sign));
    if let Some(mark) = marks.iter().find(|mark| dialect == Dialect::Sqlite && mark.form == Form::From) {
        sql = mark.told(&sql, numbers[mark.argument - 1]);
    }
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

/// Where an `each` or a `list` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    List,
    In,
    Insert,
    From,
}

/// An `each` or a `list`.
struct Mark {
    form: Form,
    from: usize,
    to: usize,
    argument: usize,
    columns: Vec<(String, Kind)>,
}

fn marks(text: &str) -> Vec<Mark> {
    let mut found: Vec<Mark> =
        ["in list($", " each($"].iter().flat_map(|word| text.match_indices(word)).filter_map(|at| mark(text, at)).collect();
    found.sort_by_key(|mark| mark.from);
    found
}

/// Reads the mark that begins with a word.
fn mark(text: &str, (from, word): (usize, &str)) -> Option<Mark> {
    let inside = from + word.len();
    let to = inside + text[inside..].find(')')?;
    let (argument, columns) = text[inside..to].split_once(':')?;
    let argument = argument.trim().parse().ok()?;
    if word.starts_with("in list") {
        return Some(Mark { form: Form::List, from, to: to + 1, argument, columns: vec![(String::new(), kind(columns.trim())?)] });
    }
    let columns = columns.split(',').map(column).collect::<Option<_>>()?;
    let before = &text[..from];
    let (form, from, to) = if let Some(before) = before.strip_suffix(" in") {
        (Form::In, before.len() + 1, to + 1)
    } else if before.ends_with("from") || before.ends_with("using") {
        (Form::From, before.rfind(char::is_whitespace)? + 1, to + 1 + text[to + 1..].starts_with(" j").then_some(2)?)
    } else {
        (Form::Insert, from + 1, to + 1)
    };
    Some(Mark { form, from, to, argument, columns })
}

fn column(text: &str) -> Option<(String, Kind)> {
    let (name, word) = text.trim().split_once(' ')?;
    Some((name.to_owned(), kind(word)?))
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
    fn param(&self) -> Param {
        match (self.form, self.columns.as_slice()) {
            (Form::List, [(_, kind)]) => Param::List(*kind),
            (_, columns) => Param::Each(columns.iter().map(|(_, kind)| *kind).collect()),
        }
    }

    /// Writes what it stands for; answers from where on the text goes on.
    fn write(&self, sql: &mut String, text: &str, dialect: Dialect, number: usize) -> usize {
        let names = || self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let places = || (number..).take(self.columns.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
        let arrays = || self.columns.iter().zip(number..).map(|((_, kind), place)| array(*kind, place)).collect::<Vec<_>>().join(", ");
        // Writing to a string never fails.
        let _ = match (dialect, self.form) {
            (Dialect::Sqlite, Form::List) => write!(sql, "in (select value from json_each(?{number}))"),
            (Dialect::Sqlite, Form::In) => write!(sql, "= ?{number}"),
            (Dialect::Sqlite, Form::Insert) => write!(sql, "({}) values ({})", names(), places()),
            (Dialect::Sqlite, Form::From) => match text[self.to..].strip_prefix(", ") {
                Some(others) => {
                    sql.push_str("from ");
                    return text.len() - others.len();
                }
                None => Ok(()),
            },
            (Dialect::Postgres, Form::List | Form::In) => write!(sql, "= any({})", arrays()),
            (Dialect::Postgres, Form::Insert) => {
                let names = names();
                write!(sql, "({names}) select {names} from unnest({}) with ordinality as j ({names}, nth) order by j.nth", arrays())
            }
            (Dialect::Postgres, Form::From) => {
                let word = text[self.from..].split(' ').next().unwrap_or_default();
                write!(sql, "{word} unnest({}) as j ({})", arrays(), names())
            }
        };
        self.to
    }

    /// The text with its columns in the place of their names.
    fn told(&self, text: &str, number: usize) -> String {
        let mut parts = text.split("j.");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let name = part.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default();
            let place = self.columns.iter().position(|(column, _)| column == name);
            let _ = match place.filter(|_| !out.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')) {
                Some(place) => write!(out, "?{}{}", number + place, &part[name.len()..]),
                None => write!(out, "j.{part}"),
            };
        }
        out
    }
}

fn array(kind: Kind, place: usize) -> String {
    let kind = match kind {
        Kind::Int => "bigint",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
    };
    format!("${place}::{kind}[]")
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
    fn rows_are_inserted_in_their_order() {
        let (sqlite, postgres) = both("insert into t each($1: a int, b bytes) on conflict (a) do update set b = excluded.b");
        assert_eq!(sqlite, "insert into t (a, b) values (?1, ?2) on conflict (a) do update set b = excluded.b");
        assert_eq!(
            postgres,
            "insert into t (a, b) select a, b from unnest($1::bigint[], $2::bytea[]) with ordinality as j (a, b, nth) order by j.nth \
             on conflict (a) do update set b = excluded.b"
        );
    }

    #[test]
    fn columns_of_rows_stand_for_themselves() {
        let (sqlite, postgres) = both("update t set b = j.b, c = $2 from each($1: a int, b text) j where t.a = j.a and obj.a > (j.a)");
        assert_eq!(sqlite, "update t set b = ?2, c = ?3  where t.a = ?1 and obj.a > (?1)");
        assert_eq!(
            postgres,
            "update t set b = j.b, c = $3 from unnest($1::bigint[], $2::text[]) as j (a, b) where t.a = j.a and obj.a > (j.a)"
        );
        let (sqlite, postgres) = both("select t.b from each($1: a int) j, t where t.a = j.a");
        assert_eq!(sqlite, "select t.b from t where t.a = ?1");
        assert_eq!(postgres, "select t.b from unnest($1::bigint[]) as j (a), t where t.a = j.a");
    }

    #[test]
    fn lists_and_forks() {
        let (sqlite, postgres) = both("delete from t where id in each($1: id int) and {sqlite: a; postgres: b} in list($2: text)");
        assert_eq!(sqlite, "delete from t where id = ?1 and a in (select value from json_each(?2))");
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
