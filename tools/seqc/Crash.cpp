//===- Crash.cpp - What is left of a crash --------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that the handler needs is prepared by the guard, because a handler
// may only call async-signal-safe functions. It runs on a stack of its own, so
// that it also works when the stack overflowed. Such a stack belongs to one
// thread: those of OpenMP, which run compiled code, get theirs from
// prepareThreads(). Threads that work alike crash alike, at the same time, so
// the first to come reports and the others wait for the end.
//
//===----------------------------------------------------------------------===//

#include "Crash.h"

#include "Driver.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

using namespace seqc::driver;

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr size_t kNumSignals = sizeof(kSignals) / sizeof(kSignals[0]);
constexpr size_t kStackSize = 1 << 16;

bool writeAll(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t count = ::write(fd, text.data(), text.size());
    if (count <= 0)
      return false;
    text.remove_prefix(size_t(count));
  }
  return true;
}

std::atomic_flag isHandled = ATOMIC_FLAG_INIT;

/// A stack for the handler, for as long as its thread lives.
class AlternateStack {
public:
  AlternateStack() : memory(new char[kStackSize]) {
    stack_t stack = {};
    stack.ss_sp = memory.get();
    stack.ss_size = kStackSize;
    ::sigaltstack(&stack, &previous);
  }
  AlternateStack(const AlternateStack &) = delete;
  ~AlternateStack() { ::sigaltstack(&previous, nullptr); }

private:
  std::unique_ptr<char[]> memory;
  stack_t previous;
};

/// What the handler reads.
struct State {
  std::string before, reproducer, after;
  std::string_view source;
  struct sigaction previous[kNumSignals];
  std::unique_ptr<AlternateStack> stack;
};
State state;

void handleSignal(int) {
  while (isHandled.test_and_set())
    ::pause();
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

  state.stack = std::make_unique<AlternateStack>();
  struct sigaction action = {};
  action.sa_handler = handleSignal;
  action.sa_flags = SA_ONSTACK;
  for (size_t i = 0; i < kNumSignals; ++i)
    ::sigaction(kSignals[i], &action, &state.previous[i]);
}

CrashGuard::~CrashGuard() {
  for (size_t i = 0; i < kNumSignals; ++i)
    ::sigaction(kSignals[i], &state.previous[i], nullptr);
  state.stack.reset();
}

void seqc::driver::prepareThreads(unsigned count) {
  // libseqc-runtime has brought the library in; GOMP_parallel is the one entry
  // point of it that takes a plain function.
  void *library = ::dlopen("libomp.so.5", RTLD_NOW | RTLD_LOCAL);
  using Parallel = void (*)(void (*)(void *), void *, unsigned, unsigned);
  auto parallel = reinterpret_cast<Parallel>(
      library ? ::dlsym(library, "GOMP_parallel") : nullptr);
  if (!parallel)
    return;
  auto prepare = [](void *) {
    static thread_local std::unique_ptr<AlternateStack> stack;
    if (!stack)
      stack = std::make_unique<AlternateStack>();
  };
  parallel(prepare, nullptr, count, /*flags=*/0);
}
