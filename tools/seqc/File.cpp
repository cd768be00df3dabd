//===- File.cpp - Whole files in and out ----------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "File.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using namespace seqc::driver;

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kBufferSize = 1 << 16;

/// Closes a descriptor that is not the process's stdin.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd > STDERR_FILENO)
      ::close(fd);
  }
};

[[noreturn]] void failReading(const std::string &path, int error) {
  throw UserError("cannot read " +
                  (path == "-" ? "standard input" : "'" + path + "'") + ": " +
                  std::strerror(error));
}

} // namespace

Bytes::Bytes(size_t size) : length(size) {
  if (size > SIZE_MAX - kAlignment)
    throw std::bad_alloc();
  size_t rounded = (size + kAlignment) / kAlignment * kAlignment;
  storage.reset(static_cast<char *>(std::aligned_alloc(kAlignment, rounded)));
  if (!storage)
    throw std::bad_alloc();
}

Bytes seqc::driver::readFile(const std::string &path) {
  Descriptor file{path == "-" ? STDIN_FILENO
                              : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status;
  if (file.fd < 0 || ::fstat(file.fd, &status) != 0)
    failReading(path, errno);
  if (S_ISDIR(status.st_mode))
    failReading(path, EISDIR);

  // One byte more than a regular file holds, so that its end is seen without
  // growing. The size of a pipe is unknown: double as it comes.
  size_t used = 0;
  Bytes bytes(S_ISREG(status.st_mode) ? size_t(status.st_size) + 1
                                      : kBufferSize);
  while (true) {
    if (used == bytes.size()) {
      Bytes larger(2 * bytes.size());
      std::memcpy(larger.data(), bytes.data(), used);
      bytes = std::move(larger);
    }
    ssize_t count = ::read(file.fd, bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      failReading(path, errno);
    if (count == 0)
      break;
    used += size_t(count);
  }
  // A zero byte follows the last, so that text is also a C string.
  bytes.data()[used] = 0;
  bytes.truncate(used);
  return bytes;
}

bool seqc::driver::isSameFile(const std::string &a, const std::string &b) {
  struct stat first, second;
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

FileWriter::FileWriter(std::string path) : name(std::move(path)), target(name) {
  struct stat status;
  if (name == "-") {
    direct = true;
  } else if (::stat(name.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode))
      fail(EISDIR);
    if (::access(name.c_str(), W_OK) != 0)
      fail(errno);
    direct = !S_ISREG(status.st_mode);
    if (char *resolved = direct ? nullptr : ::realpath(name.c_str(), nullptr)) {
      target = resolved;
      std::free(resolved);
    }
  }
  if (direct)
    return;
  size_t slash = target.rfind('/');
  std::string folder =
      slash == std::string::npos ? "." : target.substr(0, slash + 1);
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    fail(errno);
}

void FileWriter::open() {
  if (fd >= 0)
    return;
  if (name == "-") {
    fd = STDOUT_FILENO;
  } else if (direct) {
    fd = ::open(name.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    temporary = target + ".XXXXXX";
    fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  }
  if (fd < 0) {
    temporary.clear();
    fail(errno);
  }
  if (direct)
    return;
  // mkostemp() makes a private file; give it the permissions of a usual one.
  mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd, 0666 & ~mask);
}

FileWriter::FileWriter(FileWriter &&other) noexcept
    : name(std::move(other.name)), target(std::move(other.target)),
      temporary(std::exchange(other.temporary, {})),
      buffer(std::move(other.buffer)), fd(std::exchange(other.fd, -1)),
      direct(other.direct), finished(other.finished) {}

FileWriter::~FileWriter() {
  if (fd > STDERR_FILENO)
    ::close(fd);
  if (!temporary.empty())
    ::unlink(temporary.c_str());
}

void FileWriter::fail(int error) const {
  throw UserError("cannot write " +
                  (name == "-" ? "standard output" : "'" + name + "'") + ": " +
                  std::strerror(error));
}

void FileWriter::flush() {
  open();
  for (size_t done = 0; done < buffer.size();) {
    ssize_t count = ::write(fd, buffer.data() + done, buffer.size() - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      fail(errno);
    done += size_t(count);
  }
  buffer.clear();
}

void FileWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    size_t part = std::min(bytes.size(), kBufferSize - buffer.size());
    buffer.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
    if (buffer.size() == kBufferSize)
      flush();
  }
}

void FileWriter::finish() {
  if (std::exchange(finished, true))
    return;
  flush();
  if (fd > STDERR_FILENO && ::close(std::exchange(fd, -1)) != 0)
    fail(errno);
}

void FileWriter::commit() {
  finish();
  if (temporary.empty())
    return;
  if (::rename(temporary.c_str(), target.c_str()) != 0)
    fail(errno);
  temporary.clear();
}
