//! The glue's role, alone and inside `up`.

use super::{
    ambient::{SystemClock, SystemRng},
    args::{ClusterArgs, GlueArgs, Manifest, RbacArgs, UpGlueArgs},
    file, runner, surroundings,
};
use crate::{
    client::{Bearer, Client, authorities_in},
    runner::kubernetes::{
        self, Ambient, Config, File, Found, Reach, Surrounding,
        rbac::{node_objects, objects},
    },
    template::formats::{self, Level, Note},
};
use anyhow::{Context, Result, anyhow};
use serde_json::json;
use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

/// What is logged unless told otherwise: the loop says itself when the API server is away.
pub(super) const LOG: &str = "info,kube_client=off,kube_runtime=error";

/// `slipway glue`.
pub(super) async fn run(args: GlueArgs) -> Result<()> {
    let stop = surroundings::stop()?;
    let Prepared { config, found, token } = prepare(args.config.as_deref(), &args.cluster).await?;
    carry(config, found, token, stop).await
}

/// What a glue is told, and the cluster that it is for.
pub(super) struct Prepared {
    pub(super) config: Config,
    pub(super) found: Found,
    pub(super) token: Bearer,
}

/// Reads a glue's file and what stands around it.
pub(super) async fn prepare(path: Option<&Path>, cluster: &ClusterArgs) -> Result<Prepared> {
    let file = path.map_or(Ok(File::default()), read)?;
    let found = find(cluster).await?;
    let token =
        match (surroundings::variable("SLIPWAY_TOKEN"), &file.token_file) {
            (Some(token), _) => Bearer::Fixed(token.into()),
            (None, Some(path)) => runner::token(path)?,
            (None, None) => {
                let path = surroundings::variable("SLIPWAY_TOKEN_FILE").map(PathBuf::from);
                runner::token(&path.context(
                    "tokenFile: name a file with the runner token (slipway token create NAME --role runner), or set SLIPWAY_TOKEN",
                )?)?
            }
        };
    let ca = file.ca_file.clone().or_else(|| surroundings::variable("SLIPWAY_CA_FILE").map(PathBuf::from));
    let ca = ca.as_deref().map(authorities_in).transpose().map_err(|why| anyhow!("caFile: {why}"))?.flatten();
    let allowed = surroundings::variable("SLIPWAY_ALLOW_PLAIN_HTTP").is_some_and(|said| said == "true" || said == "1");
    let file = File { allow_plain_http: file.allow_plain_http || allowed, ..file };
    let around = Surrounding { ca, ..surrounding(&found, surroundings::variable("SLIPWAY_URL")) };
    let config = Config::new(file, around).map_err(|error| match path {
        Some(path) => anyhow!("{}: {error}", path.display()),
        None => anyhow!("{error}; write it into a file and name that with --config"),
    })?;
    Ok(Prepared { config, found, token })
}

/// The server that a glue works for.
pub(super) fn server(config: &Config, token: Bearer) -> Result<Client> {
    let client = Client::trusting(&config.url, None, &format!("slipway-glue/{}", config.version), config.ca.as_deref())?;
    // The address was judged with the rest of the configuration.
    Ok(client.with_bearer(token).allowing_plain_http(true))
}

/// A glue that is about to run inside `up`.
pub(super) struct Beside {
    found: Found,
    config: Config,
}

impl Beside {
    /// Finds the cluster for a server that will listen on `listen`. Before that server starts, so that nothing is begun that
    /// cannot go on.
    pub(super) async fn prepare(args: &UpGlueArgs, listen: &str) -> Result<Self> {
        let found = find(&args.cluster).await?;
        let agent_url = args.agent_url.clone().unwrap_or_else(|| format!("http://{listen}"));
        let file = File {
            agent_url: Some(agent_url),
            namespaces: args.namespace.clone().into_iter().collect(),
            agent_image: args.agent_image.clone(),
            // Whoever lets `up` listen for pods has no other way, and the server warns.
            allow_plain_http: true,
            // Any port: what watches over `up` asks its server.
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            ..File::default()
        };
        let config = Config::new(file, surrounding(&found, Some(format!("http://{listen}")))).map_err(|error| {
            anyhow!("{error}\nHere: slipway up --kubernetes --listen ADDRESS:PORT, or --listen 0.0.0.0:PORT with --agent-url http://ADDRESS:PORT")
        })?;
        Ok(Self { found, config })
    }

    /// Runs it for the server at `url`.
    pub(super) async fn carry(self, url: &str, token: Bearer, stop: CancellationToken) -> Result<()> {
        carry(Config { url: url.to_owned(), ..self.config }, self.found, token, stop).await
    }
}

async fn carry(config: Config, found: Found, token: Bearer, stop: CancellationToken) -> Result<()> {
    let client = server(&config, token)?;
    let ambient = Ambient { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
    tracing::info!(cluster = found.server(), namespaces = config.namespaces.join(","), server = config.url, "starting");
    Ok(kubernetes::run(config, found, client, ambient, stop).await?)
}

async fn find(args: &ClusterArgs) -> Result<Found> {
    let in_pod = surroundings::variable("KUBERNETES_SERVICE_HOST").is_some();
    let reach = Reach { kubeconfig: args.kubeconfig.clone(), context: args.context.clone(), in_pod };
    kubernetes::find(&reach).await.map_err(anyhow::Error::msg)
}

fn surrounding(found: &Found, url: Option<String>) -> Surrounding {
    let (namespace, version) = (found.namespace().to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    Surrounding { namespace, in_pod: found.in_pod, url, ca: None, version }
}

/// The glue's file.
fn read(path: &Path) -> Result<File> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<File> {
    if let Some((file, notes)) = formats::glue(text) {
        return of_values(name, file, &notes);
    }
    file::parse(name, text)
}

/// The file that values of ClearML's agent amount to.
fn of_values(name: &str, file: serde_json::Value, notes: &[Note]) -> Result<File> {
    let (errors, others): (Vec<_>, Vec<_>) = notes.iter().partition(|note| note.level == Level::Error);
    for note in others {
        tracing::info!("{name}:{note}");
    }
    if !errors.is_empty() {
        return Err(anyhow!(errors.iter().map(|note| format!("{name}:{note}")).collect::<Vec<_>>().join("\n")));
    }
    serde_json::from_value(file).with_context(|| format!("cannot read {name}"))
}

/// `slipway glue rbac`.
pub(super) fn rbac(args: &RbacArgs) -> Result<()> {
    let account_namespace = args.account_namespace.as_deref().unwrap_or(&args.namespace);
    let mut all = objects(&args.name, &args.namespace, account_namespace, &args.object, args.check);
    if args.nodes {
        all.extend(node_objects(&args.name, account_namespace));
    }
    let text = match args.output {
        Manifest::Yaml => all.iter().map(serde_yaml::to_string).collect::<Result<Vec<_>, _>>()?.join("---\n"),
        Manifest::Json => serde_json::to_string_pretty(&json!({"apiVersion": "v1", "kind": "List", "items": all}))? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes()).context("cannot write the rights")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_glues_file() {
        let around = Surrounding { namespace: "default".into(), in_pod: true, url: None, ca: None, version: "0".into() };
        let file = parse("examples/glue.yaml", include_str!("../../examples/glue.yaml")).unwrap();
        let config = Config::new(file, around).unwrap();
        assert_eq!(config.served(), ["cpu", "gpu-a100"]);
        for layer in config.base.iter().chain(config.overlays.values()) {
            assert_eq!(crate::template::check(layer), [], "{layer}");
        }
    }

    #[test]
    fn values_of_clearml_are_a_glues_file() {
        let text = "url: http://slipway:7227\nallowPlainHttp: true\nagentImage: agent:1\nagentk8sglue:\n  maxPods: 9\n  basePodTemplate: {nodeSelector: {zone: a}}\n  queues:\n    gpu:\n      templateOverrides: {labels: {team: core}}\n      queueSettings: {maxPods: 7}\n";
        let around = Surrounding { namespace: "default".into(), in_pod: true, url: None, ca: None, version: "0".into() };
        let config = Config::new(parse("values.yaml", text).unwrap(), around).unwrap();
        assert_eq!((config.max_pods, config.served()), (9, vec!["gpu".to_owned()]));
        assert_eq!(config.caps.values().collect::<Vec<_>>(), [&7]);
        assert_eq!(config.base.unwrap()["spec"]["nodeSelector"]["zone"], "a");
        assert_eq!(config.overlays.values().next().unwrap()["remove"], json!(["/metadata/labels"]));
        let wrong =
            parse("values.yaml", "agentk8sglue:\n  queues: {gpu: {templateOverrides: {nodeSelectr: {}, x: 1}}}\n").unwrap_err().to_string();
        assert!(wrong.starts_with("values.yaml:2:") && wrong.contains("unknown key"), "{wrong}");
    }

    #[test]
    fn faults_are_named_with_place_and_remedy() {
        let all = [
            "agentImge: a\n",
            "queues: 7\n",
            "queues:\n  gpu:\n    podTemplat: {}\n",
            "maxPods: many\n",
            "url: a\nurl: b\n",
            "queues: [a b]\n",
        ]
        .map(|text| parse("glue.yaml", text).unwrap_err().to_string())
        .join("\n");
        insta::assert_snapshot!(all);
    }
}
