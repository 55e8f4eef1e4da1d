# Every target works in a fresh clone: Node 20 with npm is enough, the pinned Node comes with the packages.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo test soak soak-log guards test-oldest test-all lint lint-all types build-all docs docs-check bench clean
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

TESTS := "src/**/*.test.ts" "tools/**/*.test.ts" "bench/**/*.test.ts" "test/**/*.test.ts"

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

install:
	@node tools/install.mjs

demo: install ## three million flights through a pipeline
	@node bin/sluice.js run examples/flights/pipeline.yaml
	@node examples/flights/report.ts

test: install ## all tests
	@node --test --test-concurrency=2 --test-reporter=./tools/test-reporter.ts $(TESTS)

lint: install ## style, imports, text
	@oxlint --quiet --type-aware --deny-warnings -f unix
	@node tools/check-imports.ts
	@node tools/check-text.ts

types: install ## type check
	@tsc -p .

docs-check: install
	@node tools/build-schema.ts --check
	@node tools/build-docs.ts --check

lint-all: lint types docs-check ## lint, types, and generated pages that are out of date

build-all: install ## JavaScript and declarations in dist/
	@node tools/build.ts

soak: install ## kills, stops, reloads and faults at random for an hour, then ten minutes of a network and of a server that are bad, 200 reloads and 200 stops of each kind, and 200 kills of the log; SOAK_MINUTES=n for another time
	@SOAK_MINUTES=$(or $(SOAK_MINUTES),60) node tools/soak.ts
	@SLUICE_MINUTES=$(or $(FAULT_MINUTES),10) node --test --test-concurrency=3 test/faults/network.test.ts test/faults/sink.test.ts test/faults/redrive.test.ts
	@SLUICE_STORM=200 node --test --test-concurrency=1 test/reload/storm.test.ts test/reload/stops.test.ts
	@$(MAKE) soak-log

soak-log: install ## the proofs of the log, ten times as long, into docs/reliability.md; SOAK=n for another length
	@node tools/reliability.ts --soak $(or $(SOAK),10)

guards: install ## take guarding lines away one by one, and see that the tests fail
	@node tools/mutate-guards.ts $(GUARDS)

OLDEST := 24
OLDEST_PACKAGE := node-linux-$(shell uname -m | sed 's/x86_64/x64/;s/aarch64/arm64/')

test-oldest: install ## all tests on the oldest Node.js that the package allows
	@npm install --prefix .cache/node-$(OLDEST) --ignore-scripts --no-audit --no-fund --loglevel=error $(OLDEST_PACKAGE)@$(OLDEST)
	@PATH="$(CURDIR)/.cache/node-$(OLDEST)/node_modules/$(OLDEST_PACKAGE)/bin:$$PATH" \
	  bash -c 'node --version && node --test --test-concurrency=2 --test-reporter=./tools/test-reporter.ts $(TESTS)'

test-all: build-all test test-oldest guards ## all tests on a fresh build and on the oldest Node.js, all guards, and a short benchmark that compares outputs
	@node bench/pipelines/run.ts --events 20000 --rounds 1 --no-peers --out .cache/bench-smoke.json

docs: install ## write the generated pages and the JSON Schema of pipelines
	@node tools/build-schema.ts
	@node tools/build-docs.ts

bench: install ## pipelines side by side with their peers; BENCH="--events 1000000 --rounds 5"
	@node bench/pipelines/run.ts $(BENCH)

clean: ## remove what was built
	@rm -rf dist .cache
