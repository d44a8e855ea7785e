# The same targets for people and for CI. `make demo` and `make test` set up the environment themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint type check learn bench soak soak-slow soak-fuzz soak-terminals soak-long soak-wheel soak-vot soak-gpu audit range constraints table loop algorithms docs docs-serve clean

demo: .venv/.train
	$(BIN)/python train/reinforce.py --preset demo --out runs/demo --overwrite

test: lint type check

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: .venv/.dev
	$(BIN)/mypy

check: .venv/.dev
	$(BIN)/python -m pytest -n 2

# Whether agents still learn: the examples, the training scripts and the libraries that are installed, to a score.
learn: .venv/.dev
	$(BIN)/python -m pytest -m learn

bench: .venv/.dev
	$(BIN)/python benchmarks/speed/score.py
	$(BIN)/python benchmarks/speed/report.py
	$(BIN)/python benchmarks/speed/train.py
	$(BIN)/python benchmarks/speed/cpu.py
	$(BIN)/python benchmarks/speed/extract.py
	$(BIN)/python benchmarks/speed/online.py --observation 512 --hidden 512
	$(BIN)/python benchmarks/speed/env.py
	$(BIN)/python benchmarks/speed/env.py --dim 4096

# Faults, damaged files and long runs, two at a time. docs/reliability.md has the results.
KILLS ?= 200
EXAMPLES ?= 2000
WORKLOADS = training search ppo sac extraction evaluation tracking report demo download
soak: .venv/.dev
	$(MAKE) --jobs=2 --output-sync=target --no-print-directory soak-slow soak-fuzz soak-terminals soak-long \
	  $(WORKLOADS:%=soak-%) soak-wheel soak-gpu

$(WORKLOADS:%=soak-%): soak-%: .venv/.dev
	$(BIN)/python -m tests.soak.faults --only $* --kills $(KILLS)

soak-slow: .venv/.dev
	$(BIN)/python -m pytest -m slow

soak-fuzz: .venv/.dev
	$(BIN)/python -m tests.soak.fuzz --examples $(EXAMPLES)

soak-terminals: .venv/.dev
	$(BIN)/python -m tests.soak.terminals

soak-long: .venv/.dev
	$(BIN)/python -m tests.soak.long --figure docs/memory.png

# Needs a connection: it makes an environment with the VOT toolkit. docs/benchmarks.md says what it compares.
soak-vot: .venv/.dev .venv/.vot
	$(BIN)/python -m tests.soak.vot_toolkit

soak-wheel: .venv/.dev
	$(BIN)/python -m tests.soak.wheel

soak-gpu: .venv/.dev
	$(BIN)/python -m tests.soak.gpu

# Known vulnerabilities and licences of the installed packages. Fails without a connection to the advisory service.
audit: .venv/.dev .venv/.audit
	$(BIN)/pip-licenses --order=license --with-urls
	$(BIN)/pip-audit --strict --skip-editable

# Run the tests with the oldest and the newest dependencies on each Python (pip install uv).
PYTHONS ?= 3.11 3.12 3.13
VERSIONS ?= lowest-direct highest
range:
	for python in $(PYTHONS); do for versions in $(VERSIONS); do \
	  uv run --isolated --no-project --python $$python --resolution $$versions --with-editable ".[dev]" \
	    python -m pytest -n 2 -p no:cacheprovider || exit; done; done

# Pin the newest versions of all packages that these targets install, so that two installs are equal. They are resolved
# on the oldest Python, whose versions the others take too.
LOCKED = dev,demo,hub,docs,audit
constraints:
	python3.11 -m pip install --dry-run --ignore-installed --quiet --report constraints.json ".[$(LOCKED)]"
	python3.11 -c 'import json; packages = json.load(open("constraints.json"))["install"]; \
	  pins = [(each["metadata"]["name"], each["metadata"]["version"].partition("+")[0]) for each in packages]; \
	  print(*sorted(f"{name}=={version}" for name, version in pins if name != "tracking-env"), sep="\n")' > constraints.txt
	rm constraints.json

# Train and evaluate for the table of real video in docs/results.md, and make its page in report/. Give ROOT=OTB (sequence
# folders) and WEIGHTS=FOLDER (files of yolo-nano-voc and NanoTrack). OTHERS="FOLDER ..." adds result files of others.
SMALL = train/reinforce.py --preset small --root $(ROOT) --sequences drlt30 --features yolo-nano-voc --weights $(WEIGHTS)
EVALUATE = $(BIN)/tracking-env evaluate --root $(ROOT) --sequences drlt30 --out results
TABLE = $(addprefix results/,static mean replay copy velocity late mil nano) $(OTHERS) results/supervised results/drlt

table: .venv/.train
	test -e runs/drlt/report.json || $(BIN)/python $(SMALL) --out runs/drlt
	test -e runs/supervised/report.json || $(BIN)/python $(SMALL) --learner supervised --out runs/supervised
	for tracker in static mean replay copy velocity late mil; do $(EVALUATE) --tracker $$tracker || exit; done
	$(EVALUATE) --tracker nano --weights $(WEIGHTS)
	$(EVALUATE) --tracker drlt --checkpoint runs/supervised --name supervised
	$(EVALUATE) --tracker drlt --checkpoint runs/drlt
	$(BIN)/tracking-env score $(TABLE) --root $(ROOT) --markdown
	$(BIN)/tracking-env report $(TABLE) --ours drlt --root $(ROOT) --out report

# Train the closed-loop agent on the first thirds and compare it with NanoTrack (ROOT and WEIGHTS as above).
SEARCH = train/search.py --preset small --root $(ROOT) --weights $(WEIGHTS)

loop: .venv/.train
	test -e runs/search/report.json || $(BIN)/python $(SEARCH) --sequences drlt30 --out runs/search
	$(EVALUATE) --tracker search --checkpoint runs/search/warm --weights $(WEIGHTS) --name search-warm
	$(EVALUATE) --tracker search --checkpoint runs/search --weights $(WEIGHTS)
	$(EVALUATE) --tracker proposals --weights $(WEIGHTS)
	$(EVALUATE) --tracker nano --weights $(WEIGHTS)
	$(BIN)/tracking-env score results/nano $(OTHERS) results/proposals results/search-warm results/search --root $(ROOT) --markdown

# Compare all algorithms at the same numbers of environment steps, on synthetic sequences or with ROOT and WEIGHTS as
# above. Takes hours; typed again, it continues.
BUDGETS ?= 20000 100000 1000000
SEEDS ?= 3
REAL = $(if $(ROOT),--root $(ROOT) --sequences drlt30 --features yolo-nano-voc:5x5 --weights $(WEIGHTS) --augment 4)

algorithms: .venv/.train
	$(BIN)/python benchmarks/algorithms.py --out runs/algorithms --budgets $(BUDGETS) --seeds $(SEEDS) -- $(REAL)

# Build the documentation in site/; a broken link fails. Its tables of flags come from the scripts' --help, which needs
# torch. `python docs/make_gifs.py` draws its animations again.
docs: .venv/.train .venv/.docs
	$(BIN)/mkdocs build --strict

docs-serve: .venv/.train .venv/.docs
	$(BIN)/mkdocs serve

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; type: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/.train .venv/.dev .venv/.audit .venv/.docs .venv/.vot: .venv/.%: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet $(if $(filter vot,$*),,--constraint constraints.txt) --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv runs dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
