#!/usr/bin/env bash
# Packs what a machine with a GPU needs to test and time this build, where there
# is no MLIR to build it with: into build/gpu-pack, less than 45 MB.
#
#     ./dev pack                                       here
#     build/gpu-pack/run.sh python3 -m pytest -q test/Python/gpu        there
#     build/gpu-pack/run.sh python3 bench/bench_gpu.py --quick
#
# run.sh unpacks beside nothing of the checkout: to SEQC_PACK_DIR, by default
# /tmp/seqc-pack. It compiles the Python extension for the python3 it finds,
# which takes g++ and Python's headers, and runs the command in that folder. A
# second run of the same pack starts at once.
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
  python/seqc include/seqc-c test/Python bench docs/performance.md pyproject.toml \
  -C "$pybind" pybind11

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
  tar -xJf "$here/sources.tar.xz" -C "$to"
  wait
  [ -e "$to/bin/seqc" ] && chmod +x "$to/bin/seqc"
  suffix=$($python -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
  headers=$($python -c 'import sysconfig; print(sysconfig.get_path("include"))')
  for source in "$to"/python/seqc/*.cpp; do
    ${CXX:-g++} -std=c++17 -O2 -fPIC -fvisibility=hidden -I"$to" -I"$headers" \
      -I"$to/include" -c "$source" -o "${source%.cpp}.o" &
  done
  for job in $(jobs -p); do wait "$job"; done
  ${CXX:-g++} -shared "$to"/python/seqc/*.o -L"$to/lib" -lseqc -lseqc-runtime \
    -Wl,-rpath,'$ORIGIN/../../lib' -o "$to/python/seqc/_seqc$suffix"
  echo "$stamp" >"$to/stamp"
fi
export PYTHONPATH=$to/python${PYTHONPATH:+:$PYTHONPATH}
export PATH=$to/bin:$PATH SEQC_BUILD_DIR=$to
export LD_LIBRARY_PATH=$to/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
cd "$to"
exec "$@"
RUN
chmod +x "$pack/run.sh"

bytes=$(du -cb "$pack"/* | tail -1 | cut -f1)
echo "$pack: $((bytes / 1000000)).$((bytes / 100000 % 10)) MB"
if [ "$bytes" -gt 45000000 ]; then
  echo "$pack: more than 45 MB" >&2
  exit 1
fi
