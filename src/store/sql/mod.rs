//! One way to speak to both databases.
//!
//! A statement is written once, in the SQL that both read, with a few marks where they differ ([`text`]); its arguments
//! are of this module's kinds ([`Arg`]), and so are its rows ([`Row`]). Callers never see which database answers.

mod args;
mod conn;
mod file;
mod files;
mod row;
mod text;

pub(super) use args::{Arg, Cells, cells, column};
use conn::FileOn;
pub(super) use conn::{Conn, On, Pool};
pub(super) use file::FileConn;
pub(super) use files::{Files, Lent};
pub(super) use row::{Column, Row};
pub(super) use text::Dialect;
#[cfg(test)]
pub(super) use text::written;

use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use sqlx::AssertSqlSafe;
use std::{borrow::Cow, future, marker::PhantomData};

/// A statement and its arguments, `$1` first.
pub(super) struct Query {
    text: Cow<'static, str>,
    args: Vec<Arg>,
}

/// A statement of fixed text.
pub(super) fn query(text: &'static str) -> Query {
    Query { text: Cow::Borrowed(text), args: Vec::new() }
}

/// A statement whose text was put together from parts of ours: never of what a user said.
pub(super) fn query_of(text: String) -> Query {
    Query { text: Cow::Owned(text), args: Vec::new() }
}

/// The values of a `list`.
pub(super) fn list<T: Into<Arg>>(values: impl IntoIterator<Item = T>) -> Arg {
    Arg::List(values.into_iter().map(Into::into).collect())
}

/// A statement that answers one column.
pub(super) fn query_scalar<T>(text: &'static str) -> Scalar<T> {
    Scalar { query: query(text), column: PhantomData }
}

/// See [`query_scalar`].
pub(super) struct Scalar<T> {
    query: Query,
    column: PhantomData<T>,
}

impl Query {
    /// Gives the next argument.
    pub(super) fn bind(mut self, arg: impl Into<Arg>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds to the text.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds a placeholder to the text, and its argument.
    pub(super) fn push_bind(&mut self, arg: impl Into<Arg>) -> &mut Self {
        let number = self.args.len() + 1;
        self.push(&format!("${number}"));
        self.args.push(arg.into());
        self
    }

    /// Adds that a column is one of some values, of the kind `int` or `text`.
    pub(super) fn push_in<T: Into<Arg>>(&mut self, column: &str, kind: &'static str, values: impl IntoIterator<Item = T>) -> &mut Self {
        let number = self.args.len() + 1;
        self.push(&format!("{column} in list(${number}: {kind})"));
        self.args.push(list(values));
        self
    }

    /// All rows.
    pub(super) async fn fetch_all<'c>(self, on: impl Into<On<'c>>) -> sqlx::Result<Vec<Row>> {
        match on.into() {
            On::File(file) => self.of_file(file, usize::MAX).await,
            On::Postgres(executor) => {
                let (text, args) = self.postgres()?;
                let rows = executor.fetch_all(sqlx::query_with(text, args)).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// The row, where there is one.
    pub(super) async fn fetch_optional<'c>(self, on: impl Into<On<'c>>) -> sqlx::Result<Option<Row>> {
        match on.into() {
            On::File(file) => Ok(self.of_file(file, 1).await?.pop()),
            On::Postgres(executor) => {
                let (text, args) = self.postgres()?;
                Ok(executor.fetch_optional(sqlx::query_with(text, args)).await?.map(Row::Postgres))
            }
        }
    }

    /// The rows as they come, however many: none is kept, but for those of the writer's own file.
    pub(super) fn fetch<'c>(self, on: impl Into<On<'c>>) -> BoxStream<'c, sqlx::Result<Row>> {
        let failed = |error| stream::once(future::ready(Err(error))).boxed();
        match on.into() {
            On::File(FileOn::Lent(lent)) => lent.stream(text::write(self.text, Dialect::Sqlite), self.args).map_ok(Row::File).boxed(),
            On::File(file) => {
                let all = self.of_file(file, usize::MAX);
                stream::once(all).map_ok(|rows| stream::iter(rows).map(Ok)).try_flatten().boxed()
            }
            On::Postgres(executor) => match self.postgres() {
                Ok((text, args)) => executor.fetch(sqlx::query_with(text, args)).map_ok(Row::Postgres).boxed(),
                Err(error) => failed(error),
            },
        }
    }

    /// The row.
    ///
    /// # Errors
    /// Also where there is none.
    pub(super) async fn fetch_one<'c>(self, on: impl Into<On<'c>>) -> sqlx::Result<Row> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Runs it; answers how many rows it touched.
    pub(super) async fn execute<'c>(self, on: impl Into<On<'c>>) -> sqlx::Result<u64> {
        match on.into() {
            On::File(file) => {
                let written = text::write(self.text, Dialect::Sqlite);
                file.run(move |conn| conn.execute(&written, &self.args)).await
            }
            On::Postgres(executor) => {
                let (text, args) = self.postgres()?;
                executor.execute(sqlx::query_with(text, args)).await
            }
        }
    }

    /// The first so many rows of a file's answer.
    async fn of_file(self, file: FileOn<'_>, most: usize) -> sqlx::Result<Vec<Row>> {
        let written = text::write(self.text, Dialect::Sqlite);
        let rows = file.run(move |conn| conn.fetch(&written, &self.args, most)).await?;
        Ok(rows.into_iter().map(Row::File).collect())
    }

    fn postgres(self) -> sqlx::Result<(AssertSqlSafe<std::sync::Arc<str>>, sqlx::postgres::PgArguments)> {
        let written = text::write(self.text, Dialect::Postgres);
        Ok((AssertSqlSafe(written.sql.clone()), args::postgres(self.args, &written.params)?))
    }
}

impl<T: for<'r> Column<'r>> Scalar<T> {
    /// Gives the next argument.
    pub(super) fn bind(mut self, arg: impl Into<Arg>) -> Self {
        self.query = self.query.bind(arg);
        self
    }

    /// The values of all rows.
    pub(super) async fn fetch_all<'c>(self, on: impl Into<On<'c>>) -> sqlx::Result<Vec<T>> {
        self.query.fetch_all(on).await?.iter().map(Row::first).collect()
    }

    /// The value, where there is a row.
    pub(super) async fn fetch_optional<'c>(self, on: impl Into<On<'c>>) -> sqlx::Result<Option<T>> {
        self.query.fetch_optional(on).await?.as_ref().map(Row::first).transpose()
    }

    /// The value.
    ///
    /// # Errors
    /// Also where there is no row.
    pub(super) async fn fetch_one<'c>(self, on: impl Into<On<'c>>) -> sqlx::Result<T> {
        self.query.fetch_one(on).await?.first()
    }
}
