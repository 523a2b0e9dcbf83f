#!/usr/bin/env python3
"""The ten lines of docs/CLUSTER.md, as they stand there, on two machines: each with its own network address,
processes, host name, and a root file system that is a copy of this one. There is no systemd in them, so a
stand-in starts what the units say.

Ends with 77, which CTest takes for skipped, where that is not to be had.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

try:
    import compose
    import lab
except ImportError as missing:
    print(f"skipped: {missing} (Debian's package python3-yaml)")
    sys.exit(77)

HERE = os.path.dirname(os.path.realpath(__file__))
SCP_PORT = 8022  # of scp.py


def ten_lines():
    """The lines by where they are for: "trainer", "worker" and "anywhere"."""
    text = (compose.ROOT / "docs/CLUSTER.md").read_text(encoding="utf-8")
    block = re.search(r"^## Two machines, ten lines$.*?^```sh\n(.*?)^```", text, re.M | re.S).group(1)
    lines, place = {}, None
    for line in block.splitlines():
        if line.startswith("# "):
            place = re.match(r"# (?:on|from) (\w+)", line).group(1)
        else:
            lines.setdefault(place, []).append(line)
    assert sum(map(len, lines.values())) == 10, lines
    return lines


class Machine:
    """A host of the lab with processes and a root of its own, in which everything may be written."""

    # Arguments: its folder, its name, the checkout, the file of names. What is written goes to memory.
    SETUP = """
      set -e
      mount -t tmpfs tmpfs "$1"
      mkdir "$1/root" "$1/upper" "$1/work" "$1/upper-src" "$1/work-src"
      mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
      mkdir -p "$1/root$3"
      mount -t overlay overlay -o "lowerdir=$3,upperdir=$1/upper-src,workdir=$1/work-src" "$1/root$3"
      mount -t proc proc "$1/root/proc"
      mount --rbind /dev "$1/root/dev"
      mount -t tmpfs tmpfs "$1/root/run"
      cat "$4" > "$1/root/etc/hosts"
      hostname "$2"
      exec chroot "$1/root" sh -c 'echo ready; exec sleep infinity'
    """

    def __init__(self, space, name):
        folder = os.path.join(space.folder, name)
        os.mkdir(folder)
        self.holder = subprocess.Popen(
            ["ip", "netns", "exec", space.namespace(name), "unshare", "--mount", "--pid", "--uts", "--fork",
             "--kill-child", "sh", "-c", self.SETUP, "sh", folder, name, str(compose.ROOT), space.names],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            raise RuntimeError(f"no machine can be made: {self.holder.stderr.read()}")
        with open(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children", encoding="utf-8") as children:
            [self.first] = children.read().split()
        for program in ("systemctl", "scp"):
            self.do(f"install -D -m 755 '{HERE}/{program}.py' /usr/local/sbin/{program}")

    def enter(self, line, folder):
        return ["nsenter", "--target", self.first, "--mount", "--pid", "--uts", "--net", "--root", "--wd",
                "env", "-i", "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "bash", "-ec", f"cd '{folder}'\n{line}"]

    def do(self, line, folder=str(compose.ROOT)):
        """What it says; as root, in that folder."""
        begin = time.monotonic()
        done = subprocess.run(self.enter(line, folder), capture_output=True, text=True, timeout=400, check=False,
                              stdin=subprocess.DEVNULL)
        print(f"{time.monotonic() - begin:6.1f} s  {line}", flush=True)
        if done.returncode != 0:
            raise RuntimeError(f"{line}: ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}\n"
                               f"{self.logs()}")
        return done.stdout

    def logs(self):
        words = subprocess.run(self.enter("tail -n 20 /run/units/*.log", "/"), capture_output=True, text=True,
                               timeout=60, check=False)
        return words.stdout

    def remove(self):
        # Its first process goes with it, and all others with that.
        self.holder.send_signal(signal.SIGKILL)
        self.holder.wait(lab.PATIENCE)


def build_is_whole():
    """Whether deploy/build.sh has the programs built already: it may take an hour otherwise."""
    build = compose.ROOT / "build"
    programs = ("shoal", "shoal-coordinator", "shoal-learner", "shoal-actor", "shoal-health")
    if not all((build / "bin" / program).exists() for program in programs):
        return False
    # Another compiler's command would compile all of it again.
    launched = re.search(r"^CMAKE_CXX_COMPILER_LAUNCHER:\w+=(.*)$",
                         (build / "CMakeCache.txt").read_text(encoding="utf-8"), re.M)
    return (launched.group(1) if launched else "") == ("ccache" if shutil.which("ccache") else "")


def missing():
    reason = lab.Lab.missing()
    if reason:
        return reason
    for tool in ("nsenter", "chroot", "systemd-sysusers", "openssl"):
        if not shutil.which(tool):
            return f"there is no {tool}"
    return "" if build_is_whole() else "the programs in build/ are not what deploy/build.sh makes, or not all there"


def story(lines, trainer, worker):
    for line in lines["trainer"]:
        trainer.do(line)
    server = subprocess.Popen(
        trainer.enter(f"exec python3 -m http.server {SCP_PORT}", "/"), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        lab.wait_for("the other machine's files", lambda: subprocess.run(
            worker.enter(f"exec 3<>/dev/tcp/trainer/{SCP_PORT}", "/"), capture_output=True, check=False,
            timeout=60).returncode == 0)
        for line in lines["worker"]:
            worker.do(line)
    finally:
        server.kill()
        server.wait(lab.PATIENCE)
    [last] = lines["anywhere"]
    said = trainer.do(last, "/root")
    policy = re.search(r"policy_sha256 ([0-9a-f]{64})", said).group(1)
    # As shoal-entry and the units leave it: no privileges, everything in the one folder.
    owner = trainer.do("stat -c %U /var/lib/shoal/*/run.db").split()
    assert owner == ["shoal"], owner
    log = trainer.do("cat /run/units/shoal-coordinator.log")
    actors = set(re.findall(r"actor arrived worker=(\S+)", log))
    assert actors == {f"worker-{number}" for number in range(1, os.cpu_count() + 1)}, actors
    # Ends as the page says.
    trainer.do("systemctl stop shoal-coordinator")
    return policy


def main():
    reason = missing()
    if reason:
        print(f"skipped: {reason}")
        return 77
    lines = ten_lines()
    begin = time.monotonic()
    space = lab.Lab(["trainer", "worker"])
    machines = []
    try:
        for name in ("trainer", "worker"):
            try:
                machines.append(Machine(space, name))
            except RuntimeError as error:
                print(f"skipped: {error}")
                return 77
        policy = story(lines, *machines)
    finally:
        for machine in machines:
            machine.remove()
        space.remove()
    print(f"two machines: {policy} in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
