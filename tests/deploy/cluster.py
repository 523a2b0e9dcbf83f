"""The services of compose.yaml, started one by one in a lab, and the command line that looks at them."""

import json
import os
import signal
import subprocess

import compose
import lab

BIN = compose.ROOT / "build/bin"
# Of the command line: docs/CLI.md.
DENIED, NOT_FOUND, UNREACHABLE = 2, 3, 4
# Some hundred short iterations, with evaluations: long enough for what happens to the run meanwhile.
LONG = """
curriculum: "9:160,12:160"
n_steps: 24
num_envs: 12
envs_per_shard: 5
batch_size: 100
n_epochs: 2
policy_hidden_sizes: "32,16"
multi_eval_interval: 20
multi_eval_probe_episodes: 2
eval_multi_fish: 12
eval_multi_episodes: 3
eval_episodes: 1
best_checkpoint_eval_episodes: 2
episode_limit: 60
seed: 11
"""
SHORT = LONG.replace("9:160,12:160", "9:10,12:10")


class Watched:
    """A cluster that the command line looks at, wherever it runs. Those that run one say how the command line
    reaches it (`shoal`), whether all of it is alive (`check_alive`), and what a service has said (`words`)."""

    def status(self):
        """Of the run that is on; {} where none is, None where nobody answers."""
        asked = self.shoal("status", "-o", "json", code=None)
        if asked.returncode in (NOT_FOUND, UNREACHABLE):
            return {} if asked.returncode == NOT_FOUND else None
        if asked.returncode != 0:
            raise RuntimeError(asked.stderr)
        return json.loads(asked.stdout)

    def line(self):
        """All runs by name."""
        return {run["run"]: run for run in json.loads(self.shoal("runs", "-o", "json").stdout)}

    def wait(self, what, condition):
        """Until the condition holds of the status of the run that is on."""
        last = None

        def holds():
            nonlocal last
            self.check_alive()
            seen = self.status()
            if seen == {} and last:
                raise RuntimeError(f"the run ended before {what}: {last}")
            last = seen or last
            return bool(seen) and condition(seen)

        try:
            lab.wait_for(what, holds)
        except TimeoutError as error:
            raise RuntimeError(f"{error}; the last status: {last}\n{self.words('coordinator')}") from None
        return last

    def progress(self):
        start = int(self.wait("a status", lambda status: True)["committedIteration"])
        self.wait("another commit", lambda status: int(status["committedIteration"]) > start)

    def finished(self, run):
        """The run's row of the line, once it is finished."""

        def row():
            self.check_alive()
            found = self.line()[run]
            if found["state"] not in ("queued", "running", "finished"):
                raise RuntimeError(f"{run} is {found}")
            return found if found["state"] == "finished" else None

        return lab.wait_for(f"the end of {run}", row)


class Cluster(Watched):
    """Hosts of a lab with a service each. `files`: those that compose would read, the later winning."""

    def __init__(self, space, variables, files=(compose.COMPOSE,), security=("--allow_insecure",)):
        self.space = space
        self.file = compose.load(variables, *files)
        self.security = list(security)
        self.programs = {}

    def environment(self, service):
        environment = {name: str(value) for name, value in self.file["services"][service]["environment"].items()}
        # Where the volumes are mounted.
        environment["SHOAL_RUNS"] = lab.VOLUME
        if "RUN_CONFIG" in environment:
            environment["RUN_CONFIG"] = f"{lab.SHARED}/run.textproto"
        if "SHOAL_TLS_DIR" in environment:
            environment["SHOAL_TLS_DIR"] = f"{lab.SHARED}/certificates/{service}"
        return environment

    def start(self, service, host, **variables):
        """Variables: what the environment has beyond, or instead of, the file's."""
        log = os.path.join(self.space.folder, f"{host}.log")
        target = self.file["services"][service]["build"]["target"]
        environment = {**self.environment(service), **variables}
        with open(log, "a", encoding="utf-8") as file:
            self.programs[host] = subprocess.Popen(
                self.space.ask(host, compose.entry_point(target), environment),
                stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True)

    def healthy(self, service):
        test = self.file["services"][service]["healthcheck"]["test"]
        assert test[0] == "CMD", test
        return lab.run(*self.space.ask(service, test[1:], self.environment(service)), check=False).returncode == 0

    def shoal(self, *command, security=None, code=0):
        """What the command line says on the host that has no service, whose folder is lab.SHARED."""
        asked = self.space.ask("host", ["shoal", *command, "--coordinator", "coordinator:50051",
                                        *(self.security if security is None else security)])
        done = subprocess.run(asked, capture_output=True, text=True, timeout=300, check=False)
        if code is not None and done.returncode != code:
            raise RuntimeError(f"shoal {' '.join(command)} ended with {done.returncode}, not {code}:\n"
                               f"{done.stdout}{done.stderr}{self.words('coordinator')}")
        return done

    def check_alive(self):
        for host, program in self.programs.items():
            if program.poll() is not None:
                raise RuntimeError(f"{host} ended with {program.poll()}:\n{self.words(host)}")

    def words(self, host):
        with open(os.path.join(self.space.folder, f"{host}.log"), encoding="utf-8") as file:
            return file.read()[-3000:]

    def end(self, host, number=signal.SIGTERM):
        """Ends it by a signal; it must be a good end."""
        program = self.programs[host]
        os.killpg(program.pid, number)
        try:
            code = program.wait(lab.PATIENCE)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{host} does not end:\n{self.words(host)}") from None
        if code != 0:
            raise RuntimeError(f"{host} ended with {code}:\n{self.words(host)}")
        del self.programs[host]

    def kill(self):
        for program in self.programs.values():
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
            program.wait(lab.PATIENCE)


def connected(status):
    return {worker["name"].rsplit("-", 1)[0] for worker in status["workers"] if worker["connected"]}


def reference(folder, name, config):
    """The policy of this run on one machine."""
    file = os.path.join(folder, f"{name}.textproto")
    with open(file, "w", encoding="utf-8") as out:
        out.write(config)
    done = subprocess.run(
        [BIN / "shoal", "train", "--config", file, "--out", folder, "--run_name", name, "--actors", "2",
         "--learner_threads", "2"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return policy(done.stdout)


def policy(said):
    """What `shoal train` says at its end."""
    return said.rsplit("policy_sha256 ", 1)[1][:64]
