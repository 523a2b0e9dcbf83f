#!/usr/bin/env python3
"""A standing cluster as compose.yaml describes it, with the images' entry points, environment and health
checks, a network namespace for each container: the run that it begins with goes on with four actors, eight,
two, a coordinator that is started again, one actor that is cut off and back, and comes to the very policy of
`shoal train` on one machine. Then another run is sent from the host, and its files fetched.

Ends with 77, which CTest takes for skipped, where that is not to be had.
"""

import os
import sys
import tempfile
import time

try:
    import lab
    from cluster import LONG, SHORT, Cluster, connected, policy, reference
except ImportError as missing:
    print(f"skipped: {missing} (Debian's package python3-yaml)")
    sys.exit(77)

ACTORS = [f"actor-{number}" for number in range(1, 9)]


def first_run(cluster):
    """What happens to the run that the cluster begins with."""
    # In compose's order: whoever is started before the coordinator waits for it.
    for actor in ACTORS[:4]:
        cluster.start("actor", actor)
    cluster.start("learner", "learner")
    lab.wait_for("a healthy learner", lambda: cluster.healthy("learner"))
    assert not cluster.healthy("coordinator"), "healthy before it was started"
    cluster.start("coordinator", "coordinator")
    lab.wait_for("a healthy coordinator", lambda: cluster.healthy("coordinator"))
    cluster.wait("four actors", lambda status: connected(status) == set(ACTORS[:4]))
    cluster.progress()

    for actor in ACTORS[4:]:
        cluster.start("actor", actor)
    cluster.wait("eight actors", lambda status: connected(status) == set(ACTORS))
    cluster.progress()

    for actor in ACTORS[2:]:
        cluster.end(actor)
    cluster.wait("two actors", lambda status: connected(status) == set(ACTORS[:2]))
    cluster.progress()

    # As after the machine's restart: the same run, which goes on and is not begun again.
    before = int(cluster.status()["committedIteration"])
    cluster.end("coordinator")
    cluster.start("coordinator", "coordinator")
    lab.wait_for("a healthy coordinator", lambda: cluster.healthy("coordinator"))
    now = cluster.wait("its workers", lambda status: connected(status) == set(ACTORS[:2]))
    assert int(now["committedIteration"]) >= before, (now["committedIteration"], before)
    assert list(cluster.line()) == ["first"], cluster.line()

    gone = ACTORS[0]
    cluster.space.connect(gone, False)
    cluster.wait("one to be missed", lambda status: connected(status) == {ACTORS[1]} and any(
        peer["name"].startswith(gone) for peer in status["missing"]))
    cluster.progress()
    cluster.space.connect(gone, True)
    cluster.wait("its return", lambda status: connected(status) == set(ACTORS[:2]))
    return cluster.finished("first")["policy_sha256"]


def second_run(cluster):
    """Sent to the same programs, from where they are not, and its files fetched there."""
    sent = cluster.shoal("train", "--config", f"{lab.SHARED}/second.textproto", "--run_name", "second")
    cluster.shoal("fetch", "second", "--out", f"{lab.SHARED}/fetched")
    for name in ("config.textproto", "run.db", "report.html", "media/eval.mp4"):
        file = os.path.join(cluster.space.shared, "fetched/second", name)
        assert os.path.getsize(file) > 0, name
    return policy(sent.stdout)


def main():
    missing = lab.Lab.missing()
    if missing:
        print(f"skipped: {missing}")
        return 77
    with tempfile.TemporaryDirectory(prefix="shoal-reference-") as folder:
        begin = time.monotonic()
        expected = [reference(folder, "first", LONG), reference(folder, "second", SHORT)]
        print(f"one machine: {expected} in {time.monotonic() - begin:.0f} s")
    space = lab.Lab(["host", "coordinator", "learner", *ACTORS])
    cluster = Cluster(space, {"RUN_NAME": "first"})
    try:
        space.write("run.textproto", LONG)
        space.write("second.textproto", SHORT)
        begin = time.monotonic()
        found = [first_run(cluster), second_run(cluster)]
        print(f"cluster:     {found} in {time.monotonic() - begin:.0f} s")
        # Begun with no run, or with one that is finished, it waits.
        for variables in ({"RUN_NAME": "", "RUN_CONFIG": ""}, {}):
            cluster.end("coordinator")
            cluster.start("coordinator", "coordinator", **variables)
            lab.wait_for("a healthy coordinator", lambda: cluster.healthy("coordinator"))
            states = {run["run"]: run["state"] for run in cluster.line().values()}
            assert states == {"first": "finished", "second": "finished"}, states
        for host in ("coordinator", "learner", *ACTORS[:2]):
            cluster.end(host)
    finally:
        cluster.kill()
        space.remove()
    if found != expected:
        print("the policies differ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
