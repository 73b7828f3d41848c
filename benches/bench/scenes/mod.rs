//! What is measured of our server alone, one scene after the other, each on a server of its own.

mod attempt;
mod depth;
mod followers;
mod ingest;
mod kill;
mod latency;
mod list;
mod scaling;
mod snapshot;

use crate::{
    Failure,
    figures::Figures,
    options::Options,
    postgres::Postgres,
    server::{Database, can_postgres},
};
use futures::future::LocalBoxFuture;
use std::path::{Path, PathBuf};

/// What a scene plays with.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'a> {
    /// Of its own.
    pub(crate) dir: &'a Path,
    pub(crate) options: &'a Options,
    /// Where there is one.
    pub(crate) postgres: Option<&'a Postgres>,
}

type Scene = for<'a> fn(Stage<'a>, &'a mut Figures) -> LocalBoxFuture<'a, Result<(), Failure>>;

const SCENES: &[(&str, Scene)] = &[
    ("latency", |stage, figures| Box::pin(latency::measure(stage, figures))),
    ("scaling", |stage, figures| Box::pin(scaling::measure(stage, figures))),
    ("list", |stage, figures| Box::pin(list::measure(stage, figures))),
    ("ingest", |stage, figures| Box::pin(ingest::measure(stage, figures))),
    ("followers", |stage, figures| Box::pin(followers::measure(stage, figures))),
    ("depth", |stage, figures| Box::pin(depth::measure(stage, figures))),
    ("kill", |stage, figures| Box::pin(kill::measure(stage, figures))),
    ("snapshot", |stage, figures| Box::pin(snapshot::measure(stage, figures))),
];

/// Plays all, or the one that the options name. A scene that fails is void and ends none of the others.
pub(crate) async fn play(dir: &Path, options: &Options, postgres: Option<&Postgres>, figures: &mut Figures) -> Result<(), Failure> {
    for (name, scene) in SCENES.iter().filter(|(name, _)| options.plays(name)) {
        eprintln!("scene: {name}");
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir)?;
        let stage = Stage { dir: &dir, options, postgres };
        if let Err(error) = scene(stage, figures).await {
            figures.void(*name, error.to_string());
        }
        std::fs::remove_dir_all(dir)?;
    }
    Ok(())
}

/// Where a server lives in a scene that is played on both databases.
pub(crate) struct Home {
    /// The names of its figures begin so.
    pub(crate) prefix: &'static str,
    pub(crate) dir: PathBuf,
    pub(crate) database: Database,
}

/// One on each database that there is.
pub(crate) async fn homes(stage: Stage<'_>, name: &'static str) -> Result<Vec<Home>, Failure> {
    let mut all = vec![Home { prefix: "", dir: stage.dir.join("sqlite"), database: Database::Sqlite }];
    if let Some(postgres) = stage.postgres.filter(|_| can_postgres().unwrap_or(false)) {
        let database = Database::Postgres(postgres.database(name).await?);
        all.push(Home { prefix: "Postgres: ", dir: stage.dir.join("postgres"), database });
    }
    Ok(all)
}
