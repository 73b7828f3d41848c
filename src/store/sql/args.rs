//! Arguments of statements.

use super::text::{Kind, Param};
use crate::domain::{
    AttemptNumber, BudgetName, DependencyKind, FailureClass, Indices, OnFailure, Phase, QueueName, Reason, Role, RunnerName, Sha256,
    TaskId, TaskState, UnixMs,
};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use sqlx::{Arguments as _, postgres::PgArguments};
use uuid::Uuid;

/// An argument. Each kind of null is of a type, which Postgres asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) enum Arg {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    /// The values of a `list`.
    List(Vec<Arg>),
    /// The rows of an `each`: the first argument, where a statement has one.
    Rows(Vec<Cells>),
}

/// A row of an `each`, in the order of its columns.
pub(in crate::store) type Cells = Vec<Arg>;

/// Makes a row of an `each`.
macro_rules! cells {
    ($($value:expr),+ $(,)?) => { vec![$($crate::store::sql::Arg::from($value)),+] };
}
pub(in crate::store) use cells;

/// Rows of one column.
pub(in crate::store) fn column<T: Into<Arg>>(values: impl IntoIterator<Item = T>) -> Vec<Cells> {
    values.into_iter().map(|value| vec![value.into()]).collect()
}

/// What can be an argument, alone or in a row.
pub(in crate::store) trait Value {
    /// Null of its kind.
    const NULL: Arg;
    fn arg(self) -> Arg;
}

impl<T: Value> From<T> for Arg {
    fn from(value: T) -> Self {
        value.arg()
    }
}

impl<T: Value> Value for Option<T> {
    const NULL: Arg = T::NULL;
    fn arg(self) -> Arg {
        self.map_or(Self::NULL, T::arg)
    }
}

impl From<Vec<Cells>> for Arg {
    fn from(rows: Vec<Cells>) -> Self {
        Self::Rows(rows)
    }
}

macro_rules! values {
    ($kind:ident: $($type:ty => |$value:ident| $own:expr),+ $(,)?) => {$(
        impl Value for $type {
            const NULL: Arg = Arg::$kind(None);
            fn arg(self) -> Arg {
                let $value = self;
                Arg::$kind(Some($own))
            }
        }
    )+};
}
values! { Int:
    i64 => |value| value,
    i32 => |value| value.into(),
    u64 => |value| value.cast_signed(),
    u32 => |value| value.into(),
    u16 => |value| value.into(),
    u8 => |value| value.into(),
    bool => |value| value.into(),
    TaskId => |id| id.0,
    AttemptNumber => |number| number.0.into(),
    UnixMs => |at| at.0,
}
values! { Text:
    String => |text| text,
    &String => |text| text.clone(),
    &str => |text| text.to_owned(),
    Uuid => |uuid| uuid.to_string(),
    &QueueName => |name| name.as_str().to_owned(),
    &RunnerName => |name| name.as_str().to_owned(),
    &BudgetName => |name| name.as_str().to_owned(),
    &Sha256 => |sum| sum.as_str().to_owned(),
    &Indices => |indices| indices.to_string(),
    TaskState => |word| word.as_str().to_owned(),
    Phase => |word| word.as_str().to_owned(),
    FailureClass => |word| word.as_str().to_owned(),
    Reason => |word| word.as_str().to_owned(),
    DependencyKind => |word| word.as_str().to_owned(),
    OnFailure => |word| word.as_str().to_owned(),
    Role => |word| word.as_str().to_owned(),
}
values! { Bytes:
    Vec<u8> => |bytes| bytes,
    &[u8] => |bytes| bytes.to_vec(),
}

impl Value for &Option<String> {
    const NULL: Arg = Arg::Text(None);
    fn arg(self) -> Arg {
        Arg::Text(self.clone())
    }
}

/// As SQLite takes one; a list is JSON.
impl ToSql for Arg {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Int(value) => value.map_or(ValueRef::Null, ValueRef::Integer),
            Self::Text(value) => value.as_ref().map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            Self::Bytes(value) => value.as_ref().map_or(ValueRef::Null, |bytes| ValueRef::Blob(bytes)),
            Self::List(values) => return Ok(json(values)?.into()),
            Self::Rows(_) => return Err(refused("rows stand in the first place alone")),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

fn json(values: &[Arg]) -> rusqlite::Result<String> {
    let value = |arg: &Arg| match arg {
        Arg::Int(value) => Ok(serde_json::Value::from(*value)),
        Arg::Text(value) => Ok(serde_json::Value::from(value.as_deref())),
        Arg::Bytes(_) | Arg::List(_) | Arg::Rows(_) => Err(refused("a list holds numbers or texts")),
    };
    Ok(serde_json::Value::Array(values.iter().map(value).collect::<rusqlite::Result<_>>()?).to_string())
}

fn refused(why: &'static str) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(why.into())
}

/// As Postgres takes them: rows are one array for each column.
pub(super) fn postgres(args: Vec<Arg>, params: &[Param]) -> sqlx::Result<PgArguments> {
    let mut all = PgArguments::default();
    for (at, arg) in args.into_iter().enumerate() {
        match (arg, params.get(at)) {
            (Arg::Int(value), _) => all.add(value).map_err(sqlx::Error::Encode)?,
            (Arg::Text(value), _) => all.add(value.map(clean)).map_err(sqlx::Error::Encode)?,
            (Arg::Bytes(value), _) => all.add(value).map_err(sqlx::Error::Encode)?,
            (Arg::List(values), Some(Param::List(kind))) => array(&mut all, *kind, values.into_iter())?,
            (Arg::Rows(mut rows), Some(Param::Each(kinds))) => {
                if let Some(row) = rows.iter().find(|row| row.len() != kinds.len()) {
                    return Err(unfit(&format!("a row of {} for {} columns", row.len(), kinds.len())));
                }
                for (place, kind) in kinds.iter().enumerate() {
                    array(&mut all, *kind, rows.iter_mut().map(|row| std::mem::replace(&mut row[place], Arg::Int(None))))?;
                }
            }
            (arg, _) => return Err(unfit(&format!("${} takes no {arg:?}", at + 1))),
        }
    }
    Ok(all)
}

/// Adds one array.
fn array(all: &mut PgArguments, kind: Kind, cells: impl Iterator<Item = Arg>) -> sqlx::Result<()> {
    match kind {
        Kind::Int => all.add(cells.map(int).collect::<sqlx::Result<Vec<_>>>()?),
        Kind::Text => all.add(cells.map(text).collect::<sqlx::Result<Vec<_>>>()?),
        Kind::Bytes => all.add(cells.map(bytes).collect::<sqlx::Result<Vec<_>>>()?),
    }
    .map_err(sqlx::Error::Encode)
}

/// A null of any kind is one of each.
fn int(cell: Arg) -> sqlx::Result<Option<i64>> {
    match cell {
        Arg::Int(value) => Ok(value),
        Arg::Text(None) | Arg::Bytes(None) => Ok(None),
        other => Err(unfit(&format!("{other:?} is no number"))),
    }
}

fn text(cell: Arg) -> sqlx::Result<Option<String>> {
    match cell {
        Arg::Text(value) => Ok(value.map(clean)),
        Arg::Int(None) | Arg::Bytes(None) => Ok(None),
        other => Err(unfit(&format!("{other:?} is no text"))),
    }
}

fn bytes(cell: Arg) -> sqlx::Result<Option<Vec<u8>>> {
    match cell {
        Arg::Bytes(value) => Ok(value),
        Arg::Int(None) | Arg::Text(None) => Ok(None),
        other => Err(unfit(&format!("{other:?} are no bytes"))),
    }
}

fn unfit(what: &str) -> sqlx::Error {
    sqlx::Error::Encode(what.into())
}

/// Postgres keeps no NUL in a text; what stands there instead is what stands for any character that cannot be shown.
fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
