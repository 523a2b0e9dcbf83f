"""compose.yaml's services as containers of podman: the same interface as lab.Lab.

Images must have been built: podman build -f deploy/docker/Dockerfile --target T -t shoal-T .
"""

import os
import shutil
import tempfile

from lab import run

IMAGES = ("coordinator", "learner", "actor", "cli")
LABEL = "shoal-deploy-test"


class Engine:
    runs = "/runs"
    config = "/config/run.textproto"

    def __init__(self, hosts):
        self.hosts = hosts
        self.prefix = f"{LABEL}-{os.getpid()}-"
        self.network = self.prefix + "net"
        self.volume = self.prefix + "runs"
        self.folder = tempfile.mkdtemp(prefix="shoal-deploy-")
        os.mkdir(os.path.join(self.folder, "config"))
        os.chmod(self.folder, 0o755)
        run("podman", "network", "create", self.network)
        run("podman", "volume", "create", self.volume)

    @staticmethod
    def missing():
        if not shutil.which("podman"):
            return "there is no podman"
        for target in IMAGES:
            if run("podman", "image", "exists", f"localhost/shoal-{target}", check=False).returncode != 0:
                return f"there is no image shoal-{target}"
        said = run("podman", "run", "--rm", "localhost/shoal-actor", "--version", check=False)
        return "" if said.returncode == 0 else f"podman does not run containers here: {said.stderr.strip()}"

    def write_config(self, text):
        with open(os.path.join(self.folder, "config/run.textproto"), "w", encoding="utf-8") as file:
            file.write(text)

    def service(self, host, name, service, environment):
        """The container, with every limit that compose.yaml sets."""
        command = ["podman", "run", "--rm", "--name", self.prefix + host, "--hostname", host,
                   "--network", self.network, f"--network-alias={host}", f"--network-alias={name}"]
        assert service["read_only"]
        command.append("--read-only")
        command += [f"--tmpfs={folder}" for folder in service["tmpfs"]]
        command += [f"--cap-drop={capability}" for capability in service["cap_drop"]]
        command += ["--security-opt=" + option.removesuffix(":true") for option in service["security_opt"]]
        for volume in service.get("volumes", []):
            source, target = volume.split(":", 1)
            place = self.volume if source == "runs" else os.path.join(self.folder, "config")
            command.append(f"--volume={place}:{target}")
        command += [f"--env={key}={value}" for key, value in environment.items()]
        return [*command, f"localhost/{service['image']}"]

    def ask(self, host, argv, environment=None):
        """A command inside a running container. The host's questions are asked beside the coordinator."""
        inside = "coordinator" if host == "host" else host
        settings = [f"--env={key}={value}" for key, value in (environment or {}).items()]
        return ["podman", "exec", *settings, self.prefix + inside, *argv]

    def list_runs(self):
        return run("podman", "run", "--rm", f"--volume={self.volume}:/runs", "localhost/shoal-cli", "runs",
                   "--out", "/runs", "-o", "json").stdout

    def connect(self, host, on):
        run("podman", "network", "connect" if on else "disconnect", self.network, self.prefix + host)

    def remove(self):
        for host in self.hosts:
            run("podman", "rm", "--force", "--time=1", "--ignore", self.prefix + host, check=False)
        run("podman", "volume", "rm", "--force", self.volume, check=False)
        run("podman", "network", "rm", "--force", self.network, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
