#!/usr/bin/env python3
"""compose.yaml under a container engine: its images are built from this checkout and started as
docs/CLUSTER.md says. The run that the cluster begins with goes on with four actors, eight, two, a coordinator
that is stopped and started, an actor that is cut off and back, and comes to the very policy of `shoal train`
of this machine's build. Then another run is sent from this machine, and its files fetched.

Usage: containers_test.py [--built] [SERVICE]...   services to start beyond coordinator, learner, actor and
       prometheus (grafana: its image comes from its makers); --built: the images are there, of this build

Ends with 77, which CTest takes for skipped, where no engine is to be had.
"""

import json
import os
import sys
import tempfile
import time
import urllib.parse
import urllib.request

try:
    import lab
    from cluster import LONG, SHORT, connected, policy, reference
    from containers import Containers, missing, run
except ImportError as absent:
    print(f"skipped: {absent} (Debian's package python3-yaml)")
    sys.exit(77)

PROGRAMS = ("coordinator", "learner", "actor")
# Containers come and go, and are found healthy, in seconds: the run must last for a minute or two.
SLOW = (LONG.replace("9:160,12:160", "9:500,12:500").replace("n_steps: 24", "n_steps: 96")
        .replace("num_envs: 12", "num_envs: 64").replace("batch_size: 100", "batch_size: 500"))
USER = "10001"


def scraped(cluster):
    """Programs that Prometheus reaches, as {program: how many}."""
    address = f"http://127.0.0.1:{cluster.ports['PROMETHEUS_PORT']}/api/v1/query?"
    with urllib.request.urlopen(address + urllib.parse.urlencode({"query": "sum by (program) (up)"}),
                                timeout=10) as answer:
        rows = json.load(answer)["data"]["result"]
    return {row["metric"]["program"]: int(row["value"][1]) for row in rows}


def check_hardened(cluster):
    """What compose.yaml promises of each program, asked of the engine and inside."""
    for service in PROGRAMS:
        for name, each in cluster.containers(service).items():
            host = each["HostConfig"]
            assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"], (service, host)
            inside = run("docker", "exec", name, "sh", "-c",
                         "id -u; touch /mark 2>/dev/null || echo no; grep CapEff /proc/1/status").stdout.split()
            assert inside == [USER, "no", "CapEff:", "0" * 16], (service, inside)


def first_run(cluster):
    """What happens to the run that the cluster begins with."""
    for service in ("learner", "coordinator", "prometheus"):
        lab.wait_for(f"a healthy {service}", lambda service=service: cluster.healthy(service))
    cluster.wait("four actors", lambda status: len(connected(status)) == 4)
    assert connected(cluster.status()) == cluster.running("actor")
    cluster.progress()
    check_hardened(cluster)

    cluster.up(8, "actor")
    cluster.wait("eight actors", lambda status: len(connected(status)) == 8)
    lab.wait_for("Prometheus to find them",
                 lambda: scraped(cluster) == {"coordinator": 1, "learner": 1, "actor": 8})
    cluster.progress()

    cluster.up(2, "actor")
    cluster.wait("two actors", lambda status: len(connected(status)) == 2)
    actors = sorted(cluster.running("actor"))
    assert len(actors) == 2, actors
    cluster.progress()

    before = int(cluster.status()["committedIteration"])
    cluster.compose("stop", "coordinator")
    state = cluster.only("coordinator")["State"]
    assert state["ExitCode"] == 0 and not state["OOMKilled"], state
    cluster.compose("start", "coordinator")
    lab.wait_for("a healthy coordinator", lambda: cluster.healthy("coordinator"))
    now = cluster.wait("its workers", lambda status: connected(status) == set(actors))
    assert int(now["committedIteration"]) >= before, (now["committedIteration"], before)
    assert list(cluster.line()) == ["first"], cluster.line()

    gone = actors[0]
    cluster.connect(gone, False)
    cluster.wait("one to be missed", lambda status: connected(status) == {actors[1]} and any(
        peer["name"].startswith(gone) for peer in status["missing"]))
    cluster.progress()
    cluster.connect(gone, True)
    cluster.wait("its return", lambda status: connected(status) == set(actors))
    return cluster.finished("first")["policy_sha256"]


def second_run(cluster, folder):
    """Sent from this machine, and its files fetched here."""
    sent = cluster.shoal("train", "--config", os.path.join(folder, "second.textproto"), "--run_name", "second")
    cluster.shoal("fetch", "second", "--out", os.path.join(folder, "fetched"))
    for name in ("config.textproto", "run.db", "report.html", "media/eval.mp4"):
        assert os.path.getsize(os.path.join(folder, "fetched/second", name)) > 0, name
    return policy(sent.stdout)


def keeps_its_runs(cluster):
    """`down` ends every container well, and the volume has the runs when the cluster comes again."""
    cluster.compose("down")
    cluster.up(1, *PROGRAMS)
    lab.wait_for("a healthy coordinator", lambda: cluster.healthy("coordinator"))
    states = {each["run"]: each["state"] for each in cluster.line().values()}
    assert states == {"first": "finished", "second": "finished"}, states


def main():
    absent = missing()
    if absent:
        print(f"skipped: {absent}")
        return 77
    with tempfile.TemporaryDirectory(prefix="shoal-containers-") as folder:
        os.mkdir(os.path.join(folder, "config"))
        for name, text in (("config/run.textproto", SLOW), ("second.textproto", SHORT)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
                out.write(text)
        os.chmod(folder, 0o755)
        built = "--built" in sys.argv
        services = [*PROGRAMS, "prometheus", *(word for word in sys.argv[1:] if word != "--built")]
        # The run to begin with lies in this test's folder, not in deploy/compose/config.
        cluster = Containers(folder, {"RUN_NAME": "first"}, mounts={"coordinator": {"config": "/config"}})
        if not built:
            begin = time.monotonic()
            cluster.build(*(name for name in services if "build" in cluster.services[name]))
            print(f"images in {time.monotonic() - begin:.0f} s", flush=True)
        expected = [reference(folder, "first", SLOW), reference(folder, "second", SHORT)]
        print(f"one machine: {expected}", flush=True)
        begin = time.monotonic()
        try:
            cluster.up(4, *services)
            found = [first_run(cluster), second_run(cluster, folder)]
            print(f"containers:  {found} in {time.monotonic() - begin:.0f} s")
            keeps_its_runs(cluster)
        finally:
            cluster.remove()
    if found != expected:
        print("the policies differ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
