"""deploy/compose/compose.yaml as data, and as what a container engine would make of it."""

import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy/compose/compose.yaml"
TLS = COMPOSE.with_name("compose.tls.yaml")
DOCKERFILE = ROOT / "deploy/docker/Dockerfile"

# ${NAME}, ${NAME-default} and ${NAME:-default}
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:?)-([^}]*))?\}")


def interpolate(value, environment):
    """What compose makes of ${...} in the values."""
    if isinstance(value, dict):
        return {key: interpolate(entry, environment) for key, entry in value.items()}
    if isinstance(value, list):
        return [interpolate(entry, environment) for entry in value]
    if not isinstance(value, str):
        return value

    def replace(match):
        name, colon, default = match.groups()
        given = environment.get(name)
        if given is None or (colon and not given):
            return default or ""
        return given

    return _VARIABLE.sub(replace, value)


def merge(one, other):
    """What compose makes of two files: mappings together, lists one after the other, else the later."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: merge(one[key], value) if key in one else value for key, value in other.items()}}
    if isinstance(one, list) and isinstance(other, list):
        return one + other
    return other


def load(environment=None, *files):
    """The file, or those given in compose's order."""
    whole = {}
    for file in files or (COMPOSE,):
        with open(file, encoding="utf-8") as text:
            whole = merge(whole, yaml.safe_load(text))
    return interpolate(whole, environment or {})


class Stage:
    """A stage of the Dockerfile: what it begins from, and its instructions."""

    def __init__(self, name, base):
        self.name, self.base, self.instructions = name, base, []

    def last(self, instruction):
        found = [rest for word, rest in self.instructions if word == instruction]
        return found[-1] if found else None


def stages():
    """The stages of the Dockerfile by name."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    found, current = {}, None
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            match = re.fullmatch(r"(\S+) AS (\S+)", rest.strip())
            assert match, f"a stage without a name: {line}"
            current = found[match.group(2)] = Stage(match.group(2), match.group(1))
        elif word and current:
            current.instructions.append((word, rest.strip()))
    return found


def inherited(name, instruction):
    """The instruction that holds in a stage: its own, or that of a stage it begins from."""
    all_stages = stages()
    while name in all_stages:
        own = all_stages[name].last(instruction)
        if own is not None:
            return own
        name = all_stages[name].base
    return None


def entry_point(target):
    return json.loads(inherited(target, "ENTRYPOINT"))
