"""The services of compose.yaml as containers of a real engine, and the command line of this machine's build
that looks at them through the published port."""

import json
import os
import shutil
import socket
import subprocess

import compose
from cluster import BIN, Watched


def run(*argv, check=True, timeout=120, **more):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout, **more)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def missing():
    """What is not to be had here; "" if nothing is missing."""
    if not shutil.which("docker"):
        return "there is no docker"
    engine = run("docker", "info", "--format", "{{.ServerVersion}}", check=False)
    if engine.returncode != 0:
        return f"no engine answers docker: {engine.stderr.strip()}"
    if not plugin() and not shutil.which("docker-compose"):
        return "there is neither docker's compose plugin nor docker-compose"
    return ""


def plugin():
    return run("docker", "compose", "version", check=False).returncode == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Containers(Watched):
    """A project of its own, on ports of its own, that leaves nothing behind but the images. `folder` is for
    the files of this test; `variables` are those that compose.yaml asks for; `mounts` say which of the test's
    folders lie where in a service, instead of what the files put there; `security` is how the command line
    comes in."""

    def __init__(self, folder, variables, files=(compose.COMPOSE,), mounts=None, security=()):
        self.project = f"shoal-test-{os.getpid()}"
        self.ports = {name: free_port() for name in ("COORDINATOR_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")}
        settings = {**variables, **{name: str(port) for name, port in self.ports.items()}}
        # Which older engines take for granted only where they are told.
        self.environment = {"DOCKER_BUILDKIT": "1", **os.environ, **settings}
        self.services = compose.load(settings, *files)["services"]
        self.security = list(security)
        more = os.path.join(folder, "mounts.yaml")
        with open(more, "w", encoding="utf-8") as out:
            json.dump({"services": {service: {"volumes": [f"{folder}/{own}:{there}:ro" for own, there in each.items()]}
                                    for service, each in (mounts or {}).items()}}, out)
        command = ["docker", "compose"] if plugin() else ["docker-compose"]
        self.command = [*command, "--project-directory", str(compose.COMPOSE.parent), "--project-name", self.project,
                        *(word for file in (*files, more) for word in ("--file", str(file)))]

    def compose(self, *argv, check=True, seconds=600):
        return run(*self.command, *argv, check=check, env=self.environment, timeout=seconds)

    def build(self, *services):
        """From nothing it takes as long as a build of the programs does."""
        self.compose("build", *services, seconds=3600)

    def up(self, actors, *services):
        """Starts what of them does not run, and makes so many actors of those that do."""
        self.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", f"actor={actors}", *services)

    def containers(self, service):
        """Those of a service, running or not, as the engine describes them; by id."""
        label = "label=com.docker.compose"
        found = run("docker", "ps", "--all", "--quiet", "--filter", f"{label}.project={self.project}",
                    "--filter", f"{label}.service={service}").stdout.split()
        if not found:
            return {}
        return {each["Id"][:12]: each for each in json.loads(run("docker", "inspect", *found).stdout)}

    def running(self, service):
        return {name for name, each in self.containers(service).items() if each["State"]["Running"]}

    def only(self, service):
        [found] = self.containers(service).values()
        return found

    def healthy(self, service):
        return self.only(service)["State"].get("Health", {}).get("Status") == "healthy"

    def connect(self, container, on):
        """Takes the container off the services' network, or puts it back."""
        run("docker", "network", "connect" if on else "disconnect", f"{self.project}_shoal", container)

    def shoal(self, *command, security=None, code=0):
        """What this machine's command line says about the cluster."""
        argv = [str(BIN / "shoal"), *command, "--coordinator", f"127.0.0.1:{self.ports['COORDINATOR_PORT']}",
                *(self.security if security is None else security)]
        done = run(*argv, check=False, timeout=300)
        if code is not None and done.returncode != code:
            raise RuntimeError(f"shoal {' '.join(command)} ended with {done.returncode}, not {code}:\n"
                               f"{done.stdout}{done.stderr}{self.words('coordinator')}")
        return done

    def check_alive(self):
        for service in ("coordinator", "learner", "actor"):
            for name, each in self.containers(service).items():
                if each["RestartCount"] > 0:
                    raise RuntimeError(f"{service} {name} ended and was started again:\n{self.words(service)}")

    def words(self, service):
        return self.compose("logs", "--no-color", "--tail", "30", service, check=False).stdout[-6000:]

    def remove(self):
        self.compose("down", "--volumes", "--timeout", "5", check=False)
