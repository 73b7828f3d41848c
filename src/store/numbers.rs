//! The numbers that a database gives by itself: no number that was given is ever given again, whatever was deleted.

use super::{
    error::Result,
    sql::{self, Conn, Dialect},
};

/// The sequence of a table in Postgres: its own, or the one that is drawn from for it.
const SEQUENCE: &str = "select coalesce(pg_get_serial_sequence($1, 'id')::regclass, to_regclass($1 || '_ids'))::text as name";

/// The last number that was given to a row of a table whose rows are numbered; 0 where none was.
pub(super) async fn last(table: &str, conn: &mut Conn) -> Result<i64> {
    let text = match conn.dialect() {
        Dialect::Sqlite => format!(
            "select max(coalesce((select max(id) from {table}), 0), coalesce((select seq from sqlite_sequence where name = '{table}'), 0)) as last"
        ),
        Dialect::Postgres => {
            let sequence: String = sql::query_scalar(SEQUENCE).bind(table).fetch_one(&mut *conn).await?;
            format!("select case when is_called then last_value else last_value - 1 end as last from {sequence}")
        }
    };
    Ok(sql::query_of(text).fetch_one(conn).await?.first()?)
}

/// Lets the numbers of a table go on after `last`.
pub(super) async fn go_on(table: &str, last: i64, conn: &mut Conn) -> Result<()> {
    if last == 0 {
        return Ok(());
    }
    match conn.dialect() {
        Dialect::Sqlite => {
            // SQLite keeps a count only for the tables of which no number may come again; the others go by what is there.
            let counted = "select count(*) from sqlite_schema where name = $1 and sql like '%autoincrement%'";
            let counted: i64 = sql::query_scalar(counted).bind(table).fetch_one(&mut *conn).await?;
            if counted > 0 {
                sql::query("delete from sqlite_sequence where name = $1").bind(table).execute(&mut *conn).await?;
                sql::query("insert into sqlite_sequence (name, seq) values ($1, $2)").bind(table).bind(last).execute(conn).await?;
            }
        }
        Dialect::Postgres => {
            let sequence: String = sql::query_scalar(SEQUENCE).bind(table).fetch_one(&mut *conn).await?;
            sql::query("select setval($1::regclass, $2)").bind(sequence).bind(last).fetch_one(conn).await?;
        }
    }
    Ok(())
}
