#!/usr/bin/env bash
# Tests the code generation: first the Python scripts, then the templates on fixture.yaml, which has every construct that
# they support, and on a second contract that changed.sed makes of it. Needs cargo and what codegen/generate.sh needs.
#
#   codegen/tests/run.sh [ARGUMENTS OF cargo test]
#
# The crates are generated in target/codegen-tests/ and share the service's Cargo.lock and built dependencies.
set -euo pipefail
cd "$(dirname "$0")/../.."

.venv/bin/python -m unittest discover --start-directory codegen/tests

work=target/codegen-tests
mkdir -p "$work"
sed -f codegen/tests/changed.sed codegen/tests/fixture.yaml >"$work/changed.yaml"
codegen/generate.sh codegen/tests/fixture.yaml "$work/fixture" fixture
codegen/generate.sh "$work/changed.yaml" "$work/changed" changed

# Copies the versions, lints and profiles of the service's workspace, with its paths adapted.
awk '/^\[/ { copied = /^\[(workspace|profile)\./ } copied' Cargo.toml | sed 's|path = "|path = "../../|' |
  cat codegen/tests/Cargo.toml.in - >"$work/Cargo.toml"
cp Cargo.lock "$work/Cargo.lock"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
cargo test --quiet --manifest-path "$work/Cargo.toml" "$@"
cargo clippy --quiet --manifest-path "$work/Cargo.toml" --workspace --all-targets -- --deny warnings
RUSTDOCFLAGS="--deny warnings" cargo doc --quiet --manifest-path "$work/Cargo.toml" --package fixture --no-deps
