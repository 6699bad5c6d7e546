"""Relations against SciPy, statsmodels, NumPy and Polars, and what they do with too little."""

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.tsa.stattools import grangercausalitytests

from kymograph import analytics

SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}


def two(n, seed=0, digits=None):
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    y = 0.4 * x + random.normal(size=n)
    return (x, y) if digits is None else (np.round(x, digits), np.round(y, digits))


def chain(n, seed=0):
    """x drives y after two steps, y drives z after one, each with a memory of its own."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(3, n))
    x, y, z = np.zeros((3, n))
    for t in range(2, n):
        x[t] = 0.6 * x[t - 1] + noise[0, t]
        y[t] = 0.5 * y[t - 1] + 0.5 * x[t - 2] + noise[1, t]
        z[t] = 0.4 * z[t - 1] + 0.6 * y[t - 1] + noise[2, t]
    return {"x": x, "y": y, "z": z}


@pytest.mark.parametrize("method", SCIPY)
@pytest.mark.parametrize(
    ("n", "digits"), [(5, None), (20, None), (33, None), (34, None), (400, None), (60, 0), (9, 0)]
)
def test_correlate_as_scipy(method, n, digits):
    x, y = two(n, seed=n, digits=digits)
    found = analytics.correlate({"x": x, "y": y}, method=method).row(0, named=True)
    expected = SCIPY[method](x, y)
    assert found["r"] == pytest.approx(expected[0], abs=1e-13)
    assert found["p"] == pytest.approx(expected[1], rel=1e-10)
    assert found["n"] == n


@pytest.mark.parametrize("scale", [1e-180, 1.0, 1e150])
@pytest.mark.parametrize("shift", [0.0, 1e7])
def test_correlate_keeps_its_digits(scale, shift):
    x, y = two(500)
    expected = stats.pearsonr(x, y)[0]
    found = analytics.correlate({"x": (x + shift) * scale, "y": y - shift})
    assert found["r"][0] == pytest.approx(expected, abs=1e-8 if shift else 1e-13)


def test_missing_values_are_left_out_pair_by_pair():
    x, y = two(100)
    x[[3, 50]] = np.nan
    y[[50, 77, 98]] = np.nan
    both = ~np.isnan(x) & ~np.isnan(y)
    found = analytics.correlate({"x": x, "y": y}).row(0, named=True)
    assert found["n"] == both.sum() == 96
    assert found["r"] == pytest.approx(stats.pearsonr(x[both], y[both])[0], abs=1e-13)


def test_a_tolerance_pairs_the_nearest_and_the_earlier_of_two_as_near():
    second = 1_000_000_000
    times = np.array([0, 3, 10, 15, 20, 26, 40]) * second
    nan = np.nan
    x = np.array([nan, 1.0, nan, 2.0, nan, 3.0, nan])
    # 15 is as far from 10 as from 20.
    y = np.array([5.0, nan, 7.0, nan, 6.5, nan, 9.0])
    found = analytics.correlate({"x": x, "y": y}, times, tolerance="6s").row(0, named=True)
    expected = stats.pearsonr([1.0, 2.0, 3.0], [5.0, 7.0, 6.5])
    assert (found["n"], found["r"]) == (3, pytest.approx(expected[0], abs=1e-13))
    assert analytics.correlate({"x": x, "y": y}, times, tolerance="5s")["n"][0] == 2
    assert analytics.correlate({"x": x, "y": y}, times)["n"][0] == 0


def test_cross_correlate_is_the_correlation_of_what_overlaps():
    x, y = two(200)
    y = np.roll(x, 3) + 0.1 * y
    found = analytics.cross_correlate({"x": x, "y": y}, max_lag=5)
    assert found["lag"].to_list() == list(range(-5, 6))
    for lag, r, p, n in found.select("lag", "r", "p", "n").iter_rows():
        own = (x[: 200 - lag], y[lag:]) if lag >= 0 else (x[-lag:], y[: 200 + lag])
        expected = stats.pearsonr(*own)
        assert (n, r) == (200 - abs(lag), pytest.approx(expected[0], abs=1e-13))
        assert p == pytest.approx(expected[1], rel=1e-9)
    assert found.sort("r")["lag"][-1] == 3


def test_two_random_walks_are_less_sure_when_their_memory_counts():
    random = np.random.default_rng(5)
    walks = {name: random.normal(size=400).cumsum() for name in "xy"}
    usual = analytics.cross_correlate(walks, max_lag=0)["p"][0]
    effective = analytics.cross_correlate(walks, max_lag=0, effective=True)["p"][0]
    assert usual < 1e-6
    assert effective > 0.01


@pytest.mark.parametrize("method", ["pearson", "spearman", "kendall"])
@pytest.mark.parametrize("holes", [0.0, 0.1])
def test_correlation_matrix_as_pair_by_pair(method, holes):
    random = np.random.default_rng(3)
    count = 140 if method == "pearson" else 12
    frame = random.normal(size=(60, count)) + random.normal(size=(60, 1))
    frame[random.random(frame.shape) < holes] = np.nan
    frame[:, 4] = 2.5
    found = analytics.correlation_matrix(
        {str(at): frame[:, at] for at in range(count)}, method=method
    )
    assert found.height == count * (count - 1) // 2
    rows = found.select("field_a", "field_b", "r", "p", "n").rows()
    for a, b, r, p, n in rows[:: max(1, len(rows) // 300)]:
        x, y = frame[:, int(a)], frame[:, int(b)]
        both = ~np.isnan(x) & ~np.isnan(y)
        assert n == both.sum()
        if "4" in (a, b):
            assert r is None or np.isnan(r)
            continue
        expected = SCIPY[method](x[both], y[both])
        assert r == pytest.approx(expected[0], abs=1e-12)
        assert p == pytest.approx(expected[1], rel=1e-8)


def test_correlation_matrix_as_numpy():
    frame = np.random.default_rng(4).normal(size=(300, 200)).cumsum(axis=0)
    found = analytics.correlation_matrix({str(at): frame[:, at] for at in range(200)})
    expected = np.corrcoef(frame, rowvar=False)[np.triu_indices(200, 1)]
    np.testing.assert_allclose(found["r"].to_numpy(), expected, atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lags", [1, 4, 7])
def test_granger_as_statsmodels(seed, lags):
    fields = chain(500, seed)
    found = analytics.granger(fields, lags=lags)
    assert found.height == 6
    for row in found.iter_rows(named=True):
        frame = np.column_stack([fields[row["effect"]], fields[row["cause"]]])
        f, p, df2, df1 = grangercausalitytests(frame, [lags])[lags][0]["ssr_ftest"]
        assert (row["df1"], row["df2"], row["n"]) == (df1, df2, 500 - lags)
        assert row["f"] == pytest.approx(f, rel=1e-8)
        assert row["p"] == pytest.approx(p, rel=1e-8, abs=1e-300)


def test_granger_takes_several_lags_or_the_best_of_them():
    fields = chain(2000)
    listed = analytics.granger({"x": fields["x"], "y": fields["y"]}, lags=[1, 3])
    assert listed["lags"].to_list() == [1, 3, 1, 3]
    best = analytics.granger({"x": fields["x"], "y": fields["y"]}, lags=8, choose="bic")
    # y rests on two steps of x.
    assert best.filter(pl.col("cause") == "x")["lags"].to_list() == [2]
    assert best.filter(pl.col("cause") == "x")["p"][0] < 1e-20
    assert best.filter(pl.col("cause") == "y")["p"][0] > 0.01


def test_granger_of_a_gap_takes_no_step_across_it():
    fields = chain(300)
    times = np.arange(300) * 60_000_000_000
    keep = np.r_[0:150, 170:300]
    found = analytics.granger({k: v[keep] for k, v in fields.items()}, times[keep], lags=2)
    assert set(found["n"]) == {300 - 2 - 20 - 2}


def test_partial_correlation_as_the_inverse_of_the_correlations():
    random = np.random.default_rng(7)
    frame = random.normal(size=(200, 6)) @ random.normal(size=(6, 6))
    found = analytics.partial_correlation({str(at): frame[:, at] for at in range(6)})
    inverse = np.linalg.inv(np.corrcoef(frame, rowvar=False))
    root = np.sqrt(np.diag(inverse))
    for a, b, r, p, n in found.select("a", "b", "r", "p", "n").iter_rows():
        a, b = int(a), int(b)
        expected = -inverse[a, b] / (root[a] * root[b])
        assert (n, r) == (200, pytest.approx(expected, abs=1e-10))
        t = expected * np.sqrt(194 / (1 - expected**2))
        assert p == pytest.approx(2 * stats.t.sf(abs(t), 194), rel=1e-6)


def test_partial_correlation_tells_who_is_given_by_others():
    x, y = two(100)
    z = np.random.default_rng(1).normal(size=100) + x
    found = analytics.partial_correlation({"x": x, "y": y, "z": z, "sum": x + y})
    rows = {(a, b): r for a, b, r in found.select("a", "b", "r").iter_rows()}
    # Given y and the sum, nothing of x is left.
    assert rows["x", "z"] is None or np.isnan(rows["x", "z"])
    # Given the sum, what one has more the other has less.
    assert rows["x", "y"] == pytest.approx(-1, abs=1e-9)


@pytest.mark.parametrize("hac", [None, 0, 5])
@pytest.mark.parametrize("shift", [0.0, 1e5])
def test_regress_as_statsmodels(hac, shift):
    fields = chain(400)
    y, x, z = fields["y"], fields["x"], fields["z"] * 1e-3
    far = {"y": y, "x": x + shift, "z": z}
    found = analytics.regress(far, lags=[0, 2], target_lags=[1], hac=hac)
    design = np.column_stack([y[1:-1], x[2:], x[:-2], z[2:], z[:-2]])
    model = sm.OLS(y[2:], sm.add_constant(design))
    if hac is None:
        fit = model.fit()
    else:
        fit = model.fit(cov_type="HAC", cov_kwds={"maxlags": hac}, use_t=True)
    assert found["term"].to_list() == ["intercept", "y", "x", "x", "z", "z"]
    assert found["lag"].to_list() == [0, 1, 0, 2, 0, 2]
    # A field that is far from 0 changes the intercept alone.
    rows = slice(1 if shift else 0, None)
    for column, expected in [
        ("coefficient", fit.params),
        ("std_error", fit.bse),
        ("t", fit.tvalues),
    ]:
        np.testing.assert_allclose(found[column].to_numpy()[rows], expected[rows], rtol=1e-8)
    np.testing.assert_allclose(found["p"].to_numpy()[rows], fit.pvalues[rows], atol=1e-8)
    assert found["r2"][0] == pytest.approx(fit.rsquared, abs=1e-8)
    assert found["n"][0] == 398


def test_regress_without_an_intercept_as_statsmodels():
    x, y = two(50)
    found = analytics.regress({"y": y, "x": x}, intercept=False)
    fit = sm.OLS(y, x).fit()
    assert found["coefficient"].to_list() == pytest.approx(fit.params, abs=1e-12)
    assert found["std_error"].to_list() == pytest.approx(fit.bse, abs=1e-12)
    assert found["r2"][0] == pytest.approx(fit.rsquared, abs=1e-12)


def test_a_term_that_others_give_has_no_coefficient_and_the_rest_is_as_without_it():
    fields = chain(100)
    y, x, z = fields["y"], fields["x"], fields["z"]
    found = analytics.regress({"y": y, "x": x, "again": 3 * x - 1, "z": z})
    alone = analytics.regress({"y": y, "x": x, "z": z})
    coefficients = found["coefficient"].to_numpy()
    assert np.isnan(coefficients[2])
    np.testing.assert_allclose(coefficients[[0, 1, 3]], alone["coefficient"], rtol=1e-10)
    np.testing.assert_allclose(found["std_error"].to_numpy()[[0, 1, 3]], alone["std_error"])


def test_a_causal_graph_is_that_of_the_simulation():
    truth = {("x", "x", 1), ("y", "y", 1), ("x", "y", 2), ("z", "z", 1), ("y", "z", 1)}
    for seed in range(5):
        found = analytics.causal_graph(chain(1500, seed), max_lag=3, alpha=0.001)
        assert set(found.select("cause", "effect", "lag").iter_rows()) == truth, seed
    # Without conditions x and z would be linked: it is y that lies between.
    fields = chain(1500)
    lagged = analytics.cross_correlate({"x": fields["x"], "z": fields["z"]}, max_lag=3)
    assert lagged.filter(pl.col("lag") == 3)["p"][0] < 1e-6


def test_independent_fields_have_links_about_as_often_as_alpha_says():
    random = np.random.default_rng(0)
    links, tested = 0, 0
    for _ in range(40):
        fields = {name: random.normal(size=200) for name in "abcd"}
        found = analytics.causal_graph(fields, max_lag=2, all=True)
        tested += found.height
        links += (found["p"] <= 0.05).sum()
        assert (found["q"] >= found["p"]).all()
    assert tested == 40 * 4 * 4 * 2
    assert 0.02 < links / tested < 0.08


def test_the_share_of_false_links_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    found = analytics.causal_graph(chain(300), all=True)
    expected = multipletests(found["p"].to_numpy(), method="fdr_bh")[1]
    np.testing.assert_allclose(found["q"].to_numpy(), expected, rtol=1e-10)
    kept = analytics.causal_graph(chain(300), fdr=True, alpha=0.05)
    assert kept.height == (expected <= 0.05).sum()


NOTHING = {
    "empty": np.array([]),
    "one": np.array([1.0]),
    "two": np.array([1.0, 2.0]),
    "three": np.array([1.0, 2.0, 4.0]),
    "missing": np.full(50, np.nan),
    "constant": np.full(50, 0.1),
    "infinite": np.r_[np.arange(49.0), np.inf],
    "huge": np.r_[np.arange(48.0), 1.7e308, -1.7e308],
}


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize(
    "function",
    ["correlate", "cross_correlate", "correlation_matrix", "granger", "regress", "causal_graph"],
)
def test_too_little_or_odd_values_give_no_number_that_is_not_one(function, name):
    x = NOTHING[name]
    y = np.random.default_rng(0).normal(size=len(x))
    run = getattr(analytics, function)
    for fields in [{"x": x, "y": y}, {"x": y, "y": x}, {"x": x, "y": x}]:
        found = run(fields)
        for column in set(found.columns) & {"r", "strength"}:
            assert found[column].fill_nan(None).drop_nulls().is_between(-1, 1).all()
        for column in set(found.columns) & {"p", "q"}:
            assert found[column].fill_nan(None).drop_nulls().is_between(0, 1).all()
        if name in ("missing", "constant") and "r" in found.columns:
            assert found["r"].fill_nan(None).null_count() == found.height
