//===- Library.cpp - Shared objects from memory, processor, threads -------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bytes go into an anonymous file (memfd), or a temporary one where the
// kernel has none, which dlopen then maps. The dynamic loader takes two files
// of the same name for the same library, and descriptor numbers come back once
// closed, so that "/proc/self/fd/5" may name another program's code the next
// time. Each load therefore spells its path differently: the digits of a
// counter become "./" and ".//" components, which the kernel skips.
//
// OpenMP is reached through the handle of libomp.so.5 and not by symbol name: a
// process may hold another OpenMP library, such as the libgomp of PyTorch,
// which has functions of the same names.
//
//===----------------------------------------------------------------------===//

#include "Library.h"
#include "seqc/Runtime/Status.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace seqc;

//===----------------------------------------------------------------------===//
// Library
//===----------------------------------------------------------------------===//

static bool writeAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    bytes.remove_prefix(size_t(n));
  }
  return true;
}

/// A path of the descriptor that no earlier call returned.
static std::string uniquePath(int fd) {
  static std::atomic<uint64_t> counter{0};
  std::string path = "/proc/self/fd/";
  for (uint64_t n = counter.fetch_add(1) + 1; n != 0; n >>= 1)
    path += n & 1 ? ".//" : "./";
  return path + std::to_string(fd);
}

Library::~Library() {
  if (handle)
    ::dlclose(handle);
}

bool Library::load(std::string_view bytes, std::string &error) {
  std::string path, temporary;
  int fd = ::memfd_create("seqc", MFD_CLOEXEC);
  if (fd >= 0) {
    path = uniquePath(fd);
  } else {
    const char *folder = std::getenv("TMPDIR");
    temporary =
        std::string(folder && *folder ? folder : "/tmp") + "/seqc-code-XXXXXX";
    fd = ::mkostemp(temporary.data(), O_CLOEXEC);
    if (fd < 0) {
      error = "cannot create '" + temporary + "': " + std::strerror(errno);
      return false;
    }
    path = temporary;
  }
  bool written = writeAll(fd, bytes);
  if (!written)
    error = std::string("cannot store the code: ") + std::strerror(errno);
  else if (!(handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)))
    error = std::string("cannot load the code: ") + ::dlerror();
  ::close(fd);
  if (!temporary.empty())
    ::unlink(temporary.c_str());
  return handle != nullptr;
}

void *Library::symbol(const char *name) const {
  return handle ? ::dlsym(handle, name) : nullptr;
}

//===----------------------------------------------------------------------===//
// Processor
//===----------------------------------------------------------------------===//

std::string_view seqc::hostArchitecture() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "";
#endif
}

bool seqc::hostSupports(std::string_view feature) {
#if defined(__x86_64__)
#define SEQC_FEATURE(NAME)                                                     \
  if (feature == NAME)                                                         \
    return __builtin_cpu_supports(NAME);
#include "seqc/Target/CPU/Features.def"
#endif
  return false;
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

namespace {

struct OpenMP {
  void (*setNumThreads)(int) = nullptr;
  int (*getMaxThreads)() = nullptr;
  void (*setBlocktime)(int) = nullptr;
  int (*getBlocktime)() = nullptr;

  OpenMP() {
    void *library = ::dlopen("libomp.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library)
      return;
    find(library, "omp_set_num_threads", setNumThreads);
    find(library, "omp_get_max_threads", getMaxThreads);
    // Who sets how long threads wait knows why.
    if (std::getenv("KMP_BLOCKTIME") || std::getenv("OMP_WAIT_POLICY"))
      return;
    find(library, "kmp_set_blocktime", setBlocktime);
    find(library, "kmp_get_blocktime", getBlocktime);
  }

  template <typename Function>
  static void find(void *library, const char *name, Function *&function) {
    function = reinterpret_cast<Function *>(::dlsym(library, name));
  }
};

const OpenMP &openMP() {
  static const OpenMP library;
  return library;
}

std::atomic<int32_t> numThreads{0};

/// Milliseconds that OpenMP's threads wait for more work before they sleep:
/// enough for the next call of a model. libomp's own 200 would keep every core
/// busy while another library computes.
constexpr int kBlocktime = 1;

} // namespace

ThreadScope::ThreadScope() {
  const OpenMP &library = openMP();
  if (library.setBlocktime && library.getBlocktime) {
    savedBlocktime = library.getBlocktime();
    if (savedBlocktime > kBlocktime)
      library.setBlocktime(kBlocktime);
  }
  int32_t wanted = numThreads.load(std::memory_order_relaxed);
  if (wanted == 0 || !library.setNumThreads || !library.getMaxThreads)
    return;
  int current = library.getMaxThreads();
  if (current == wanted)
    return;
  savedThreads = current;
  library.setNumThreads(wanted);
}

ThreadScope::~ThreadScope() {
  if (savedThreads)
    openMP().setNumThreads(savedThreads);
  if (savedBlocktime > kBlocktime)
    openMP().setBlocktime(savedBlocktime);
}

extern "C" {

SeqcStatus seqcSetNumThreads(int32_t count) {
  if (count < 0)
    return setError(SEQC_ERROR_INVALID_ARGUMENT, "number of threads is " +
                                                     std::to_string(count) +
                                                     ", expected 0 or more");
  numThreads.store(count, std::memory_order_relaxed);
  return SEQC_OK;
}

int32_t seqcGetNumThreads(void) {
  int32_t wanted = numThreads.load(std::memory_order_relaxed);
  if (wanted != 0)
    return wanted;
  return openMP().getMaxThreads ? openMP().getMaxThreads() : 1;
}

} // extern "C"
