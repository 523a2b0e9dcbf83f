"""Writes tests/data/world_numpy.json: draws of NumPy's own generator for numpy_random_test.

Usage: python3 tests/world/make_numpy_data.py tests/data/world_numpy.json
"""

import json
import struct
import sys

import numpy as np

SEEDS = [0, 1, 7, 411232, 2**32 - 1, 2**32, 2**63 + 12345, 2**64 - 1]
TAIL = 3.6541528853610088  # beyond it lies the ziggurat's tail
NORMALS = 20000


def fnv1a(values):
    """FNV-1a of the bits of doubles, as numpy_random_test.cc has it."""
    digest = 0xCBF29CE484222325
    for value in values:
        for byte in struct.pack("<d", value):
            digest = ((digest ^ byte) * 0x100000001B3) % 2**64
    return str(digest)


def mixed_draws(rng):
    """Kinds of draws in turn: the unused half of a 64-bit output must survive the others."""
    draws = [rng.random(), rng.integers(0, 2**31 - 1), rng.normal(0.5, 0.35)]
    draws += [rng.integers(0, bound) for bound in (1, 5, 1000003, 3000000000)]
    draws.append(rng.random())
    return [float(draw) for draw in draws]


def case(seed):
    normals = np.random.default_rng(seed).standard_normal(NORMALS)
    tail = np.where(np.abs(normals) > TAIL)[0][:6]
    uniform = np.random.default_rng(seed)
    bounded = np.random.default_rng(seed)
    sequence = np.random.SeedSequence(seed)
    return {
        "seed": str(seed),
        "state": [str(word) for word in sequence.generate_state(4, np.uint64)],
        "raw": [str(word) for word in np.random.PCG64(sequence).random_raw(5)],
        "doubles": [float(x) for x in np.random.default_rng(seed).random(4)],
        "uniform": [float(uniform.uniform(-0.3, 2.9)) for _ in range(3)],
        "normals": [float(x) for x in normals[:6]],
        "normal_hash": fnv1a(normals),
        "normal_tail": [[int(i), float(normals[i])] for i in tail],
        "bounded": [int(bounded.integers(0, 2**31 - 1)) for _ in range(5)],
        "mixed": mixed_draws(np.random.default_rng(seed)),
    }


def main():
    rejecting = np.random.default_rng(99)
    bank = np.random.default_rng(411232)
    data = {
        "numpy_version": np.__version__,
        "normals_per_hash": NORMALS,
        "cases": [case(seed) for seed in SEEDS],
        "bank_411232": [int(seed) for seed in bank.integers(0, 2**31 - 1, size=20)],
        # 30 % of these draws are rejected.
        "bounded_3000000000_seed_99": [int(rejecting.integers(0, 3000000000)) for _ in range(12)],
    }
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump(data, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
