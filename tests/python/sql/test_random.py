"""Random queries, each asked in every state of the tables, answered as DuckDB answers them.

Each is asked once more without any pruning, in one of the states (in all with
``KYMOGRAPH_SQL_UNPRUNED=all``), and must give the same again.

``KYMOGRAPH_SQL_QUERIES`` is how many there are, ``KYMOGRAPH_SQL_SEED`` where the seeds start.
A failure names the seeds of the tables and of the query, and both texts.
"""

import os

import pytest

from oracles import unpruned
from sql.compare import difference, of_duckdb, of_kymograph
from sql.queries import Maker
from sql.world import World, rng_of

QUERIES = int(os.environ.get("KYMOGRAPH_SQL_QUERIES", "10000"))
SEED = int(os.environ.get("KYMOGRAPH_SQL_SEED", "4"))
UNPRUNED = os.environ.get("KYMOGRAPH_SQL_UNPRUNED", "one")
# The last one is large, and asked less.
WORLDS = 4
BATCHES = 10
SHOWN = 5


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """The tables of each seed, made when they are first asked for."""
    made = {}

    def of(seed):
        if seed not in made:
            folder = tmp_path_factory.mktemp(f"seed{seed}")
            made[seed] = World(folder, seed, large=seed == SEED + WORLDS - 1)
        return made[seed]

    yield of
    for world in made.values():
        world.close()


def handles(world, number):
    """The states by name, and those that are asked without pruning."""
    yield from world.states.items()
    names = list(world.states)
    for name in names if UNPRUNED == "all" else names[number % len(names) :][:1]:
        yield f"{name} without pruning", unpruned(world.states[name])


def wrong(world, query, number):
    """In which states a query's answer is not DuckDB's, and how in the first of them, or None."""
    asked = world.duck.execute(query.duckdb())
    names = [column[0] for column in asked.description]
    expected = of_duckdb(asked.fetchall())
    text, params = query.kymograph()
    right, found = None, {}
    for state, db in handles(world, number):
        try:
            frame = db.sql(text, params)
        except Exception as error:
            found[state] = f"{type(error).__name__}: {error}"
            continue
        # Most states give the same to the bit.
        if right is not None and frame.equals(right):
            continue
        if frame.columns != names:
            found[state] = f"columns {frame.columns}, not {names}"
        elif odd := difference(of_kymograph(frame), expected, query.ordered, query.exact):
            found[state] = odd
        else:
            right = frame
    return f"{', '.join(found)}: {next(iter(found.values()))}" if found else None


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.parametrize("seed", range(SEED, SEED + WORLDS))
def test_as_duckdb(worlds, seed, batch):
    world = worlds(seed)
    world.cool()
    failures = []
    share = 0.1 if world.large else 0.9 / (WORLDS - 1)
    for number in range(batch, round(QUERIES * share), BATCHES):
        query = Maker(rng_of(seed, number), short=world.large).query()
        found = wrong(world, query, number)
        if found:
            text, params = query.kymograph()
            failures.append(
                f"query {number} of seed {seed}\n  kymograph: {text}\n  params: {params}\n"
                f"  DuckDB: {query.duckdb()}\n  {found}"
            )
    more = f"\nand {len(failures) - SHOWN} more" if len(failures) > SHOWN else ""
    assert not failures, "\n".join(failures[:SHOWN]) + more
