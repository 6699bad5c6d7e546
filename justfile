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

# All tests: format, lint, types, Rust, Python, notebooks, documentation
test: format lint clippy test-rust types test-python

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

# How costs grow, as a table, JSON and a plot; wants an idle machine
scaling *arguments: (install "release" "plot" "--no-default-features")
    python -m pip install --quiet -r benches/scaling/requirements.txt
    python benches/scaling/scaling.py {{ arguments }}

# Fuzzes one target, or each, for so many seconds; needs cargo-fuzz (cargo install cargo-fuzz)
fuzz name="" seconds="60":
    #!/bin/sh
    set -eu
    if ! cargo fuzz --version >/dev/null 2>&1; then
        echo "fuzz: needs cargo-fuzz (cargo install cargo-fuzz --locked)" >&2
        exit 1
    fi
    # The sanitizer is for nightly compilers only; this lets a stable one take its options.
    export RUSTC_BOOTSTRAP=1
    for name in {{ if name == "" { "$(cargo fuzz list)" } else { name } }}; do
        set -- "fuzz/corpus/$name"
        mkdir -p "$1"
        if [ -d "tests/fixtures/$name" ]; then set -- "$1" "tests/fixtures/$name"; fi
        cargo fuzz run "$name" "$@" -- -max_total_time={{ seconds }} -malloc_limit_mb=256
    done

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

# Warnings are errors
[private]
clippy:
    cargo clippy --locked --workspace --all-targets -- -D warnings

# The tests of the core
test-rust *arguments:
    cargo test --locked --workspace {{ arguments }}

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
