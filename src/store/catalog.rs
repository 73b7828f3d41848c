//! The tables of a database as it names them itself, so that no column is ever forgotten where rows go from one to the other.

use super::{
    error::{Result, StoreError},
    sql::{self, Conn, Dialect, Row},
};

/// What a column holds, in whatever width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    Bytes,
    /// Nothing that we keep.
    Other,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// By their names.
    pub(super) columns: Vec<Column>,
}

/// A column of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Its place in the primary key, from 1; 0 where it is not in it.
    pub(super) key: i64,
}

impl Kind {
    fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "smallint" | "integer" | "bigint" => Self::Int,
            "text" => Self::Text,
            "blob" | "bytea" => Self::Bytes,
            _ => Self::Other,
        }
    }

    /// Its word in the marks of a statement.
    pub(super) const fn word(self) -> Option<&'static str> {
        match self {
            Self::Int => Some("int"),
            Self::Text => Some("text"),
            Self::Bytes => Some("bytes"),
            Self::Other => None,
        }
    }
}

impl Table {
    /// The columns of its primary key, in their order there.
    pub(super) fn key(&self) -> Vec<&str> {
        let mut key: Vec<_> = self.columns.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key.into_iter().map(|column| column.name.as_str()).collect()
    }

    /// Whether its rows are numbered as they come.
    pub(super) fn numbered(&self) -> bool {
        self.key() == ["id"]
    }
}

/// What is no part of what a database keeps for its users: its migrations, and who of Postgres's servers may write.
const ASIDE: [&str; 2] = ["_sqlx_migrations", "epoch"];

/// Differs because each database keeps its catalog in a way of its own.
const COLUMNS: [&str; 2] = [
    "select t.name as tab, c.name as col, c.type as kind, c.pk as key from sqlite_schema t join pragma_table_info(t.name) c
     where t.type = 'table' and substr(t.name, 1, 7) <> 'sqlite_' order by t.name, c.name",
    "select t.relname::text as tab, c.attname::text as col, format_type(c.atttypid, null) as kind,
         coalesce(array_position(k.indkey::int2[], c.attnum) + 1, 0) as key
     from pg_class t join pg_attribute c on c.attrelid = t.oid and c.attnum > 0 and not c.attisdropped
         left join pg_index k on k.indrelid = t.oid and k.indisprimary
     where t.relkind = 'r' and t.relnamespace = (select oid from pg_namespace where nspname = current_schema())
     order by t.relname::text collate \"C\", c.attname::text collate \"C\"",
];

/// The tables that keep something, by their names.
pub(super) async fn tables(conn: &mut Conn) -> Result<Vec<Table>> {
    let rows = sql::query(COLUMNS[usize::from(conn.dialect() == Dialect::Postgres)]).fetch_all(conn).await?;
    let mut tables: Vec<Table> = Vec::new();
    for row in rows {
        let table: String = row.try_get("tab")?;
        if ASIDE.contains(&table.as_str()) {
            continue;
        }
        let column = column(&row)?;
        match tables.last_mut() {
            Some(last) if last.name == table => last.columns.push(column),
            _ => tables.push(Table { name: table, columns: vec![column] }),
        }
    }
    Ok(tables)
}

fn column(row: &Row) -> Result<Column> {
    Ok(Column { name: row.try_get("col")?, kind: Kind::of(row.try_get("kind")?), key: row.try_get("key")? })
}

/// The tables of an installation in two databases. One of Postgres may have others beside, which are somebody else's.
///
/// # Errors
/// `Differs` where a table of the one is missing in the other, or has other columns.
pub(super) fn shared(sqlite: Vec<Table>, postgres: &[Table]) -> Result<Vec<Table>> {
    for table in &sqlite {
        let other = postgres.iter().find(|other| other.name == table.name);
        if other != Some(table) {
            return Err(StoreError::Differs { table: table.name.clone() });
        }
    }
    Ok(sqlite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Schema, Site, postgres, sqlite, testing::Cluster};

    #[tokio::test]
    async fn both_databases_have_the_same_tables_with_the_same_columns() {
        let dir = tempfile::tempdir().unwrap();
        let (mut sqlite, readers) = sqlite::open(&dir.path().join("slipway.db")).await.unwrap();
        readers.close().await;
        let url = Cluster::of_this_process().database(dir.path()).await;
        Schema::migrate(Site::Postgres(&url)).await.unwrap();
        let mut postgres = postgres::look(&url).await.unwrap();
        let (sqlite, postgres) = (tables(&mut sqlite).await.unwrap(), tables(&mut postgres).await.unwrap());
        assert!(sqlite.len() > 25, "{sqlite:?}");
        let names = |tables: &[Table]| tables.iter().map(|table| table.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&sqlite), names(&postgres));
        for (ours, theirs) in sqlite.iter().zip(&postgres) {
            assert_eq!(ours, theirs);
            assert!(ours.columns.iter().all(|column| column.kind != Kind::Other) && !ours.key().is_empty(), "{ours:?}");
        }
        let mut less = postgres.clone();
        less[3].columns.pop();
        assert!(matches!(shared(sqlite.clone(), &less), Err(StoreError::Differs { table }) if table == less[3].name));
        assert!(matches!(shared(sqlite.clone(), &postgres[1..]), Err(StoreError::Differs { .. })));
        assert_eq!(shared(sqlite[1..].to_vec(), &postgres).unwrap().len(), sqlite.len() - 1);
    }
}
