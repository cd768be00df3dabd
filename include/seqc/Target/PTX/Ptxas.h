//===- Ptxas.h - NVIDIA's assembler as a child process ----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ptxas turns PTX into a cubin. Its log says what becomes of each kernel:
// registers, spills, and whether it gave up on an instruction's promise.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TARGET_PTX_PTXAS_H
#define SEQC_TARGET_PTX_PTXAS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>
#include <vector>

namespace seqc {

//===----------------------------------------------------------------------===//
// Finding it
//===----------------------------------------------------------------------===//

/// A ptxas on this machine.
struct Ptxas {
  std::string path;
  std::string version;           ///< As in "13.0.88".
  unsigned major = 0, minor = 0; ///< The first two numbers of it.
  bool isUnwanted = false;       ///< None was asked for.

  bool isFound() const { return !path.empty(); }
};

struct PtxasSearch {
  /// The file, in place of a search; "none" asks for none.
  std::string path;
  /// Where to look last, after the folders that `findPtxas` knows.
  std::vector<std::string> folders;
};

/// Remembers versions between processes. `file` identifies a program by its
/// path, size and time.
struct PtxasMemory {
  virtual ~PtxasMemory() = default;
  /// The version of a file, or "".
  virtual std::string recall(llvm::StringRef file) = 0;
  virtual void remember(llvm::StringRef file, llvm::StringRef version) = 0;
};

/// Looks for ptxas: `search.path`, $SEQC_PTXAS, PATH, $CUDA_HOME/bin,
/// /usr/local/cuda/bin, the PyPI package nvidia-cuda-nvcc where it is installed
/// beside this library, `search.folders`. Where there is none, or the first two
/// are "none", `path` is empty.
/// A file that was named and does not work sets `problem`. A program is asked
/// for its version once per process; one that is no script only where `memory`
/// does not know it.
Ptxas findPtxas(const PtxasSearch &search, std::string &problem,
                PtxasMemory *memory = nullptr);

//===----------------------------------------------------------------------===//
// Its log
//===----------------------------------------------------------------------===//

/// What the log says about one kernel or function. -1 is "not said".
struct PtxasUsage {
  std::string name;
  int64_t registers = -1, barriers = -1;
  int64_t stackBytes = -1, spillStoreBytes = -1, spillLoadBytes = -1;
  int64_t sharedBytes = -1, constantBytes = -1;
};

struct PtxasMessage {
  enum class Kind {
    Error,   ///< No cubin.
    Warning, ///< Also "Potential Performance Loss", which ptxas calls info.
    Slow     ///< The code is right but slow: serialized wgmma, ignored
             ///< setmaxnreg.
  };
  Kind kind;
  std::string kernel; ///< Empty where the log does not say.
  std::string code;   ///< As in "C7510", or empty.
  std::string text;
};

struct PtxasLog {
  std::vector<PtxasUsage> functions;
  std::vector<PtxasMessage> messages;

  const PtxasUsage *find(llvm::StringRef name) const;
};

PtxasLog parsePtxasLog(llvm::StringRef log);

//===----------------------------------------------------------------------===//
// Running it
//===----------------------------------------------------------------------===//

struct PtxasResult {
  enum class Status {
    Ok,
    Failed,  ///< It ended with an error; the log has it.
    Timeout, ///< It was ended.
    NotRun   ///< It could not be started, or its files not be written.
  };
  Status status = Status::NotRun;
  std::string cubin;
  std::string log;     ///< All it printed.
  std::string problem; ///< One line where `status` is not Ok.
};

/// The command line, as a shell takes it.
std::string getPtxasCommand(const Ptxas &ptxas, llvm::StringRef chip,
                            llvm::StringRef input, llvm::StringRef output);

/// Assembles `ptx`. Ends the child, and what it started, after
/// `timeoutSeconds`; 0 means $SEQC_PTXAS_TIMEOUT, else 120.
PtxasResult runPtxas(const Ptxas &ptxas, llvm::StringRef chip,
                     llvm::StringRef ptx, double timeoutSeconds = 0);

} // namespace seqc

#endif // SEQC_TARGET_PTX_PTXAS_H
