//===- Link.cpp - Shared objects, linked by lld in this process -----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld reads and writes files by name. Here the inputs are anonymous files in
// memory and the output is a pipe, named through /proc/self/fd; lld writes a
// regular file under another name first, which there is not possible, but a
// pipe at once. Its state is global, so one link runs at a time.
//
// A shared object names the libraries that it depends on, and lld takes those
// names from the libraries themselves. So that none needs to be on the machine,
// an empty library of the right name is linked first, once, and stands in. The
// dynamic loader finds the real one: libc and libm as always, libomp because
// libseqc-runtime has already brought it in.
//
//===----------------------------------------------------------------------===//

#include "seqc/Target/CPU/CPUTarget.h"

#include "Lock.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Plugins/PassPlugin.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

//===----------------------------------------------------------------------===//
// Targets that lld mentions
//===----------------------------------------------------------------------===//

// lld registers every target there is, for link-time optimisation, which is
// not used here. Without these definitions each of LLVM's code generators
// would become part of libseqc. They are weak: a target that seqc generates
// code for keeps its own.
#define SEQC_UNUSED(NAME)                                                      \
  extern "C" __attribute__((weak)) void NAME() {}
#define SEQC_UNUSED_TARGET(NAME)                                               \
  SEQC_UNUSED(LLVMInitialize##NAME##TargetInfo)                                \
  SEQC_UNUSED(LLVMInitialize##NAME##Target)                                    \
  SEQC_UNUSED(LLVMInitialize##NAME##TargetMC)                                  \
  SEQC_UNUSED(LLVMInitialize##NAME##AsmPrinter)                                \
  SEQC_UNUSED(LLVMInitialize##NAME##AsmParser)
SEQC_UNUSED_TARGET(AArch64)
SEQC_UNUSED_TARGET(AMDGPU)
SEQC_UNUSED_TARGET(ARC)
SEQC_UNUSED_TARGET(ARM)
SEQC_UNUSED_TARGET(AVR)
SEQC_UNUSED_TARGET(BPF)
SEQC_UNUSED_TARGET(CSKY)
SEQC_UNUSED_TARGET(DirectX)
SEQC_UNUSED_TARGET(Hexagon)
SEQC_UNUSED_TARGET(Lanai)
SEQC_UNUSED_TARGET(LoongArch)
SEQC_UNUSED_TARGET(M68k)
SEQC_UNUSED_TARGET(MSP430)
SEQC_UNUSED_TARGET(Mips)
SEQC_UNUSED_TARGET(PowerPC)
SEQC_UNUSED_TARGET(RISCV)
SEQC_UNUSED_TARGET(SPIRV)
SEQC_UNUSED_TARGET(Sparc)
SEQC_UNUSED_TARGET(SystemZ)
SEQC_UNUSED_TARGET(VE)
SEQC_UNUSED_TARGET(WebAssembly)
SEQC_UNUSED_TARGET(XCore)
SEQC_UNUSED_TARGET(Xtensa)
#undef SEQC_UNUSED_TARGET
#undef SEQC_UNUSED

// The same for an optimiser that the distribution's LLVM was built with.
__attribute__((weak)) llvm::PassPluginLibraryInfo getPollyPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "", "", [](llvm::PassBuilder &) {}, nullptr};
}

//===----------------------------------------------------------------------===//
// Embedded object
//===----------------------------------------------------------------------===//

// The object of Builtins.c.
asm(".pushsection .rodata.seqc_builtins,\"a\",@progbits\n"
    ".balign 16\n"
    ".hidden seqcBuiltinsStart\n"
    ".globl seqcBuiltinsStart\n"
    "seqcBuiltinsStart:\n"
    ".incbin \"" SEQC_BUILTINS_OBJECT "\"\n"
    ".hidden seqcBuiltinsEnd\n"
    ".globl seqcBuiltinsEnd\n"
    "seqcBuiltinsEnd:\n"
    ".popsection\n");
extern "C" const char seqcBuiltinsStart[], seqcBuiltinsEnd[];

static llvm::StringRef builtinsObject() {
  return {seqcBuiltinsStart, size_t(seqcBuiltinsEnd - seqcBuiltinsStart)};
}

//===----------------------------------------------------------------------===//
// Files in memory
//===----------------------------------------------------------------------===//

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

namespace {

/// An anonymous file, gone with the object.
class MemoryFile {
public:
  MemoryFile() : fd(::memfd_create("seqc-link", MFD_CLOEXEC)) {}
  MemoryFile(const MemoryFile &) = delete;
  MemoryFile &operator=(const MemoryFile &) = delete;
  ~MemoryFile() {
    if (fd >= 0)
      ::close(fd);
  }

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }

  llvm::Error write(llvm::StringRef bytes) {
    if (fd < 0)
      return makeError(llvm::Twine("cannot create a file in memory: ") +
                       std::strerror(errno));
    while (!bytes.empty()) {
      ssize_t n = ::write(fd, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return makeError(llvm::Twine("cannot write a file in memory: ") +
                         std::strerror(errno));
      bytes = bytes.drop_front(size_t(n));
    }
    return llvm::Error::success();
  }

private:
  int fd;
};

/// A pipe whose content a thread collects.
class Collector {
public:
  Collector() {
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return;
    reader = std::thread([this] {
      char buffer[1 << 16];
      for (;;) {
        ssize_t n = ::read(ends[0], buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR)
          continue;
        if (n <= 0)
          return;
        bytes.append(buffer, buffer + n);
      }
    });
  }
  Collector(const Collector &) = delete;
  Collector &operator=(const Collector &) = delete;
  ~Collector() {
    finish();
    if (ends[0] >= 0)
      ::close(ends[0]);
  }

  bool isOpen() const { return ends[0] >= 0; }
  std::string path() const {
    return "/proc/self/fd/" + std::to_string(ends[1]);
  }

  /// What was written, once the writer is done.
  llvm::SmallVector<char, 0> &finish() {
    if (ends[1] >= 0)
      ::close(ends[1]);
    ends[1] = -1;
    if (reader.joinable())
      reader.join();
    return bytes;
  }

private:
  int ends[2] = {-1, -1};
  std::thread reader;
  llvm::SmallVector<char, 0> bytes;
};

} // namespace

//===----------------------------------------------------------------------===//
// Linking
//===----------------------------------------------------------------------===//

/// Runs lld. The caller holds the lock.
static llvm::Expected<llvm::SmallVector<char, 0>>
runLinker(llvm::ArrayRef<llvm::StringRef> inputs, llvm::StringRef soname) {
  std::vector<std::unique_ptr<MemoryFile>> files;
  std::vector<std::string> arguments = {
      "ld.lld",        "-shared",     "--threads=1",     "--gc-sections",
      "-Bsymbolic",    "--strip-all", "--build-id=none", "--hash-style=gnu",
      "-znoexecstack", "-zrelro",     "-znow",           "--no-as-needed"};
  if (!soname.empty())
    arguments.push_back("-soname=" + soname.str());
  for (llvm::StringRef input : inputs) {
    files.push_back(std::make_unique<MemoryFile>());
    if (llvm::Error error = files.back()->write(input))
      return std::move(error);
    arguments.push_back(files.back()->path());
  }
  Collector output;
  if (!output.isOpen())
    return makeError(llvm::Twine("cannot create a pipe: ") +
                     std::strerror(errno));
  arguments.push_back("-o");
  arguments.push_back(output.path());

  std::vector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string messages;
  llvm::raw_string_ostream os(messages);
  lld::Result result =
      lld::lldMain(pointers, os, os, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return makeError(
        "linking failed: " +
        llvm::join(llvm::split(llvm::StringRef(messages).trim(), '\n'), "; "));
  llvm::SmallVector<char, 0> bytes = std::move(output.finish());
  if (bytes.empty())
    return makeError("the linker wrote nothing");
  return std::move(bytes);
}

llvm::Expected<llvm::SmallVector<char, 0>>
seqc::linkShared(llvm::StringRef object) {
  auto parsed = llvm::object::ObjectFile::createELFObjectFile(
      llvm::MemoryBufferRef(object, "program"));
  if (!parsed)
    return parsed.takeError();
  bool usesOpenMP = false;
  for (const llvm::object::SymbolRef &symbol : (*parsed)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    llvm::Expected<llvm::StringRef> name = symbol.getName();
    if (!flags)
      return flags.takeError();
    if (!name)
      return name.takeError();
    if (*flags & llvm::object::SymbolRef::SF_Undefined)
      usesOpenMP |= name->starts_with("__kmpc_") || name->starts_with("omp_");
  }

  static const char *const libraries[] = {"libc.so.6", "libm.so.6",
                                          "libomp.so.5"};
  static llvm::SmallVector<char, 0> standIns[std::size(libraries)];
  std::unique_lock<std::shared_mutex> lock(getOptionsLock());
  llvm::SmallVector<llvm::StringRef> inputs = {object, builtinsObject()};
  for (size_t i = 0; i < std::size(libraries); ++i) {
    llvm::StringRef name = libraries[i];
    if (name == "libomp.so.5" && !usesOpenMP)
      continue;
    if (standIns[i].empty()) {
      auto linked = runLinker({builtinsObject()}, name);
      if (!linked)
        return linked.takeError();
      standIns[i] = std::move(*linked);
    }
    inputs.emplace_back(standIns[i].data(), standIns[i].size());
  }
  return runLinker(inputs, "");
}
