//! Addresses of databases: which are refused, and what TLS makes of the others.

use crate::{
    postgres::Postgres,
    support::free_address,
    tls::{certify, end},
    world::{Part, World},
};
use slipway::wire::TaskState;
use sqlx::{Connection, PgConnection};
use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt};

/// What a server says that ends over its database's address.
async fn refused(world: &World, database: &str) -> String {
    let data = world.root.join("refused").display().to_string();
    let (code, said) = end(world.program(&["server", "--listen", "127.0.0.1:0", "--data-dir", &data, "--database", database])).await;
    assert_eq!(code, Some(1), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_speaks_tls_with_its_database_and_ends_where_it_cannot() {
    let mut world = World::new();
    let root = world.root.clone();
    certify(&root, "ours");
    certify(&root, "other");
    let file = |name: &str| root.join(name).display().to_string();
    fs::set_permissions(root.join("ours.key"), PermissionsExt::from_mode(0o600)).expect("a mode");
    let [secure, plain] = [(); 2].map(|()| free_address(Ipv4Addr::LOCALHOST.into()).port());
    let of = |port: u16| [format!("port={port}"), "listen_addresses=127.0.0.1,127.0.0.2".to_owned()];
    let with = ["ssl=on".to_owned(), format!("ssl_cert_file={}", file("ours.crt")), format!("ssl_key_file={}", file("ours.key"))];
    let (postgres, _plain) = tokio::join!(Postgres::with([of(secure).as_slice(), &with].concat()), Postgres::with(of(plain)));
    let at = |host: &str, port: u16, rest: &str| format!("postgres://slipway:secret@{host}:{port}/postgres?{rest}");
    let full = |ca: &str| format!("sslmode=verify-full&sslrootcert={}", file(ca));

    for (database, why) in [
        (at("localhost", secure, &full("other.ca")), "invalid peer certificate"),
        (at("127.0.0.2", secure, &full("ours.ca")), "not valid for name"),
        (at("localhost", secure, "sslmode=verify-full"), "UnknownIssuer"),
        (at("localhost", secure, &full("none.ca")), "cannot be read"),
        (at("localhost", plain, &full("ours.ca")), "server does not support TLS"),
        (at("localhost", plain, "sslmode=require"), "server does not support TLS"),
    ] {
        let said = refused(&world, &database).await;
        assert!(said.contains("no TLS with the database: ") && said.contains(why) && said.contains("sslrootcert=FILE"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }

    world.more = vec!["--database".to_owned(), at("localhost", secure, &full("ours.ca"))];
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let id = world.submit(&world.recorder.task("emit stored under TLS")).await;
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    let mut conn = PgConnection::connect(&format!("{}&port={secure}", postgres.url())).await.expect("a connection");
    let ours = "select count(*), count(*) filter (where ssl) from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'slipway'";
    let (all, under_tls): (i64, i64) = sqlx::query_as(ours).fetch_one(&mut conn).await.expect("an answer");
    assert!(all > 1 && all == under_tls, "{under_tls} of {all} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_ends_at_once_where_its_address_names_no_postgres() {
    let world = World::new();
    for (database, why) in [
        ("mysql://slipway:secret@localhost/slipway", "tasks cannot be kept in mysql"),
        ("slipway:secret@localhost/slipway", "it does not begin with postgres://"),
        ("sqlite:elsewhere.db", "--data-dir"),
    ] {
        let said = refused(&world, database).await;
        assert!(said.contains("not the address of a Postgres database") && said.contains(why) && !said.contains("secret"), "{said}");
        assert!(!said.contains("stands by"), "{said}");
    }
    // Its own file may be named, too.
    let mut world = world;
    world.more = vec!["--database".to_owned(), format!("sqlite:{}", world.data().join("slipway.db").display())];
    world.start(Part::Server);
    world.ready().await;
    assert!(world.data().join("slipway.db").exists());
}
