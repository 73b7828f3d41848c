//! Values of ClearML's agent.

use super::{clearml, shown};
use crate::template::formats::{Format, Level, detect, read};

/// The sample of ClearML's page on its glue.
const GLUE_PAGE: &str = include_str!("../../../../examples/clearml-values.yaml");

const RULES: &str = r#"
agentk8sglue:
  createQueues: true
  defaultContainerImage: ubuntu:24.04
  basePodTemplate:
    labels: {team: core}
    resources: {requests: {cpu: "2"}, limits: {memory: 8Gi}}
    tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
  queues:
    mig-small:
      templateOverrides:
        labels: {}                        # empty: inherits team=core
        nodeSelector: {nvidia.com/gpu.product: A100-SXM4-40GB-MIG-1g.5gb}
        resources: {limits: {nvidia.com/gpu: 1}}   # base cpu and memory gone
        env: [{name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hf, key: token}}}]
        fileMounts: [{name: pip.conf, folderPath: /etc, fileContent: "[global]\n"}]
        extraVolumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
        extraVolumeMounts: [{name: shm, mountPath: /dev/shm}]
      queueSettings: {maxPods: 7, defaultImage: "python:3.12"}
    whole-a100:
      templateOverrides:
        nodeSelector: {nvidia.com/gpu.product: A100-SXM4-40GB}
        resources: {limits: {nvidia.com/gpu: 2}}
"#;

#[test]
fn the_sample_of_the_glue_page_is_two_queues() {
    assert_eq!(detect(GLUE_PAGE), Ok(Format::ClearMl));
    insta::assert_snapshot!(shown(&clearml(GLUE_PAGE)));
}

#[test]
fn keys_count_as_wholes_and_empty_ones_inherit() {
    insta::assert_snapshot!(shown(&clearml(RULES)));
}

#[test]
fn what_queues_use_together_is_a_budget() {
    let text = r#"
agentk8sglue:
  multiNode: {enabled: true}
  monitoredResources: {maxResources: 8, maxResourcesFieldName: "resources|limits|nvidia.com/gpu"}
  queues:
    half: {templateOverrides: {labels: {clearml-injector/fraction: "0.500"}, resources: {limits: {nvidia.com/gpu: 1}}}}
    pair: {templateOverrides: {resources: {limits: {nvidia.com/gpu: 2}}}, queueSettings: {multiNode: [4, 2]}}
"#;
    insta::assert_snapshot!(shown(&clearml(text)));
    let whole = clearml(&text.replace("labels: {clearml-injector/fraction: \"0.500\"}, ", ""));
    assert_eq!(whole.budgets[0].document["resource"], "gpus");
    let none = clearml("agentk8sglue: {monitoredResources: {maxResources: 8}, queues: {cpu: {}}}");
    assert!(none.notes.iter().any(|note| note.level == Level::Warning && note.message.contains("count 0")), "{:?}", none.notes);
}

#[test]
fn faults_are_named_with_line_path_and_remedy() {
    let all = [
        "agentk8sglue:\n  queues:\n    gpu:\n      templateOverrides:\n        nodeSelectors: {a: b}\n        tolerations:\n        - {key: a, operatr: Exists}\n        command: [x]\n        spec: {}\n",
        "agentk8sglu:\n  queues: {}\ntemplateOverrides: {}\n",
        "agentk8sglue:\n  queues:\n    gpu:\n      templateOverride: {}\n      queueSettings: {maxPod: 1, maxPods: many, useImageEntrypoint: yes}\n",
        "agentk8sglue:\n  customBashScript: 'echo'\n  extraEnvs: [{name: CLEARML_K8S_GLUE_POD_PRE_APPLY_CMD, value: x}, {name: K8S_GLUE_MAX_PODS, value: '3'}]\n  replicaCount: 1\n  image: {tag: x}\n",
        "agentk8sglue:\n  queues:\n    gpu: {templateOverrides: {env: [{name: A, value: 1}], labels: {debug: no, \"a b\": x}}}\n",
        "agentk8sglue:\n  queues:\n    gpu: {templateOverrides: {labels: {job: \"${CLEARML_TASK.name|upper}\"}, annotations: {a: \"${CLEARML_TASK.project.name:x} ${HOME}\"}}}\n",
        "agentk8sglue:\n  queues: {gpu: {}, gpu: {}}\n",
        "agentk8sglue:\n\tqueues: {}\n",
        "agentk8sglue:\n  queue: `gpu`\n",
        "```yaml\nagentk8sglue: {}\n```\n",
        "agentk8sglue:\n  queues: {gpu: {templateOverrides: {podSecurityContext: {fsGroup: 1}, securityContext: {fsGroup: 2}}}}\n",
        "agentk8sglue: {queues: {\"Große GPUs\": {}, \"队列\": {}}}\n",
        "templateOverrides: {nodeSelector: {a: b}}\n",
        "a: 1\n---\nb: 2\n",
        "",
        "agentk8sglue: {queues: {gpu: {templateOverrides: {fileMounts: [{name: a/b, folderPath: etc, fileContent: x}, {name: .netrc, folderPath: /root, fileContent: 'password x', mode: 1}]}}}}\n",
    ]
    .map(|text| clearml(text).notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    .join("\n\n");
    insta::assert_snapshot!(all);
}

#[test]
fn a_block_alone_is_a_queue_of_the_name_that_is_given() {
    let import = read(Format::ClearMl, "templateOverrides: {nodeSelector: {zone: a}}\nqueueSettings: {maxPods: 2}\n", Some("zoned"));
    assert_eq!((import.queues.len(), import.queues[0].name.as_str()), (1, "zoned"));
    assert_eq!(import.queues[0].document["limits"]["maxRunning"], 2);
    let list = clearml("USER-SUPPLIED VALUES:\nagentk8sglue: {queue: 'a, b,c', basePodTemplate: {nodeSelector: {zone: a}}}\n");
    assert_eq!(list.queues.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(list.queues.iter().all(|queue| queue.document["podTemplate"]["spec"]["nodeSelector"]["zone"] == "a"));
    assert_eq!(clearml("agentk8sglue: {}").queues[0].name, "default");
}
