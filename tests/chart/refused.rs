//! Values that cannot be: each is refused, and named.

use crate::helm::{CHART, Helm, OLDEST};

/// What is set, and what the refusal names.
const WRONG: [(&str, &str); 37] = [
    ("server.enabld=true", "'enabld' not allowed"),
    ("glue.maxPods=0", "/glue/maxPods"),
    ("glue.replicas=9", "/glue/replicas"),
    ("glue.replicas=2,glue.minAvailable=2", "glue.minAvailable: less than glue.replicas"),
    ("glue.runnerName=a b", "/glue/runnerName"),
    ("glue.additionalTargetNamespaces[0]=A", "/glue/additionalTargetNamespaces/0"),
    ("glue.strategy.type=Sometimes", "/glue/strategy/type"),
    ("glue.tolerations[0].kye=a", "/glue/tolerations/0"),
    ("glue.base.podTemplate.spec.nodeSelectr.a=b", "/glue/base/podTemplate/spec"),
    ("glue.queues.a.maxPods=0", "/glue/queues/a/maxPods"),
    ("glue.serviceAccount.create=false", "glue.serviceAccount.name: which account"),
    ("server.replicas=2", "server.replicas: several servers need a database"),
    ("server.replicas=2,server.database.existingSecret=a", "server.replicas: several servers need a place for bytes"),
    ("server.database.existingSecret=a,server.blobs.url=s3://b", "server.adminToken.existingSecret: a server with a database"),
    (
        "server.database.existingSecret=a,server.blobs.url=s3://b,server.adminToken.existingSecret=c,server.persistence.existingClaim=d",
        "server.persistence.existingClaim: with server.database",
    ),
    (
        "server.database.existingSecret=a,fullnameOverride=a-name-of-forty-six-characters-is-one-too-many",
        "fullnameOverride: 45 characters at most",
    ),
    ("server.service.port=99999", "/server/service/port"),
    ("server.service.nodePort=30000", "server.service.nodePort: it is for"),
    ("server.service.loadBalancerSourceRanges[0]=10.0.0.0/8", "server.service.loadBalancerSourceRanges: it is for"),
    ("server.roles[0].role=root", "/server/roles/0/role"),
    ("server.issuers[0].name=a", "/server/issuers/0"),
    ("server.extraEnv[0].nmae=a", "/server/extraEnv/0"),
    ("server.ingress.enabled=true", "server.ingress.host: the name"),
    ("server.httpRoute.enabled=true", "server.httpRoute.parentRefs: the Gateways"),
    ("server.serviceMonitor.enabled=true", "server.serviceMonitor.existingSecret: the Secret"),
    ("image.digest=abc", "/image/digest"),
    ("image.pullPolicy=Perhaps", "/image/pullPolicy"),
    ("server.enabled=false", "glue.serverUrl: where the server is"),
    ("server.enabled=false,glue.serverUrl=http://a,queues.a.weight=1", "queues: the server keeps them"),
    ("glue.releaseNamespace=false", "tasks have nowhere to run"),
    ("queues.a.limits.maxRuning=1", "/queues/a/limits"),
    ("queues.a.podTemplate.spec.containers[0].imagee=b", "/queues/a/podTemplate/spec/containers/0"),
    ("queues.a.templateOverrides.nodeSelectr=b", "/queues/a/templateOverrides"),
    ("agentk8sglue.queus.a=b", "/agentk8sglue"),
    ("agentk8sglue.customBashScript=b", "agentk8sglue.customBashScript: the agent is brought"),
    ("queues.a.weight=1,agentk8sglue.queues.a.queueSettings.maxPods=1", "queues.a: agentk8sglue.queues says it too"),
    ("launchConfig=queus: [a]", "launchConfig.queus: unknown key"),
];

pub(crate) fn wrong_values_are_named(helm: &Helm, _: &str) {
    for (wrong, named) in WRONG {
        for version in ["3", "4"] {
            let (taken, said) = helm.ask(version, &["template", "team", CHART, "--kube-version", OLDEST, "--set", wrong]);
            assert!(!taken && said.contains(named), "Helm {version}, {wrong}: {said}");
        }
    }
    let (taken, said) = helm.ask("4", &["template", "team", CHART, "--kube-version", "1.27.9"]);
    assert!(!taken && said.contains("1.28"), "{said}");
}
