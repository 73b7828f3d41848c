//! Files that are known to be hard: each is here for what it did, or could do, to a reader.

/// A text of many lines.
fn lines(numbers: std::ops::Range<usize>, line: impl Fn(usize) -> String) -> String {
    numbers.map(line).collect::<Vec<_>>().concat()
}

pub(crate) fn files() -> Vec<Vec<u8>> {
    let nested = |open: &str, close: &str, n: usize| format!("podTemplate: {}x{}\n", open.repeat(n), close.repeat(n));
    let doubling = lines(1..40, |i| format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1));
    let long = "x".repeat(200 << 10);
    let squares = lines(0..400, |i| format!("- &b{i} {{k{i}: v}}\n"))
        + &lines(0..400, |i| format!("- [{}]\n", (0..=i).map(|j| format!("*b{j}")).collect::<Vec<_>>().join(", ")));
    let many = lines(0..3_000, |i| format!("    V{i}: {{value: x}}\n"));
    let deeper = lines(0..3_000, |i| format!("{}a:\n", " ".repeat(i % 500 + 1)));
    let texts = [
        // Aliases of aliases, and aliases that are quadratic only.
        format!("a0: &a0 [x, x]\n{doubling}"),
        squares,
        "a: &a [*a]\n".to_owned(),
        "a: &a {<<: *a}\n".to_owned(),
        // Depth.
        nested("[", "]", 10_000),
        nested("{a: ", "}", 10_000),
        format!("podTemplate:\n{deeper}"),
        "- ".repeat(20_000),
        // Length.
        format!("name: q\npodTemplate:\n  metadata:\n    annotations:\n      a: {long}\n"),
        format!("name: q\ndefaults:\n  env:\n{many}"),
        format!("kubernetes:\n  spec:\n    template:\n      spec:\n        containers:\n{}", "        - {name: a, image: b}\n".repeat(3_000)),
        // Macros and variables that name themselves, open without an end, and many of them.
        "name: q\nvariables: {a: {type: string}}\npodTemplate: {metadata: {annotations: {x: '{{a}}{{ a }}{{{{a}}}}${${a}}'}}}\n".to_owned(),
        format!("name: q\npodTemplate: {{metadata: {{annotations: {{x: '{}'}}}}}}\n", "${name}".repeat(5_000)),
        format!("name: q\npodTemplate: {{metadata: {{annotations: {{x: '{}'}}}}}}\n", "${".repeat(20_000)),
        // Duplicate keys, words of YAML 1.1, tabs, backticks, two documents.
        "name: q\nname: r\n".to_owned(),
        "name: q\npodTemplate: {spec: {hostNetwork: no, priority: 017, activeDeadlineSeconds: 12:30}}\n".to_owned(),
        "name: q\npodTemplate:\n\tspec: {}\n".to_owned(),
        "name: `q`\n".to_owned(),
        "name: a\n---\nname: b\n".to_owned(),
        // Patterns and pointers.
        format!("name: q\nvariables: {{a: {{type: string, pattern: '({})*$'}}}}\n", "a*".repeat(2_000)),
        "name: q\nallow: {images: ['**********************************************b']}\n".to_owned(),
        "name: q\npodTemplate: {remove: ['', '/', '//', '/~', '/~2', '/spec/containers/99999999999999999999']}\n".to_owned(),
        "agentk8sglue:\n  queues:\n    q:\n      templateOverrides: |\n        spec: {containers: [{resources: {limits: {nvidia.com/gpu: 1}}}]}\n".to_owned(),
        "object: {manifest: {apiVersion: kubeflow.org/v1, kind: PyTorchJob, metadata: {name: x}, spec: {pytorchReplicaSpecs: {Master: {template: {spec: {containers: [{name: a}]}}}}}}}\nname: q\n".to_owned(),
        "name: q\nobject: {manifest: {apiVersion: kubeflow.org/v1, kind: PyTorchJob, metadata: x, spec: {y: {spec: {containers: [z]}}}}}\n".to_owned(),
        String::new(),
        "\u{feff}".to_owned(),
        "\u{0}".to_owned(),
    ];
    texts.into_iter().map(String::into_bytes).chain([vec![0xff, 0xfe], vec![0xc3, 0x28, b':', b' ', 0xa0]]).collect()
}
