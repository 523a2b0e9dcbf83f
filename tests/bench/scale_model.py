"""How a run's speed grows with its actors, and where each part of it saturates (docs/SCALE.md).

Rows a second are those of an iteration over its time; an iteration (policy_lag 1) takes as long as
the slowest of its parts:

  actors       ceil(S / N) * t     S items of k rows, t seconds each, on N actors
  update       S * k / U           U rows/s that the learner learns
  ingest       S * k / I           I rows/s that the learner takes in
  leases       S * c               c seconds of the coordinator's core for a lease
  network      S * k * w / B       w bytes of a row on the wire, B bytes/s of the learner's link
"""
import math
from dataclasses import dataclass

from results import Missing


@dataclass
class Parts:
    rows_per_item: float     # k
    item_seconds: float      # t
    update_rows: float       # U; infinite where nothing is learned
    ingest_rows: float       # I
    lease_seconds: float     # c
    wire_bytes: float        # w
    link_bytes: float        # B

    def iteration(self, items, actors):
        """Seconds by part."""
        rows = items * self.rows_per_item
        return {"actors": math.ceil(items / actors) * self.item_seconds,
                "update": rows / self.update_rows,
                "ingest": rows / self.ingest_rows,
                "leases": items * self.lease_seconds,
                "network": rows * self.wire_bytes / self.link_bytes}

    def rate(self, items, actors):
        """Rows/s, the part that limits it, the learner's waiting share, the coordinator's CPU share."""
        parts = self.iteration(items, actors)
        limit = max(parts, key=parts.get)
        seconds = parts[limit]
        return (items * self.rows_per_item / seconds, limit, 1 - parts["update"] / seconds,
                parts["leases"] / seconds)


ACTORS = (1, 2, 4, 8, 16)
MANY = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
# A run with more actors has more environments: so many items for each of them.
ITEMS_PER_ACTOR = 4
FEWEST_ITEMS = 16
TEN_GIGABIT = 1.25e9
EPOCHS = 4  # of `school`
_PUSH = "BM_PushOverLoopback/22"
_UPDATE = "Update/width:64/batch:512/threads:1"
_SERVICE = "Service/epochs:4"


def lease_seconds(r):
    """Of the coordinator's core, with 1,000 actors connected."""
    for rate in (10000, 5000, 2500, 0):
        name = f"Leases/actors:1000/rate:{rate}"
        if name in r.benchmarks:
            return r.get(name, "cpu_seconds_per_lease")
    raise Missing("no Leases of 1000 actors")


def simulated(r):
    """The parts of scale_bench's runs: actors that wait instead of computing."""
    one = f"Scale/actors:{ACTORS[0]}"
    rows = r.get(one, "rows_per_item")
    return Parts(rows_per_item=rows,
                 item_seconds=r.get(one, "hold_seconds") + rows / r.get(_PUSH, "items_per_second"),
                 update_rows=r.get(one, "update_rows_per_second"),
                 ingest_rows=r.get(_PUSH, "items_per_second"), lease_seconds=lease_seconds(r),
                 wire_bytes=r.get(_PUSH, "wire_bytes_per_row"), link_bytes=math.inf)


def school(r):
    rows = r.get(_SERVICE, "rows_per_item")
    # An actor pushes rows while it computes the next item.
    return Parts(rows_per_item=rows,
                 item_seconds=max(rows / r.get(_SERVICE, "in_service_rollout_rows_per_second"),
                                  rows / r.get(_PUSH, "items_per_second")),
                 update_rows=r.get(_UPDATE, "rows") / EPOCHS,
                 ingest_rows=r.get(_PUSH, "items_per_second"), lease_seconds=lease_seconds(r),
                 wire_bytes=r.get(_PUSH, "wire_bytes_per_row"), link_bytes=TEN_GIGABIT)


def short(value):
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= 0.9995 * factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"


def measured(r):
    """Head and rows of the table of what was measured, beside the model."""
    parts = simulated(r)
    rows = []
    for actors in ACTORS:
        name = f"Scale/actors:{actors}"
        rate, limit, _, _ = parts.rate(int(r.get(name, "items")), actors)
        got = r.get(name, "rows_per_second")
        rows.append([actors, short(got), short(rate), f"{got / rate:.2f}", limit,
                     f"{100 * r.get(name, 'learner_wait_share'):.0f} %",
                     f"{r.get(name, 'wire_bytes_per_second') / 1e6:.1f}",
                     f"{100 * r.get(name, 'learner_cpu_share'):.0f} %",
                     f"{100 * r.get(name, 'coordinator_cpu_share'):.1f} %"])
    return (["actors", "rows/s", "model, rows/s", "measured / model", "model's limit",
             "the learner waits", "wire, MB/s", "learner's CPU", "coordinator's CPU"], rows)


def constants(r):
    parts = school(r)
    return (["", "what", "value", "from"], [
        ["k", "rows of an item", short(parts.rows_per_item), "a run of `school` with policy_lag 1"],
        ["t", "seconds of an item on an actor's core, its push beside it",
         f"{1e3 * parts.item_seconds:.1f} ms", "the same run, `row_stream_bench`"],
        ["U", "rows/s that one learner thread learns", short(parts.update_rows),
         f"`learner_bench`, {EPOCHS} epochs"],
        ["I", "rows/s over one stream, both ends on this machine", short(parts.ingest_rows),
         "`row_stream_bench`"],
        ["c", "coordinator's core for a lease", f"{1e6 * parts.lease_seconds:.0f} us",
         "`coordinator_bench`, 1,000 actors"],
        ["w", "bytes of a row on the wire", f"{parts.wire_bytes:.1f}", "`row_stream_bench`"],
        ["B", "learner's link", "10 Gbit/s", "assumed"]])


def predicted(r):
    parts = school(r)
    rows = []
    for actors in MANY:
        items = max(FEWEST_ITEMS, ITEMS_PER_ACTOR * actors)
        rate, limit, wait, cpu = parts.rate(items, actors)
        by = {name: items * parts.rows_per_item / seconds
              for name, seconds in parts.iteration(items, actors).items()}
        rows.append([actors, items] + [short(by[name]) for name in
                                       ("actors", "update", "ingest", "leases", "network")]
                    + [short(rate), limit, f"{100 * wait:.0f} %", f"{100 * cpu:.2g} %"])
    return (["actors", "items", "actors give", "update takes", "ingest takes", "leases allow",
             "network allows", "rows/s", "limit", "the learner waits", "coordinator's CPU"], rows)
