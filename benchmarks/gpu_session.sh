#!/usr/bin/env bash
# What to run when a large GPU is at hand for half an hour: correctness on CUDA, then the reference runs of notebook 01 on real text.
# Usage: benchmarks/gpu_session.sh path/to/data [seeds]     (the folder holds prose/*.txt and gpt2_tokenizer/)
# One call per part fits a limit of ten minutes: PART=checks, PART=t4 or PART=full in the environment; all three without it.
set -eu
cd "$(dirname "$0")/.."
data=${1:?name the folder of local copies, path/to/data}; shift
seeds=${*:-1 2 3}
part=${PART:-all}
export PYTHONPATH=. TQDM_MININTERVAL=10
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv || true
python -c "import torch, transformers; print(torch.__version__, transformers.__version__, torch.version.cuda)"
if [ "$part" = all ] || [ "$part" = checks ]; then
  python -m pytest -q tests/test_model.py tests/test_generation.py tests/test_budget.py
  python benchmarks/generation.py --output data/reference/benchmarks/generation-gpu.json
  # a T4's dtype and its 14.5 GiB (profile t4 caps the memory of a larger card)
  GPT_SERIES_STEPS=50 python -m helpers.pretrain --profile t4 --data "$data" --dtype float16 --output /tmp/gpu-session
fi
if [ "$part" = all ] || [ "$part" = t4 ]; then
  python -m tools.references --profile t4 --name 4M_32batch --seeds $seeds --data "$data" --dtype float16
fi
if [ "$part" = all ] || [ "$part" = full ]; then
  python -m tools.references --profile full --name 10M_128batch --seeds $seeds --data "$data"
fi
