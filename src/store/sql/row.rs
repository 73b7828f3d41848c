//! Rows of either database.

use super::file::FileRow;
use rusqlite::types::Value;
use sqlx::{ColumnIndex, Decode, Row as _, Type, TypeInfo as _, ValueRef as _, postgres::PgRow};

/// A row of an answer.
pub(in crate::store) enum Row {
    File(FileRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column.
    ///
    /// # Errors
    /// Where there is no such column, or it holds something else.
    pub(in crate::store) fn try_get<'r, T: Column<'r>>(&'r self, name: &str) -> sqlx::Result<T> {
        match self {
            Self::File(row) => T::file(row.named(name)?),
            Self::Postgres(row) => T::postgres(row, name),
        }
    }

    /// The value of the first column.
    pub(in crate::store) fn first<'r, T: Column<'r>>(&'r self) -> sqlx::Result<T> {
        self.at(0)
    }

    /// The value of the column at a place, from 0.
    pub(in crate::store) fn at<'r, T: Column<'r>>(&'r self, place: usize) -> sqlx::Result<T> {
        match self {
            Self::File(row) => T::file(row.at(place)?),
            Self::Postgres(row) => T::postgres(row, place),
        }
    }
}

/// What a column can be read as. Numbers are read from whatever width the database keeps them in.
pub(in crate::store) trait Column<'r>: Sized {
    fn file(value: &'r Value) -> sqlx::Result<Self>;
    fn postgres<I: ColumnIndex<PgRow> + Copy>(row: &'r PgRow, at: I) -> sqlx::Result<Self>;
}

/// Texts and bytes.
macro_rules! own {
    ($($type:ty: $kind:ident => |$value:ident| $own:expr),+ $(,)?) => {$(
        impl<'r> Column<'r> for $type {
            fn file(value: &'r Value) -> sqlx::Result<Self> {
                Option::<Self>::file(value)?.ok_or_else(null)
            }
            fn postgres<I: ColumnIndex<PgRow> + Copy>(row: &'r PgRow, at: I) -> sqlx::Result<Self> {
                row.try_get(at)
            }
        }
        impl<'r> Column<'r> for Option<$type> {
            fn file(value: &'r Value) -> sqlx::Result<Self> {
                match value {
                    Value::Null => Ok(None),
                    Value::$kind($value) => Ok(Some($own)),
                    other => Err(unfit(other)),
                }
            }
            fn postgres<I: ColumnIndex<PgRow> + Copy>(row: &'r PgRow, at: I) -> sqlx::Result<Self> {
                row.try_get(at)
            }
        }
    )+};
}
own! {
    String: Text => |text| text.clone(),
    &'r str: Text => |text| text,
    Vec<u8>: Blob => |bytes| bytes.clone(),
}

/// A whole number of any width of the database.
macro_rules! numbers {
    ($($type:ty),+) => {$(
        impl<'r> Column<'r> for $type {
            fn file(value: &'r Value) -> sqlx::Result<Self> {
                Option::<Self>::file(value)?.ok_or_else(null)
            }
            fn postgres<I: ColumnIndex<PgRow> + Copy>(row: &'r PgRow, at: I) -> sqlx::Result<Self> {
                Option::<Self>::postgres(row, at)?.ok_or_else(null)
            }
        }
        impl<'r> Column<'r> for Option<$type> {
            fn file(value: &'r Value) -> sqlx::Result<Self> {
                whole(value)?.map(fit).transpose()
            }
            fn postgres<I: ColumnIndex<PgRow> + Copy>(row: &'r PgRow, at: I) -> sqlx::Result<Self> {
                number(row, at)?.map(fit).transpose()
            }
        }
    )+};
}
numbers!(i64, i32, u32, u16, u8);

impl<'r> Column<'r> for bool {
    fn file(value: &'r Value) -> sqlx::Result<Self> {
        Option::<Self>::file(value)?.ok_or_else(null)
    }
    fn postgres<I: ColumnIndex<PgRow> + Copy>(row: &'r PgRow, at: I) -> sqlx::Result<Self> {
        Option::<Self>::postgres(row, at)?.ok_or_else(null)
    }
}

impl<'r> Column<'r> for Option<bool> {
    fn file(value: &'r Value) -> sqlx::Result<Self> {
        Ok(whole(value)?.map(|number| number != 0))
    }
    fn postgres<I: ColumnIndex<PgRow> + Copy>(row: &'r PgRow, at: I) -> sqlx::Result<Self> {
        Ok(number(row, at)?.map(|number| number != 0))
    }
}

fn whole(value: &Value) -> sqlx::Result<Option<i64>> {
    match value {
        Value::Null => Ok(None),
        Value::Integer(number) => Ok(Some(*number)),
        other => Err(unfit(other)),
    }
}

fn number<I: ColumnIndex<PgRow> + Copy>(row: &PgRow, at: I) -> sqlx::Result<Option<i64>> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(None);
    }
    match value.type_info().name() {
        "INT2" => own::<i16>(row, at).map(|n| Some(n.into())),
        "INT4" => own::<i32>(row, at).map(|n| Some(n.into())),
        "BOOL" => own::<bool>(row, at).map(|n| Some(n.into())),
        _ => own::<i64>(row, at).map(Some),
    }
}

fn own<'r, T: Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>>(row: &'r PgRow, at: impl ColumnIndex<PgRow>) -> sqlx::Result<T> {
    row.try_get(at)
}

fn fit<T: TryFrom<i64>>(number: i64) -> sqlx::Result<T> {
    T::try_from(number).map_err(|_| sqlx::Error::Decode(format!("{number} is out of range").into()))
}

fn null() -> sqlx::Error {
    sqlx::Error::Decode(Box::new(sqlx::error::UnexpectedNullError))
}

fn unfit(value: &Value) -> sqlx::Error {
    sqlx::Error::Decode(format!("a column holds {}", value.data_type()).into())
}
