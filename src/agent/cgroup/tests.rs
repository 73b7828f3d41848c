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
fn the_directory_of_the_own_cgroup_is_found() {
    for ((cgroup, mountinfo), unified, expected) in [
        (HOST_2, true, "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope"),
        (CONTAINER_2, true, "/sys/fs/cgroup"),
        (SHARED_NAMESPACE_2, true, "/sys/fs/cgroup"),
        (HYBRID, false, "/sys/fs/cgroup/memory/system.slice/runner.service"),
        (CONTAINER_1, false, "/sys/fs/cgroup/memory"),
    ] {
        let home = Home::find(cgroup, mountinfo, "memory").unwrap();
        assert_eq!((home.unified, home.dir.as_path()), (unified, Path::new(expected)), "{cgroup}");
    }
    for (cgroup, mountinfo) in [("", HOST_2.1), (HOST_2.0, ""), ("nonsense\n", "nonsense\n"), (CONTAINER_1.0, CONTAINER_2.1)] {
        assert_eq!(Home::find(cgroup, mountinfo, "memory"), None, "{cgroup}");
    }
    let cpu = Home::find(HYBRID.0, HYBRID.1, "cpuacct").unwrap();
    assert_eq!(cpu.dir, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
    let disk = Home::find(HYBRID.0, HYBRID.1, "blkio").unwrap();
    assert_eq!((disk.unified, disk.dir.as_path()), (true, Path::new("/sys/fs/cgroup/unified")), "version 1 has no such controller here");
}

#[test]
fn what_is_above_ends_at_the_mount() {
    let home = Home::find(HOST_2.0, HOST_2.1, "memory").unwrap();
    let above: Vec<_> = home.and_above().map(|dir| dir.to_str().unwrap()).collect();
    let user = "/sys/fs/cgroup/user.slice";
    assert_eq!(above, [&format!("{user}/user-1000.slice/session-3.scope"), &format!("{user}/user-1000.slice"), user, "/sys/fs/cgroup"]);
}
