# The same verbs for people and for CI. `make demo` and `make test` each do all the set-up themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint type check bench soak soak-fuzz soak-long soak-wheel audit range table loop algorithms docs docs-serve clean

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

bench: .venv/.dev
	$(BIN)/python benchmarks/score.py
	$(BIN)/python benchmarks/train.py
	$(BIN)/python benchmarks/extract.py
	$(BIN)/python benchmarks/online.py --observation 512 --hidden 512
	$(BIN)/python benchmarks/env.py
	$(BIN)/python benchmarks/env.py --dim 4096

# Faults, damaged files and long runs, two at a time: docs/reliability.md has what it prints.
KILLS ?= 200
EXAMPLES ?= 2000
VICTIMS = training search ppo sac extraction evaluation download
soak: .venv/.dev
	$(MAKE) --jobs=2 --output-sync=target --no-print-directory soak-fuzz soak-long $(VICTIMS:%=soak-%) soak-wheel

$(VICTIMS:%=soak-%): soak-%: .venv/.dev
	$(BIN)/python -m tests.soak.faults --only $* --kills $(KILLS)

soak-fuzz: .venv/.dev
	$(BIN)/python -m tests.soak.fuzz --examples $(EXAMPLES)

soak-long: .venv/.dev
	$(BIN)/python -m tests.soak.long --figure docs/memory.png

soak-wheel: .venv/.dev
	$(BIN)/python -m tests.soak.wheel

# Known vulnerabilities of what is installed (an advisory service must be reachable: what cannot be looked up fails),
# and everybody's licence.
audit: .venv/.dev .venv/.audit
	$(BIN)/pip-licenses --order=license --with-urls
	$(BIN)/pip-audit --strict --skip-editable

# The tests with the oldest and the newest versions of the dependencies, on each Python (pip install uv).
PYTHONS ?= 3.11 3.12 3.13
VERSIONS ?= lowest-direct highest
range:
	for python in $(PYTHONS); do for versions in $(VERSIONS); do \
	  uv run --isolated --no-project --python $$python --resolution $$versions --with-editable ".[dev]" \
	    python -m pytest -n 2 -p no:cacheprovider || exit; done; done

# The table of real video in the README, and its page in report/. Give ROOT=OTB (sequence folders), WEIGHTS=FOLDER (the
# files of yolo-nano-voc and of NanoTrack), and OTHERS="FOLDER ..." (result files of other trackers), if there are any.
SMALL = train/reinforce.py --preset small --root $(ROOT) --sequences drlt30 --features yolo-nano-voc --weights $(WEIGHTS)
EVALUATE = $(BIN)/tracking-env evaluate --root $(ROOT) --sequences drlt30 --out results
TABLE = $(addprefix results/,static mean replay copy velocity late mil nano) $(OTHERS) results/supervised results/drlt

table: .venv/.train
	test -e runs/drlt/report.json || $(BIN)/python $(SMALL) --out runs/drlt
	test -e runs/supervised/report.json || $(BIN)/python $(SMALL) --learner supervised --out runs/supervised
	for line in static mean replay copy velocity late mil; do $(EVALUATE) --tracker $$line || exit; done
	$(EVALUATE) --tracker nano --weights $(WEIGHTS)
	$(EVALUATE) --tracker drlt --checkpoint runs/supervised --name supervised
	$(EVALUATE) --tracker drlt --checkpoint runs/drlt
	$(BIN)/tracking-env score $(TABLE) --root $(ROOT) --markdown
	$(BIN)/tracking-env report $(TABLE) --ours drlt --root $(ROOT) --out report

# The closed loop: its agent trained on the first thirds, beside NanoTrack in the same run (ROOT and WEIGHTS as above).
SEARCH = train/search.py --preset small --root $(ROOT) --weights $(WEIGHTS)

loop: .venv/.train
	test -e runs/search/report.json || $(BIN)/python $(SEARCH) --sequences drlt30 --out runs/search
	$(EVALUATE) --tracker search --checkpoint runs/search/warm --weights $(WEIGHTS) --name search-warm
	$(EVALUATE) --tracker search --checkpoint runs/search --weights $(WEIGHTS)
	$(EVALUATE) --tracker proposals --weights $(WEIGHTS)
	$(EVALUATE) --tracker nano --weights $(WEIGHTS)
	$(BIN)/tracking-env score results/nano $(OTHERS) results/proposals results/search-warm results/search --root $(ROOT) --markdown

# All algorithms at one budget of environment steps, on drawn sequences or with ROOT and WEIGHTS as above: hours.
STEPS ?= 200000
SEEDS ?= 3
REAL = $(if $(ROOT),--root $(ROOT) --sequences drlt30 --features yolo-nano-voc --weights $(WEIGHTS) --augment 4)

algorithms: .venv/.train
	$(BIN)/python benchmarks/algorithms.py --out runs/algorithms --env-steps $(STEPS) --seeds $(SEEDS) -- $(REAL)

# The documentation, into site/; a broken link fails. `python docs/make_gifs.py` draws its pictures anew.
docs: .venv/.docs
	$(BIN)/mkdocs build --strict

docs-serve: .venv/.docs
	$(BIN)/mkdocs serve

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; type: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/.train .venv/.dev .venv/.audit .venv/.docs: .venv/.%: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv runs dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
