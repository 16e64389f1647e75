# make run: the first notebook, trained and shown. make test: everything that must hold. make help: the rest.
PYTHON ?= python3
N ?= 01
BIN := .venv/bin
READY := .venv/ready
COLAB := .venv-colab/$(notdir $(PYTHON))-$(TORCH)-ready
export TOKENIZERS_PARALLELISM ?= false
ATTEMPTS := $(CURDIR)/.network-attempts
GUARDED := OMP_NUM_THREADS=1 PYTHONPATH=$(CURDIR)/tests/guard NETWORK_ATTEMPTS=$(ATTEMPTS)
NO_ATTEMPTS := ! test -s $(ATTEMPTS) || { echo "these asked for the network:"; sort -u $(ATTEMPTS); rm $(ATTEMPTS); exit 1; }

.PHONY: help run test test-colab test-unsloth check-gpu setup lab notebook notebooks references base llama figures bench fork colab-list

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*##/\t/' | expand -t 14

run: $(READY)  ## install, execute notebook 01 on the CPU without a network, print losses and a sample
	@GPT_SERIES_PROFILE=cpu GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python tools/notebook.py 01

test: $(READY)  ## all tests, and all notebooks through nbval, with every address but loopback refused
	@rm -rf workspace-nbval $(ATTEMPTS)
	$(GUARDED) $(BIN)/python -m pytest -q -n 2 --dist loadfile --timeout 600 --cov --cov-report term tests
	GPT_SERIES_PROFILE=cpu GPT_SERIES_WORKSPACE=$(CURDIR)/workspace-nbval \
	  $(GUARDED) $(BIN)/python -m pytest -q --nbval-lax --nbval-current-env --nbval-cell-timeout 600 \
	  -n $(words $(wildcard notebooks/*.ipynb)) --maxprocesses 2 --dist loadfile -p no:cacheprovider notebooks
	@rm -rf workspace-nbval
	@$(NO_ATTEMPTS)

test-colab: $(COLAB)  ## all tests on the versions that Colab has: make test-colab [PYTHON=python3.13 TORCH=2.11.0]
	@rm -f $(ATTEMPTS)
	$(GUARDED) .venv-colab/bin/python -m pytest -q -n 2 --dist loadfile --timeout 600 tests
	@$(NO_ATTEMPTS)

test-unsloth: .venv-unsloth/ready  ## notebook 04's second backend, beside the first one
	@rm -f $(ATTEMPTS)
	$(GUARDED) .venv-unsloth/bin/python -m pytest -q --timeout 600 tests/with_unsloth.py
	@$(NO_ATTEMPTS)

check-gpu: $(READY)  ## what only a GPU can tell: checks, and a rehearsal of each notebook; one file to send back
	$(BIN)/python -m tools.check_gpu

setup: $(READY)  ## only the virtual environment .venv

$(READY): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ": run make PYTHON=path/to/python3")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	@touch $@

$(COLAB): $(READY) tests/data/colab-gpu.txt
	$(PYTHON) -m venv --clear .venv-colab
	$(BIN)/python -m tools.colab --write .venv-colab $(if $(TORCH),--torch $(TORCH))
	.venv-colab/bin/python -m pip install -q -c .venv-colab/constraints.txt -r .venv-colab/requirements.txt
	.venv-colab/bin/python -m pip install -q --no-deps -e .
	@touch $@

# Colab's versions, seen through a .pth file, and before them what its first cell installs there for Unsloth.
.venv-unsloth/ready: $(COLAB) requirements-llama.txt
	.venv-colab/bin/python -m venv --without-pip .venv-unsloth
	.venv-unsloth/bin/python -c 'import sysconfig; p = sysconfig.get_path("purelib"); open(p + "/colab.pth", "w").write(p.replace(".venv-unsloth", ".venv-colab"))'
	.venv-unsloth/bin/python -m pip install -q --no-deps -r requirements-llama.txt
	@touch $@

colab-list: $(READY)  ## fetch anew what Colab has installed, and say what our requirements would replace there
	$(BIN)/python -m tools.colab --refresh

lab: $(READY)  ## open the notebooks in Jupyter
	$(BIN)/python -m jupyterlab notebooks

notebook: $(READY)  ## execute one notebook in your workspace: make notebook N=03
	@$(BIN)/python tools/notebook.py $(N)

notebooks: $(READY)  ## execute all notebooks on the CPU and store their outputs in them
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python tools/notebook.py --in-place

references: $(READY)  ## record the three runs of profile cpu that make each reference band
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.references --profile cpu --seeds 1 2 3
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.references --notebook 02 --profile cpu --seeds 1 2 3
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.references --notebook 03 --profile cpu --seeds 1 2 3
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.references --notebook 04 --profile cpu --seeds 1 --set RERUN=all
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.references --notebook 04 --profile cpu --seeds 2 3
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.references --notebook 05 --profile cpu --seeds 1 --set RERUN=all
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.references --notebook 05 --profile cpu --seeds 2 3

base: $(READY)  ## train anew the tiny base model that later notebooks fine-tune
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.base

llama: $(READY)  ## train anew the tiny Llama that notebook 04 tunes
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.llama
	GPT_SERIES_DATA=offline HF_HUB_OFFLINE=1 $(BIN)/python -m tools.llama --further --tokens 4000000

figures: $(READY)  ## draw images/ from data/reference
	$(BIN)/python -m tools.figures

bench: $(READY)  ## speed and memory of training and generation beside Transformers' and nanoGPT's: make bench [NANOGPT=../nanoGPT]
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/ladder.py $(if $(NANOGPT),--nanogpt $(NANOGPT))
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/generation.py $(if $(NANOGPT),--nanogpt $(NANOGPT))

fork: $(READY)  ## write your fork's address into badges and setup cells: make fork REPO=you/name
	$(BIN)/python -m tools.fork $(REPO)
