"""EXPLAIN tells which engine does what, what is pruned, and what statistics answer."""

import re

import numpy as np
import polars as pl
import pytest

import kymograph as ky
from sql.world import SECOND

ROWS = 20_000


@pytest.fixture(scope="module")
def db():
    """Two series whose values climb with time; 20 blocks each."""
    with ky.open() as db:
        for host in ("a", "b"):
            db.write(
                "t",
                {
                    "time": np.arange(ROWS) * SECOND,
                    "host": [host] * ROWS,
                    "v": np.arange(ROWS) / 4,
                },
                tags="host",
            )
        db.write("u", {"time": [0], "host": ["a"], "w": [1]}, tags="host")
        db.flush()
        yield db


def explained(db, text, analyze=False):
    """The lines of a plan as one text."""
    frame = db.sql(f"EXPLAIN {'ANALYZE ' if analyze else ''}{text}")
    assert frame.schema == {"plan": pl.String}
    return "\n".join(frame["plan"])


def blocks(plan):
    """Of the blocks in the range: all, skipped, answered by statistics, decoded."""
    found = re.search(
        r"blocks: +(\d+) in the range: (\d+) skipped by statistics, (\d+) answered by statistics, "
        r"(\d+) decoded",
        plan,
    )
    assert found, plan
    return tuple(map(int, found.groups()))


def test_statistics_answer_sums_without_decoding(db):
    plan = explained(db, "SELECT sum(v), max(v), count(*) FROM t")
    assert plan.startswith("kymograph: aggregate t")
    total, skipped, statistics, decoded = blocks(plan)
    assert total == statistics > 0
    assert skipped == decoded == 0
    assert re.search(r"series: +2 of 2", plan)


def test_tags_prune_series_and_times_blocks(db):
    plan = explained(db, "SELECT sum(v) FROM t WHERE host = 'a' AND time >= '1970-01-01T05:00:00Z'")
    assert re.search(r"series: +1 of 2", plan)
    assert "1970-01-01T05:00:00" in plan
    assert re.search(r"tags: +host in a", plan)
    total, *_, decoded = blocks(plan)
    assert 0 < total < ROWS // 1024
    assert decoded <= 1


def test_conditions_skip_blocks_by_their_statistics(db):
    plan = explained(db, "SELECT v FROM t WHERE v > 4900")
    assert plan.startswith("kymograph: read t")
    assert "v > 4900" in plan
    total, skipped, _, decoded = blocks(plan)
    assert total == 40
    assert skipped == 38
    assert decoded == 2
    assert db.sql("SELECT count(*) FROM t WHERE v > 4900").item() == 2 * 399


def test_what_needs_the_values_is_decoded(db):
    *_, decoded = blocks(explained(db, "SELECT median(v) FROM t"))
    assert decoded == 40


def test_a_plan_has_its_buckets_groups_fill_and_order(db):
    plan = explained(
        db,
        "SELECT host, avg(v) AS mean FROM t GROUP BY 5m, host FILL(prev) "
        "HAVING avg(v) > 3 ORDER BY mean DESC LIMIT 3 OFFSET 1",
    )
    for part in (
        r"buckets: +.*5",
        r"groups: +host",
        r"fill: +prev",
        r"having: ",
        "DESC",
        "3 from row 1",
    ):
        assert re.search(part, plan), part


def test_the_latest_rows(db):
    plan = explained(db, "SELECT * FROM t LATEST ON time PARTITION BY host")
    assert plan.startswith("kymograph: latest t")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT lag(v) OVER (PARTITION BY host ORDER BY time) FROM t WHERE v > 4900", "window"),
        ("SELECT t.v FROM t JOIN u ON t.host = u.host WHERE t.v > 4900", "JOIN"),
        ("WITH h AS (SELECT v FROM t WHERE v > 4900) SELECT max(v) FROM h", "common table"),
        ("SELECT v FROM t WHERE v > 4900 UNION ALL SELECT w FROM u", "UNION"),
        (
            "SELECT t.v, u.w FROM t ASOF JOIN u ON t.host = u.host AND t.time >= u.time "
            "WHERE t.v > 4900",
            "ASOF JOIN",
        ),
    ],
)
def test_what_polars_does_is_told_and_still_pruned(db, text, reason):
    plan = explained(db, text)
    assert plan.startswith("Polars, for ")
    assert reason in plan.splitlines()[0]
    assert "__part0" in plan
    assert "kymograph: read t" in plan
    first = plan[plan.index("kymograph: read t") :]
    total, skipped, _, decoded = blocks(first)
    assert (total, skipped, decoded) == (40, 38, 2)


def test_analyze_runs_it_and_tells_what_it_took(db):
    plan = explained(db, "SELECT v FROM t WHERE v > 4900", analyze=True)
    assert re.search(r"took: +[0-9.]+ ms, 798 rows, \d+ bytes", plan)
    plan = explained(
        db, "SELECT v FROM t WHERE v > 4900 UNION ALL SELECT v FROM t WHERE v < 1", True
    )
    assert re.search(r"Polars took [0-9.]+ ms for 806 rows", plan)
    assert len(re.findall(r"took: +[0-9.]+ ms", plan)) == 2


def test_explain_does_not_run(db):
    """What only a run finds is not found."""
    assert "kymograph: read t" in explained(db, "SELECT CAST(host AS BIGINT) AS n FROM t")
    with pytest.raises(ky.InvalidArgument):
        db.sql("SELECT CAST(host AS BIGINT) AS n FROM t")


def test_plans_take_parameters(db):
    frame = db.sql("EXPLAIN SELECT v FROM t WHERE host = $host", {"host": "b"})
    assert any("host in b" in line for line in frame["plan"])
