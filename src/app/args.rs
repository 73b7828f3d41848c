//! The whole command line: the roles here, the user's commands in `cli`.

mod admin;

#[cfg(feature = "glue")]
pub(super) use admin::ReapArgs;
pub(super) use admin::{AdminCommand, BackupArgs, Listing, MigrateArgs, RestoreArgs};

use crate::{cli, wire::RunnerName};
use clap::{CommandFactory, Parser, Subcommand, builder::BoolishValueParser};
use secrecy::SecretString;
use std::path::PathBuf;

/// A queue of tasks for machines and Kubernetes clusters
#[derive(Debug, Parser)]
#[command(name = "slipway", version, disable_help_subcommand = true, after_help = EXAMPLES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  slipway up                            server and runner on this machine, nothing to set up
  slipway submit -- python train.py     submit a command and follow it
  slipway ls                            what runs and what waits
  slipway logs -f @                     the log of your last task, live
  slipway help exit-codes               what scripts can rely on; slipway help lists all there is
  eval \"$(slipway --slurm-aliases)\"     Slurm's words as shell functions: sbatch, srun, squeue, scancel, sinfo, sacct";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run server and runner on this machine
    #[command(after_help = UP_EXAMPLES)]
    Up(UpArgs),
    /// Run the queue server
    #[command(after_help = SERVER_EXAMPLES)]
    Server(ServerArgs),
    /// Run tasks on this machine for a server
    #[command(after_help = RUNNER_EXAMPLES, args_conflicts_with_subcommands = true)]
    Runner(RunnerArgs),
    /// Run tasks in a Kubernetes cluster for a server
    #[cfg(feature = "glue")]
    #[command(after_help = GLUE_EXAMPLES, args_conflicts_with_subcommands = true)]
    Glue(GlueArgs),
    /// Back up, restore, move and migrate a server's data
    #[command(subcommand, after_help = admin::EXAMPLES)]
    Admin(AdminCommand),
    #[command(flatten)]
    User(Box<cli::Command>),
}

const UP_EXAMPLES: &str = "\
Examples:
  slipway up                            until Ctrl-C; running tasks go on and are found again
  slipway up --demo                     also submits a sample task and follows it
  slipway up --demo --once              ends when that task does, with its result
  slipway up --kubernetes --listen 10.0.0.5:7227 --agent-image registry.acme.io/slipway-agent:1
                                        runs tasks as pods, which call 10.0.0.5";

const SERVER_EXAMPLES: &str = "\
Examples:
  slipway server                                          on 127.0.0.1:7227
  slipway server --listen 0.0.0.0:7227 --data-dir /srv/slipway --tls-cert tls.crt --tls-key tls.key";

const RUNNER_EXAMPLES: &str = "\
Examples:
  slipway runner --queues default,gpu --slots 4           for a server on this machine
  slipway runner --url https://queue.acme.io --token-file /etc/slipway/token
  slipway runner ls                                       every runner that the server knows
  slipway runner get prod-eu                              one of them";

#[cfg(feature = "glue")]
const GLUE_EXAMPLES: &str = "\
Examples:
  slipway glue --config glue.yaml                         in a pod, or where kubectl works
  slipway glue --config glue.yaml --context training      in another cluster of the kubeconfig
  slipway glue rbac --namespace research | kubectl apply -f -";

/// Logging, the same for all roles.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Logging")]
pub(super) struct LogArgs {
    /// What to log: a level, or a filter such as slipway=debug [default: info; warn for up]
    #[arg(long, value_name = "FILTER", env = "SLIPWAY_LOG", hide_env_values = true)]
    pub(super) log: Option<String>,
    /// How: text or json, on standard error
    #[arg(
        long,
        value_name = "FORMAT",
        env = "SLIPWAY_LOG_FORMAT",
        hide_env_values = true,
        value_enum,
        default_value = "text",
        hide_possible_values = true
    )]
    pub(super) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Where the server listens and keeps its data.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct StoreArgs {
    /// The address to listen on
    #[arg(long, value_name = "ADDR", env = "SLIPWAY_LISTEN", hide_env_values = true, default_value = "127.0.0.1:7227")]
    pub(super) listen: String,
    /// Where to keep database, logs and tokens [default: `$XDG_DATA_HOME/slipway`]
    #[arg(long, value_name = "DIR", env = "SLIPWAY_DATA_DIR", hide_env_values = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// The times of the protocol, for tests: a divisor of them all, or a JSON object with some of them.
    #[arg(long, env = "SLIPWAY_TIMES", hide = true, hide_env_values = true)]
    pub(super) times: Option<String>,
}

/// What a runner offers.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct OfferArgs {
    /// How many tasks to run at once [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) slots: Option<u32>,
    /// How many GPUs to hand out [default: the number of /dev/nvidia*]
    #[arg(long, value_name = "N")]
    pub(super) gpus: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(super) struct UpArgs {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) offer: OfferArgs,
    /// Submit a sample task and follow it; on this machine only, since it names no image
    #[arg(long, conflicts_with = "kubernetes")]
    pub(super) demo: bool,
    /// End when the sample task does, with its result
    #[arg(long, requires = "demo")]
    pub(super) once: bool,
    #[cfg(feature = "glue")]
    #[command(flatten)]
    pub(super) glue: UpGlueArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// Read who may call, by whose word, and how, from a YAML or JSON file (docs/CONFIGURATION.md)
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// Keep tasks in this Postgres database (`postgres://user@host/database`) and not in the data directory; servers that share one stand by for each other
    #[arg(long, value_name = "URL", env = "SLIPWAY_DATABASE", hide_env_values = true)]
    pub(super) database: Option<SecretString>,
    /// Speak https, with the certificate in this file and those that vouch for it (PEM); it is read again when it changes
    #[arg(long, value_name = "FILE", env = "SLIPWAY_TLS_CERT", hide_env_values = true, requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", env = "SLIPWAY_TLS_KEY", hide_env_values = true, requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct RunnerArgs {
    #[command(subcommand)]
    pub(super) command: Option<RunnerCommand>,
    /// The server's address [default: `http://127.0.0.1:7227`]
    // No value by default: it would go over the context of `runner ls`.
    #[arg(long, value_name = "URL", env = "SLIPWAY_URL", hide_env_values = true)]
    pub(super) url: Option<String>,
    /// Read the runner token from a file [default: DATA-DIR/runner-token]
    #[arg(long, value_name = "FILE", env = "SLIPWAY_TOKEN_FILE", hide_env_values = true)]
    pub(super) token_file: Option<PathBuf>,
    /// Trust the authorities in this file (PEM) too; its tasks' set-up gets them as well
    #[arg(long, value_name = "FILE", env = "SLIPWAY_CA_FILE", hide_env_values = true)]
    pub(super) ca_file: Option<PathBuf>,
    /// Send tokens over plain http to another machine, where whoever is on the way can read them
    #[arg(long, env = "SLIPWAY_ALLOW_PLAIN_HTTP", hide_env_values = true, value_parser = BoolishValueParser::new())]
    pub(super) allow_plain_http: bool,
    /// The queues to serve
    #[arg(long, value_name = "QUEUE,...", value_delimiter = ',', default_value = "*")]
    pub(super) queues: Vec<String>,
    #[command(flatten)]
    pub(super) offer: OfferArgs,
    /// The runner's name [default: the host's name and five characters, kept in the data directory]
    #[arg(long)]
    pub(super) name: Option<RunnerName>,
    /// Where to keep what belongs to running tasks [default: `$XDG_DATA_HOME/slipway`]
    #[arg(long, value_name = "DIR", env = "SLIPWAY_DATA_DIR", hide_env_values = true)]
    pub(super) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[cfg(feature = "glue")]
#[derive(Debug, clap::Args)]
pub(super) struct GlueArgs {
    #[command(subcommand)]
    pub(super) command: Option<GlueCommand>,
    /// The glue's file, YAML or JSON (docs/CONFIGURATION.md)
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// Which cluster.
#[cfg(feature = "glue")]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// The kubeconfig to use [default: in a pod its own cluster, else what kubectl takes]
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(super) context: Option<String>,
}

#[cfg(feature = "glue")]
#[derive(Debug, Subcommand)]
pub(super) enum GlueCommand {
    /// Print the rights that a glue needs, for kubectl apply
    Rbac(RbacArgs),
}

#[cfg(feature = "glue")]
#[derive(Debug, clap::Args)]
pub(super) struct RbacArgs {
    /// The namespace of the Jobs
    #[arg(long, short = 'n', value_name = "NAMESPACE")]
    pub(super) namespace: String,
    /// The namespace of the service account [default: that of the Jobs]
    #[arg(long, value_name = "NAMESPACE")]
    pub(super) account_namespace: Option<String>,
    /// The right to read the cluster's nodes too, for readNodes
    #[arg(long)]
    pub(super) nodes: bool,
    /// The rights to ask the cluster about queues too, for checkQueues
    #[arg(long)]
    pub(super) check: bool,
    /// A resource that queues name as their object, such as pytorchjobs.kubeflow.org; may be repeated
    #[arg(long, value_name = "PLURAL.GROUP")]
    pub(super) object: Vec<String>,
    /// What account, Role and binding are called
    #[arg(long, default_value = "slipway-glue")]
    pub(super) name: String,
    /// How: yaml or json
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "yaml", hide_possible_values = true)]
    pub(super) output: Manifest,
}

#[cfg(feature = "glue")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Manifest {
    Yaml,
    Json,
}

/// A glue in the place of the process runner.
#[cfg(feature = "glue")]
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Kubernetes")]
pub(super) struct UpGlueArgs {
    /// Run tasks in a Kubernetes cluster instead of on this machine
    #[arg(long, requires = "agent_image")]
    pub(super) kubernetes: bool,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    /// The namespace of the Jobs [default: that of the context]
    #[arg(long, value_name = "NAMESPACE", requires = "kubernetes")]
    pub(super) namespace: Option<String>,
    /// The image that brings slipway-agent into pods
    #[arg(long, value_name = "IMAGE", requires = "kubernetes")]
    pub(super) agent_image: Option<String>,
    /// The server's address as pods call it [default: the address of --listen]
    #[arg(long, value_name = "URL", requires = "kubernetes")]
    pub(super) agent_url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RunnerCommand {
    /// List runners
    #[command(after_help = cli::RUNNER_LS_EXAMPLES)]
    Ls(cli::RunnerLsArgs),
    /// Show one runner: what it carries, how it stands, on what
    #[command(after_help = cli::RUNNER_GET_EXAMPLES)]
    Get(cli::RunnerGetArgs),
}

/// The whole command line, for completion scripts and tests.
pub(super) fn root() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        root().debug_assert();
    }

    #[test]
    fn the_reference_of_the_command_line_is_made_from_it() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLI.md");
        let now = cli::reference(root());
        if std::fs::read_to_string(path).unwrap_or_default() != now {
            let fresh = std::env::temp_dir().join("slipway-CLI.md");
            std::fs::write(&fresh, now).unwrap();
            panic!("docs/CLI.md is stale; look at the difference, then: cp {} docs/CLI.md", fresh.display());
        }
    }

    #[test]
    fn what_the_runner_would_call_is_not_what_runner_ls_calls() {
        let cli = Cli::try_parse_from(["slipway", "runner", "ls", "--context", "lab"]).unwrap();
        let Command::Runner(RunnerArgs { command: Some(RunnerCommand::Ls(ls)), .. }) = cli.command else { panic!("not runner ls") };
        assert_eq!(format!("{ls:?}").matches("url: None").count(), 1, "{ls:?}");
    }

    #[test]
    fn the_roles_have_their_help() {
        let mut all = String::new();
        let mut command = root();
        command.build();
        all += &command.clone().term_width(110).render_help().to_string();
        for role in ["up", "server", "runner", "glue"] {
            let mut role = command.find_subcommand(role).expect(role).clone().term_width(110);
            all += "\n===\n";
            all += &role.render_help().to_string();
        }
        let admin = command.find_subcommand("admin").expect("admin");
        for admin in std::iter::once(admin).chain(admin.get_subcommands()) {
            all += "\n===\n";
            all += &admin.clone().term_width(110).render_help().to_string();
        }
        let trimmed: String = all.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
        insta::assert_snapshot!(trimmed);
    }
}
