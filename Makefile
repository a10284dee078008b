# Every workflow of this workspace, one target each. `make help` lists them.

# workbench, or maelstrom for the JVM original.
RUNNER ?= workbench
# The original's command, where RUNNER=maelstrom: in PATH, or as installed by
# `make install-maelstrom`.
MAELSTROM ?= $(firstword $(wildcard .maelstrom/maelstrom/maelstrom) maelstrom)
# More flags for every test, and the seed of everything that is drawn.
FLAGS ?=
SEED ?=
# How many seeds `make swarm` tries, with which nodes (all, if none is named), and
# whether it goes on after a failure.
SEEDS ?= 1000
NODES ?=
KEEP_GOING ?=
# How many seeds `make raft-faults` tries with each number of nodes.
RUNS ?= 5
# How many starts `make starts` tries.
STARTS ?= 2000
# How long `make fuzz` runs, in seconds.
SECONDS ?= 600

# The oldest Rust that is supported, as Cargo.toml says.
MSRV := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

BROADCAST := 3a 3b 3c 3d 3e
KAFKA_LOG := 5a 5b 5c
TXN_KV := 6a 6b 6c
LIN_KV := raft-3 raft-5
CHALLENGES := 1 2 $(BROADCAST) 4 $(KAFKA_LOG) $(TXN_KV) $(LIN_KV)

WORKBENCH := target/release/workbench
SIMULATE := target/release/simulate
EXPERIMENTS := target/release/broadcast-experiments

ifeq ($(RUNNER),maelstrom)
runner := --runner maelstrom --maelstrom $(MAELSTROM)
else ifneq ($(RUNNER),workbench)
$(error RUNNER=$(RUNNER): there are two runners, workbench and maelstrom)
endif
challenge := $(WORKBENCH) challenge $(runner) $(if $(SEED),--seed $(SEED)) $(if $(FLAGS),--flags '$(FLAGS)')

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  RUNNER=maelstrom runs a challenge on the JVM original instead of the workbench."
	@echo "  SEED=7 repeats what was drawn; FLAGS='--log-stderr' adds flags to the test."

.PHONY: build
build: build-nodes build-workbench build-simulate ## Build nodes, workbench and simulator in release

build-nodes:
	cargo build --release --quiet

# Every target builds what it runs and no more. Packages are built one at a time, so
# that the features of the bench's dependencies do not leak into the nodes.
build-%:
	cargo build --release --quiet --package $(patsubst workbench,maelstrom-workbench,$*)

# But for a node and the workbench that tries it: what both need is built once, and the node has
# what the workbench asks of tokio, which is processes and a clock that can stand still.
tried-%:
	cargo build --release --quiet --package $* --package maelstrom-workbench

## Challenges

.PHONY: echo unique-ids broadcast g-counter kafka-log txn-kv lin-kv
echo: tried-echo ## Challenge 1: echo
	@$(challenge) 1
unique-ids: tried-unique-ids ## Challenge 2: unique ids
	@$(challenge) 2
broadcast: tried-broadcast ## Challenges 3a to 3e: broadcast, then a table
	@$(challenge) $(BROADCAST)

g-counter: tried-g-counter ## Challenge 4: grow-only counter
	@$(challenge) 4
kafka-log: tried-kafka-log ## Challenges 5a to 5c: replicated log, then a table
	@$(challenge) $(KAFKA_LOG)
txn-kv: tried-txn-kv ## Challenges 6a to 6c: transactions, then a table
	@$(challenge) $(TXN_KV)
lin-kv: tried-lin-kv ## Extra: a linearizable store by Raft, 3 and 5 nodes, then a table
	@$(challenge) $(LIN_KV)

.PHONY: raft
raft: build-lin-kv build-workbench build-simulate ## What Raft costs: in virtual time, beside others; then as processes
	@$(SIMULATE) figures raft-cost raft-rounds raft-picture --write
	@for nodes in 3 5 7; do for flags in '--latency 0' '--latency 10' '--latency 10 --nemesis partition'; do \
	    echo "lin-kv as processes, $$nodes nodes, $$flags"; \
	    $(WORKBENCH) test -w lin-kv --bin target/release/lin-kv --node-count $$nodes --concurrency 2n \
	        --rate 100 --time-limit 20 $$flags | grep -E 'alid|operations|read  |write  |cas  |messages|succeeded'; \
	done; done
	@for sync in --in-memory --sync=never --sync=every-group; do for setup in '3 100n' '5 60n' '7 42n'; do \
	    set -- $$setup; echo "lin-kv as processes, $$1 nodes, as fast as it goes, $$2 clients, $$sync"; \
	    $(WORKBENCH) test -w lin-kv --bin target/release/lin-kv --node-count $$1 --concurrency $$2 \
	        --rate 1000000 --time-limit 10 -- $$sync | grep -E 'alid|done|read  |write  |cas  |messages'; \
	done; done

.PHONY: raft-faults
raft-faults: tried-lin-kv ## Every fault at once for a minute as processes, RUNS=5 times with 3 and with 5 nodes
	@for nodes in 3 5; do $(WORKBENCH) test -w lin-kv --bin target/release/lin-kv --node-count $$nodes \
	    --concurrency 2n --rate 100 --time-limit 60 --test-count $(RUNS) --seed $(or $(SEED),1) \
	    --nemesis partition,kill,pause,one-way,loss,duplicate,reorder $(FLAGS) || exit 1; done

.PHONY: challenges
challenges: build-nodes build-workbench ## All challenges, then a table
	@$(challenge) $(CHALLENGES)

# A partition of three nodes can leave none that hears another and is heard: it must not last as long as the run.
.PHONY: challenges-short
challenges-short: build-nodes build-workbench ## The same for 3 s each, without limits: does it all work as processes?
	@$(challenge) --flags '--time-limit 3' 1 2 3a 3b 3c 4 $(KAFKA_LOG) $(TXN_KV)
	@$(challenge) --flags '--time-limit 3 --nemesis-interval 1' $(LIN_KV)
	@$(WORKBENCH) test -w broadcast --bin target/release/broadcast \
	    --node-count 25 --time-limit 3 --rate 100 --latency 100

## Several machines

# Both have most of their crates in common; with the features of both, these are built once.
.PHONY: build-cluster
build-cluster: ## Build workbench, and what it takes for several machines
	cargo build --release --quiet --package maelstrom-workbench --package maelstrom-cluster --features maelstrom-cluster/nats

# The names of the challenges' programs.
PROGRAMS := echo unique-ids broadcast g-counter kafka-log txn-kv lin-kv

# Where they are, and the commands; `make test-cluster` has its own.
CLUSTER_NODES ?= target/release
cluster_build := $(if $(filter target/release,$(CLUSTER_NODES)),build-nodes build-cluster)

.PHONY: cluster-demo
cluster-demo: $(cluster_build) ## 3c, 4, 5b, 6c and lin-kv on five agents, over NATS and etcd; as root, in namespaces
	@up() { $(CLUSTER_NODES)/workbench-cluster cluster up --directory target/cluster-demo --nats-port 4622 --etcd-port 2679 \
	        $(foreach node,broadcast g-counter kafka-log txn-kv lin-kv,--bin $(CLUSTER_NODES)/$(node)) $$*; }; \
	    up --namespaces || { echo 'So agents share the network of this machine:'; up; }
	@run() { $(CLUSTER_NODES)/workbench-cluster challenge --nodes $(CLUSTER_NODES) $(if $(SEED),--seed $(SEED)) \
	        --flags "--cluster nats://127.0.0.1:4622 $$*" $$challenges; }; \
	    challenges='3c 4 6c raft-5' run $(FLAGS) && challenges='5b' run --nemesis partition $(FLAGS); \
	    status=$$?; $(CLUSTER_NODES)/workbench-cluster cluster down --directory target/cluster-demo; exit $$status

# Some want every node to answer at all times, and broadcast loses what only killed nodes had. Clients wait 5 s for an
# answer: with kills there have to be some who still ask after the first.
.PHONY: cluster-short
cluster-short: $(cluster_build) ## All challenges and lin-kv on five agents for some seconds each, with partitions and kills, without limits
	@$(CLUSTER_NODES)/workbench-cluster cluster up --directory target/cluster-short --nats-port 4322 --etcd-port 2479 \
	    $(foreach node,$(PROGRAMS),--bin $(CLUSTER_NODES)/$(node))
	@run() { $(CLUSTER_NODES)/workbench-cluster challenge --nodes $(CLUSTER_NODES) $(if $(SEED),--seed $(SEED)) \
	        --flags "--cluster nats://127.0.0.1:4322 --time-limit $${time:-3} $$*" $$challenges; }; \
	    challenges='1 3a 3b 5a 6a' run && \
	    challenges='2 3c 6b 6c' run --nemesis-interval 1 && \
	    time=8 challenges='4 5b 5c raft-3' run --rate 20 --concurrency 20n --nemesis partition,kill \
	        --nemesis-interval 1 && \
	    $(CLUSTER_NODES)/workbench-cluster test -w broadcast --bin $(CLUSTER_NODES)/broadcast \
	        --cluster nats://127.0.0.1:4322 --node-count 25 --time-limit 3 --rate 100 --latency 100; \
	    status=$$?; $(CLUSTER_NODES)/workbench-cluster cluster down --directory target/cluster-short; exit $$status

.PHONY: test-cluster
test-cluster: ## Lints and tests of nodes on agents; NATS and etcd are killed; all challenges in short
	cargo clippy --package maelstrom-cluster --features nats --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --package maelstrom-cluster --features nats --no-deps --quiet
	cargo build --quiet $(foreach node,$(PROGRAMS),--package $(node))
	cargo build --quiet --package maelstrom-examples --example lin_kv_proxy
	cargo test --package maelstrom-cluster --features nats
	cargo build --quiet --package maelstrom-cluster --features nats
	$(MAKE) --no-print-directory cluster-short CLUSTER_NODES=target/debug

.PHONY: test-namespaces
test-namespaces: ## Those of the same tests that take root: agents in network namespaces
	cargo build --quiet --package broadcast
	CARGO_TARGET_$(shell rustc -vV | sed -n 's/^host: //p' | tr a-z- A-Z_)_RUNNER='sudo -E' \
	    NAMESPACES=1 cargo test --package maelstrom-cluster --features nats namespaces

challenge-%: build-nodes build-workbench ## One challenge, for instance challenge-3c
	@$(challenge) $*
broadcast-%: build-broadcast build-workbench ## One broadcast challenge, for instance broadcast-3d
	@$(challenge) $*
kafka-log-%: build-kafka-log build-workbench ## One log challenge, for instance kafka-log-5b
	@$(challenge) $*
txn-kv-%: build-txn-kv build-workbench ## One transactional challenge, for instance txn-kv-6b
	@$(challenge) $*

.PHONY: install-maelstrom
install-maelstrom: ## Fetch the JVM original (pinned, checked) for RUNNER=maelstrom
	@maelstrom/workbench/scripts/install-maelstrom.sh .maelstrom

## Simulator

.PHONY: sim
sim: build-simulate ## All challenges in virtual time, then a table
	@$(SIMULATE) challenge $(if $(SEED),--seed $(SEED)) $(FLAGS) $(CHALLENGES)
sim-%: build-simulate ## One challenge in virtual time, for instance sim-3c SEED=7
	@$(SIMULATE) challenge $(if $(SEED),--seed $(SEED)) $(FLAGS) $*

.PHONY: swarm
swarm: build-simulate ## SEEDS seeds over NODES (all) and faults, on all cores
	@$(SIMULATE) swarm --shrink --seeds $(SEEDS) $(if $(SEED),--first $(SEED)) $(if $(KEEP_GOING),--keep-going) $(NODES)

.PHONY: starts
starts: build-simulate ## STARTS starts of 1 to 100 nodes: whether one sends to a name not there yet
	@$(SIMULATE) starts --seeds $(STARTS) $(NODES)

.PHONY: scale
scale: build-broadcast-experiments ## Broadcast with 5 to 1,000 nodes: messages and latency
	@$(EXPERIMENTS) scale

.PHONY: frontier
frontier: build-broadcast-experiments ## Broadcast's messages against latency: table, thresholds, broadcast/frontier.svg
	@$(EXPERIMENTS) frontier --svg broadcast/frontier.svg

.PHONY: sparse
sparse: build-broadcast-experiments ## Broadcast where few nodes have a link to each other: table, thresholds
	@$(EXPERIMENTS) sparse

.PHONY: delay
delay: build-broadcast-experiments ## Broadcast under partitions against flooding, 100 seeds
	@$(EXPERIMENTS) delay

.PHONY: losses
losses: build-broadcast-experiments ## What broadcast loses when nodes are killed, and whether the rest is everywhere
	@$(EXPERIMENTS) losses

.PHONY: figures figures-write figures-quick
figures: build-simulate ## Every figure of the documentation: in virtual time, compared; then this machine's
	@$(SIMULATE) figures --check
	@echo 'Of this machine (the thresholds hold everywhere):'
	@$(MAKE) --no-print-directory bench bench-calls bench-log
figures-write: build-simulate ## The same in virtual time, written into the documentation
	@$(SIMULATE) figures --write
figures-quick: build-simulate ## Those of the figures that are measured quickly, compared
	@$(SIMULATE) figures --quick --check

.PHONY: determinism
determinism: build-simulate ## The same seed twice in processes of their own, byte for byte
	@$(SIMULATE) determinism

.PHONY: fingerprint
fingerprint: build-simulate ## Checksums of what challenges and seeds do, to compare versions by
	@$(SIMULATE) fingerprint

.PHONY: fuzz
fuzz: build-simulate ## Noise between valid requests and an intruder, for SECONDS seconds a node
	@$(SIMULATE) fuzz --seconds $(SECONDS)

## Quality

.PHONY: test
test: ## Run all tests
	cargo test --workspace

.PHONY: check
check: ## Formatting, lints and docs; changes nothing
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	@$(MAKE) --no-print-directory apart surface

# What checks the script of the report comes from npm; nothing that is built needs it.
PAGE := maelstrom/workbench/page
$(PAGE)/node_modules/.package-lock.json: $(PAGE)/package-lock.json
	@npm --version >/dev/null 2>&1 || { \
	    echo 'npm is not installed: it comes with node, or as the package npm of Debian' >&2; exit 1; }
	cd $(PAGE) && npm ci --silent && touch node_modules/.package-lock.json

.PHONY: page
page: $(PAGE)/node_modules/.package-lock.json ## Types, lints and modules of the scripts in report.html and serve
	cd $(PAGE) && npm run --silent check

.PHONY: browser
browser: build-workbench ## Reports and the store in headless Chromium: filters, clicks, zoom, dark, phone, speed
	@node --version >/dev/null 2>&1 || { \
	    echo 'node is not installed: it drives the browser' >&2; exit 1; }
	@WORKBENCH=$(CURDIR)/$(WORKBENCH) node --test $(PAGE)/tests/page.test.js
	@WORKBENCH=$(CURDIR)/$(WORKBENCH) node --test $(PAGE)/tests/store.test.js

.PHONY: pictures
pictures: ## The README's pictures of a report, by the same browser
	@mkdir -p target/pictures
	@SCREENSHOTS=$(CURDIR)/target/pictures $(MAKE) --no-print-directory browser
	@cp $(addprefix target/pictures/,dark.png finding.png message.png) $(PAGE)/pictures/

.PHONY: msrv
msrv: ## Build with the oldest Rust that is supported
	@rustup toolchain list 2>/dev/null | grep -q '^$(MSRV)' || { \
	    echo 'Rust $(MSRV) is not installed: rustup toolchain install $(MSRV) --profile minimal' >&2; exit 1; }
	cargo +$(MSRV) check --workspace --all-targets --quiet

.PHONY: deny
deny: ## Licenses, sources and known vulnerabilities of the dependencies
	@cargo deny --version >/dev/null 2>&1 || { \
	    echo 'cargo-deny is not installed: cargo install --locked cargo-deny' >&2; exit 1; }
	cargo deny check

.PHONY: apart
apart: ## Whether nodes and bench have nothing of what it takes for several machines
	@tree=$$(cargo tree --workspace --exclude maelstrom-cluster --prefix none) && \
	    ! echo "$$tree" | grep -E '^(maelstrom-cluster|async-nats|rustls|prometheus-client|tokio-tungstenite) '

.PHONY: surface
surface: ## Docs; and how many items the bench's crates show to others: at most 150
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet
	@cat $(addprefix target/doc/,$(addsuffix /all.html,checkers simulator workbench)) \
	    | grep -o '<li><a href="[^"#]*\.html"' | wc -l | awk '{ print $$1, "public items"; exit $$1 > 150 }'

PACKAGES := maelstrom maelstrom-checkers maelstrom-simulator maelstrom-workbench maelstrom-cluster
.PHONY: package
package: ## Whether each library can be published: packs it, and builds it from that alone
	cargo publish --dry-run $(addprefix --package ,$(PACKAGES))

.PHONY: fix
fix: ## Mend formatting and what clippy can mend
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged --quiet
	cargo fmt --all

.PHONY: bench
bench: ## Compare the node library with a floor: throughput, round trip, memory
	cargo build --profile dist --quiet --package echo
	ECHO=$(CURDIR)/target/dist/echo cargo bench --quiet --package echo --bench speed

.PHONY: bench-calls
bench-calls: ## A million calls that time out together: processor time
	cargo bench --quiet --package maelstrom --bench calls

.PHONY: bench-checkers
bench-checkers: ## Checkers over sizes: time has to grow with the size
	cargo bench --quiet --package maelstrom-checkers --bench checkers

.PHONY: bench-trace
bench-trace: ## What the trace costs at 20,000 operations a second: at most a tenth
	cargo build --profile dist --quiet --package echo
	ECHO=$(CURDIR)/target/dist/echo cargo bench --quiet --package maelstrom-workbench --bench trace

.PHONY: bench-cluster
bench-cluster: ## Steps a second of clusters of machines in virtual time
	cargo bench --quiet --package maelstrom-simulator --bench cluster
	cargo bench --quiet --package g-counter --bench cluster

.PHONY: bench-nats
bench-nats: $(cluster_build) ## A round trip to a node, by its pipes and over NATS, in turns; and how much two agents carry
	@$(CLUSTER_NODES)/workbench-cluster cluster up --directory target/bench-nats --nats-port 4422 --etcd-port 2579 \
	    --agents 2 --bin $(CLUSTER_NODES)/echo
	@cluster='--cluster nats://127.0.0.1:4422'; \
	    bench() { $(CLUSTER_NODES)/workbench-cluster test -w echo --bin $(CLUSTER_NODES)/echo --rate 1000000 --time-limit 5 "$$@"; }; \
	    for turn in 1 2 3; do for where in '' "$$cluster"; do \
	        bench --node-count 1 --concurrency 1 $$where | grep -A 1 median; done; done; \
	    bench --node-count 2 --concurrency 100n $$cluster | awk '/those of clients/ { most = $$(NF - 4) / 5 } \
	        END { print most " messages a second through two agents, of at least 20000"; exit most < 20000 }'; \
	    status=$$?; $(CLUSTER_NODES)/workbench-cluster cluster down --directory target/bench-nats; exit $$status

.PHONY: bench-journal bench-compaction
bench-journal: ## Appending to a journal with a sync of every group, and opening 250 MiB
	cargo bench --quiet --package maelstrom --bench journal -- append open
bench-compaction: ## How long records wait for a snapshot of 250 MiB, and for other files
	cargo bench --quiet --package maelstrom --bench journal -- compaction

.PHONY: bench-raft
bench-raft: ## A million commands to three processes, and a fresh node: memory, and who waits
	cargo bench --quiet --package lin-kv --bench million

.PHONY: bench-log
bench-log: ## Ten million messages on one key: time and memory for each
	cargo bench --quiet --package kafka-log --bench long_log

.PHONY: ci
ci: ## Checks, all tests and short runs: what CI runs but for the original
	.ci/run
