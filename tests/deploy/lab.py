"""Containers without an engine: processes in network, mount and host name spaces of their own, on one
bridge, with compose.yaml's limits: a user without rights, no capabilities, a root that is read only.

Needs root, and of Debian iproute2, util-linux and python3-yaml. Nothing of the host's network or
mounts is touched.
"""

import os
import shutil
import subprocess
import tempfile
import time

import compose

USER = 10001
VOLUME = "/mnt"  # where the volume of runs is mounted: a folder that every Debian has
SHARED = "/srv"  # likewise, for what is not a run: configuration, certificates, the host's files
ASIDE = "/media"  # likewise, for the checkout
PATIENCE = 120  # seconds; only a hang gets there


def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done


def wait_for(what, condition, seconds=PATIENCE):
    """The first true value of the condition; an error that names what did not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)  # paces the polling
    raise TimeoutError(f"waited {seconds} s for {what}")


class Lab:
    """`folder` has the volume of runs, mounted as VOLUME, and `shared`, mounted as SHARED."""

    def __init__(self, hosts):
        self.prefix = f"shoal-deploy-{os.getpid()}-"
        self.hosts = hosts
        self.folder = tempfile.mkdtemp(prefix="shoal-deploy-")
        self.volume = os.path.join(self.folder, "runs")
        self.shared = os.path.join(self.folder, "shared")
        for folder in (self.volume, self.shared):
            os.mkdir(folder)
            os.chown(folder, USER, USER)
        self.names = os.path.join(self.folder, "hosts")
        with open(self.names, "w", encoding="utf-8") as file:
            file.write("127.0.0.1 localhost\n")
            for host in hosts:
                file.write(f"{self.address(host)} {host}\n")
        self.made = []
        try:
            self._build()
        except BaseException:
            self.remove()
            raise

    @staticmethod
    def missing():
        """What is not to be had here; "" if nothing is missing."""
        if os.geteuid() != 0:
            return "network namespaces need root"
        for tool in ("ip", "unshare", "setpriv"):
            if not shutil.which(tool):
                return f"there is no {tool}"
        try:
            lab = Lab(["probe"])
        except RuntimeError as error:
            return f"the kernel does not allow it: {error}"
        try:
            said = run(*lab.ask("probe", ["sh", "-c", "id -u; hostname; ! touch /etc/mark"]), check=False)
            if said.stdout.split() != [str(USER), "probe"] or said.returncode != 0:
                return f"the kernel does not allow it: {said.stdout}{said.stderr}"
            if run(*lab.ask("probe", ["test", "-r", str(compose.ROOT / "deploy/docker/entry.sh")]), check=False).returncode:
                return f"a user without rights cannot read {compose.ROOT}"
        finally:
            lab.remove()
        return ""

    def address(self, host):
        return f"10.78.0.{self.hosts.index(host) + 1}"

    def namespace(self, name):
        return self.prefix + name

    def _build(self):
        bridge = self.namespace("bridge")
        run("ip", "netns", "add", bridge)
        self.made.append(bridge)
        run("ip", "-n", bridge, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", bridge, "link", "set", "br0", "up")
        for number, host in enumerate(self.hosts):
            space = self.namespace(host)
            run("ip", "netns", "add", space)
            self.made.append(space)
            run("ip", "-n", bridge, "link", "add", f"port{number}", "type", "veth", "peer", "name",
                "eth0", "netns", space)
            run("ip", "-n", bridge, "link", "set", f"port{number}", "master", "br0", "up")
            run("ip", "-n", space, "addr", "add", self.address(host) + "/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "eth0", "up")
            run("ip", "-n", space, "link", "set", "lo", "up")

    def remove(self):
        for space in self.made:
            run("ip", "netns", "del", space, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, host, on):
        """Pulls the host's cable out, or puts it back."""
        run("ip", "-n", self.namespace("bridge"), "link", "set", f"port{self.hosts.index(host)}",
            "up" if on else "down")

    def write(self, name, text):
        """A file of the shared folder."""
        file = os.path.join(self.shared, name)
        with open(file, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(file, 0o644)

    def own(self, name):
        """Gives the programs' user what was made in the shared folder under this name."""
        run("chown", "-R", f"{USER}:{USER}", os.path.join(self.shared, name))

    def ask(self, host, argv, environment=None):
        """A command as it runs on that host, with nothing of this process' environment."""
        # A checkout below /tmp would be hidden by the containers' own /tmp.
        hidden = str(compose.ROOT).startswith("/tmp/")
        keep = f'mount --bind "{compose.ROOT}" {ASIDE} && ' if hidden else ""
        show = f'mkdir -p "{compose.ROOT}" && mount --bind {ASIDE} "{compose.ROOT}" && ' if hidden else ""
        prepare = (
            f'hostname {host} && mount --bind {self.names} /etc/hosts && '
            f'mount --bind {self.volume} {VOLUME} && mount --bind {self.shared} {SHARED} && '
            f'{keep}mount -t tmpfs tmpfs /tmp && {show}'
            'mount -o remount,bind,ro / && exec "$@"')
        settings = [f"{name}={value}" for name, value in (environment or {}).items()]
        # The image has the script as shoal-entry.
        argv = [str(compose.ROOT / "deploy/docker/entry.sh") if word == "shoal-entry" else word for word in argv]
        return ["ip", "netns", "exec", self.namespace(host), "unshare", "--uts", "sh", "-c", prepare,
                "sh", "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "env", "-i",
                f"PATH={compose.ROOT}/build/bin:/usr/bin:/bin", *settings, *argv]
