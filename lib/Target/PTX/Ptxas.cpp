//===- Ptxas.cpp - NVIDIA's assembler as a child process ------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The child runs in a process group of its own, with its files in a temporary
// folder, and without a shell. This library lives in processes of all kinds: it
// does not touch signal handlers or timers, waits for its own child only, and
// takes a good cubin for success where somebody else collected the exit status.
//
// The log is a sequence of lines like these, the second kind with or without a
// code and with or without a line number:
//
//   ptxas info    : Compiling entry function 'f' for 'sm_90a'
//   ptxas info    : (C7510) Potential Performance Loss: ... in function 'f'
//   ptxas info    : Function properties for f
//       0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
//   ptxas info    : Used 168 registers, used 1 barriers, 1024 bytes smem
//   ptxas FILE, line 12; error   : ...
//
//===----------------------------------------------------------------------===//

#include "seqc/Target/PTX/Ptxas.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace seqc;
using llvm::StringRef;
using llvm::Twine;

extern char **environ; // NOLINT(readability-redundant-declaration)

//===----------------------------------------------------------------------===//
// Children
//===----------------------------------------------------------------------===//

namespace {

using Clock = std::chrono::steady_clock;

/// A temporary folder, gone with the object.
class TemporaryFolder {
public:
  TemporaryFolder() {
    if (std::error_code ec = llvm::sys::fs::createUniqueDirectory("seqc", path))
      problem = "cannot create a temporary folder: " + ec.message();
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  ~TemporaryFolder() {
    if (problem.empty())
      (void)llvm::sys::fs::remove_directories(path);
  }

  std::string file(StringRef name) const {
    llvm::SmallString<128> result(path);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }

  std::string problem;

private:
  llvm::SmallString<128> path;
};

struct ChildResult {
  bool started = false, timedOut = false;
  /// The exit code; -1 where the process died otherwise, -2 where its status
  /// is not known.
  int code = -1;
  std::string problem;
};

} // namespace

/// Waits for `pid` until `end`. Returns whether it has ended, with `status` as
/// in waitpid, or -1 where that is lost.
static bool waitForChild(pid_t pid, Clock::time_point end, int &status) {
  int fd = -1;
#ifdef SYS_pidfd_open
  fd = int(::syscall(SYS_pidfd_open, pid, 0));
#endif
  bool ended = false;
  auto pause = std::chrono::microseconds(200);
  for (;;) {
    pid_t done = ::waitpid(pid, &status, WNOHANG);
    if (done == pid || (done < 0 && errno == ECHILD)) {
      if (done < 0)
        status = -1;
      ended = true;
      break;
    }
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - Clock::now());
    if (left.count() <= 0)
      break;
    int wait = int(std::min<int64_t>(left.count(), 1000));
    if (fd >= 0) {
      pollfd entry = {fd, POLLIN, 0};
      ::poll(&entry, 1, wait);
    } else {
      ::usleep(useconds_t(pause.count()));
      pause = std::min(pause * 2, std::chrono::microseconds(5000));
    }
  }
  if (fd >= 0)
    ::close(fd);
  return ended;
}

/// Runs a program with its output and errors in the file `log`.
static ChildResult runChild(llvm::ArrayRef<std::string> command,
                            const std::string &log, double timeoutSeconds) {
  ChildResult result;
  std::vector<char *> arguments;
  for (const std::string &argument : command)
    arguments.push_back(const_cast<char *>(argument.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, standard;
  sigemptyset(&none);
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  sigaddset(&standard, SIGINT);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF |
                                            POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  int error = ::posix_spawn(&pid, arguments[0], &files, &attributes,
                            arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    result.problem =
        "cannot run '" + command.front() + "': " + std::strerror(error);
    return result;
  }
  result.started = true;

  int status = 0;
  auto limit = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(timeoutSeconds));
  if (!waitForChild(pid, Clock::now() + limit, status)) {
    result.timedOut = true;
    ::kill(-pid, SIGKILL);
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return result;
  }
  if (status == -1)
    result.code = -2;
  else if (WIFEXITED(status))
    result.code = WEXITSTATUS(status);
  else if (WIFSIGNALED(status))
    result.problem = std::string("it was ended by signal ") +
                     std::to_string(WTERMSIG(status)) + " (" +
                     ::strsignal(WTERMSIG(status)) +
                     ")"; // NOLINT(concurrency-mt-unsafe)
  return result;
}

static std::string readWholeFile(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

//===----------------------------------------------------------------------===//
// Finding it
//===----------------------------------------------------------------------===//

static std::string getEnvironment(const char *name) {
  return llvm::sys::Process::GetEnv(name).value_or("");
}

static bool isProgram(const Twine &path) {
  return llvm::sys::fs::can_execute(path) && !llvm::sys::fs::is_directory(path);
}

/// Where in a folder of Python packages nvidia-cuda-nvcc puts it.
static constexpr llvm::StringLiteral kPackageFolders[] = {
    "nvidia/cu13/bin", "nvidia/cuda_nvcc/bin"};

static std::string searchForPtxas(const PtxasSearch &search) {
  auto in = [](const Twine &folder) -> std::string {
    std::string path = (folder + "/ptxas").str();
    return isProgram(path) ? path : "";
  };
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  std::vector<std::string> folders;
  if (std::string home = getEnvironment("CUDA_HOME"); !home.empty())
    folders.push_back(home + "/bin");
  folders.emplace_back("/usr/local/cuda/bin");
  // In a wheel this library lies beside the other packages' folders.
  Dl_info info;
  if (::dladdr(reinterpret_cast<void *>(&findPtxas), &info) && info.dli_fname) {
    StringRef packages = llvm::sys::path::parent_path(
        llvm::sys::path::parent_path(info.dli_fname));
    if (!packages.empty())
      for (StringRef folder : kPackageFolders)
        folders.push_back((packages + "/" + folder).str());
  }
  folders.insert(folders.end(), search.folders.begin(), search.folders.end());
  for (const std::string &folder : folders)
    if (std::string path = in(folder); !path.empty())
      return path;
  return "";
}

/// Takes the version from "V13.0.88" or "13.0.88".
static bool setVersion(Ptxas &ptxas, StringRef text) {
  llvm::SmallVector<StringRef> parts;
  if (!llvm::Regex("(^| V)(([0-9]+)\\.([0-9]+)[.0-9]*)").match(text, &parts) ||
      parts[3].getAsInteger(10, ptxas.major) ||
      parts[4].getAsInteger(10, ptxas.minor))
    return false;
  ptxas.version = parts[2].str();
  return true;
}

/// Asks the program for its version. Returns a problem, or "".
static std::string askVersion(Ptxas &ptxas) {
  TemporaryFolder folder;
  if (!folder.problem.empty())
    return folder.problem;
  std::string log = folder.file("log");
  ChildResult child = runChild({ptxas.path, "--version"}, log, 30);
  if (!child.started)
    return child.problem;
  if (!setVersion(ptxas, readWholeFile(log)))
    return "'" + ptxas.path + " --version' does not say that it is ptxas";
  return "";
}

/// Whether the file itself is the program, rather than a script that may start
/// another one tomorrow.
static bool isBinary(const std::string &path) {
  char magic[4] = {};
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  ssize_t n = ::read(fd, magic, sizeof(magic));
  ::close(fd);
  return n == 4 && std::memcmp(magic,
                               "\x7f"
                               "ELF",
                               4) == 0;
}

Ptxas seqc::findPtxas(const PtxasSearch &search, std::string &problem,
                      PtxasMemory *memory) {
  problem.clear();
  std::string named = search.path, origin = "option ptxas";
  if (named.empty()) {
    named = getEnvironment("SEQC_PTXAS");
    origin = "SEQC_PTXAS";
  }
  Ptxas result;
  if (named == "none") {
    result.isUnwanted = true;
    return result;
  }
  if (!named.empty() && !isProgram(named)) {
    problem = origin + " is '" + named + "', which is no program";
    return {};
  }
  result.path = named.empty() ? searchForPtxas(search) : named;
  if (result.path.empty())
    return result;

  // A file of the same name may be replaced by another while this process runs.
  struct stat info;
  std::string file;
  if (::stat(result.path.c_str(), &info) == 0)
    file = result.path + "\n" + std::to_string(info.st_size) + "\n" +
           std::to_string(info.st_mtim.tv_sec) + "." +
           std::to_string(info.st_mtim.tv_nsec);
  static std::mutex mutex;
  static std::map<std::string, Ptxas> known;
  std::lock_guard<std::mutex> lock(mutex);
  if (auto it = known.find(file); it != known.end())
    return it->second;
  bool canRemember = memory && !file.empty() && isBinary(result.path);
  if (!canRemember || !setVersion(result, memory->recall(file))) {
    problem = askVersion(result);
    if (!problem.empty())
      return {};
    if (canRemember)
      memory->remember(file, result.version);
  }
  known[file] = result;
  return result;
}

//===----------------------------------------------------------------------===//
// Its log
//===----------------------------------------------------------------------===//

const PtxasUsage *PtxasLog::find(StringRef name) const {
  for (const PtxasUsage &usage : functions)
    if (usage.name == name)
      return &usage;
  return nullptr;
}

/// The name in quotes after "function" or "entry".
static StringRef findQuotedFunction(StringRef text) {
  for (StringRef word : {"function '", "entry '", "function `", "entry `"}) {
    size_t at = text.find(word);
    if (at != StringRef::npos)
      return text.substr(at + word.size()).take_until([](char c) {
        return c == '\'' || c == '`';
      });
  }
  return "";
}

/// The number before `unit` in "Used 168 registers, 1024 bytes smem".
static void readNumber(StringRef line, StringRef unit, int64_t &number) {
  size_t at = line.find(unit);
  if (at == StringRef::npos)
    return;
  StringRef before = line.take_front(at).rtrim();
  size_t start = before.find_last_not_of("0123456789");
  before = before.substr(start == StringRef::npos ? 0 : start + 1);
  int64_t value;
  if (!before.getAsInteger(10, value))
    number = value;
}

PtxasLog seqc::parsePtxasLog(StringRef log) {
  PtxasLog result;
  auto get = [&](StringRef name) -> PtxasUsage & {
    for (PtxasUsage &usage : result.functions)
      if (usage.name == name)
        return usage;
    result.functions.emplace_back();
    result.functions.back().name = name.str();
    return result.functions.back();
  };
  // C7517 says that a wait was added. C7519, that a fence was, costs nothing.
  auto isSlow = [](StringRef code, StringRef text) {
    std::string lower = text.lower();
    StringRef s = lower;
    return code == "C7517" ||
           (s.contains("wgmma") && s.contains("serialized")) ||
           (s.contains("setmaxnreg") && s.contains("ignored"));
  };
  // One problem in many instructions is one problem.
  auto withoutDigits = [](StringRef text) {
    std::string result = text.str();
    llvm::erase_if(result, llvm::isDigit);
    return result;
  };

  // "ptxas info : TEXT" and "ptxas FILE, line N; error : TEXT".
  llvm::Regex format(
      "^ptxas *(.*[;,])? *(info|warning|error|fatal|advisory) *: "
      "*(\\((C[0-9]+)\\) *)?(.*)$");
  std::string current;
  for (StringRef line : llvm::split(log, '\n')) {
    line = line.rtrim();
    llvm::SmallVector<StringRef> parts;
    if (!format.match(line, &parts)) {
      if (!line.trim().empty() && line.starts_with(" ") && !current.empty()) {
        PtxasUsage &usage = get(current);
        readNumber(line, " bytes stack frame", usage.stackBytes);
        readNumber(line, " bytes spill stores", usage.spillStoreBytes);
        readNumber(line, " bytes spill loads", usage.spillLoadBytes);
      } else if (StringRef(line).contains_insensitive("ptxas fatal")) {
        result.messages.push_back(
            {PtxasMessage::Kind::Error, current, "", line.str()});
      }
      continue;
    }
    StringRef severity = parts[2], code = parts[4], text = parts[5];
    if (severity == "info") {
      if (text.consume_front("Compiling entry function '")) {
        current = text.take_until([](char c) { return c == '\''; }).str();
        get(current);
        continue;
      }
      if (text.consume_front("Function properties for ")) {
        current = text.trim(" '").str();
        continue;
      }
      if (text.starts_with("Used ")) {
        PtxasUsage &usage = get(current);
        readNumber(text, " registers", usage.registers);
        readNumber(text, " barriers", usage.barriers);
        readNumber(text, " bytes smem", usage.sharedBytes);
        readNumber(text, " bytes cmem[0]", usage.constantBytes);
        continue;
      }
      if (!isSlow(code, text) && !text.contains("Performance Loss"))
        continue;
    }
    PtxasMessage message;
    message.kind = severity == "error" || severity == "fatal"
                       ? PtxasMessage::Kind::Error
                   : isSlow(code, text) ? PtxasMessage::Kind::Slow
                                        : PtxasMessage::Kind::Warning;
    StringRef named = findQuotedFunction(text);
    message.kernel = named.empty() ? current : named.str();
    message.code = code.str();
    if (StringRef place = parts[1]; place.contains("line"))
      message.text =
          ("PTX " + place.substr(place.find("line")).rtrim("; ,") + ": " + text)
              .str();
    else
      message.text = text.str();
    auto isSame = [&](const PtxasMessage &other) {
      return other.kind != PtxasMessage::Kind::Error &&
             other.code == message.code && other.kernel == message.kernel &&
             withoutDigits(other.text) == withoutDigits(message.text);
    };
    if (llvm::none_of(result.messages, isSame))
      result.messages.push_back(std::move(message));
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Running it
//===----------------------------------------------------------------------===//

static std::vector<std::string> makeCommand(const Ptxas &ptxas, StringRef chip,
                                            StringRef input, StringRef output) {
  return {ptxas.path, "-arch=" + chip.str(), "-O3", "-v", input.str(),
          "-o",       output.str()};
}

std::string seqc::getPtxasCommand(const Ptxas &ptxas, StringRef chip,
                                  StringRef input, StringRef output) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (const std::string &word : makeCommand(ptxas, chip, input, output)) {
    if (!text.empty())
      os << ' ';
    llvm::sys::printArg(os, word, /*Quote=*/false);
  }
  return text;
}

PtxasResult seqc::runPtxas(const Ptxas &ptxas, StringRef chip, StringRef ptx,
                           double timeoutSeconds) {
  PtxasResult result;
  if (timeoutSeconds <= 0) {
    std::string given = getEnvironment("SEQC_PTXAS_TIMEOUT");
    if (StringRef(given).getAsDouble(timeoutSeconds) || timeoutSeconds <= 0)
      timeoutSeconds = 120;
    timeoutSeconds = std::min(timeoutSeconds, 1e6);
  }
  TemporaryFolder folder;
  result.problem = folder.problem;
  if (!result.problem.empty())
    return result;
  std::string input = folder.file("program.ptx");
  std::string output = folder.file("program.cubin");
  {
    std::error_code ec;
    llvm::raw_fd_ostream os(input, ec);
    if (!ec) {
      os << ptx;
      os.close();
      ec = os.error();
      os.clear_error();
    }
    if (ec) {
      result.problem = "cannot write '" + input + "': " + ec.message();
      return result;
    }
  }
  std::string log = folder.file("log");
  ChildResult child =
      runChild(makeCommand(ptxas, chip, input, output), log, timeoutSeconds);
  result.log = readWholeFile(log);
  if (!child.started) {
    result.problem = child.problem;
    return result;
  }
  if (child.timedOut) {
    result.status = PtxasResult::Status::Timeout;
    llvm::raw_string_ostream(result.problem)
        << "ptxas did not end within " << llvm::format("%g", timeoutSeconds)
        << " s";
    return result;
  }
  result.cubin = readWholeFile(output);
  bool isCubin = StringRef(result.cubin)
                     .starts_with("\x7f"
                                  "ELF");
  if (isCubin && (child.code == 0 || child.code == -2)) {
    result.status = PtxasResult::Status::Ok;
    return result;
  }
  result.cubin.clear();
  result.status = PtxasResult::Status::Failed;
  result.problem = !child.problem.empty() ? child.problem
                   : child.code == 0      ? "it wrote no cubin"
                                          : "it ended with exit code " +
                                                std::to_string(child.code);
  return result;
}
