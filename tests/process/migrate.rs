//! `slipway admin migrate`: what it says of databases that are current, behind, and of another version.

use crate::{
    eventually,
    postgres::Postgres,
    support::Program,
    world::{Part, World},
};
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Connection, SqliteConnection,
    migrate::{Migrate as _, Migrator},
    sqlite::SqliteConnectOptions,
};
use std::path::Path;

/// Runs it to its end: code, output and words.
async fn migrate(world: &World, args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = world.program(&[&["admin", "migrate"], args].concat());
    let ended = eventually("the end of the command", async || Program::ended(&mut program)).await;
    (ended.code(), String::from_utf8(program.out()).expect("text"), program.err())
}

/// The same with `-o json`: code, and how many are in which state.
async fn counted(world: &World, args: &[&str]) -> (Option<i32>, String, usize, usize) {
    let (code, out, _) = migrate(world, &[args, &["-o", "json"]].concat()).await;
    let said: Value = serde_json::from_str(&out).expect("JSON");
    let all = said["migrations"].as_array().expect("a list");
    let of = |state: &str| all.iter().filter(|migration| migration["state"] == state).count();
    (code, said["state"].as_str().expect("a word").to_owned(), of("applied"), of("pending"))
}

async fn connected(file: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file).create_if_missing(true)).await.expect("a database")
}

/// Of all steps, those of `migrations/sqlite`.
async fn steps() -> Migrator {
    Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite"))).await.expect("the migrations")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_looked_at_brought_forward_and_left_alone_where_it_is_newer() {
    let mut world = World::new();
    let data = world.data();
    let dir = data.display().to_string();
    let check = ["--check", "--data-dir", &dir];
    let (code, _, said) = migrate(&world, &check).await;
    assert_eq!((code, said.contains("there is no database in")), (Some(1), true), "{said}");

    // As an earlier version left it.
    std::fs::create_dir_all(&data).expect("a directory");
    let (file, steps) = (data.join("slipway.db"), steps().await);
    let all = steps.iter().count();
    let mut conn = connected(&file).await;
    steps.run_to(steps.iter().nth(all - 3).expect("there are more").version, &mut conn).await.expect("it is brought so far");
    conn.close().await.expect("closed");
    assert_eq!(counted(&world, &check).await, (Some(6), "behind".to_owned(), all - 2, 2), "twice the same: nothing is changed");
    assert_eq!(counted(&world, &check).await, (Some(6), "behind".to_owned(), all - 2, 2));

    let (code, out, said) = migrate(&world, &["--data-dir", &dir]).await;
    assert_eq!((code, out.matches("applied now").count(), said.contains("applied 2;")), (Some(0), 2, true), "{out}{said}");
    assert_eq!(counted(&world, &check).await, (Some(0), "current".to_owned(), all, 0));

    // A server that uses it is not in the way of a look, nor of nothing to do.
    world.start(Part::Server);
    world.ready().await;
    assert_eq!(counted(&world, &check).await, (Some(0), "current".to_owned(), all, 0));
    assert_eq!(migrate(&world, &["--data-dir", &dir]).await.0, Some(0));

    // But where there is something to do, it is.
    let mut conn = connected(&file).await;
    for change in [
        "create table kept as select * from _sqlx_migrations",
        "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)",
    ] {
        sqlx::query(AssertSqlSafe(change)).execute(&mut conn).await.expect("the change");
    }
    let (code, _, said) = migrate(&world, &["--data-dir", &dir]).await;
    assert_eq!((code, said.contains("another server uses")), (Some(1), true), "{said}");
    assert_eq!(counted(&world, &check).await.1, "behind", "nothing was changed");
    for change in ["insert or ignore into _sqlx_migrations select * from kept", "drop table kept"] {
        sqlx::query(AssertSqlSafe(change)).execute(&mut conn).await.expect("the change");
    }
    conn.close().await.expect("closed");
    world.part(Part::Server).kill();

    for (change, state, why) in [
        ("update _sqlx_migrations set version = 9999 where version = 13", "unfit", "a newer version of Slipway (schema 9999"),
        ("update _sqlx_migrations set version = 13, checksum = x'00' where version = 9999", "unfit", "has been modified"),
    ] {
        let mut conn = connected(&file).await;
        sqlx::query(AssertSqlSafe(change)).execute(&mut conn).await.expect("the change");
        let before = conn.list_applied_migrations("_sqlx_migrations").await.expect("a list").len();
        assert_eq!(counted(&world, &check).await.1, state);
        for args in [&check[..], &["--data-dir", &dir]] {
            let (code, _, said) = migrate(&world, args).await;
            assert_eq!((code, said.contains(why)), (Some(1), true), "{said}");
        }
        assert_eq!(conn.list_applied_migrations("_sqlx_migrations").await.expect("a list").len(), before);
        conn.close().await.expect("closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_database_is_made_ready_before_its_server() {
    let postgres = Postgres::start().await;
    let mut world = World::new();
    world.env.push(("SLIPWAY_DATABASE", postgres.url()));
    let (code, state, applied, pending) = counted(&world, &["--check"]).await;
    assert_eq!((code, state.as_str(), applied), (Some(6), "behind", 0));
    assert_eq!(counted(&world, &["--check"]).await.3, pending, "nothing is changed");
    assert_eq!(counted(&world, &[]).await, (Some(0), "current".to_owned(), pending, 0));
    world.start(Part::Server);
    world.ready().await;
    assert_eq!(counted(&world, &["--check"]).await.0, Some(0));
}
