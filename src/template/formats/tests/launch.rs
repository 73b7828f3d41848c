//! Queue configurations of W&B Launch, parts of manifests, launch agents.

use super::{launch, shown};
use crate::template::formats::{Format, detect, read};

#[test]
fn a_part_of_a_job_becomes_a_queue_in_every_wrapping() {
    let bare = "metadata: {labels: {queue: gpu-small}, generateName: train-}\nnamespace: ml-runs\nwait_for_ready: true\nspec:\n  backoffLimit: 3\n  ttlSecondsAfterFinished: 600\n  template:\n    metadata: {labels: {tier: a}}\n    spec:\n      restartPolicy: OnFailure\n      tolerations: [{key: nvidia.com/gpu, operator: Exists}]\n      containers:\n        - env: [{name: DATA_ROOT, value: /data}]\n          resources: {requests: {cpu: 1000m}, limits: {nvidia.com/gpu: 1}}\n        - {name: helper, image: 'busybox:1'}\n";
    assert_eq!(detect(bare), Ok(Format::Launch));
    let import = launch(bare);
    insta::assert_snapshot!(shown(&import));
    let indented = |depth: usize| bare.lines().map(|line| format!("{}{line}\n", " ".repeat(depth))).collect::<Vec<_>>().concat();
    for wrapped in [format!("kubernetes:\n{}", indented(2)), format!("resource_args:\n  kubernetes:\n{}", indented(4))] {
        assert_eq!(detect(&wrapped), Ok(Format::Launch));
        assert_eq!(launch(&wrapped).queues, import.queues);
    }
    let export = format!("name: other\nentity: vision\ntype: kubernetes\nprioritization_mode: V0\nconfig:\n  kubernetes:\n{}", indented(4));
    let export = launch(&export);
    assert_eq!((export.queues[0].name.as_str(), &export.queues[0].document["owner"]), ("other", &"vision".into()));
}

#[test]
fn what_samples_misplace_is_moved() {
    let job = "spec:\n  template:\n    backOffLimit: 2\n    ttlSecondsAfterFinished: 60\n    securityContext: {runAsUser: 1000}\n    spec: {containers: [{}]}\n";
    let kubeflow = "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nspec:\n  ttlSecondsAfterFinished: 60\n  pytorchReplicaSpecs: {Master: {replicas: 1}}\n";
    insta::assert_snapshot!([job, kubeflow].map(|text| shown(&launch(text))).join("\n"));
}

#[test]
fn a_pod_is_a_template_too() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {labels: {a: b}}\nspec:\n  nodeSelector: {zone: a}\n  containers: [{resources: {limits: {cpu: 1}}}]\n";
    let bare = "spec:\n  nodeSelector: {zone: a}\n  containers: [{resources: {limits: {cpu: 1}}}]\nmetadata: {labels: {a: b}}\n";
    assert_eq!(launch(pod).queues, launch(bare).queues);
    insta::assert_snapshot!(shown(&launch(pod)));
}

#[test]
fn faults_are_named_with_line_path_and_remedy() {
    let all = [
        "apiVersion: batch/v1\nkind: CronJob\nspec: {schedule: '* * * * *'}\n",
        "kind: PyTorchJob\nspec: {}\n",
        "spec:\n  template:\n    spec:\n      containers:\n      - imagee: x\n        env: [{name: A, value: ${HOME}}]\n      nodeSelectors: {}\n",
        "spec: {template: {spec: {containers: [{image: '${image}', args: ['${HOME}', '${run_idd}']}]}}}\n",
        "spec: {template: {spec: {containers: [{resources: {limits: {nvidia.com/gpu: '{{gpus}}'}}}]}}}\n",
        "spec: {template: {spec: {containers: [{resources: {limits: {nvidia.com/gpu: {{gpus}}}}}]}}}\n",
        "spec: {}\ntemplate_variables:\n  gpus: {type: integer, default: 9, maximum: 4}\n  zone: {schema: {type: strin}}\n",
        "spec: {completions: 2, parallelism: 1, podFailurePolicy: {rules: []}, backoffLimits: 1}\nspecs: {}\nconfigFile: /root/.kube/config\n",
        "spec: {}\nadditional_services: [{name: redis, config: {}}]\ngroup: batch\n",
        "kubernetes: {spec: {}}\nkubernets: {}\ntype: sagemaker\n",
        "- a\n",
        "max_jobs: 3\nbuilders: {}\n",
    ]
    .map(|text| launch(text).notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    .join("\n\n");
    insta::assert_snapshot!(all);
    let nameless = read(Format::Launch, "spec: {}\n", None);
    assert!(nameless.is_refused() && nameless.notes[0].fix.as_deref() == Some("name it: --name NAME"));
}

#[test]
fn a_launch_agent_names_its_queues() {
    let values = "agent: {apiKey: \"\", startTimeout: 1800}\nnamespace: wandb\nadditionalTargetNamespaces: [ml-runs]\nlaunchConfig: |\n  entity: vision\n  queues: [gpu-small]\n  max_jobs: 8\n  environment: {type: aws, region: eu-west-1}\n  registry: {type: ecr, uri: registry.example.com/vision}\n  builder: {type: kaniko, build-context-store: \"s3://ctx\"}\ngitCreds: |\n  https://bot:TOKEN@git.example.com\nsshAuthSecrets: [{name: deploy-key, host: git.example.com}]\ncustomCABundle: {configMap: {name: corp-ca, key: ca.crt}}\n";
    let file = "entity: vision\nqueues: [a, b]\nmax_jobs: -1\nstopped_run_timeout: 90\nsecure_mode: true\n";
    for text in [values, file] {
        assert_eq!(detect(text), Ok(Format::Launch));
    }
    let text = [values, file].map(|text| shown(&launch(text))).join("\n");
    assert!(!text.contains("TOKEN"), "{text}");
    insta::assert_snapshot!(text);
}
