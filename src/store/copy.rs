//! Rows from one kind of database to the other, as they are: table by table, in bounded portions, whatever the size.

use super::{
    catalog::{self, Kind, Table},
    error::{Result, StoreError},
    migrations::SQLITE,
    numbers, postgres, schema,
    sql::{self, Arg, Cells, Conn, Row},
    sqlite,
};
use futures::TryStreamExt;
use std::path::Path;

/// What goes together: so many rows at most, or so many bytes, or one row that is larger.
const ROWS: usize = 1_000;
const BYTES: usize = 1 << 20;

/// Is told now and then how many rows have gone over.
pub type Told<'a> = &'a mut (dyn FnMut(u64) + Send);

/// Copies the Postgres database at `url`, which may be in use, as of one moment, into a new SQLite file at `to`.
///
/// # Errors
/// `Absent` where no server has used the database, `NewerSchema`, `Differs`, and the databases'.
pub(super) async fn out_of_postgres(url: &str, to: &Path, told: Told<'_>) -> Result<()> {
    let mut from = postgres::look(url).await?;
    let had = schema::had(&mut from).await?;
    schema::refuse_newer(&had, super::migrations::POSTGRES, postgres::NAME)?;
    let Some(newest) = had.last() else { return Err(StoreError::Absent) };
    // The file is brought as far as the database is, and forward when it is restored.
    let steps: Vec<_> = SQLITE.iter().copied().filter(|step| step.0 <= newest.version).collect();
    let mut file = sqlite::make(to, &steps).await?;
    let ours = catalog::tables(&mut file).await?;
    sql::query("begin transaction isolation level repeatable read, read only").execute(&mut from).await?;
    // Before the first look, with which the moment is fixed: no table changes its columns from here on.
    let names: Vec<&str> = ours.iter().map(|table| table.name.as_str()).collect();
    sql::query_of(format!("lock table {} in access share mode", names.join(", "))).execute(&mut from).await?;
    let tables = catalog::shared(ours, &catalog::tables(&mut from).await?)?;
    sql::query("begin").execute(&mut file).await?;
    rows(&tables, &mut from, &mut file, told).await?;
    sql::query("commit").execute(&mut file).await?;
    file.close().await?;
    Ok(from.close().await?)
}

/// A Postgres database in which nothing is kept yet, and which no server uses while this value lives.
pub struct EmptyDatabase {
    conn: Conn,
    tables: Vec<Table>,
}

impl EmptyDatabase {
    /// Takes the database at `url` for itself and makes its tables where they are missing.
    ///
    /// # Errors
    /// `NotEmpty`, `Taken` where a server uses it, `NewerSchema`, `BadUrl` and the database's.
    pub async fn take(url: &str) -> Result<Self> {
        let mut conn = postgres::take(url).await?;
        let mut known = sqlite::blank()?;
        let tables = catalog::shared(catalog::tables(&mut known).await?, &catalog::tables(&mut conn).await?)?;
        known.close().await?;
        for table in &tables {
            let first = sql::query_of(format!("select 1 from {} limit 1", table.name)).fetch_optional(&mut conn).await?;
            if first.is_some() {
                return Err(StoreError::NotEmpty { table: table.name.clone() });
            }
        }
        Ok(Self { conn, tables })
    }

    /// Fills it with all that is in the SQLite file at `from`, which is of this version and nobody uses: all, or nothing.
    ///
    /// # Errors
    /// `Differs`, and the databases'.
    pub async fn fill(mut self, from: &Path, told: Told<'_>) -> Result<()> {
        let mut from = sqlite::open_existing(from).await?;
        let tables = catalog::shared(catalog::tables(&mut from).await?, &self.tables)?;
        sql::query("begin").execute(&mut self.conn).await?;
        rows(&tables, &mut from, &mut self.conn, told).await?;
        from.close().await?;
        sql::query("commit").execute(&mut self.conn).await?;
        // All of it is there: what fails from here on fails nobody. The first is so that the planner knows what it has when the
        // first call comes; its own vacuum would find out, later.
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let _ = sql::query_of(format!("analyze {}", names.join(", "))).execute(&mut self.conn).await;
        let _ = postgres::leave(self.conn).await;
        Ok(())
    }
}

/// All rows of all tables, and how far their numbers have come.
async fn rows(tables: &[Table], from: &mut Conn, to: &mut Conn, told: Told<'_>) -> Result<()> {
    let mut gone = 0;
    for table in tables {
        let (read, write) = statements(table)?;
        let (mut portion, mut bytes) = (Vec::new(), 0);
        {
            let mut all = sql::query_of(read).fetch(&mut *from);
            while let Some(row) = all.try_next().await? {
                let cells = table.columns.iter().enumerate().map(|(at, column)| cell(&row, at, column.kind, &mut bytes));
                portion.push(cells.collect::<Result<Cells>>()?);
                if portion.len() >= ROWS || bytes >= BYTES {
                    gone += portion.len() as u64;
                    let portion = std::mem::take(&mut portion);
                    bytes = 0;
                    sql::query_of(write.clone()).bind(portion).execute(&mut *to).await?;
                    told(gone);
                }
            }
        }
        if !portion.is_empty() {
            gone += portion.len() as u64;
            sql::query_of(write).bind(portion).execute(&mut *to).await?;
        }
        if table.numbered() {
            numbers::go_on(&table.name, numbers::last(&table.name, from).await?, to).await?;
        }
    }
    told(gone);
    Ok(())
}

/// What reads a table in the order of its key, and what writes a portion of it.
fn statements(table: &Table) -> Result<(String, String)> {
    let (mut names, mut marks) = (Vec::new(), Vec::new());
    for column in &table.columns {
        let Some(kind) = column.kind.word() else { return Err(StoreError::Differs { table: table.name.clone() }) };
        names.push(column.name.as_str());
        marks.push(format!("{} {kind}", column.name));
    }
    let (name, names, marks, key) = (&table.name, names.join(", "), marks.join(", "), table.key().join(", "));
    let read = format!("select {names} from {name} order by {key}");
    Ok((read, format!("insert into {name} each($1: {marks})")))
}

/// A value as an argument holds it, and its size.
fn cell(row: &Row, at: usize, kind: Kind, bytes: &mut usize) -> Result<Arg> {
    *bytes += 8;
    Ok(match kind {
        Kind::Int => row.at::<Option<i64>>(at)?.into(),
        Kind::Text | Kind::Other => {
            let text: Option<String> = row.at(at)?;
            *bytes += text.as_ref().map_or(0, String::len);
            text.into()
        }
        Kind::Bytes => {
            let raw: Option<Vec<u8>> = row.at(at)?;
            *bytes += raw.as_ref().map_or(0, Vec::len);
            raw.into()
        }
    })
}
