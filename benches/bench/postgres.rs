//! A throw-away PostgreSQL of the machine's own binaries, durable as it comes, on a socket that only this machine reaches.

use crate::{Failure, machine};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Settings for a small machine; durability stays on.
const SETTINGS: &str = "
listen_addresses = ''
max_connections = 100
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
fsync = on
synchronous_commit = on
full_page_writes = on
";

/// The user that it runs as where we are root, which it refuses.
const USER: &str = "postgres";

/// A place for what is measured: this one, or the machine's for temporary files where we are root and the user that PostgreSQL runs as
/// does not get to this one, as below a home directory of root.
pub(crate) fn reachable(place: &Path) -> PathBuf {
    let open = |dir: &Path| fs::metadata(dir).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0);
    let is_root = nix::unistd::Uid::effective().is_root();
    if is_root && !place.ancestors().all(open) { std::env::temp_dir() } else { place.to_owned() }
}

/// Stops when it is let go.
pub(crate) struct Postgres {
    child: Child,
    bin: PathBuf,
    dir: PathBuf,
}

impl Postgres {
    /// Makes a cluster in a directory and waits until it answers.
    pub(crate) async fn start(dir: &Path) -> Result<Self, Failure> {
        let bin = binaries()?;
        let (data, owner) = (dir.join("data"), owner()?);
        fs::create_dir_all(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
        if let Some((uid, gid)) = owner {
            chown(dir, Some(uid), Some(gid))?;
        }
        let made = command(&bin.join("initdb"), owner)
            .args(["--auth=trust", "--encoding=UTF8", "--no-locale", "--username", USER, "--pgdata"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()?;
        if !made.success() {
            return Err(format!("initdb ended with {made}").into());
        }
        let settings = fs::read_to_string(data.join("postgresql.conf"))? + SETTINGS;
        fs::write(data.join("postgresql.conf"), settings)?;
        let log = fs::File::create(dir.join("log"))?;
        let child =
            command(&bin.join("postgres"), owner).arg("-D").arg(&data).arg("-k").arg(dir).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut postgres = Self { child, bin, dir: dir.to_owned() };
        let began = machine::now();
        while let Err(error) = postgres.connect("postgres").await {
            if began.elapsed() > Duration::from_secs(30) || postgres.child.try_wait()?.is_some() {
                let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
                return Err(format!("PostgreSQL did not start: {error}\n{log}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(postgres)
    }

    /// A fresh database; its URL.
    pub(crate) async fn database(&self, name: &'static str) -> Result<String, Failure> {
        let create = sqlx::AssertSqlSafe(format!("create database {name}"));
        sqlx::raw_sql(create).execute(&mut self.connect("postgres").await?).await?;
        let socket = self.dir.to_string_lossy().replace('/', "%2F");
        Ok(format!("postgres://{USER}@{socket}/{name}"))
    }

    pub(crate) async fn connect(&self, database: &str) -> Result<PgConnection, Failure> {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.dir).username(USER).database(database);
        Ok(PgConnection::connect_with(&options).await?)
    }

    /// Bytes of WAL written so far.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) async fn wal(&self) -> Result<f64, Failure> {
        let query = "select (pg_current_wal_insert_lsn() - '0/0')::bigint";
        let bytes: i64 = sqlx::query_scalar(query).fetch_one(&mut self.connect("postgres").await?).await?;
        Ok(bytes as f64)
    }

    /// Its own `pgbench` on a database.
    pub(crate) fn pgbench(&self, database: &str) -> Command {
        let mut command = Command::new(self.bin.join("pgbench"));
        command.arg("-h").arg(&self.dir).args(["-U", USER, "-n", "-M", "prepared", "-j", "2"]).arg(database);
        command
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT: it disconnects everybody and stops.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT);
        }
        let _ = self.child.wait();
    }
}

/// The newest installed version's programs.
fn binaries() -> Result<PathBuf, Failure> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.filter(|path| path.join("bin/initdb").exists()).max_by_key(version);
    newest
        .map(|path| path.join("bin"))
        .ok_or_else(|| "no PostgreSQL below /usr/lib/postgresql: install the Debian package `postgresql`".into())
}

/// Whom it runs as, where we are root.
fn owner() -> Result<Option<(u32, u32)>, Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let user = nix::unistd::User::from_name(USER)?.ok_or("no user `postgres`: install the Debian package `postgresql`")?;
    Ok(Some((user.uid.as_raw(), user.gid.as_raw())))
}

fn command(program: &Path, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = owner {
        std::os::unix::process::CommandExt::uid(std::os::unix::process::CommandExt::gid(&mut command, gid), uid);
    }
    // Where the caller stands may be closed to that user.
    command.current_dir("/");
    command
}
