#!/usr/bin/env bash
# What to run when a large GPU is at hand for half an hour: correctness on CUDA, the reference runs of notebooks 01 to 03 on real text, then what
# QLoRA on Llama-3-8B takes, with random weights (16 GB of disk for a while), and notebook 04 where there are real ones.
#   benchmarks/gpu_session.sh path/to/data [seeds]     the folder holds prose/*.txt, dailydialog/, wikitext2/ and gpt2_tokenizer/;
#                                                      for notebook 04 llama-3-8b/ and amazon_titles/trn.json too
# PART=checks, ladder, t4, full, dialogues, articles or products in the environment keeps a call below ten minutes; all of them without it. $OUT: where
# logs go. PART=prepare, here and with a network, packs the text and the wheels that a machine without one may lack: carry .gpu with the repository.
set -eu
cd "$(dirname "$0")/.."
data=${1:?name the folder of local copies, path/to/data}; shift
seeds=${*:-1 2 3}
part=${PART:-all}
out=${OUT:-workspace}
site=$(mktemp -d)
if [ "$part" = prepare ]; then
  rm -rf .gpu && mkdir -p .gpu/wheels
  tar czf .gpu/data.tgz -C "$data" prose dailydialog wikitext2 gpt2_tokenizer
  python3 -m pip download -q --no-deps --only-binary=:all: --python-version "${PYTHON_VERSION:-3.12}" --implementation cp -d .gpu/wheels \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --platform manylinux_2_26_x86_64 --platform manylinux_2_34_x86_64 -c constraints.txt \
    datasets dill multiprocess nbformat nbclient nbconvert ipykernel ipython jupyter_client jupyter_core traitlets comm debugpy \
    matplotlib-inline jedi parso decorator prompt_toolkit wcwidth stack-data executing asttokens pure_eval pexpect ptyprocess tornado pyzmq \
    nest-asyncio2 fastjsonschema jsonschema jsonschema-specifications referencing rpds-py mistune bleach webencodings tinycss2 \
    beautifulsoup4 soupsieve defusedxml jupyterlab_pygments pandocfilters ipython_pygments_lexers platformdirs
  python3 -m pip download -q --no-deps --only-binary=:all: -d .gpu/wheels trl==0.29.1  # the one that Colab's other packages allow
  python3 -m pip install -q --no-deps --only-binary=:all: --python-version "${PYTHON_VERSION:-3.12}" --implementation cp --target .gpu/site \
    --platform manylinux_2_24_x86_64 --platform manylinux2014_x86_64 -c constraints.txt bitsandbytes
  find .gpu/site -name "*.so" ! -name "*_cpu.so" ! -name "*_cuda13*.so" -delete  # 125 MB for all cards there are; a session has one
  du -sh .gpu/*
  exit
fi
if [ -d .gpu ]; then
  python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" .gpu/wheels/*.whl
  mkdir -p "$data" && tar xzf .gpu/data.tgz -C "$data"
fi
export PYTHONPATH=.:$site:$PWD/.gpu/site TQDM_MININTERVAL=10 PYTHONUNBUFFERED=1
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv || true
if [ "$part" = all ] || [ "$part" = checks ]; then
  python3 -m pytest -q -p no:cacheprovider tests/test_model.py tests/test_generation.py tests/test_budget.py tests/test_step.py
  GPT_SERIES_DATA="$data" GPT_SERIES_WORKSPACE="$out/workspace" python3 -m tools.check_gpu  # float16, 14.5 GiB, each notebook's card
  python3 benchmarks/generation.py --output "$out/generation-gpu.json"
fi
if [ "$part" = all ] || [ "$part" = ladder ]; then  # nanoGPT beside it where there is a checkout: NANOGPT=path/to/nanoGPT
  python3 -m pytest -q -p no:cacheprovider tests/test_ladder.py tests/test_roofline.py
  python3 benchmarks/ladder.py --device cuda --batch 8 32 --rounds 7 --compile ${NANOGPT:+--nanogpt "$NANOGPT"} --output "$out/ladder-gpu.json"
fi
if [ "$part" = all ] || [ "$part" = t4 ]; then
  python3 -m tools.references --profile t4 --name 4M_32batch --seeds $seeds --data "$data" --dtype float16
fi
if [ "$part" = all ] || [ "$part" = full ]; then
  python3 -m tools.references --profile full --name 10M_128batch --seeds $seeds --data "$data"
fi
if [ "$part" = all ] || [ "$part" = dialogues ]; then  # GPT-2's shape from random weights, float16 and 14.5 GiB, unless path/to/data/gpt2/ holds the real ones
  GPT_SERIES_DATA="$data" GPT_SERIES_DTYPE=float16 python3 -m tools.references --notebook 02 --profile t4 --seeds $seeds
fi
if [ "$part" = all ] || [ "$part" = articles ]; then
  GPT_SERIES_DATA="$data" GPT_SERIES_DTYPE=float16 python3 -m tools.references --notebook 03 --profile t4 --seeds $seeds
fi
if [ "$part" = all ] || [ "$part" = products ]; then
  llama=$(mktemp -d)
  for backend in transformers unsloth; do  # each in a process of its own: Unsloth replaces parts of the libraries
    python3 benchmarks/llama_shape.py --backend $backend --folder "$llama" --output "$out/llama_shape-$backend.json" || echo "$backend: failed"
  done
  rm -rf "$llama"
  if [ -d "$data/llama-3-8b" ]; then
    GPT_SERIES_DATA="$data" GPT_SERIES_DTYPE=float16 python3 -m tools.references --notebook 04 --profile t4 --seeds $seeds
  else
    echo "notebook 04: not run, there is no llama-3-8b/ with the weights in path/to/data"
  fi
fi
mkdir -p "$out" && cp -r data/reference "$out/"
