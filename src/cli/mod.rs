//! The user's commands: from arguments to requests, from answers to text and an exit code.
//!
//! `app` parses the command line with [`Command`] among its own commands, gathers the [`Surroundings`], and calls
//! [`run`]. Each command is one file: its arguments, a pure part that decides, a thin part that acts. Everything goes
//! over the public REST API, and everything is printed through [`Console`].

mod abandon;
mod after;
mod api;
mod array;
mod audit;
mod batch;
mod boost;
mod budget;
mod bundle;
mod cancel;
mod capture;
mod check;
mod code;
mod complete;
mod completion;
mod config;
mod console;
mod context;
mod contexts;
mod credential;
mod directives;
mod doctor;
mod documents;
mod ending;
mod events;
mod exit;
mod export;
mod file;
mod first_error;
mod follow;
mod format;
mod gather;
mod get;
#[cfg(test)]
mod help;
mod judged;
mod login;
mod logs;
mod ls;
mod nodes;
mod notes;
mod order;
mod outputs;
mod pair;
mod place;
mod point;
mod progress;
mod query;
mod queue;
mod rerun;
mod runner;
#[cfg(test)]
#[cfg(feature = "server")]
mod scenarios;
#[cfg(test)]
#[cfg(feature = "server")]
mod scripted;
mod several;
mod shift;
pub(crate) mod slurm;
mod span;
mod stats;
mod style;
mod submit;
mod switch;
pub(crate) mod table;
mod task_ref;
mod template;
#[cfg(test)]
mod testing;
mod token;
mod topics;
mod usage;
mod used;
mod verdict;
mod version;
mod wait;
mod watch;
mod whoami;
mod why;

pub use abandon::AbandonArgs;
pub use after::AfterArgs;
pub use api::ApiArgs;
pub use audit::AuditArgs;
pub use boost::BoostArgs;
pub use budget::BudgetArgs;
pub use bundle::{BundleArgs, EXAMPLES as BUNDLE_EXAMPLES};
pub use cancel::CancelArgs;
pub use complete::{Around, VARIABLE as COMPLETE_VARIABLE, completing};
pub use completion::CompletionArgs;
pub use config::{ConfigArgs, Sources};
pub use console::{ColorChoice, Console, Sink, Terminal};
pub use context::{Common, Context, DEFAULT_URL, Surroundings};
pub use credential::Credential;
pub(crate) use directives::directives;
pub use doctor::DoctorArgs;
pub use events::EventsArgs;
pub use exit::{Exit, Failure};
pub use export::ExportArgs;
pub(crate) use file::parse as parse_file;
pub use follow::{follow, wait as wait_for_end};
pub use format::Format;
pub use get::GetArgs;
pub use login::{LoginArgs, LogoutArgs};
pub use logs::LogsArgs;
pub use ls::LsArgs;
pub use nodes::NodesArgs;
pub use outputs::OutputsArgs;
pub use place::Place;
pub use query::Query;
pub use queue::QueueArgs;
pub use rerun::RerunArgs;
pub use runner::{EXAMPLES as RUNNER_LS_EXAMPLES, GET_EXAMPLES as RUNNER_GET_EXAMPLES, RunnerGetArgs, RunnerLsArgs};
pub use shift::MoveArgs;
pub use stats::StatsArgs;
pub use submit::SubmitArgs;
pub use switch::ContextArgs;
pub use task_ref::TaskRef;
pub use template::TemplateArgs;
pub use token::TokenArgs;
pub use topics::HelpArgs;
#[cfg(test)]
pub(crate) use topics::markdown as reference;
pub use usage::UsageArgs;
pub use version::VersionArgs;
pub use wait::WaitArgs;
pub use watch::WatchArgs;
pub use whoami::WhoamiArgs;
pub use why::WhyArgs;

use config::Config;

/// The user's commands, to be flattened into the program's.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Submit a task
    #[command(after_help = submit::EXAMPLES)]
    Submit(Box<SubmitArgs>),
    /// List tasks
    #[command(visible_alias = "ps", after_help = ls::EXAMPLES)]
    Ls(LsArgs),
    /// Show one task and its attempts
    #[command(after_help = get::EXAMPLES)]
    Get(GetArgs),
    /// Say why a task waits, or ended as it did
    #[command(after_help = why::EXAMPLES)]
    Why(WhyArgs),
    /// Print or follow a task's log
    #[command(after_help = logs::EXAMPLES)]
    Logs(LogsArgs),
    /// Show what happened to a task, and when
    #[command(after_help = events::EXAMPLES)]
    Events(EventsArgs),
    /// Show where a task's time went, and what it used
    #[command(after_help = stats::EXAMPLES)]
    Stats(StatsArgs),
    /// List and fetch the files that a task left
    #[command(after_help = outputs::EXAMPLES)]
    Outputs(OutputsArgs),
    /// Stop tasks
    #[command(after_help = cancel::EXAMPLES)]
    Cancel(CancelArgs),
    /// Wait until tasks end
    #[command(after_help = wait::EXAMPLES)]
    Wait(WaitArgs),
    /// Watch tasks until they end
    #[command(after_help = watch::EXAMPLES)]
    Watch(WatchArgs),
    /// Submit a task once more
    #[command(after_help = rerun::EXAMPLES)]
    Rerun(RerunArgs),
    /// Change the order of your tasks in a queue
    #[command(after_help = shift::EXAMPLES)]
    Move(MoveArgs),
    /// Put tasks before every priority
    #[command(after_help = boost::EXAMPLES)]
    Boost(BoostArgs),
    /// Give up an attempt whose machine is gone for good
    #[command(after_help = abandon::EXAMPLES)]
    Abandon(AbandonArgs),
    /// Show and change queues
    #[command(after_help = queue::EXAMPLES)]
    Queue(QueueArgs),
    /// Render, explain and judge templates without a server
    #[command(after_help = template::EXAMPLES)]
    Template(TemplateArgs),
    /// Show and change what queues may use together
    #[command(after_help = budget::EXAMPLES)]
    Budget(BudgetArgs),
    /// List the machines of the clusters
    #[command(after_help = nodes::EXAMPLES)]
    Nodes(NodesArgs),
    /// Check that all of an installation works, and say what to do where it does not
    #[command(visible_alias = "verify", after_help = doctor::EXAMPLES)]
    Doctor(Box<DoctorArgs>),
    /// Print history as lines of JSON
    #[command(after_help = export::EXAMPLES)]
    Export(ExportArgs),
    /// Add up what was used, by user, queue or label
    #[command(after_help = usage::EXAMPLES)]
    Usage(UsageArgs),
    /// Make any call of the API
    #[command(after_help = api::EXAMPLES)]
    Api(ApiArgs),
    /// Show who did what
    #[command(after_help = audit::EXAMPLES)]
    Audit(AuditArgs),
    /// Make, list, rotate and revoke tokens
    #[command(after_help = token::EXAMPLES)]
    Token(TokenArgs),
    /// Keep a server's address and your token
    #[command(after_help = login::LOGIN_EXAMPLES)]
    Login(LoginArgs),
    /// Forget a token that was kept
    #[command(after_help = login::LOGOUT_EXAMPLES)]
    Logout(LogoutArgs),
    /// List and choose the servers that are kept
    #[command(after_help = switch::EXAMPLES)]
    Context(ContextArgs),
    /// Show and change what commands do where nothing is typed
    #[command(after_help = config::EXAMPLES)]
    Config(ConfigArgs),
    /// Show who the server takes you for
    #[command(after_help = whoami::EXAMPLES)]
    Whoami(WhoamiArgs),
    /// Show the versions of this program and of the server
    #[command(after_help = version::EXAMPLES)]
    Version(VersionArgs),
    /// Print a script that teaches a shell to complete commands
    #[command(after_help = completion::EXAMPLES)]
    Completion(CompletionArgs),
    /// Explain a command, the exit codes, the variables or a reason
    #[command(after_help = topics::EXAMPLES)]
    Help(HelpArgs),
    /// What `app` hangs below its own `runner`.
    #[command(skip)]
    RunnerLs(RunnerLsArgs),
    /// The same.
    #[command(skip)]
    RunnerGet(RunnerGetArgs),
    /// What `app` hangs below its own `admin`.
    #[command(skip)]
    SupportBundle(BundleArgs),
}

impl Command {
    fn common(&self) -> Common {
        match self {
            Self::Submit(args) => args.common.clone(),
            Self::Ls(args) => args.common.clone(),
            Self::Get(args) => args.common.clone(),
            Self::Why(args) => args.common.clone(),
            Self::Logs(args) => args.common.clone(),
            Self::Events(args) => args.common.clone(),
            Self::Stats(args) => args.common.clone(),
            Self::Outputs(args) => args.common.clone(),
            Self::Cancel(args) => args.common.clone(),
            Self::Wait(args) => args.common.clone(),
            Self::Watch(args) => args.common.clone(),
            Self::Rerun(args) => args.common.clone(),
            Self::Move(args) => args.common.clone(),
            Self::Boost(args) => args.common.clone(),
            Self::Abandon(args) => args.common.clone(),
            Self::Queue(args) => args.common.clone(),
            Self::Template(args) => args.common.clone(),
            Self::Budget(args) => args.common.clone(),
            Self::Nodes(args) => args.common.clone(),
            Self::Doctor(args) => args.common.clone(),
            Self::Export(args) => args.common.clone(),
            Self::Usage(args) => args.common.clone(),
            Self::Api(args) => args.common.clone(),
            Self::Audit(args) => args.common.clone(),
            Self::Token(args) => args.common.clone(),
            Self::Login(args) => args.common.clone(),
            Self::Logout(args) => args.common.clone(),
            Self::Context(args) => args.common.clone(),
            Self::Config(args) => args.common.clone(),
            Self::Whoami(args) => args.common.clone(),
            Self::Version(args) => args.common.clone(),
            Self::RunnerLs(args) => args.common.clone(),
            Self::RunnerGet(args) => args.common.clone(),
            Self::SupportBundle(args) => args.common.clone(),
            Self::Completion(_) | Self::Help(_) => Common::default(),
        }
    }

    /// Whether it can do without a configuration that makes no sense: to explain itself, and to mend one.
    fn needs_config(&self) -> bool {
        match self {
            Self::Completion(_) | Self::Help(_) => false,
            Self::Config(args) => args.reads(),
            _ => true,
        }
    }
}

/// Runs a command to its end, prints what it has to say, and returns how it ended. Never panics and never exits.
///
/// Should `around.interrupt` be cancelled meanwhile, it stops at once with [`Exit::Interrupted`] and says what goes on
/// without it; a submitted task is never cancelled by that.
pub async fn run(command: Command, around: Surroundings) -> Exit {
    let (config, fault) = match Config::load(&around.sources) {
        Ok(config) => (config, None),
        Err(fault) => (Config::default(), Some(fault)),
    };
    let context = Context::new(command.common(), around, config);
    if let Some(fault) = fault.filter(|_| command.needs_config()) {
        context.console.report(&fault);
        return fault.exit;
    }
    let ended = tokio::select! {
        biased;
        ended = Box::pin(dispatch(command, &context)) => ended,
        () = context.interrupt.cancelled() => Err(follow::interrupted(&context)),
    };
    ended.unwrap_or_else(|failure| {
        context.console.report(&failure);
        failure.exit
    })
}

async fn dispatch(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Submit(args) => submit::run(*args, context).await,
        Command::Ls(args) => ls::run(args, context).await,
        Command::Get(args) => get::run(args, context).await,
        Command::Why(args) => why::run(args, context).await,
        Command::Logs(args) => logs::run(args, context).await,
        Command::Events(args) => events::run(args, context).await,
        Command::Stats(args) => stats::run(args, context).await,
        Command::Outputs(args) => outputs::run(args, context).await,
        Command::Cancel(args) => cancel::run(args, context).await,
        Command::Wait(args) => wait::run(args, context).await,
        Command::Watch(args) => watch::run(args, context).await,
        Command::Rerun(args) => rerun::run(args, context).await,
        Command::Move(args) => shift::run(args, context).await,
        Command::Boost(args) => boost::run(args, context).await,
        Command::Abandon(args) => abandon::run(args, context).await,
        Command::Queue(args) => queue::run(args, context).await,
        Command::Template(args) => template::run(args, context).await,
        Command::Budget(args) => budget::run(args, context).await,
        Command::Nodes(args) => nodes::run(args, context).await,
        Command::Doctor(args) => Box::pin(doctor::run(*args, context)).await,
        Command::Export(args) => export::run(args, context).await,
        Command::Usage(args) => usage::run(args, context).await,
        Command::Api(args) => api::run(args, context).await,
        Command::Audit(args) => audit::run(args, context).await,
        Command::Token(args) => token::run(args, context).await,
        Command::Login(args) => login::login(args, context).await,
        Command::Logout(args) => login::logout(args, context),
        Command::Context(args) => switch::run(args, context),
        Command::Config(args) => config::run(&args, context),
        Command::Whoami(args) => whoami::run(args, context).await,
        Command::Version(args) => version::run(args, context).await,
        Command::Completion(args) => completion::run(&args, context),
        Command::Help(args) => topics::run(&args, context),
        Command::RunnerLs(args) => runner::ls(args, context).await,
        Command::RunnerGet(args) => runner::get(args, context).await,
        Command::SupportBundle(args) => Box::pin(bundle::run(args, context)).await,
    }
}
