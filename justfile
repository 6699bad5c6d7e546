# One recipe a habit; CI calls the same. `./dev RECIPE` brings its own `just`.

set shell := ["sh", "-euc"]

export PATH := justfile_directory() / ".venv/bin" + ":" + env("PATH")
export PIP_DISABLE_PIP_VERSION_CHECK := "1"

target := env("CARGO_TARGET_DIR", justfile_directory() / "target")

# Lists the recipes
@default:
    just --list

# Runs the demo on real data, built without the object stores
demo *directory: (install "release" "plot" "--no-default-features")
    kymograph demo {{ directory }}

# All tests: format, lint, types, Rust, planted bugs, races, Python, notebooks, documentation
test: format lint clippy test-rust test-planted races types test-python

# What needs no test to run: format, lint, types
check: format lint clippy types

# Formats Rust and Python
fmt: tools
    cargo fmt --all
    ruff check --quiet --fix --select I .
    ruff format --quiet .

# The benches of the core and the figures of docs/figures.md; wants an idle machine
bench *arguments: (install "release" "plot")
    cargo bench --locked
    python benches/python/figures.py {{ arguments }}

# The tables and the plot of docs/codecs.md; wants an idle machine
codecs data="": tools
    python -m pip install --quiet matplotlib
    python benches/python/codecs.py {{ if data == "" { "" } else { "--data " + quote(data) } }}

# kymograph beside its rivals in one run; wants an idle machine
compare *arguments: (install "release" "plot" "--no-default-features")
    python -m pip install --quiet -r benches/compare/requirements.txt
    python benches/compare/queries.py {{ arguments }}

# How good and how fast the analyses are, beside their rivals; wants the data and an idle machine
bench-analytics data="../shared/data": (install "release" "plot" "--no-default-features")
    python -m pip install --quiet -r benches/analytics/requirements.txt
    for bench in nab aiops ucr; do python benches/analytics/$bench.py --data {{ quote(data) }}; done
    python benches/analytics/forecast_accuracy.py {{ quote(data / "analytics/forecast") }}
    python benches/analytics/forecast_speed.py {{ quote(data / "analytics/forecast") }}
    for bench in models detectors patterns relations; do python benches/analytics/$bench.py; done

# How costs grow, as a table, JSON and a plot; wants an idle machine
scaling *arguments: (install "release" "plot" "--no-default-features")
    python -m pip install --quiet -r benches/scaling/requirements.txt
    python benches/scaling/scaling.py {{ arguments }}

# Fuzzes one target, or each, so many runs; needs cargo-fuzz (cargo install cargo-fuzz)
fuzz name="" runs="1000000":
    #!/bin/sh
    set -eu
    if ! cargo fuzz --version >/dev/null 2>&1; then
        echo "fuzz: needs cargo-fuzz (cargo install cargo-fuzz --locked)" >&2
        exit 1
    fi
    # The sanitizer is for nightly compilers only; this lets a stable one take its options.
    export RUSTC_BOOTSTRAP=1
    for name in {{ if name == "" { "$(cargo fuzz list)" } else { name } }}; do
        mkdir -p "fuzz/found/$name"
        cargo fuzz run "$name" "fuzz/found/$name" "fuzz/corpus/$name" -- \
            -runs={{ runs }} -malloc_limit_mb=256 -print_final_stats=1
    done

# Minimises what the fuzzer found into fuzz/corpus
fuzz-keep *names:
    RUSTC_BOOTSTRAP=1 cargo fuzz build
    python fuzz/keep.py fuzz/target/x86_64-unknown-linux-gnu/release fuzz/found \
        {{ if names == "" { "$(cargo fuzz list)" } else { names } }}

# The tests of reliability in their long form: hours. `./dev torture --list` names the parts
torture *arguments: (install "release" "test")
    python tests/torture.py {{ arguments }}

# Models of what threads share, under so many schedules each
races schedules="2000":
    RACES_SCHEDULES={{ schedules }} cargo test --locked --release --manifest-path races/Cargo.toml \
        --target-dir "{{ target }}/races"

# Licences, sources and known vulnerabilities of what is depended on; needs the network
audit: tools
    cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
    cargo deny check
    python -m pip install --quiet pip-audit
    pip-audit --strict .

# Writes the kept files of tests/fixtures anew, after a change of format on purpose
bless:
    KYMOGRAPH_BLESS=1 cargo test --locked --workspace --lib golden
    KYMOGRAPH_BLESS=1 cargo test --locked --workspace --test chunk_golden --test segment --test database_golden

# The wheel for distribution, in dist/
wheel: tools
    maturin build --locked --release --out dist

[private]
tools:
    @test -f .venv/kymograph-tools || ./dev --version

[private]
format: tools
    cargo fmt --all --check
    ruff format --check .

[private]
lint: tools
    ruff check .

# Warnings are errors; also without the object stores, as the demo is built
[private]
clippy:
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy --locked --package kymograph --lib -- -D warnings

# The tests of the core
test-rust *arguments:
    cargo test --locked --workspace {{ arguments }}

# Whether the tests find bugs that are known
[private]
test-planted:
    cargo test --locked --workspace --features kymograph/planted --test planted

# The wheel of the tests is built in the profile of test-rust, and asks for what that asks of each
# dependency, so that they are compiled once for both.
[private]
install-tested: (install "dev" "test")
    python -c 'import sys, kymograph; assert kymograph.__file__.startswith(sys.prefix), kymograph'

[private]
types: install-tested
    mypy
    stubtest kymograph._core --mypy-config-file pyproject.toml

# The tests of the Python package as installed, the notebooks and the documentation
test-python *arguments: install-tested
    pytest {{ arguments }}

# Builds a wheel in a cargo profile and installs it into .venv with some extras
[private]
install profile extras *options: tools
    rm -rf "{{ target }}/wheel-{{ profile }}"
    maturin build --locked --profile {{ profile }} --compatibility linux \
        --out "{{ target }}/wheel-{{ profile }}" {{ options }}
    wheel=$(echo "{{ target }}/wheel-{{ profile }}"/*.whl); \
        python -m pip install --quiet "$wheel[{{ extras }}]"; \
        python -m pip install --quiet --force-reinstall --no-deps "$wheel"
