//===- Crash.cpp - What is left of a crash --------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that the handler needs is prepared by the guard, because a handler
// may only call async-signal-safe functions. It runs on a stack of its own, so
// that it also works when the stack overflowed.
//
//===----------------------------------------------------------------------===//

#include "Crash.h"

#include "Driver.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

using namespace seqc::driver;

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr size_t kNumSignals = sizeof(kSignals) / sizeof(kSignals[0]);
constexpr size_t kStackSize = 1 << 16;

/// What the handler reads.
struct State {
  std::string before, reproducer, after;
  std::string_view source;
  struct sigaction previous[kNumSignals];
  stack_t previousStack;
  std::unique_ptr<char[]> stack;
};
State state;

bool writeAll(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t count = ::write(fd, text.data(), text.size());
    if (count <= 0)
      return false;
    text.remove_prefix(size_t(count));
  }
  return true;
}

void handleSignal(int) {
  bool written = false;
  if (!state.source.empty()) {
    int fd =
        ::open(state.reproducer.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
    written = fd >= 0 && writeAll(fd, state.source);
  }
  writeAll(STDERR_FILENO, state.before);
  if (written)
    writeAll(STDERR_FILENO, state.after);
  writeAll(STDERR_FILENO, "\n");
  ::_exit(InternalFault);
}

} // namespace

CrashGuard::CrashGuard(const std::string &activity, std::string_view source) {
  const char *directory = std::getenv("TMPDIR");
  if (!directory || !*directory)
    directory = "/tmp";
  state.before = "seqc: internal error: crashed while " + activity;
  state.reproducer = std::string(directory) + "/seqc-crash-" +
                     std::to_string(::getpid()) + ".mlir";
  state.after = "; reproducer: " + state.reproducer;
  state.source = source;

  state.stack = std::make_unique<char[]>(kStackSize);
  stack_t stack = {};
  stack.ss_sp = state.stack.get();
  stack.ss_size = kStackSize;
  ::sigaltstack(&stack, &state.previousStack);
  struct sigaction action = {};
  action.sa_handler = handleSignal;
  action.sa_flags = SA_ONSTACK | SA_RESETHAND;
  for (size_t i = 0; i < kNumSignals; ++i)
    ::sigaction(kSignals[i], &action, &state.previous[i]);
}

CrashGuard::~CrashGuard() {
  for (size_t i = 0; i < kNumSignals; ++i)
    ::sigaction(kSignals[i], &state.previous[i], nullptr);
  ::sigaltstack(&state.previousStack, nullptr);
  state.stack.reset();
}
