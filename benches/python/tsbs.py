"""The rows of TSBS's cpu-only case: https://github.com/timescale/tsbs.

Hosts report ten metrics every 10 s from 2016-01-01 on. A metric is a walk of Gaussian steps
N(0, 1) from U(0, 100), clamped to 0..100. TSBS prints whole numbers ("int"); "dec2" keeps two
decimals, "float" all digits.
"""

from __future__ import annotations

import numpy as np
import polars as pl

START = 1_451_606_400_000_000_000
STEP = 10_000_000_000
FIELDS = [
    "usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait",
    "usage_irq", "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice",
]  # fmt: skip
ZONES = {
    "us-east-1": "abce", "us-west-1": "ab", "us-west-2": "abc", "eu-west-1": "abc",
    "eu-central-1": "ab", "ap-southeast-1": "ab", "ap-southeast-2": "ab",
    "ap-northeast-1": "ac", "sa-east-1": "abc",
}  # fmt: skip
CHOICES = {
    "rack": [str(rack) for rack in range(100)],
    "os": ["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"],
    "arch": ["x64", "x86"],
    "team": ["SF", "NYC", "LON", "CHI"],
    "service": [str(service) for service in range(20)],
    "service_version": ["0", "1"],
    "service_environment": ["production", "staging", "test"],
}
TAGS = ["hostname", "region", "datacenter", *CHOICES]


def walk(rng: np.random.Generator, steps: int, hosts: int) -> np.ndarray:
    """Clamped walks, a column a host."""
    out = np.empty((steps, hosts))
    at = rng.uniform(0, 100, hosts)
    for row in out:
        row[:] = at
        at = np.clip(at + rng.normal(size=hosts), 0, 100)
    return out


def tags(rng: np.random.Generator, hosts: int) -> pl.DataFrame:
    """The ten tags of each host."""
    regions = rng.choice(list(ZONES), hosts)
    columns = {
        "hostname": [f"host_{host}" for host in range(hosts)],
        "region": regions,
        "datacenter": [region + rng.choice(list(ZONES[region])) for region in regions],
    }
    columns |= {name: rng.choice(choices, hosts) for name, choices in CHOICES.items()}
    return pl.DataFrame(columns, schema=dict.fromkeys(TAGS, pl.String))


def cpu(
    hosts: int, hours: float, variant: str = "dec2", seed: int = 1, all_tags: bool = False
) -> pl.DataFrame:
    """Rows sorted by time as a collector sends them: the host's name or all tags, ten metrics."""
    rng = np.random.default_rng(seed)
    steps = int(hours * 360)
    columns: dict[str, np.ndarray] = {}
    for name in FIELDS:
        values = walk(rng, steps, hosts)
        if variant == "int":
            values = np.floor(values)
        elif variant == "dec2":
            values = np.round(values, 2)
        columns[name] = values.ravel()
    times = np.repeat(START + STEP * np.arange(steps, dtype=np.int64), hosts)
    host = np.tile(np.arange(hosts), steps)
    named = tags(rng, hosts)[TAGS if all_tags else ["hostname"]]
    return pl.DataFrame(
        {
            "time": times.astype("datetime64[ns]"),
            **{tag.name: tag.gather(host).cast(pl.Categorical) for tag in named},
            **columns,
        }
    )
