#!/usr/bin/env python3
"""systemctl for a machine of two_machines_test.py, which has no systemd: starts what units say, as their
user and with their environment, and stops it.

Usage: systemctl daemon-reload | enable --now UNIT... | stop UNIT...
"""

import os
import pathlib
import select
import shlex
import signal
import socket
import subprocess
import sys

UNITS = pathlib.Path("/usr/local/lib/systemd/system")
RUN = pathlib.Path("/run/units")


def settings(unit):
    """The [Service] part as lists by name, with %H and %i as they are meant."""
    name, _, instance = unit.removesuffix(".service").partition("@")
    file = UNITS / (f"{name}@.service" if instance else f"{name}.service")
    found, part = {}, None
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            part = line
        elif part == "[Service]" and "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            value = value.replace("%H", socket.gethostname()).replace("%i", instance)
            found.setdefault(key, []).append(value)
    return found


def environment(service):
    pairs = shlex.split(" ".join(service.get("Environment", [])))
    for file in service.get("EnvironmentFile", []):
        lines = pathlib.Path(file).read_text(encoding="utf-8").splitlines()
        pairs += [line for line in lines if "=" in line and not line.startswith("#")]
    return dict(pair.split("=", 1) for pair in pairs)


def start(unit):
    service = settings(unit)
    [user], [command] = service["User"], service["ExecStart"]
    for name in service.get("StateDirectory", []):
        folder = f"/var/lib/{name}"
        subprocess.run(["install", "-d", "-o", user, "-g", user, "-m", *service["StateDirectoryMode"], folder],
                       check=True)
    RUN.mkdir(exist_ok=True)
    with open(RUN / f"{unit}.log", "ab") as log:
        program = subprocess.Popen(
            ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--bounding-set=-all",
             "--inh-caps=-all", "--no-new-privs", *shlex.split(command)],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment(service)}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, cwd=service.get("WorkingDirectory", ["/"])[0], start_new_session=True)
    (RUN / f"{unit}.pid").write_text(str(program.pid), encoding="utf-8")


def stop(unit):
    """Waits for the end: of a process that is not this one's child."""
    program = os.pidfd_open(int((RUN / f"{unit}.pid").read_text(encoding="utf-8")))
    signal.pidfd_send_signal(program, signal.SIGTERM)
    if not select.select([program], [], [], 60)[0]:
        sys.exit(f"{unit} does not end")


def main():
    match sys.argv[1:]:
        case ["daemon-reload"]:
            pass
        case ["enable", "--now", *units]:
            for unit in units:
                start(unit)
        case ["stop", *units]:
            for unit in units:
                stop(unit)
        case _:
            sys.exit(__doc__)


main()
