//! What a glue goes by: the file that people write, and what becomes of it.

use crate::{
    client::in_clear,
    domain::certificates,
    template,
    wire::{QueueName, RunnerName},
};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf};

/// A glue's name where the file says none.
const NAME: &str = "kubernetes";
/// The port of health and metrics where the file names none.
const PORT: u16 = 7228;
/// Four writes a task: fifty tasks a second. The API server bounds what it takes by itself (429, which is tried again later), and never
/// more than a few dozen calls of ours are open at once; this bounds only how fast many short ones may follow each other.
const QPS: u32 = 200;
const BURST: u32 = 2 * QPS;

/// The file of `slipway glue --config`, YAML or JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct File {
    /// The runner's name, the same for all replicas; default `kubernetes`.
    pub name: Option<RunnerName>,
    /// What people call the cluster.
    pub cluster: Option<String>,
    /// The server's address.
    pub url: Option<String>,
    /// The server's address as pods call it; default `url`.
    pub agent_url: Option<String>,
    /// A file with the authorities (PEM) that the glue, the agents in its pods and the set-up of their tasks trust, beside those of
    /// the glue's system and of each pod's image.
    pub ca_file: Option<PathBuf>,
    /// Whether tokens may travel over plain http, to the server and from pods; default no.
    pub allow_plain_http: bool,
    /// A file with the runner token.
    pub token_file: Option<PathBuf>,
    /// The namespaces that Jobs may stand in, the first by default; default that of the kubeconfig's context, or the
    /// glue's own.
    pub namespaces: Vec<String>,
    /// The queues it serves: a list of names, or a map with what is laid over each one's template; default `*`.
    pub queues: Queues,
    /// What is laid under the template of every queue.
    pub base: LayerFile,
    /// The most pods at once; default 100.
    pub max_pods: Option<u32>,
    /// The most pods of one queue that do not run yet; default 20.
    pub max_unstarted: Option<u32>,
    /// The image that brings `slipway-agent` into pods.
    pub agent_image: Option<String>,
    /// When that image is pulled: `Always`, `IfNotPresent` or `Never`.
    pub agent_image_pull_policy: Option<PullPolicy>,
    /// The address of health and metrics; default port 7228, of all addresses in a pod and of this machine elsewhere.
    pub listen: Option<SocketAddr>,
    /// Writes to the API server per second, on average; default 200.
    pub qps: Option<u32>,
    /// Writes to the API server at once; default 400.
    pub burst: Option<u32>,
    /// Whether it reads the cluster's nodes and tells the server, which then says what never fits; default no. It takes a
    /// right for the whole cluster (`slipway glue rbac --nodes`).
    pub read_nodes: bool,
    /// Whether it asks its cluster about each queue by dry run and tells the server what would be refused; default no. It takes
    /// rights of its own (`slipway glue rbac --check`).
    pub check_queues: bool,
}

/// One layer of a template.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LayerFile {
    /// A part of a `PodTemplateSpec`, as a queue's.
    pub pod_template: Option<Value>,
    /// Of one queue: the most of its pods here at once.
    pub max_pods: Option<u32>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PullPolicy {
    /// Before every start.
    Always,
    /// Where the node has none.
    IfNotPresent,
    /// Never.
    Never,
}

impl PullPolicy {
    /// Kubernetes' word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// The queues of a glue; empty is all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queues(pub BTreeMap<QueueName, LayerFile>);

impl<'de> Deserialize<'de> for Queues {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // By hand, because an untagged enum would lose the place of a fault.
        struct Shape;
        impl<'de> de::Visitor<'de> for Shape {
            type Value = Queues;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of queues, or a map from queues to layers")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Queues, A::Error> {
                let mut queues = BTreeMap::new();
                let mut all = false;
                while let Some(name) = list.next_element::<String>()? {
                    if name == "*" {
                        all = true;
                    } else if queues.insert(name.parse().map_err(de::Error::custom)?, LayerFile::default()).is_some() {
                        return Err(de::Error::custom(format!("queue {name:?} is named twice")));
                    }
                }
                if all && !queues.is_empty() {
                    return Err(de::Error::custom("\"*\" is every queue: name it alone"));
                }
                Ok(Queues(queues))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Queues, A::Error> {
                let mut queues = BTreeMap::new();
                while let Some((name, layer)) = map.next_entry::<QueueName, Option<LayerFile>>()? {
                    queues.insert(name, layer.unwrap_or_default());
                }
                Ok(Queues(queues))
            }
        }
        from.deserialize_any(Shape)
    }
}

/// What the file leaves to its surroundings.
#[derive(Clone, Debug, Default)]
pub struct Surrounding {
    /// The namespace of the kubeconfig's context, or the pod's own.
    pub namespace: String,
    /// Whether the glue runs in a pod.
    pub in_pod: bool,
    /// The server's address where the file names none.
    pub url: Option<String>,
    /// What stands in the file's `caFile`.
    pub ca: Option<String>,
    /// The glue's version.
    pub version: String,
}

/// What a glue goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Its name; one cluster has it at a time.
    pub name: RunnerName,
    /// What people call the cluster.
    pub cluster: Option<String>,
    /// The server's address.
    pub url: String,
    /// The server's address as pods call it.
    pub agent_url: String,
    /// The authorities (PEM) that are trusted beside those of the system.
    pub ca: Option<String>,
    /// The namespaces that its Jobs may stand in, at least one; the first is the default.
    pub namespaces: Vec<String>,
    /// The queues that it serves; empty is all.
    pub queues: Vec<QueueName>,
    /// What is laid under the template of every queue.
    pub base: Option<Value>,
    /// What is laid over the template of some queues.
    pub overlays: BTreeMap<QueueName, Value>,
    /// The most pods at once.
    pub max_pods: u32,
    /// The most pods of some queues at once.
    pub caps: BTreeMap<QueueName, u32>,
    /// The most pods of one queue that do not run yet.
    pub max_unstarted: u32,
    /// The image with the agent's program.
    pub agent_image: String,
    /// When it is pulled.
    pub agent_pull_policy: Option<&'static str>,
    /// The address of health and metrics.
    pub listen: SocketAddr,
    /// Writes to the API server per second, on average.
    pub qps: u32,
    /// Writes to the API server at once.
    pub burst: u32,
    /// Whether it reads the cluster's nodes and tells the server.
    pub read_nodes: bool,
    /// Whether it asks its cluster about each queue and tells the server.
    pub check_queues: bool,
    /// Its version.
    pub version: String,
}

impl Config {
    /// What the file means where it stands.
    ///
    /// # Errors
    /// What is missing or cannot be, with what to write.
    pub fn new(file: File, around: Surrounding) -> Result<Self, String> {
        let url = file.url.or(around.url).ok_or("url: name the server, for example http://slipway.slipway:7227")?;
        let agent_url = file.agent_url.unwrap_or_else(|| url.clone());
        reachable(&agent_url)?;
        if let Some((field, clear)) =
            [("url", &url), ("agentUrl", &agent_url)].into_iter().find(|(_, url)| in_clear(url) && !file.allow_plain_http)
        {
            return Err(format!(
                "{field}: {clear} is plain http: whoever is on the way there could read tokens. Use https, or write allowPlainHttp: true \
                 where that way is the cluster's own or yours alone"
            ));
        }
        if let Some(ca) = &around.ca {
            // Every pod gets it.
            certificates(ca).map_err(|fault| format!("caFile: {fault}"))?;
        }
        let agent_image =
            file.agent_image.ok_or("agentImage: name the image that brings slipway-agent into pods (make images builds it)")?;
        let name = match file.name {
            Some(name) => name,
            None => NAME.parse().map_err(|error| format!("name: {error}"))?,
        };
        let positive = |what: &str, given: Option<u32>, default: u32| match given.unwrap_or(default) {
            0 => Err(format!("{what}: at least 1")),
            n => Ok(n),
        };
        let namespaces = if file.namespaces.is_empty() { vec![around.namespace] } else { file.namespaces };
        for (i, namespace) in namespaces.iter().enumerate() {
            label(namespace).map_err(|error| format!("namespaces[{i}]: {error}"))?;
            if namespaces[..i].contains(namespace) {
                return Err(format!("namespaces[{i}]: {namespace:?} is named twice"));
            }
        }
        let layers = file.queues.0.iter().map(|(queue, layer)| (format!("queues.{queue}"), layer));
        for (place, layer) in [("base".to_owned(), &file.base)].into_iter().chain(layers) {
            let faults = layer.pod_template.as_ref().map(template::check).unwrap_or_default();
            if let Some(fault) = faults.first() {
                return Err(format!("{place}.podTemplate{fault}"));
            }
        }
        if file.base.max_pods.is_some() {
            return Err("base.maxPods: the most pods in all is maxPods; of one queue it is queues.NAME.maxPods".to_owned());
        }
        let mut caps = BTreeMap::new();
        for (queue, most) in file.queues.0.iter().filter_map(|(queue, layer)| Some((queue, layer.max_pods?))) {
            caps.insert(queue.clone(), positive(&format!("queues.{queue}.maxPods"), Some(most), 1)?);
        }
        let listen = file.listen.unwrap_or_else(|| SocketAddr::new(if around.in_pod { [0; 4] } else { [127, 0, 0, 1] }.into(), PORT));
        Ok(Self {
            name,
            cluster: file.cluster,
            url,
            agent_url,
            ca: around.ca,
            namespaces,
            queues: file.queues.0.keys().cloned().collect(),
            base: file.base.pod_template,
            overlays: file.queues.0.into_iter().filter_map(|(queue, layer)| Some((queue, layer.pod_template?))).collect(),
            max_pods: positive("maxPods", file.max_pods, 100)?,
            caps,
            max_unstarted: positive("maxUnstarted", file.max_unstarted, 20)?,
            agent_image,
            agent_pull_policy: file.agent_image_pull_policy.map(PullPolicy::as_str),
            listen,
            qps: positive("qps", file.qps, QPS)?,
            burst: positive("burst", file.burst, BURST)?,
            read_nodes: file.read_nodes,
            check_queues: file.check_queues,
            version: around.version,
        })
    }

    /// The queues as a registration names them.
    #[must_use]
    pub fn served(&self) -> Vec<String> {
        if self.queues.is_empty() { vec!["*".to_owned()] } else { self.queues.iter().map(ToString::to_string).collect() }
    }
}

/// Refuses an address at which pods would only find themselves.
fn reachable(url: &str) -> Result<(), String> {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.ok_or_else(|| format!("agentUrl: {url:?} is no http or https URL"))?;
    let bare = host.trim_matches(['[', ']']);
    let own = bare.parse::<std::net::IpAddr>().map_or(bare == "localhost", |ip| ip.is_loopback() || ip.is_unspecified());
    if !own {
        return Ok(());
    }
    Err(format!(
        "agentUrl: pods cannot reach {url}, which is each machine's own address. Let the server listen on an address of the network \
         (slipway server --listen 0.0.0.0:7227) and write that here, for example agentUrl: http://10.0.0.5:7227"
    ))
}

/// Whether a text can name a namespace.
fn label(text: &str) -> Result<(), String> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&text.len()) && text.bytes().all(fine) && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(());
    }
    Err(format!("{text:?} names no namespace: 1 to 63 of a-z 0-9 and -, no - at the ends"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(json: Value) -> Result<Config, String> {
        let around = Surrounding { namespace: "research".into(), in_pod: false, url: None, ca: None, version: "1".into() };
        Config::new(serde_json::from_value(json).map_err(|e| e.to_string())?, around)
    }

    #[test]
    fn little_has_to_be_said() {
        let config = file(serde_json::json!({"url": "https://10.0.0.5:7227", "agentImage": "agent:1"})).unwrap();
        assert_eq!((config.name.as_str(), config.namespaces.as_slice()), ("kubernetes", &["research".to_owned()][..]));
        assert_eq!((config.max_pods, config.max_unstarted, config.qps, config.burst), (100, 20, 200, 400));
        assert_eq!((config.served(), config.listen.to_string()), (vec!["*".to_owned()], "127.0.0.1:7228".to_owned()));
        assert_eq!(config.agent_url, config.url);
    }

    #[test]
    fn queues_are_a_list_or_a_map() {
        let with = |queues: Value| file(serde_json::json!({"url": "https://s:1", "agentImage": "a", "queues": queues}));
        assert_eq!(with(serde_json::json!(["gpu", "cpu"])).unwrap().served(), ["cpu", "gpu"]);
        assert_eq!(with(serde_json::json!(["*"])).unwrap().served(), ["*"]);
        let config = with(serde_json::json!({"gpu": {"podTemplate": {"spec": {"nodeSelector": {"a": "b"}}}}, "cpu": null})).unwrap();
        assert_eq!(config.served(), ["cpu", "gpu"]);
        assert_eq!(config.overlays.len(), 1);
        assert_eq!(with(serde_json::json!({"gpu": {"maxPods": 7}, "cpu": {}})).unwrap().caps, [("gpu".parse().unwrap(), 7)].into());
        for wrong in [serde_json::json!(["*", "gpu"]), serde_json::json!(["gpu", "gpu"]), serde_json::json!(["a b"]), serde_json::json!(7)]
        {
            assert!(with(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do() {
        let refused = |json: Value| file(json).unwrap_err();
        let url = "https://10.0.0.5:7227";
        let all = [
            serde_json::json!({}),
            serde_json::json!({"url": url}),
            serde_json::json!({"url": "http://127.0.0.1:7227", "agentImage": "a"}),
            serde_json::json!({"url": url, "agentUrl": "http://[::1]:7227", "agentImage": "a"}),
            serde_json::json!({"url": url, "agentUrl": "localhost", "agentImage": "a"}),
            serde_json::json!({"url": url, "agentImage": "a", "namespaces": ["A"]}),
            serde_json::json!({"url": url, "agentImage": "a", "namespaces": ["a", "a"]}),
            serde_json::json!({"url": url, "agentImage": "a", "maxPods": 0}),
            serde_json::json!({"url": url, "agentImage": "a", "base": {"podTemplate": {"spec": {"nodeSelectors": {}}}}}),
            serde_json::json!({"url": url, "agentImage": "a", "queues": {"gpu": {"podTemplate": {"spec": {"hostNetwork": "yes"}}}}}),
            serde_json::json!({"url": url, "agentImage": "a", "agentImagePullPolicy": "Sometimes"}),
            serde_json::json!({"url": url, "agentImage": "a", "base": {"maxPods": 1}}),
            serde_json::json!({"url": url, "agentImage": "a", "queues": {"gpu": {"maxPods": 0}}}),
            serde_json::json!({"url": "http://10.0.0.5:7227", "agentImage": "a"}),
            serde_json::json!({"url": url, "agentUrl": "http://slipway.slipway.svc", "agentImage": "a"}),
        ]
        .map(refused)
        .join("\n");
        insta::assert_snapshot!(all);
    }
}
