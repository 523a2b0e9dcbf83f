#!/usr/bin/env python3
"""The standing cluster of compose.yaml and compose.tls.yaml: the same entry points, environment and health
checks with certificates, in a network namespace for each container. Operators send runs, readers look,
others do neither.

Ends with 77, which CTest takes for skipped, where that is not to be had.
"""

import shutil
import sys
import tempfile
import time

try:
    import compose
    import lab
    from cluster import DENIED, SHORT, UNREACHABLE, Cluster, connected, policy, reference
except ImportError as missing:
    print(f"skipped: {missing} (Debian's package python3-yaml)")
    sys.exit(77)

ACTORS = ["actor-1", "actor-2"]


def certificate(role):
    return ["--tls_dir", f"{lab.SHARED}/certificates/{role}"]


def story(cluster):
    for host in (*ACTORS, "learner", "coordinator"):
        cluster.start(host.split("-")[0], host)
    for service in ("coordinator", "learner"):
        lab.wait_for(f"a healthy {service}", lambda service=service: cluster.healthy(service))
    assert cluster.line() == {}, "it begins with no run"

    run = ["train", "--config", f"{lab.SHARED}/sent.textproto", "--run_name", "run"]
    for role in ("reader", "actor"):
        refused = cluster.shoal(*run, security=certificate(role), code=DENIED)
        assert role in refused.stderr, refused.stderr
    cluster.shoal("runs", security=certificate("actor"), code=DENIED)
    # Plain text, and nobody's certificate.
    cluster.shoal("runs", "--timeout", "3", security=["--allow_insecure"], code=UNREACHABLE)
    assert cluster.line() == {}

    cluster.shoal(*run, "--detach", security=certificate("operator"))
    cluster.wait("its actors", lambda status: connected(status) == set(ACTORS))
    found = policy(cluster.shoal("train", "--resume", "run", security=certificate("operator")).stdout)
    cluster.shoal("fetch", "run", "--out", f"{lab.SHARED}/fetched")
    for host in ("coordinator", "learner", *ACTORS):
        cluster.end(host)
    return found


def main():
    missing = lab.Lab.missing()
    if missing:
        print(f"skipped: {missing}")
        return 77
    if not shutil.which("openssl"):
        print("skipped: there is no openssl")
        return 77
    with tempfile.TemporaryDirectory(prefix="shoal-reference-") as folder:
        expected = reference(folder, "run", SHORT)
    space = lab.Lab(["host", "coordinator", "learner", *ACTORS])
    try:
        lab.run(str(compose.ROOT / "deploy/certificates/make.sh"), "all", f"{space.shared}/certificates",
                "--host", "coordinator", "--host", "learner", "--host", "127.0.0.1")
        space.own("certificates")
        space.write("sent.textproto", SHORT)
        # The host's own commands look, as a reader.
        cluster = Cluster(space, {}, (compose.COMPOSE, compose.TLS), certificate("reader"))
        begin = time.monotonic()
        try:
            found = story(cluster)
        finally:
            cluster.kill()
        print(f"with certificates: {found} in {time.monotonic() - begin:.0f} s")
    finally:
        space.remove()
    if found != expected:
        print(f"on one machine:    {expected}: the policies differ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
