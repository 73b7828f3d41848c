//! `slipway admin migrate`: the migrations of a database, listed or applied.

use super::archive::DATABASE;
use crate::{
    app::{
        args::{Listing, MigrateArgs},
        data_dir::DataDir,
        surroundings::{self, say},
    },
    cli::Exit,
    store::{MigrationRecord, MigrationStanding, Schema, Site, StoreError},
};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

/// Lists or applies them.
pub(super) async fn run(args: &MigrateArgs) -> Result<ExitCode> {
    let dir = args.site.data_dir.clone().unwrap_or_else(surroundings::data_dir);
    let file = dir.join(DATABASE);
    let site = match args.site.postgres(&file) {
        Some(url) => Site::Postgres(url),
        None if file.exists() => Site::File(&file),
        None => bail!("there is no database in {}: name the server's data directory with --data-dir", dir.display()),
    };
    let mut schema = Schema::look(site).await.context("cannot read the database")?;
    let mut applied = Vec::new();
    if !args.check && schema.unfit.is_none() && schema.is_behind() {
        let _lock = if matches!(site, Site::File(_)) { Some(DataDir::take(&dir)?) } else { None };
        match Schema::migrate(site).await {
            Err(StoreError::Taken) => {
                bail!("a server uses the database: stop it, or start it anew with this version, which migrates by itself")
            }
            done => done.context("cannot migrate the database")?,
        }
        applied = std::mem::take(&mut schema.migrations);
        applied.retain(|migration| migration.standing == MigrationStanding::Pending);
        schema = Schema::look(site).await.context("cannot read the database")?;
    }
    let behind = schema.is_behind();
    let state = match &schema.unfit {
        Some(_) => "unfit",
        None if behind => "behind",
        None => "current",
    };
    let now = |migration: &MigrationRecord| applied.iter().any(|applied| applied.version == migration.version);
    let text = match args.output {
        Listing::Table => table(&schema, now),
        Listing::Json => {
            json!({
                "database": site.kind(),
                "state": state,
                "reason": schema.unfit.as_ref().map(ToString::to_string),
                "migrations": schema.migrations.iter().map(|migration| json!({
                    "version": migration.version,
                    "name": migration.name,
                    "state": migration.standing.as_str(),
                    "now": now(migration),
                })).collect::<Vec<_>>(),
            })
            .to_string()
                + "\n"
        }
    };
    io::stdout().write_all(text.as_bytes())?;
    if let Some(unfit) = schema.unfit {
        return Err(anyhow!(unfit).context(format!("this version ({}) cannot serve the database", env!("CARGO_PKG_VERSION"))));
    }
    if behind {
        say("a server of this version applies what is pending when it starts, and older ones can serve it no more: back up before");
        return Ok(ExitCode::from(Exit::Conflict.code()));
    }
    if !args.check {
        say(format_args!("applied {}; a server of this version can serve the database", applied.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// One line each; those of this very run are told from earlier ones.
fn table(schema: &Schema, now: impl Fn(&MigrationRecord) -> bool) -> String {
    let width = schema.migrations.iter().map(|migration| migration.name.len()).max().unwrap_or(0);
    schema.migrations.iter().fold(String::new(), |mut text, migration| {
        let standing = if now(migration) { "applied now" } else { migration.standing.as_str() };
        let _ = writeln!(text, "{:04}  {:width$}  {standing}", migration.version, migration.name);
        text
    })
}
