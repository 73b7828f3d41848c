//! Arguments of statements.

use super::text::{Kind, Param, Shape};
use serde_json::Value;
use sqlx::{Arguments as _, postgres::PgArguments};

/// An argument. Each kind of null is of a type, which Postgres asks for.
#[derive(Clone, Debug)]
pub(in crate::store) enum Arg {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    /// The rows of a `rows`, `fields`, `values` or `list`: an array.
    Rows(Value),
}

macro_rules! from {
    ($($type:ty => |$value:ident| $arg:expr),+ $(,)?) => {$(
        impl From<$type> for Arg {
            fn from($value: $type) -> Self {
                $arg
            }
        }
    )+};
}
from! {
    i64 => |value| Self::Int(Some(value)),
    i32 => |value| Self::Int(Some(value.into())),
    u32 => |value| Self::Int(Some(value.into())),
    u8 => |value| Self::Int(Some(value.into())),
    bool => |value| Self::Int(Some(value.into())),
    Option<i64> => |value| Self::Int(value),
    Option<u32> => |value| Self::Int(value.map(Into::into)),
    &str => |value| Self::Text(Some(value.to_owned())),
    String => |value| Self::Text(Some(value)),
    &String => |value| Self::Text(Some(value.clone())),
    Option<String> => |value| Self::Text(value),
    &Option<String> => |value| Self::Text(value.clone()),
    Option<&str> => |value| Self::Text(value.map(str::to_owned)),
    Vec<u8> => |value| Self::Bytes(Some(value)),
    &[u8] => |value| Self::Bytes(Some(value.to_vec())),
    Value => |value| Self::Rows(value),
}

/// As Postgres takes them: rows are one array for each column.
pub(super) fn postgres(args: Vec<Arg>, params: &[Param]) -> sqlx::Result<PgArguments> {
    let mut all = PgArguments::default();
    for (at, arg) in args.into_iter().enumerate() {
        match arg {
            Arg::Int(value) => all.add(value),
            Arg::Text(value) => all.add(value.map(clean)),
            Arg::Bytes(value) => all.add(value),
            Arg::Rows(Value::Array(mut rows)) => {
                let Some(Param::Columns(shape, kinds)) = params.get(at) else {
                    return Err(sqlx::Error::Encode(format!("argument ${} is rows, and the statement takes none there", at + 1).into()));
                };
                for (place, (name, kind)) in kinds.iter().enumerate() {
                    let cells = rows.iter_mut().map(|row| cell(row, *shape, place, name));
                    match kind {
                        Kind::Int => all.add(cells.map(int).collect::<sqlx::Result<Vec<_>>>()?),
                        Kind::Text => all.add(cells.map(text).collect::<Vec<_>>()),
                        Kind::Bytes => all.add(cells.map(bytes).collect::<sqlx::Result<Vec<_>>>()?),
                    }
                    .map_err(sqlx::Error::Encode)?;
                }
                continue;
            }
            Arg::Rows(other) => return Err(sqlx::Error::Encode(format!("rows must be an array, not {other}").into())),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(all)
}

/// Takes a value out of a row; null where the row is shorter.
fn cell(row: &mut Value, shape: Shape, place: usize, name: &str) -> Value {
    match shape {
        Shape::Alone => row.take(),
        Shape::ByPlace => row.get_mut(place).map_or(Value::Null, Value::take),
        Shape::ByName => row.get_mut(name).map_or(Value::Null, Value::take),
    }
}

fn int(value: Value) -> sqlx::Result<Option<i64>> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(value.into())),
        Value::Number(number) if let Some(number) = number.as_i64() => Ok(Some(number)),
        other => Err(sqlx::Error::Encode(format!("{other} is no whole number").into())),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(clean(text)),
        other => Some(clean(other.to_string())),
    }
}

fn bytes(value: Value) -> sqlx::Result<Option<Vec<u8>>> {
    let Value::String(hex) = value else { return Ok(None) };
    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
    bytes.map(Some).ok_or_else(|| sqlx::Error::Encode("bytes are no hexadecimal text".into()))
}

/// Postgres keeps no NUL in a text; what stands there instead is what stands for any character that cannot be shown.
fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
