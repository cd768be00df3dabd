#!/usr/bin/env bash
# Packs what a machine with a GPU needs to test and time this build, where there
# is no MLIR to build it with: into build/gpu-pack, less than 45 MB. `./dev pack`
# builds and calls this. There, with a python3 that has torch and numpy:
#
#     build/gpu-pack/run.sh check [--json FILE] [pytest's options]
#     build/gpu-pack/run.sh sanitize [--json FILE]
#     build/gpu-pack/run.sh bench [--quick] [--json FILE]
#     build/gpu-pack/run.sh python3 -m pytest -q test/Python/gpu
#
# run.sh unpacks beside nothing of the checkout: to SEQC_PACK_DIR, by default
# /tmp/seqc-pack. It compiles the Python extension for the python3 it finds (or
# $PYTHON), which takes g++ and Python's headers. A second run of the same pack
# starts at once. Any command but the three above runs in that folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${SEQC_BUILD_DIR:-build}
pack=$build/gpu-pack
mkdir -p "$pack"

# The libraries compress for a while: only when they have changed.
for file in lib/libseqc.so lib/libseqc-runtime.so lib/libomp.so.5 bin/seqc; do
  [ -e "$build/$file" ] || continue
  to=$pack/$(basename "$file").xz
  if [ ! -e "$to" ] || [ "$build/$file" -nt "$to" ]; then
    cp -L "$build/$file" "$pack/stripped"
    strip "$pack/stripped"
    xz -T0 -5 -c "$pack/stripped" >"$to.new"
    mv "$to.new" "$to"
    rm "$pack/stripped"
  fi
done

# Sources: the package, its headers, the tests and the benchmark.
pybind=$(.venv/bin/python -m pybind11 --includes | tr ' ' '\n' |
  sed -n 's/^-I//p' | while read -r folder; do
    [ -d "$folder/pybind11" ] && echo "$folder"
  done | head -1)
tar -cJf "$pack/sources.tar.xz" \
  --exclude='__pycache__' --exclude='.hypothesis' --exclude='.pytest_cache' \
  python/seqc include/seqc-c include/seqc/Support/FixedArray.h test/Python bench \
  docs/performance.md pyproject.toml \
  -C "$pybind" pybind11

# The Python packages of the tests that are Python only. run.sh uses those that
# its machine lacks; numpy, torch, ml_dtypes and hypothesis must be there.
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
site=$build/gpu-site
rm -rf "$site"
for group in "pytest _pytest pluggy iniconfig packaging pygments" \
  "xdist pytest_xdist execnet"; do
  to=$site/${group%% *}
  mkdir -p "$to"
  for name in $group; do
    # With what tells Python's import system of the plugin.
    cp -r "$packages/$name"{,-*.dist-info} "$to/" 2>/dev/null || true
  done
done
if find "$site" -name '*.so' | grep . || [ ! -d "$site/xdist/xdist" ]; then
  echo "$site: not what was expected" >&2
  exit 1
fi
tar -cJf "$pack/site.tar.xz" --exclude='__pycache__' -C "$site" .
rm -rf "$site"

cat >"$pack/run.sh" <<'RUN'
#!/usr/bin/env bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
to=${SEQC_PACK_DIR:-/tmp/seqc-pack}
python=${PYTHON:-python3}
stamp=$(cat "$here"/*.xz | sha256sum | cut -d' ' -f1)-$($python -c 'import sys; print(sys.version)' | sha256sum | cut -d' ' -f1)
if [ "$(cat "$to/stamp" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$to"
  mkdir -p "$to/lib" "$to/bin"
  for file in "$here"/*.so*.xz "$here"/seqc.xz; do
    [ -e "$file" ] || continue
    name=$(basename "$file" .xz)
    folder=lib
    [ "$name" = seqc ] && folder=bin
    xz -dc "$file" >"$to/$folder/$name" &
  done
  mkdir "$to/site"
  tar -xJf "$here/sources.tar.xz" -C "$to"
  tar -xJf "$here/site.tar.xz" -C "$to/site"
  wait
  [ -e "$to/bin/seqc" ] && chmod +x "$to/bin/seqc"
  suffix=$($python -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
  headers=$($python -c 'import sysconfig; print(sysconfig.get_path("include"))')
  for source in "$to"/python/seqc/*.cpp; do
    ${CXX:-g++} -std=c++17 -O2 -fPIC -fvisibility=hidden -I"$to" -I"$headers" \
      -I"$to/include" -c "$source" -o "${source%.cpp}.o" &
  done
  for job in $(jobs -p); do wait "$job"; done
  for name in pytest xdist; do
    $python -c "import $name" 2>/dev/null || printf ':%s' "$to/site/$name"
  done >"$to/missing"
  ${CXX:-g++} -shared "$to"/python/seqc/*.o -L"$to/lib" -lseqc -lseqc-runtime \
    -Wl,-rpath,'$ORIGIN/../../lib' -o "$to/python/seqc/_seqc$suffix"
  echo "$stamp" >"$to/stamp"
fi
export PYTHONPATH=$to/python$(cat "$to/missing")${PYTHONPATH:+:$PYTHONPATH}
export PATH=$to/bin:$PATH SEQC_BUILD_DIR=$to
export LD_LIBRARY_PATH=$to/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
case "${1:-}" in
"" | help | -h | --help)
  echo "run.sh check [--json FILE] [pytest's options]"
  echo "run.sh sanitize [--json FILE] [--tool NAME] [--only REGEX]"
  echo "run.sh bench [--quick] [--json FILE] [--flex]"
  echo "run.sh COMMAND..., in $to"
  ;;
check | sanitize) exec "$python" "$to/test/Python/gpu/run.py" "$@" ;;
bench) exec "$python" "$to/bench/bench_gpu.py" "${@:2}" ;;
*)
  cd "$to"
  exec "$@"
  ;;
esac
RUN
chmod +x "$pack/run.sh"

bytes=$(du -cb "$pack"/* | tail -1 | cut -f1)
echo "$pack: $((bytes / 1000000)).$((bytes / 100000 % 10)) MB"
if [ "$bytes" -gt 45000000 ]; then
  echo "$pack: more than 45 MB" >&2
  exit 1
fi
