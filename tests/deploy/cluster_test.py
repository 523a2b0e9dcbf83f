#!/usr/bin/env python3
"""A cluster as compose.yaml describes it, with the images' entry points, environment and health checks,
a network namespace for each container: four actors, eight, two, one of them cut off and back, while the run
comes to the very policy of `shoal train` on one machine.

Ends with 77, which CTest takes for skipped, where that is not to be had.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

try:
    import compose
    import lab
except ImportError as missing:
    print(f"skipped: {missing} (Debian's package python3-yaml)")
    sys.exit(77)

ACTORS = [f"actor-{number}" for number in range(1, 9)]
# Some hundred short iterations, with evaluations: long enough for what happens to it meanwhile.
CONFIG = """
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


class Cluster:
    """The services of compose.yaml, started one by one."""

    def __init__(self, space, run_name):
        self.space = space
        self.file = compose.load({"RUN_NAME": run_name, "RUN_PRESET": ""})
        self.programs = {}

    def environment(self, service):
        environment = {name: str(value) for name, value in self.file["services"][service]["environment"].items()}
        # Where the volumes are mounted.
        environment["SHOAL_RUNS"] = self.space.runs
        environment["RUN_CONFIG"] = self.space.config
        return environment

    def start(self, service, host):
        log = os.path.join(self.space.folder, f"{host}.log")
        with open(log, "w", encoding="utf-8") as file:
            self.programs[host] = subprocess.Popen(
                self.space.service(host, service, self.file["services"][service], self.environment(service)),
                stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True)

    def healthy(self, service):
        test = self.file["services"][service]["healthcheck"]["test"]
        assert test[0] == "CMD", test
        return lab.run(*self.space.ask(service, test[1:], self.environment(service)), check=False).returncode == 0

    def status(self):
        """As the command line on the host gets it, or None."""
        asked = lab.run(*self.space.ask("host", ["shoal", "status", "--coordinator", "coordinator:50051",
                                                "--allow_insecure", "-o", "json"]), check=False)
        if asked.returncode == 2:
            raise RuntimeError(asked.stderr)
        return json.loads(asked.stdout) if asked.returncode == 0 else None

    def check_alive(self):
        for host, program in self.programs.items():
            if program.poll() not in (None, 0):
                raise RuntimeError(f"{host} ended with {program.poll()}:\n{self.words(host)}")

    def words(self, host):
        with open(os.path.join(self.space.folder, f"{host}.log"), encoding="utf-8") as file:
            return file.read()[-3000:]

    def wait(self, what, condition):
        last = None

        def holds():
            nonlocal last
            self.check_alive()
            last = self.status() or last
            if last is None or not condition(last):
                if last and last["state"] in ("STATE_DONE", "STATE_FAILED"):
                    raise RuntimeError(f"the run ended before {what}: {last}")
                return False
            return True

        try:
            lab.wait_for(what, holds)
        except TimeoutError as error:
            raise RuntimeError(f"{error}; the last status: {last}\n{self.words('coordinator')}") from None
        return last

    def progress(self):
        start = int(self.wait("a status", lambda status: True)["committedIteration"])
        self.wait("another commit", lambda status: int(status["committedIteration"]) > start)

    def end(self, host, number=None):
        """Waits for its end, after a signal if there is one; it must be a good one."""
        program = self.programs[host]
        if number is not None:
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


def policy(runs, name):
    """Of the run of this name, in what `shoal runs -o json` said."""
    return next(run["policy_sha256"] for run in json.loads(runs) if run["run"] == name)


def reference(folder):
    config = os.path.join(folder, "run.textproto")
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG)
    done = subprocess.run(
        [compose.ROOT / "build/bin/shoal", "train", "--config", config, "--out", folder, "--run_name",
         "reference", "--actors", "2", "--learner_threads", "2"], capture_output=True, text=True,
        timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    said = lab.run(str(compose.ROOT / "build/bin/shoal"), "runs", "--out", folder, "-o", "json")
    return policy(said.stdout, "reference")


def story(cluster):
    """What happens to the run while it is on."""
    # In compose's order: whoever is started before the coordinator waits for it.
    for actor in ACTORS[:4]:
        cluster.start("actor", actor)
    cluster.start("learner", "learner")
    assert not cluster.healthy("coordinator"), "healthy before it was started"
    cluster.start("coordinator", "coordinator")
    lab.wait_for("a healthy coordinator", lambda: cluster.healthy("coordinator"))
    lab.wait_for("a healthy learner", lambda: cluster.healthy("learner"))
    cluster.wait("four actors", lambda status: connected(status) == set(ACTORS[:4]))
    cluster.progress()

    for actor in ACTORS[4:]:
        cluster.start("actor", actor)
    cluster.wait("eight actors", lambda status: connected(status) == set(ACTORS))
    cluster.progress()

    for actor in ACTORS[2:]:
        cluster.end(actor, signal.SIGTERM)
    cluster.wait("two actors", lambda status: connected(status) == set(ACTORS[:2]))
    cluster.progress()

    gone = ACTORS[0]
    cluster.space.connect(gone, False)
    cluster.wait("one to be missed", lambda status: connected(status) == {ACTORS[1]} and any(
        peer["name"].startswith(gone) for peer in status["missing"]))
    cluster.progress()
    cluster.space.connect(gone, True)
    cluster.wait("its return", lambda status: connected(status) == set(ACTORS[:2]))
    for host in ("coordinator", "learner", *ACTORS[:2]):
        cluster.end(host)


def main():
    missing = lab.Lab.missing()
    if missing:
        print(f"skipped: {missing}")
        return 77
    with tempfile.TemporaryDirectory(prefix="shoal-reference-") as folder:
        begin = time.monotonic()
        expected = reference(folder)
        print(f"one machine: {expected} in {time.monotonic() - begin:.0f} s")
    space = lab.Lab(["host", "coordinator", "learner", *ACTORS])
    cluster = Cluster(space, "cluster")
    try:
        space.write_config(CONFIG)
        begin = time.monotonic()
        story(cluster)
        found = policy(space.list_runs(), "cluster")
        print(f"cluster:     {found} in {time.monotonic() - begin:.0f} s")
    finally:
        cluster.kill()
        space.remove()
    if found != expected:
        print("the policies differ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
