# The two commands are `make run`, which needs a Rust toolchain with a C compiler, and `make test`, which also needs Node
# with npm and Python 3 with venv; the others are their parts. Everything else is pinned and installed below this folder.

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# The binary that is measured: one that is named, or the one that is deployed.
BENCH_BIN := $(or $(BIN),$(abspath $(TARGET_DIR))/release/orders-inventory)
# The binary that the tools' tests start.
export BIN := $(abspath $(TARGET_DIR))/debug/orders-inventory

# The Python packages that the steps need, each pinned beside what uses it.
REQUIREMENTS := $(wildcard $(addsuffix requirements.txt,codegen/ codegen/lint/ tests/ tests/conformance/ tests/render/))
VENV := .venv/.stamp

# Locust has many dependencies, and only the load tests need it.
LOCUST_VENV := .venv-locust/.stamp
LOCUST_PYTHON := .venv-locust/bin/python
RELEASE := $(abspath $(TARGET_DIR))/release
LOAD := BIN=$(RELEASE)/orders-inventory OPEN_LOOP=$(RELEASE)/open-loop $(LOCUST_PYTHON)

# In this order: what is cheap and telling first. docs/testing.md says what each needs.
TEST_STEPS := check-fmt clippy unit smoke check-doc \
	check-run check-bench lint-contract check-generated check-postman check-links \
	smoke-py check-curl newman check-render check-ops browser check-load check-conformance crash-test test-codegen

# What `make run` and docs/curl.md sign payment webhooks with.
DEV_WEBHOOK_SECRET := dev-webhook-secret-not-for-production
# A fresh server as `make run` starts it, for those lines.
CURL_SERVER := env -u API_KEYS WEBHOOK_SECRET=$(DEV_WEBHOOK_SECRET) tests/with-server.sh

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run build programs test $(TEST_STEPS) conformance load-light load-heavy load-limit load-test \
	bench evidence render-rehearsal docs-curl fmt generate postman clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: export WEBHOOK_SECRET ?= $(DEV_WEBHOOK_SECRET)
run: ## Start the service on http://127.0.0.1:8080, its docs at /docs
	@[ -e "$(TARGET_DIR)/local/orders-inventory" ] || \
		echo "The first build takes about 3 minutes on 2 cores; later ones are quick." >&2
	@cargo run --profile local --locked

build: ## Build the service as it is deployed
	cargo build --release --locked

# What the tools start: the service, the load generator, the disk shim. With the targets of the tests, so that libraries
# have the features that `unit` has built them with; with others, most of them would be built again.
programs: ## Build what the tools' tests start
	cargo build --workspace --all-targets --locked

# A BASE_URL in the environment is a service that somebody else may be using; only `make smoke` by itself may go there.
test: ## Run every check and test; a table at the end says what passed, failed, and took how long
	@env -u BASE_URL tests/run.py $(TEST_STEPS)

check-run: ## Test what runs these steps
	python3 -B -m unittest tests/test_run.py

check-fmt: ## Fail where Rust code is not formatted
	cargo fmt --all --check

check-links: tests/links/node_modules/.stamp ## Fail where a link in a Markdown file leads nowhere, and show that this can fail
	tests/links/node_modules/.bin/remark --rc-path tests/links/remark.mjs --ignore-path .gitignore --frail --quiet --no-stdout .
	npm --prefix tests/links test --silent

lint-contract: $(VENV) codegen/lint/node_modules/.stamp ## Lint openapi.yaml, and show that each rule can fail
	npm --prefix codegen/lint run --silent lint -- ../../openapi.yaml
	.venv/bin/python codegen/lint/validate.py openapi.yaml
	npm --prefix codegen/lint test --silent

check-generated: $(VENV) ## Fail where generated/ is not what openapi.yaml makes
	codegen/generate.sh --check

check-postman: postman/node_modules/.stamp ## Fail where the Postman collection is not what openapi.yaml makes
	node postman/build.mjs --check

test-codegen: $(VENV) ## Test the code generation on a contract of its own
	codegen/tests/run.sh

clippy: ## Lint the Rust code
	cargo clippy --workspace --all-targets --test crash --locked -- -D warnings

# For those who read the code: every link in a comment leads somewhere, private items included. There are no examples; to
# ask for them gives the libraries the features that `clippy` has checked them with, and they are not checked again.
check-doc: ## Fail where the code's documentation has warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --lib --examples --no-deps --document-private-items --quiet --locked

unit: ## Run the Rust tests
	unset BASE_URL; if cargo nextest --version >/dev/null 2>&1; \
	then cargo nextest run --workspace --locked; \
	else cargo test --workspace --locked --lib --bins --tests; fi
	cargo test --workspace --locked --doc

check-render: $(VENV) programs ## Hold render.yaml to Render's reference, and do in short what it says
	.venv/bin/python tests/render/blueprint.py
	.venv/bin/python -m unittest discover --start-directory tests/render
	.venv/bin/python tests/render/rehearse.py --fast

render-rehearsal: $(VENV) ## Deploy a clean clone on this machine as Render would; TRANSCRIPT keeps what it shows
	.venv/bin/python tests/render/rehearse.py $(if $(TRANSCRIPT),--transcript $(TRANSCRIPT))

smoke: ## Go through a day of the shop over HTTP, at BASE_URL or at a server of its own
	cargo test --quiet --workspace --locked --test smoke

smoke-py: $(VENV) $(if $(BASE_URL),,programs) ## The same in Python
	if [ -n "$$BASE_URL" ]; then exec .venv/bin/python tests/smoke.py; fi; \
	export WEBHOOK_SECRET=smoke && \
		env -u API_KEYS -u API_KEY tests/with-server.sh .venv/bin/python tests/smoke.py && \
		API_KEYS=another,smoke API_KEY=smoke tests/with-server.sh .venv/bin/python tests/smoke.py

# Each page against a server of its own; Python in them finds what tests/requirements.txt names.
CURL_PAGES := docs/curl.md docs/REFLECTION.md README.md
REPLAY := PATH="$(CURDIR)/.venv/bin:$$PATH" $(CURL_SERVER) tests/curl/replay.py

check-curl: $(VENV) programs ## Fail where the lines in README and docs get other answers than they show
	set -e; for page in $(CURL_PAGES); do $(REPLAY) check $$page; done

docs-curl: $(VENV) programs ## Put what the service answers today into README and docs
	set -e; for page in $(CURL_PAGES); do $(REPLAY) write $$page; done

check-ops: $(VENV) programs ## Hold ops/ to a running service, with a real Prometheus
	.venv/bin/python tests/ops/check.py

newman: postman/node_modules/.stamp $(if $(BASE_URL),,programs) ## Run the Postman flow against a fresh service, or the one at BASE_URL
ifdef BASE_URL
	node postman/run.mjs
else
	env -u API_KEYS -u API_KEY -u REPORT WEBHOOK_SECRET=a-secret RUNS=2 \
		tests/with-server.sh node postman/run.mjs
	API_KEYS=a-key API_KEY=a-key WEBHOOK_SECRET=a-secret RUNS=2 \
		tests/with-server.sh node postman/run.mjs
	API_KEYS=a-key API_KEY=a-key WEBHOOK_SECRET=a-secret \
		tests/with-server.sh npm --prefix postman test --silent
endif

# The examples as they stand need a new database and no keys; the flow goes through the Authorize dialog as well.
browser: tests/browser/node_modules/.stamp $(if $(BASE_URL),,programs) ## Use the docs page in a real Chromium, at BASE_URL or at servers of its own
	CHROMIUM="$$(tests/browser/ensure-chromium.sh)" && export CHROMIUM && \
	if [ -n "$$BASE_URL" ]; then exec npm --prefix tests/browser test --silent; fi; \
	export WEBHOOK_SECRET=browser-secret && \
		env -u API_KEYS tests/with-server.sh npm --prefix tests/browser run --silent first-steps && \
		API_KEYS=another-key,browser-key API_KEY=browser-key tests/with-server.sh npm --prefix tests/browser test --silent

evidence: ## Run the tools that people use, at BASE_URL or at servers of their own, and keep what they show
	python3 tests/evidence.py

crash-test: programs ## Kill the service N (50) times, cut its power and break its disk, and look for what was lost; SEED repeats it
	cargo test --quiet --workspace --locked --test crash

# The seed is fixed, so that a change of the code is what changes the outcome.
check-conformance: $(VENV) programs ## Hold the service to its contract, in a minute or two
	.venv/bin/python tests/conformance/conformance.py short 50 20260301

conformance: $(VENV) programs ## The same with EXAMPLES (1000) an operation and a new SEED, and a proof that it can fail
	.venv/bin/python tests/conformance/can_fail.py
	.venv/bin/python tests/conformance/conformance.py long $(or $(EXAMPLES),1000) $(SEED)

check-load: $(LOCUST_VENV) programs ## Run the load tests' tools briefly, and show that they can fail
	OPEN_LOOP="$$(dirname "$$BIN")/open-loop" $(LOCUST_PYTHON) locust/check.py

load-light: ## 25 visitors by Locust for DURATION (60) s, at BASE_URL or at a server of their own
load-heavy: ## The same with 200 visitors
load-light load-heavy: load-%: $(LOCUST_VENV)
	[ -n "$$BASE_URL" ] || cargo build --release --locked
	$(LOAD) locust/load.py $*
	$(LOAD) locust/report.py

load-limit: $(LOCUST_VENV) ## Find the rate at which the service gives way; with BASE_BIN, an older binary, that of both
	cargo build --release --locked
	cargo build --release --locked --package open-loop
	$(LOAD) locust/limit.py
	$(LOAD) locust/report.py

load-test: ## These three, and docs/load-test.md from them
	$(MAKE) --no-print-directory load-light
	$(MAKE) --no-print-directory load-heavy
	$(MAKE) --no-print-directory load-limit

check-bench: ## Test what decides whether a benchmark's figures may be believed
	python3 -B -m unittest discover --start-directory benches

# For a machine that does nothing else. QUICK=1 prints a table and leaves the document alone. What is measured can be
# chosen: SCENARIOS, SIZES, CONNS with commas between, ROUNDS, SECONDS, CEILINGS=0; BIN and BASE_BIN are two builds.
bench: $(if $(QUICK),,.venv-bench/.stamp) ## Measure the service for docs/benchmarks.md, or with QUICK=1 for a table
	cargo build --release --locked
	cargo build --release --locked --package orders-inventory-benches
	BIN="$(BENCH_BIN)" TOOLS="$(abspath $(TARGET_DIR))/release" \
		$(if $(QUICK),python3,.venv-bench/bin/python) -B benches/bench.py

fmt: ## Format the Rust code
	cargo fmt --all

generate: $(VENV) ## Make generated/ from openapi.yaml
	codegen/generate.sh

postman: postman/node_modules/.stamp ## Make the Postman collection from openapi.yaml
	node postman/build.mjs

clean: ## Remove what was built and installed, not the data
	cargo clean
	rm -rf .venv .venv-bench .venv-locust codegen/lint/node_modules postman/node_modules tests/browser/node_modules \
		tests/links/node_modules

# Made anew when the pins change, so that nothing of the old ones is left.
$(VENV): $(REQUIREMENTS)
	rm -rf .venv
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input $(addprefix -r ,$(REQUIREMENTS))
	@touch $@

# Tools with many dependencies have an environment of their own.
.venv-bench/.stamp: benches/requirements.txt
.venv-locust/.stamp: locust/requirements.txt
.venv-bench/.stamp .venv-locust/.stamp: .venv-%/.stamp:
	rm -rf .venv-$*
	python3 -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r $<
	@touch $@

%/node_modules/.stamp: %/package.json %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --loglevel=error </dev/null
	@touch $@
