//! Files as machines and containers of both versions show them.

use super::*;

const HOST_2: (&str, &str) = (
    "0::/user.slice/user-1000.slice/session-3.scope\n",
    "24 29 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw\n\
     33 26 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n",
);
const CONTAINER_2: (&str, &str) = (
    "0::/\n",
    "1101 1096 0:111 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n\
     1106 1104 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n",
);
/// A container in the machine's cgroup namespace: paths are the machine's, the mount shows the container's part.
const SHARED_NAMESPACE_2: (&str, &str) = (
    "0::/kubepods.slice/kubepods-pod1a.slice/cri-containerd-77.scope\n",
    "1106 1104 0:28 /kubepods.slice/kubepods-pod1a.slice/cri-containerd-77.scope /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
);
/// Both versions mounted, memory with the first.
const HYBRID: (&str, &str) = (
    "9:name=systemd:/\n8:pids:/\n4:memory:/system.slice/runner.service\n1:cpu,cpuacct:/\n0::/\n",
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
     32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
     35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
     41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
);
const CONTAINER_1: (&str, &str) = (
    "12:pids:/kubepods/besteffort/pod1a/77\n4:memory:/kubepods/besteffort/pod1a/77\n0::/\n",
    "940 929 0:32 /kubepods/besteffort/pod1a/77 /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime - cgroup cgroup rw,memory\n",
);

#[test]
fn the_file_of_the_own_cgroup_is_found() {
    for ((cgroup, mountinfo), expected) in [
        (HOST_2, "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope/memory.events"),
        (CONTAINER_2, "/sys/fs/cgroup/memory.events"),
        (SHARED_NAMESPACE_2, "/sys/fs/cgroup/memory.events"),
        (HYBRID, "/sys/fs/cgroup/memory/system.slice/runner.service/memory.oom_control"),
        (CONTAINER_1, "/sys/fs/cgroup/memory/memory.oom_control"),
    ] {
        assert_eq!(counter(cgroup, mountinfo).unwrap(), Path::new(expected), "{cgroup}");
    }
    for (cgroup, mountinfo) in [("", HOST_2.1), (HOST_2.0, ""), ("nonsense\n", "nonsense\n"), (CONTAINER_1.0, CONTAINER_2.1)] {
        assert_eq!(counter(cgroup, mountinfo), None, "{cgroup}");
    }
}

#[test]
fn the_count_is_read_from_both_versions() {
    assert_eq!(count("low 0\nhigh 0\nmax 812\noom 4\noom_kill 3\noom_group_kill 0\n"), Some(3));
    assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), Some(2));
    assert_eq!(count("oom_kill_disable 0\nunder_oom 0\n"), None, "a kernel before 4.13");
}

#[test]
fn a_kill_explains_an_end_that_it_can_have_caused() {
    for (kills, alone, exit_code, signal, expected) in [
        (0, true, None, Some(9), false),
        (1, true, None, Some(9), true),
        (1, true, Some(1), None, true),
        (1, true, Some(0), None, false),
        (1, false, Some(1), None, false),
        (1, false, Some(137), None, true),
        (1, false, None, Some(9), true),
    ] {
        assert_eq!(explains(kills, alone, exit_code, signal), expected, "{kills} {alone} {exit_code:?} {signal:?}");
    }
}
