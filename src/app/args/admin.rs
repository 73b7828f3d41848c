//! What `slipway admin` is told.

use crate::{cli, store::names_file};
use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway admin backup --data-dir /srv/slipway --to slipway.tar    while the server runs
  slipway admin backup --to - | zstd > slipway.tar.zst             compressed
  slipway admin restore --from slipway.tar --data-dir /srv/new     into a new directory (docs/OPERATIONS.md)
  slipway admin restore --from slipway.tar --data-dir /srv/new --database postgres://slipway@db/slipway
                                                                   into Postgres, also from SQLite
  slipway admin migrate --check                                    what a new version would change
  slipway admin reap --config glue.yaml                            Jobs that the server does not know
  slipway admin support-bundle                                     for whoever helps: what all parts say of themselves
  slipway admin mint-token > admin-token                           for a Secret that is made before the server";

#[derive(Debug, Subcommand)]
pub(in crate::app) enum AdminCommand {
    /// Copy database and logs into one file, also while the server runs
    #[command(after_help = "Not in it: the files with tokens, and what belongs to runners. The tokens in them hold after a restore.")]
    Backup(BackupArgs),
    /// Unpack a backup into a new data directory, or into an empty Postgres database
    #[command(after_help = "The server that the backup is of must not run any more. Its live attempts go on (docs/OPERATIONS.md).")]
    Restore(RestoreArgs),
    /// Bring the database of a server that does not run to this version, or say what that would do
    #[command(after_help = MIGRATE_HELP)]
    Migrate(MigrateArgs),
    /// List, or remove, Jobs that a glue finds in its cluster and the server does not know
    #[cfg(feature = "glue")]
    #[command(after_help = REAP_HELP)]
    Reap(ReapArgs),
    /// Write what helps to find a fault into one file, without anybody's secrets
    #[command(after_help = cli::BUNDLE_EXAMPLES)]
    SupportBundle(Box<cli::BundleArgs>),
    /// Print a fresh token that no server knows yet, to keep as the admin token (`adminTokenFile`)
    MintToken,
}

#[derive(Debug, clap::Args)]
pub(in crate::app) struct BackupArgs {
    #[command(flatten)]
    pub(in crate::app) site: SiteArgs,
    /// The file to write, which must not be there yet; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(in crate::app) to: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(in crate::app) struct RestoreArgs {
    /// The backup; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(in crate::app) from: PathBuf,
    /// The directory to make, or an empty one [default: `$XDG_DATA_HOME/slipway`]
    #[arg(long, value_name = "DIR", env = "SLIPWAY_DATA_DIR", hide_env_values = true)]
    pub(in crate::app) data_dir: Option<PathBuf>,
    /// Put the tasks into this Postgres database, which must be empty, and only the rest into the directory; the backup may be of either kind of database
    #[arg(long, value_name = "URL", env = "SLIPWAY_DATABASE", hide_env_values = true)]
    pub(in crate::app) database: Option<SecretString>,
}

impl RestoreArgs {
    /// The Postgres database to fill, where it is not the file in the data directory that is named.
    pub(in crate::app) fn postgres(&self, file: &Path) -> Option<&str> {
        postgres(self.database.as_ref(), file)
    }
}

const MIGRATE_HELP: &str = "\
A server does this by itself when it starts. Migrations only go forward: back up before.

Exit codes of --check: 0 nothing is to be done, 6 migrations are pending, 1 this version cannot serve the database.

Examples:
  slipway admin migrate --check --data-dir /srv/slipway            also while a server runs
  slipway admin migrate --check -o json                            for scripts";

#[derive(Debug, clap::Args)]
pub(in crate::app) struct MigrateArgs {
    /// Change nothing: list the migrations, and say whether this version can serve the database
    #[arg(long)]
    pub(in crate::app) check: bool,
    #[command(flatten)]
    pub(in crate::app) site: SiteArgs,
    /// How: table or json
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "table", hide_possible_values = true)]
    pub(in crate::app) output: Listing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::app) enum Listing {
    Table,
    Json,
}

#[cfg(feature = "glue")]
const REAP_HELP: &str = "\
Such Jobs began after the backup that the server was restored from, or another server made them. A glue never
touches them; they take its slots, and slipway doctor names them. Other kinds of objects are not looked at.

Examples:
  slipway admin reap --config glue.yaml                            what there is; nothing is removed
  slipway admin reap --config glue.yaml --yes                      remove what this installation has forgotten
  slipway admin reap --config glue.yaml --installation k3f9a       also what k3f9a made, before a restore";

#[cfg(feature = "glue")]
#[derive(Debug, clap::Args)]
pub(in crate::app) struct ReapArgs {
    /// The glue's file: its namespaces, its name, its server
    #[arg(long, value_name = "FILE")]
    pub(in crate::app) config: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::app) cluster: crate::app::args::ClusterArgs,
    /// An installation whose Jobs are meant too; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(in crate::app) installation: Vec<String>,
    /// Remove them, with their pods
    #[arg(long, short)]
    pub(in crate::app) yes: bool,
    /// How: table or json
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "table", hide_possible_values = true)]
    pub(in crate::app) output: Listing,
}

/// Where a server's data is.
#[derive(Debug, clap::Args)]
pub(in crate::app) struct SiteArgs {
    /// The server's data directory [default: `$XDG_DATA_HOME/slipway`]
    #[arg(long, value_name = "DIR", env = "SLIPWAY_DATA_DIR", hide_env_values = true)]
    pub(in crate::app) data_dir: Option<PathBuf>,
    /// The Postgres database that has the server's tasks in place of the data directory
    #[arg(long, value_name = "URL", env = "SLIPWAY_DATABASE", hide_env_values = true)]
    pub(in crate::app) database: Option<SecretString>,
}

impl SiteArgs {
    /// The Postgres database, where it is not the file in the data directory that is named.
    pub(in crate::app) fn postgres(&self, file: &Path) -> Option<&str> {
        postgres(self.database.as_ref(), file)
    }
}

fn postgres<'a>(database: Option<&'a SecretString>, file: &Path) -> Option<&'a str> {
    database.map(ExposeSecret::expose_secret).filter(|url| !names_file(url, file))
}
