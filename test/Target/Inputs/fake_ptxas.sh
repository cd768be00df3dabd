#!/bin/sh
# Stands in for ptxas. $FAKE_PTXAS says what goes wrong.
if [ "$1" = --version ]; then
  echo "Cuda compilation tools, release 0.0, V${FAKE_VERSION:-13.0.1}"
  exit
fi
for word; do
  [ "$last" = -o ] && output=$word
  case $word in *.ptx) input=$word ;; esac
  last=$word
done
case $FAKE_PTXAS in
reject)
  echo "ptxas program.ptx, line $FAKE_LINE; error   : Unknown symbol 'x'"
  echo "ptxas fatal   : Ptx assembly aborted due to errors"
  exit 255
  ;;
log)
  cat "$FAKE_LOG"
  printf '\177ELF' > "$output"
  exit "${FAKE_STATUS:-0}"
  ;;
path)
  echo "run as $0"
  printf '\177ELF' > "$output"
  ;;
nothing)
  exit "${FAKE_STATUS:-0}"
  ;;
text)
  echo "this is no cubin" > "$output"
  ;;
hang)
  echo "ptxas info    : Compiling entry function 'second_0' for 'sm_80'"
  sleep 60
  ;;
spill)
  name=$(sed -n 's/^\.visible \.entry \(.*\)($/\1/p' "$input")
  echo "ptxas info    : Compiling entry function '$name' for 'sm_80'"
  echo "ptxas info    : Function properties for $name"
  echo "    8 bytes stack frame, 400 bytes spill stores, 600 bytes spill loads"
  echo "ptxas info    : Used 255 registers, used 1 barriers"
  printf '\177ELF' > "$output"
  ;;
crash)
  kill -SEGV $$
  ;;
*)
  printf '\177ELF' > "$output"
  ;;
esac
