# The two main targets are `make run`, which needs a Rust toolchain with a C compiler, and `make test`, which also needs
# Node with npm and Python 3 with venv. Packages from npm and PyPI are pinned and installed below this folder; Chromium,
# nginx, Prometheus, wrk, etcd, HAProxy and systemd, which are in neither, are those of the machine, or else of its distribution
# (docs/testing.md).

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# The binary that benchmarks measure: the one named by BIN, or the release build.
BENCH_BIN := $(or $(BIN),$(abspath $(TARGET_DIR))/release/orders-inventory)
# The binary that the tools' tests start.
export BIN := $(abspath $(TARGET_DIR))/debug/orders-inventory

# The Python packages that the steps need, each pinned beside what uses it.
REQUIREMENTS := $(wildcard $(addsuffix requirements.txt,codegen/ codegen/lint/ tests/ tests/conformance/ tests/deploy/ tests/postgres/ tests/render/ tests/stripe/))
VENV := .venv/.stamp

# Patroni and Locust have many dependencies, and only the test of the failover and the load tests need them.
HA_VENV := .venv-ha/.stamp
HA_PYTHON := .venv-ha/bin/python -B
LOCUST_VENV := .venv-locust/.stamp
LOCUST_PYTHON := .venv-locust/bin/python
RELEASE := $(abspath $(TARGET_DIR))/release
LOAD := BIN=$(RELEASE)/orders-inventory OPEN_LOOP=$(RELEASE)/open-loop $(LOCUST_PYTHON)

# Where measurements and evidence go. Those in docs/ are committed, so only RENEW=1 replaces them.
export REPORTS_DIR := $(abspath $(if $(filter-out 0,$(RENEW)),docs,$(TARGET_DIR)/reports))

# In this order: what is cheap and telling first. docs/testing.md says what each needs.
TEST_STEPS := check-fmt clippy unit smoke check-doc check-run check-bench \
	lint-contract check-generated check-postman check-links check-ops browser
# Then two at a time, the longest first: they share nothing that one of them would build or install while another does.
# `browser` is not among them: beside a busy step Chromium draws too slowly, and its waits for the page end.
TEST_STEPS_BESIDE := ha-test check-postgres check-clients crash-test check-conformance test-codegen check-fuzz check-load newman \
	check-render check-postgres-server check-webhooks check-curl smoke-py check-deploy

# Before a command: a new PostgreSQL server beside it, at $TEST_POSTGRES_URL.
WITH_POSTGRES := .venv/bin/python -B tests/postgres/server.py run --

# What `make run`, the page at /docs and docs/curl.md sign webhooks with, and the currency of their payments at Stripe.
DEV_WEBHOOK_SECRET := dev-webhook-secret-not-for-production
DEV_STRIPE_SECRET := dev-stripe-secret-not-for-production
DEV_CURRENCY := EUR
# A fresh server as `make run` starts it, for those lines.
CURL_SERVER := env -u API_KEYS WEBHOOK_SECRET=$(DEV_WEBHOOK_SECRET) STRIPE_WEBHOOK_SECRET=$(DEV_STRIPE_SECRET) \
	CURRENCY=$(DEV_CURRENCY) tests/with-server.sh

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run build programs over-postgres first-steps test $(TEST_STEPS) $(TEST_STEPS_BESIDE) fuzz conformance load-light load-heavy load-limit load-test \
	bench evidence render-rehearsal image-rehearsal docs-curl fmt generate postman clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-21s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: export WEBHOOK_SECRET ?= $(DEV_WEBHOOK_SECRET)
run: export STRIPE_WEBHOOK_SECRET ?= $(DEV_STRIPE_SECRET)
run: export CURRENCY ?= $(DEV_CURRENCY)
run: ## Start the service on http://127.0.0.1:8080, its docs at /docs
	@[ -e "$(TARGET_DIR)/local/orders-inventory" ] || \
		echo "The first build takes about 4 minutes on 2 cores, and less than 1 GB of disk; later ones are quick." >&2
	@cargo run --profile local --locked

build: ## Build the service as it is deployed
	cargo build --release --locked

# The programs that the tools start: the service and the load generator. Built with the targets of the tests, so that
# libraries have the same features as in `unit` and are not built again.
programs: ## Build what the tools' tests start
	cargo build --workspace --all-targets --locked

# BASE_URL may be a service that others use; only `make smoke` run by itself may go there.
test: ## Run every check and test; a table at the end says what passed, failed, and took how long
	@env -u BASE_URL tests/run.py $(TEST_STEPS) -- $(TEST_STEPS_BESIDE)

check-run: ## Test what runs these steps, and what keeps the evidence
	python3 -B -m unittest tests/test_run.py tests/test_evidence.py

check-fmt: ## Fail if Rust code is not formatted
	cargo fmt --all --check

check-links: tests/links/node_modules/.stamp ## Fail if a link in a Markdown file is broken, and show that this can fail
	tests/links/node_modules/.bin/remark --rc-path tests/links/remark.mjs --ignore-path .gitignore --frail --quiet --no-stdout .
	npm --prefix tests/links test --silent

lint-contract: $(VENV) codegen/lint/node_modules/.stamp ## Lint openapi.yaml, and show that each rule can fail
	npm --prefix codegen/lint run --silent lint -- ../../openapi.yaml
	.venv/bin/python codegen/lint/validate.py openapi.yaml
	npm --prefix codegen/lint test --silent

check-generated: $(VENV) ## Fail if generated/ does not match openapi.yaml
	codegen/generate.sh --check

check-postman: postman/node_modules/.stamp ## Fail if the Postman collection does not match openapi.yaml
	node postman/build.mjs --check

test-codegen: $(VENV) ## Test the code generation on a contract of its own
	codegen/tests/run.sh

clippy: ## Lint the Rust code
	cargo clippy --workspace --all-targets --test crash --locked -- -D warnings

# Links in doc comments must work, also in those of private items. There are no examples: `--examples` only gives the
# libraries the same features as in `clippy`, so that they are not checked again.
check-doc: ## Fail if the code's documentation has warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --lib --examples --no-deps --document-private-items --quiet --locked

unit: ## Run the Rust tests
	unset BASE_URL; if cargo nextest --version >/dev/null 2>&1; \
	then cargo nextest run --workspace --locked --no-fail-fast; \
	else cargo test --workspace --locked --no-fail-fast --lib --bins --tests; fi
	cargo test --workspace --locked --doc

check-render: $(VENV) programs ## Check render.yaml and render-postgres.yaml against Render's reference, and rehearse them briefly
	.venv/bin/python tests/render/blueprint.py
	.venv/bin/python -m unittest discover --start-directory tests/render
	.venv/bin/python tests/render/rehearse.py --fast
	.venv/bin/python tests/render/rehearse.py --fast --postgres

render-rehearsal: $(VENV) ## Deploy a clean clone on this machine as Render would, with POSTGRES=1 by render-postgres.yaml; TRANSCRIPT=FILE keeps the output
	.venv/bin/python tests/render/rehearse.py $(if $(POSTGRES),--postgres) $(if $(TRANSCRIPT),--transcript $(TRANSCRIPT))

check-deploy: $(VENV) programs ## Check Dockerfile, compose.yaml and the systemd unit, against the service and each other
	tests/with-server.sh .venv/bin/python -B tests/deploy/check.py
	.venv/bin/python -B -m unittest discover --start-directory tests/deploy

image-rehearsal: $(VENV) ## Build the image, run it, and run the unit under a real systemd; as root on Debian
	.venv/bin/python -B tests/deploy/rehearse.py

smoke: ## Run the shop's whole flow over HTTP, against BASE_URL or a fresh server
	cargo test --quiet --workspace --locked --test smoke
	$(if $(BASE_URL),,tests/dead-address.sh cargo test --quiet --workspace --locked --test smoke)

smoke-py: $(VENV) $(if $(BASE_URL),,programs) ## The same in Python
	if [ -n "$$BASE_URL" ]; then exec .venv/bin/python tests/smoke.py; fi; \
	export WEBHOOK_SECRET=smoke && \
		env -u API_KEYS -u API_KEY -u STRIPE_WEBHOOK_SECRET tests/with-server.sh .venv/bin/python tests/smoke.py && \
		API_KEYS=another,smoke API_KEY=smoke STRIPE_WEBHOOK_SECRET=smoke-stripe CURRENCY=EUR \
			tests/with-server.sh .venv/bin/python tests/smoke.py && \
		tests/dead-address.sh .venv/bin/python tests/smoke.py

# Each page runs against a fresh server; its Python finds the packages of tests/requirements.txt.
CURL_PAGES := docs/curl.md docs/integrate.md docs/REFLECTION.md README.md
REPLAY := PATH="$(CURDIR)/.venv/bin:$$PATH" $(CURL_SERVER) tests/curl/replay.py

check-curl: $(VENV) programs ## Fail if commands in README and docs get other answers than they show
	set -e; for page in $(CURL_PAGES); do $(REPLAY) check $$page; done

docs-curl: $(VENV) programs ## Update the answers that README and docs show
	set -e; for page in $(CURL_PAGES); do $(REPLAY) write $$page; done

check-ops: $(VENV) programs ## Check ops/ against a running service, with a real Prometheus
	.venv/bin/python tests/ops/check.py

newman: postman/node_modules/.stamp $(if $(BASE_URL),,programs) ## Run the Postman flow against a fresh service, or the one at BASE_URL
ifdef BASE_URL
	node postman/run.mjs
else
	export WEBHOOK_SECRET=a-secret STRIPE_WEBHOOK_SECRET=a-stripe-secret CURRENCY=EUR && \
		env -u API_KEYS -u API_KEY -u REPORT -u REPORT_HTML RUNS=2 tests/with-server.sh node postman/run.mjs && \
		API_KEYS=a-key API_KEY=a-key RUNS=2 tests/with-server.sh node postman/run.mjs && \
		API_KEYS=a-key API_KEY=a-key tests/with-server.sh npm --prefix postman test --silent
	env -u REPORT -u REPORT_HTML tests/dead-address.sh node postman/run.mjs
endif

# What is about SQLite's files, or the same whatever stores the data.
SQLITE_ONLY := disks files restore operator binary memory stopping slow_clients overload logs settings sign metrics secrets streams \
	early_refusals half_closed limits http2 garbage examples validation bodies hosts browsers refusals etag forgery \
	cors forwarded_prefix trailing_slash
SQLITE_ONLY_TEST := names_and_notes_from_before_the_rule_can_still_be_read
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)

check-postgres: $(VENV) programs ## Run the tests of what is stored over PostgreSQL, and the clients against it
	TEST_BACKEND=postgres $(WITH_POSTGRES) $(MAKE) --no-print-directory over-postgres

# Within the environment of `check-postgres`. The tests that need PostgreSQL itself are those that `unit` ignores.
over-postgres:
	if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --workspace --locked --no-fail-fast --run-ignored only --lib --test it -E 'test(/postgres|instances|copy/)' && \
		cargo nextest run --locked --no-fail-fast --lib -E 'test(/^app::/)' && \
		cargo nextest run --locked --no-fail-fast --test it \
			-E 'not test(/^($(subst $(SPACE),|,$(SQLITE_ONLY)))::/) and not test($(SQLITE_ONLY_TEST))'; \
	else \
		cargo test --locked --no-fail-fast --lib --test it -- --ignored postgres instances copy && \
		cargo test --locked --no-fail-fast --lib app:: && \
		cargo test --locked --no-fail-fast --test it -- $(addprefix --skip ,$(addsuffix ::,$(SQLITE_ONLY)) $(SQLITE_ONLY_TEST)); \
	fi
	WEBHOOK_SECRET=smoke env -u API_KEYS -u API_KEY -u STRIPE_WEBHOOK_SECRET \
		tests/with-server.sh cargo test --quiet --workspace --locked --test smoke
	$(MAKE) --no-print-directory check-bench smoke-py newman first-steps check-conformance

check-postgres-server: $(VENV) ## Test the PostgreSQL server of the tests
	.venv/bin/python -B -m unittest discover --start-directory tests/postgres
	$(WITH_POSTGRES) sh -c 'test -s "$$TEST_POSTGRES_CA_FILE"'

# The secrets are of nobody's account. The witnesses pay in euros, as Stripe's test mode does.
WEBHOOKS_SETTINGS := -u STRIPE_ACCOUNT -u STRIPE_ORDER_KEY WEBHOOK_SECRET=whsec_c2VjcmV0LW9mLXRoZS13aXRuZXNzZXM= \
	STRIPE_WEBHOOK_SECRET=whsec_of_no_account STRIPE_WEBHOOK_SECRET_PREVIOUS=whsec_of_no_account_before \
	CURRENCY=EUR STRIPE_LIVEMODE=false
WEBHOOKS_SERVER := env -u API_KEYS $(WEBHOOKS_SETTINGS) tests/with-server.sh
# As docs/integrate.md has it: with API keys, and orders that expire after an hour.
SHOP_SERVER := env $(WEBHOOKS_SETTINGS) API_KEYS=another,shop API_KEY=shop ORDER_TTL_SECONDS=3600 PAYMENT_HOLD_SECONDS=1209600 \
	tests/with-server.sh

check-webhooks: $(VENV) .venv-localstripe/.stamp tests/stripe/node_modules/.stamp programs ## Let the libraries of Stripe and Standard Webhooks sign, verify and send events, and run docs/integrate.md's shop
	npm --prefix tests/stripe run --silent shapes
	$(WEBHOOKS_SERVER) .venv/bin/python -B tests/stripe/witness.py
	$(WEBHOOKS_SERVER) npm --prefix tests/stripe run --silent witness
	$(WEBHOOKS_SERVER) .venv/bin/python -B tests/stripe/fake_stripe.py .venv-localstripe/bin/python -B tests/stripe/localstripe/serve.py
	$(SHOP_SERVER) .venv/bin/python -B tests/stripe/checkout.py docs/integrate.md

# Each program runs against a fresh service, through a proxy that loses and refuses its order. The commands that generate are
# those of docs/clients.md; tests/docs/clients.rs compares.
CLIENTS_SERVER := env -u STRIPE_WEBHOOK_SECRET API_KEYS=another,clients API_KEY=clients WEBHOOK_SECRET=clients tests/with-server.sh
CLIENT := python3 -B tests/clients/check.py docs/clients.md

check-clients: .venv-clients/.stamp tests/clients/typescript/node_modules/.stamp programs ## Make clients in TypeScript, Python and Rust from the contract, and let each place, pay and ship an order
	for folder in typescript python rust; do "$$BIN" openapi >tests/clients/$$folder/openapi.yaml || exit; done
	cd tests/clients/typescript && rm -rf generated && \
		npx openapi-typescript openapi.yaml --output generated/shop.ts && \
		npx openapi-ts && \
		npx tsc
	$(CLIENTS_SERVER) sh -ec '$(CLIENT) node tests/clients/typescript/generated/js/shop.js; \
		node tests/clients/typescript/generated/js/parse.js'
	cd tests/clients/python && PATH="$(CURDIR)/.venv-clients/bin:$$PATH" && rm -rf shop_client && \
		openapi-python-client generate --path openapi.yaml --config openapi-python-client.yaml --meta none --output-path shop_client --fail-on-warning && \
		mypy
	$(CLIENTS_SERVER) $(CLIENT) .venv-clients/bin/python -B tests/clients/python/shop.py
	cargo fmt --manifest-path tests/clients/rust/Cargo.toml --check
	cargo build --manifest-path tests/clients/rust/Cargo.toml --target-dir "$(TARGET_DIR)/clients" --quiet --locked
	$(CLIENTS_SERVER) $(CLIENT) "$(TARGET_DIR)/clients/debug/shop-client"

first-steps: tests/browser/node_modules/.stamp programs
	CHROMIUM="$$(tests/browser/ensure-chromium.sh)" && export CHROMIUM && \
	export WEBHOOK_SECRET=browser-secret STRIPE_WEBHOOK_SECRET=browser-stripe-secret CURRENCY=EUR && \
		env -u API_KEYS tests/with-server.sh npm --prefix tests/browser run --silent first-steps

# `first-steps` sends the examples unchanged, which needs a new database and no keys. The flow also uses the Authorize dialog.
# Then a page of another origin calls the service, and nginx serves it behind a path prefix.
browser: tests/browser/node_modules/.stamp $(if $(BASE_URL),,programs) ## Test the docs page in a real Chromium, against BASE_URL or fresh servers
	CHROMIUM="$$(tests/browser/ensure-chromium.sh)" && export CHROMIUM && \
	if [ -n "$$BASE_URL" ]; then exec npm --prefix tests/browser test --silent; fi; \
	export WEBHOOK_SECRET=browser-secret STRIPE_WEBHOOK_SECRET=browser-stripe-secret CURRENCY=EUR && \
		env -u API_KEYS tests/with-server.sh npm --prefix tests/browser run --silent first-steps && \
		env -u API_KEYS tests/with-server.sh npm --prefix tests/browser run --silent click-through && \
		API_KEYS=another-key,browser-key API_KEY=browser-key tests/with-server.sh npm --prefix tests/browser test --silent && \
		API_KEYS=browser-key API_KEY=browser-key node tests/browser/other-origin.mjs tests/with-server.sh \
			npm --prefix tests/browser run --silent cors && \
		SCREENSHOTS="$${SCREENSHOTS:-$(CURDIR)/target/screenshots}/behind-a-prefix" \
			env -u API_KEYS TRUSTED_PROXIES=1 tests/with-server.sh tests/browser/behind-nginx.sh \
			npm --prefix tests/browser run --silent prefix && \
		tests/dead-address.sh npm --prefix tests/browser test --silent

evidence: ## Run the tools against BASE_URL or fresh servers, and keep their output; in docs/evidence with RENEW=1
	python3 tests/evidence.py

crash-test: ## Kill the service N (50) times, cut its power, break its disk, and check that nothing is lost; SEED repeats a run
	cargo test --quiet --workspace --locked --test crash

# The first line shows that the check finds what is lost or done twice. docs/ha.md says what the second does and prints.
ha-test: $(HA_VENV) programs ## Kill, freeze and cut off machines of the set-up of ops/ha N (3) times, and check that nothing is lost; PROVE=1 proves that it can fail
	API_KEYS=ha API_KEY=ha WEBHOOK_SECRET=ha tests/with-server.sh $(HA_PYTHON) -m unittest discover --start-directory tests/ha
	$(HA_PYTHON) tests/ha/run.py $(N)

FUZZ := cargo test --quiet --workspace --locked --test fuzz -- --ignored --nocapture

# Here and in `check-conformance` the seed is fixed, so that only a change of the code changes the outcome.
check-fuzz: ## Send made-up requests for half a minute, and compare each answer with the contract
	env -u MINUTES -u CASES -u SUBJECTS SEED=20260301 ROUNDS=8 $(FUZZ)

fuzz: ## The same for MINUTES (10) with a new SEED
	MINUTES=$(or $(MINUTES),10) $(FUZZ)

check-conformance: $(VENV) programs ## Check the service against its contract, in a minute or two
	.venv/bin/python tests/conformance/conformance.py short 50 20260301

conformance: $(VENV) programs ## The same with EXAMPLES (1000) an operation and a new SEED, and a proof that it can fail
	.venv/bin/python tests/conformance/can_fail.py
	.venv/bin/python tests/conformance/conformance.py long $(or $(EXAMPLES),1000) $(SEED)

check-load: $(LOCUST_VENV) programs ## Run the load tests' tools briefly, and show that they can fail
	OPEN_LOOP="$$(dirname "$$BIN")/open-loop" $(LOCUST_PYTHON) locust/check.py

load-light: ## 25 visitors by Locust for DURATION (60) s, against BASE_URL or a fresh server
load-heavy: ## The same with 200 visitors
load-light load-heavy: load-%: $(LOCUST_VENV)
	[ -n "$$BASE_URL" ] || cargo build --release --locked
	$(LOAD) locust/load.py $*
	$(LOAD) locust/report.py

load-limit: $(LOCUST_VENV) ## Find the highest request rate; BASE_BIN names an older binary to compare with
	cargo build --release --locked
	cargo build --release --locked --package open-loop
	$(LOAD) locust/limit.py
	$(LOAD) locust/report.py

load-test: ## These three, and a report from them; with RENEW=1 it is docs/load-test.md
	$(MAKE) --no-print-directory load-light
	$(MAKE) --no-print-directory load-heavy
	$(MAKE) --no-print-directory load-limit

# Within the environment of `check-postgres` it also measures on PostgreSQL, briefly.
check-bench: $(if $(TEST_POSTGRES_URL),programs) ## Test the benchmark's own checks
	python3 -B -m unittest discover --start-directory benches

# The server of its own that the benchmark has where PostgreSQL is among its databases; a commit waits for the disk there.
BENCH_POSTGRES := $(if $(findstring postgres,$(or $(SIZES),postgres)),.venv/bin/python -B tests/postgres/server.py run --on-disk --)

# Needs an otherwise idle machine. RENEW=1 writes docs/benchmarks.md, QUICK=1 prints a table and writes no document. SCENARIOS,
# SIZES (small, big, postgres, postgres-far) and CONNS (lists with commas), ROUNDS, SECONDS and CEILINGS=0 choose what is
# measured; BIN and BASE_BIN are two builds to compare.
bench: $(if $(BENCH_POSTGRES),$(VENV)) $(if $(QUICK),,.venv-bench/.stamp) ## Measure the service for a report like docs/benchmarks.md, or with QUICK=1 for a table
	cargo build --release --locked
	cargo build --release --locked --package orders-inventory-benches
	BIN="$(BENCH_BIN)" TOOLS="$(abspath $(TARGET_DIR))/release" $(BENCH_POSTGRES) \
		$(if $(QUICK),python3,.venv-bench/bin/python) -B benches/bench.py

fmt: ## Format the Rust code
	cargo fmt --all

generate: $(VENV) ## Make generated/ from openapi.yaml
	codegen/generate.sh

postman: postman/node_modules/.stamp ## Make the Postman collection from openapi.yaml
	node postman/build.mjs

clean: ## Remove everything built and installed, but not the data
	cargo clean
	rm -rf .venv .venv-bench .venv-clients .venv-ha .venv-localstripe .venv-locust codegen/lint/node_modules postman/node_modules \
		tests/browser/node_modules tests/clients/typescript/node_modules tests/links/node_modules tests/stripe/node_modules

# Built from scratch when the pinned versions change, so that no old package is left.
$(VENV): $(REQUIREMENTS)
	rm -rf .venv
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input $(addprefix -r ,$(REQUIREMENTS))
	@touch $@

# Tools with many dependencies have an environment of their own.
.venv-bench/.stamp: benches/requirements.txt
.venv-clients/.stamp: tests/clients/python/requirements.txt
.venv-locust/.stamp: locust/requirements.txt
.venv-localstripe/.stamp: tests/stripe/localstripe/requirements.txt
.venv-ha/.stamp: tests/ha/requirements.txt
.venv-bench/.stamp .venv-clients/.stamp .venv-locust/.stamp .venv-localstripe/.stamp .venv-ha/.stamp: .venv-%/.stamp:
	rm -rf .venv-$*
	python3 -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r $<
	@touch $@

%/node_modules/.stamp: %/package.json %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --loglevel=error </dev/null
	@touch $@
