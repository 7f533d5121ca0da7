# The two commands are `make run` and `make test`; the others are their parts. Needs a Rust toolchain, Node with npm and
# Python 3 with venv; everything else is pinned in the lock files and installed below the project's folder.

# The binary that the tools' tests start.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
export BIN := $(abspath $(TARGET_DIR))/debug/orders-inventory

# Folders with Python pins and Node projects; those that are not there (yet) are not asked for.
REQUIREMENTS := $(wildcard codegen/requirements.txt codegen/lint/requirements.txt tests/requirements.txt)
VENV := .venv/.stamp

# In this order, the cheap ones first; `make test` stops at the first that fails.
TEST_STEPS := check-fmt lint-contract check-generated test-codegen clippy unit browser

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run build test $(TEST_STEPS) evidence fmt generate clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: export WEBHOOK_SECRET ?= dev-webhook-secret-not-for-production
run: ## Start the service on http://127.0.0.1:8080, its docs at /docs
	cargo run --release --locked

build: ## Build the service as it is deployed
	cargo build --release --locked

test: ## Run every check and test, the cheap ones first
	@for step in $(TEST_STEPS); do \
		printf '\n==== %s ====\n' "$$step"; \
		$(MAKE) --no-print-directory "$$step" || { printf '\n==== %s FAILED ====\n' "$$step" >&2; exit 1; }; \
	done; \
	printf '\n==== all passed: %s ====\n' "$(TEST_STEPS)"

check-fmt: ## Fail where Rust code is not formatted
	cargo fmt --all --check

lint-contract: $(VENV) codegen/lint/node_modules/.stamp ## Lint openapi.yaml, and show that each rule can fail
	npm --prefix codegen/lint run --silent lint -- ../../openapi.yaml
	.venv/bin/python codegen/lint/validate.py openapi.yaml
	npm --prefix codegen/lint test --silent

check-generated: $(VENV) ## Fail where generated/ is not what openapi.yaml makes
	codegen/generate.sh --check

test-codegen: $(VENV) ## Test the code generation on a contract of its own
	codegen/tests/run.sh

clippy: ## Lint the Rust code
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit: ## Run the Rust tests
	if cargo nextest --version >/dev/null 2>&1; \
	then cargo nextest run --workspace --locked; \
	else cargo test --workspace --locked --lib --bins --tests; fi
	cargo test --workspace --locked --doc

# The examples as they stand need a new database and no keys; the flow goes through the Authorize dialog as well.
browser: tests/browser/node_modules/.stamp ## Use the docs page in a real Chromium, at BASE_URL or at servers of its own
	cargo build --locked
	CHROMIUM="$$(tests/browser/ensure-chromium.sh)" && export CHROMIUM && \
	if [ -n "$$BASE_URL" ]; then exec npm --prefix tests/browser test --silent; fi; \
	export WEBHOOK_SECRET=browser-secret && \
		env -u API_KEYS tests/with-server.sh npm --prefix tests/browser run --silent first-steps && \
		API_KEYS=another-key,browser-key API_KEY=browser-key tests/with-server.sh npm --prefix tests/browser test --silent

evidence: ## Run the tools that people use, at BASE_URL or at servers of their own, and keep what they show
	python3 tests/evidence.py

fmt: ## Format the Rust code
	cargo fmt --all

generate: $(VENV) ## Make generated/ from openapi.yaml
	codegen/generate.sh

clean: ## Remove what was built and installed, not the data
	cargo clean
	rm -rf .venv codegen/lint/node_modules tests/browser/node_modules

# Made anew when the pins change: what is no longer asked for must not linger.
$(VENV): $(REQUIREMENTS)
	rm -rf .venv
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input $(addprefix -r ,$(REQUIREMENTS))
	@touch $@

%/node_modules/.stamp: %/package.json %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --loglevel=error </dev/null
	@touch $@
