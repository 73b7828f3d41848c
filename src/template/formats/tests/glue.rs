//! Values of ClearML's agent as the file of a glue.

use crate::template::formats::{Level, glue};

#[test]
fn values_are_the_file_of_a_glue() {
    let text = r"
url: http://slipway:7227
agentImage: registry.example.com/slipway-agent:1
agentk8sglue:
  maxPods: 9
  defaultContainerImage: ubuntu:24.04
  basePodTemplate:
    tolerations: [{key: nvidia.com/gpu, operator: Exists}]
  queues:
    gpu:
      templateOverrides: {resources: {limits: {nvidia.com/gpu: 1}}}
      queueSettings: {maxPods: 7, defaultImage: x}
    cpu: {}
imageCredentials: {enabled: true, existingSecret: registry}
";
    let (file, notes) = glue(text).unwrap();
    let told = notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(format!("{told}\n{}", serde_json::to_string_pretty(&file).unwrap()));
    assert!(notes.iter().all(|note| note.level != Level::Error));
    assert!(glue("queues: [gpu]\nurl: http://a\n").is_none());
    assert!(glue("agentk8sglue: [\n").is_none());
}
