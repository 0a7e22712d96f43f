# Every target does its own set-up: on a fresh clone the first thing to type may be `make test` or `make replay`.
#   PYTHON=/path/to/python3.13   the interpreter to use (>= 3.12); otherwise scripts/find-python.sh finds one
#   PYTEST_ARGS="-m 'not slow'"  passed on to pytest
#   WORKERS=1                      processes that share the test files

VENV  := .venv
BIN   := $(VENV)/bin
OUT   := out/replay
WORKERS ?= 2
# The stamp bears the name of PYTHON, so that asking for another interpreter is not answered by the one already there.
STAMP := $(VENV)/.installed$(if $(PYTHON),-$(subst /,_,$(PYTHON)))

# Where nobody watches, say what took long.
PYTEST_ARGS ?= $(if $(CI),--durations=10)

export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: replay test lint env clean

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

replay: $(STAMP)
	$(BIN)/vtrial replay emilia destiny-breast03 --problem her2-adc --replicates 200 --draws 200 --out $(OUT)/joint
	$(BIN)/vtrial report $(OUT)/joint
	$(BIN)/vtrial replay --problem platelets-tdm1 --out $(OUT)
	$(BIN)/vtrial report $(OUT)
	$(BIN)/vtrial replay emilia --problem efficacy-emilia --out $(OUT)/efficacy
	$(BIN)/vtrial report $(OUT)/efficacy

lint: $(STAMP)
	$(BIN)/ruff check .

env: $(STAMP)

# An environment that runs is kept, unless PYTHON asks for one. -qq: pip's errors, without its warnings.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if [ -n "$$PYTHON" ] || ! PYTHON=$(BIN)/python sh scripts/find-python.sh >/dev/null 2>&1; then \
	    python=$$(sh scripts/find-python.sh); \
	    "$$python" -m venv --clear $(VENV); \
	fi; \
	echo "installing into $(VENV) with $$($(BIN)/python -V); minutes the first time" >&2; \
	$(BIN)/python -m pip install -qq -c constraints.txt -e ".[dev]"
	@touch "$@"

# Only what make made: runs under out/ other than the replay's are somebody's work.
clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .ruff_cache .hypothesis
	find vtrial tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
