#!/usr/bin/env bash
# The gate.  ./preflight.sh             everything that CI runs
#            ./preflight.sh --demo      the main job on real data: train, seal, verify
#            ./preflight.sh RUN_DIR...  verify these sealed runs instead
# It needs Python 3.11 or newer and git, and makes .venv itself. Each line below can be run by itself.
set -euo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH="$home/.venv/bin:$PATH" PIP_DISABLE_PIP_VERSION_CHECK=1 TOKENIZERS_PARALLELISM=false

say() { printf '\n== %s\n' "$*" >&2; }

install() {
  cd "$home"
  [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
  rm -rf build # a stale one would ship files that were deleted since
  # Not editable: the tests see what a user gets.
  .venv/bin/python -m pip install --quiet --constraint constraints.txt '.[all,dev]' >&2
  .venv/bin/python -m pip install --quiet --force-reinstall --no-deps . >&2
  rm -rf build
}

browser() { # the tests of the page look at it in one
  command -v chromium >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && { apt-get update && apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1; then return; fi
  say "no chromium, and it cannot be installed here: the tests that look at the page are skipped"
}

demo() {
  local n=1 work
  until mkdir "$home/demo-$n" 2>/dev/null; do n=$((n + 1)); done # two demos at once get two workspaces
  work=demo-$n
  toolkit run configs/retriever_base.yaml --out "$work/outputs"
  toolkit run configs/retriever_ft.yaml --out "$work/outputs"
  toolkit seal "$work/outputs/base"
  digest=$(toolkit seal "$work/outputs/ft_mnr" --reference "$work/outputs/base")
  toolkit verify "$work/outputs/ft_mnr" --digest "$digest"
  echo "read $work/outputs/ft_mnr/seal/SEAL.html (or SEAL.md beside it)"
}

gate() {
  local run digest
  scratch=$(mktemp -d) # not local: the trap runs when this function is over
  trap 'rm -rf "$scratch"' EXIT
  say "style, types, structure"
  ruff check . && ruff format --check .
  mypy
  lint-imports
  browser
  say "tests, the digests of released schemas among them"
  python -m pytest -q -n 2
  say "one smoke pipeline: run, seal, verify"
  run=$(toolkit run configs/retriever_ft.yaml --out "$scratch/outputs" run.limit=24 stages.train.with.epochs=1 stages.train.with.batch_size=8)
  digest=$(toolkit seal "$run")
  toolkit verify "$run" --digest "$digest"
  say "the built wheel alone: core install, outside any repository"
  python -m build --outdir "$scratch/dist" . >/dev/null
  "${PYTHON:-python3}" -m venv "$scratch/bare"
  "$scratch/bare/bin/python" -m pip install --quiet --constraint constraints.txt "$scratch"/dist/*.whl
  cp -R "$run" "$scratch/copy"
  (
    cd "$scratch"
    bare/bin/toolkit --help >/dev/null
    bare/bin/toolkit check copy
    bare/bin/toolkit verify copy --digest "$digest"
    bare/bin/toolkit fingerprint compare copy/stages/index/index copy/stages/search/search_manifest.json >/dev/null
    cp -R "$home/tests/checks/_base/tree" tree # of another tool: a matrix of runs, and the training behind it
    matrix=$(dirname tree/outputs/*/matrix.json)
    digest=$(bare/bin/toolkit seal "$matrix" --reference pre_ft)
    bare/bin/toolkit verify "$matrix" --digest "$digest"
    bare/bin/toolkit lineage "$(dirname tree/models/*/*/pytorch_model.bin)" --workspace tree >/dev/null
    bare/bin/python -c 'import importlib.util as u; assert not any(map(u.find_spec, ["torch", "scipy", "faiss", "ir_measures"]))'
  )
  say "all passed"
}

case "${1:-}" in
  "") install && gate ;;
  --demo) install && demo ;;
  -*) sed -n '2,5s/^# *//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
  *)
    command -v toolkit >/dev/null || (install)
    code=0
    for run in "$@"; do
      say "$run"
      toolkit verify "$run" || { this=$?; [ "$code" = 1 ] || code=$this; } # a FAIL outweighs what is inconclusive
    done
    exit "$code"
    ;;
esac
