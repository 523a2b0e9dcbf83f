#!/usr/bin/env python3
"""Prints the PrometheusRule of overlays/monitoring: the alerts of deploy/prometheus, which kustomize cannot
read from there, and what the autoscaler goes by.

Usage: deploy/kubernetes/make_rules.py > deploy/kubernetes/overlays/monitoring/rules.yaml
"""

import pathlib

import yaml

RULES = pathlib.Path(__file__).resolve().parents[1] / "prometheus/rules/shoal.yml"

# The share of the last five minutes in which the learner was in a run and had nothing to do: it waited for
# rollouts, which more actors shorten. Counted by looking, every five seconds, as the programs are scraped:
# a phase's seconds are known only when it has ended, in one lump, and between runs the learner waits, too,
# for what no actor brings.
WAIT = {
    "name": "shoal-autoscaler",
    "rules": [{
        "record": "shoal:learner_wait:ratio",
        "expr": "avg by (namespace) (avg_over_time("
                "(shoal_learner_in_run * (shoal_learner_busy_seconds == bool 0))[5m:5s]))",
    }],
}


def manifest():
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "shoal"},
        "spec": {"groups": [*groups, WAIT]},
    }


if __name__ == "__main__":
    print("# Made by deploy/kubernetes/make_rules.py from deploy/prometheus/rules/shoal.yml.")
    print(yaml.safe_dump(manifest(), sort_keys=False, width=1000), end="")
