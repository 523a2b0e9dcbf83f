#!/usr/bin/env python3
"""compose.yaml with compose.tls.yaml under a container engine: with a certificate for each program, made as
the file says, the cluster finds together and is healthy; an operator on this machine sends a run, which has
the policy of `shoal train` here and can be fetched; a reader looks, and nobody else gets in. With renewed
certificates the actors come back, and another run has the same policy.

Usage: containers_tls_test.py    the images are there, of this build: containers_test.py makes them

Ends with 77, which CTest takes for skipped, where no engine is to be had, or no root to own the keys.
"""

import glob
import os
import shutil
import sys
import tempfile
import time

try:
    import compose
    import lab
    from cluster import DENIED, SHORT, UNREACHABLE, policy, reference
    from containers import Containers, missing, run
except ImportError as absent:
    print(f"skipped: {absent} (Debian's package python3-yaml)")
    sys.exit(77)

PROGRAMS = ("coordinator", "learner", "actor")
MAKE = str(compose.ROOT / "deploy/certificates/make.sh")
USER = 10001


def give_keys(folder):
    """To the user that the containers run as, who reads nothing else."""
    for program in PROGRAMS:
        for path in glob.glob(f"{folder}/certificates/.{program}.*"):
            for own in (path, *glob.glob(f"{path}/*")):
                os.chown(own, USER, USER)


def certificate(folder, role):
    return ["--tls_dir", f"{folder}/certificates/{role}"]


def story(cluster, folder):
    cluster.up(2, *PROGRAMS)
    for service in ("learner", "coordinator"):
        lab.wait_for(f"a healthy {service}", lambda service=service: cluster.healthy(service))
    assert cluster.line() == {}, "it begins with no run"

    train = ["train", "--config", f"{folder}/run.textproto", "--run_name"]
    for role in ("reader", "actor"):
        refused = cluster.shoal(*train, "run", security=certificate(folder, role), code=DENIED)
        assert role in refused.stderr, refused.stderr
    cluster.shoal("runs", "--timeout", "3", security=[], code=UNREACHABLE)
    assert cluster.line() == {}

    operator = certificate(folder, "operator")
    found = [policy(cluster.shoal(*train, "run", security=operator).stdout)]
    cluster.shoal("fetch", "run", "--out", f"{folder}/fetched")
    assert os.path.getsize(f"{folder}/fetched/run/run.db") > 0

    run(MAKE, "renew", f"{folder}/certificates", "actor")
    give_keys(folder)
    cluster.compose("restart", "actor")
    with open(f"{folder}/certificates/actor/cert.pem", encoding="utf-8") as file:
        renewed = file.read()
    for name in cluster.running("actor"):
        assert run("docker", "exec", name, "cat", "/tls/cert.pem").stdout == renewed, "the old certificate"
    found.append(policy(cluster.shoal(*train, "again", security=operator).stdout))
    return found


def main():
    absent = missing() or ("" if shutil.which("openssl") else "there is no openssl") or (
        "" if os.geteuid() == 0 else "the keys must be given to the containers' user, which takes root")
    if absent:
        print(f"skipped: {absent}")
        return 77
    with tempfile.TemporaryDirectory(prefix="shoal-containers-") as folder:
        os.chmod(folder, 0o755)
        expected = [reference(folder, "run", SHORT)] * 2
        run(MAKE, "all", f"{folder}/certificates", "--host", "coordinator", "--host", "learner",
            "--host", "127.0.0.1")
        give_keys(folder)
        cluster = Containers(folder, {}, (compose.COMPOSE, compose.TLS),
                             {program: {f"certificates/{program}": "/tls"} for program in PROGRAMS},
                             certificate(folder, "reader"))
        begin = time.monotonic()
        try:
            found = story(cluster, folder)
            print(f"with certificates: {found} in {time.monotonic() - begin:.0f} s")
        finally:
            cluster.remove()
    if found != expected:
        print(f"on one machine:    {expected}: the policies differ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
