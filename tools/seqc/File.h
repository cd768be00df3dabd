//===- File.h - Whole files in and out --------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TOOLS_SEQC_FILE_H
#define SEQC_TOOLS_SEQC_FILE_H

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace seqc::driver {

/// The user's error: one line that names the value and what was expected.
struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Bytes at an address that suits every element type.
class Bytes {
public:
  Bytes() = default;
  /// Throws std::bad_alloc.
  explicit Bytes(size_t size);

  char *data() const { return storage.get(); }
  size_t size() const { return length; }
  std::string_view view() const { return {data(), size()}; }
  /// Keeps the first `size` bytes.
  void truncate(size_t size) { length = size; }

private:
  struct Free {
    void operator()(char *p) const { std::free(p); }
  };
  std::unique_ptr<char, Free> storage;
  size_t length = 0;
};

/// The content of a file or a pipe; "-" is stdin. Throws UserError.
Bytes readFile(const std::string &path);

/// Whether both names lead to the same existing file.
bool isSameFile(const std::string &a, const std::string &b);

/// Writes a file that appears only when complete: to a temporary file beside
/// it, which commit() renames and the destructor otherwise removes. A symbolic
/// link is followed, a device or a pipe is written to directly, and "-" is
/// stdout. Every call throws UserError when it fails.
class FileWriter {
public:
  /// Finds out whether the file can be written, and leaves the disk alone until
  /// there is something to write.
  explicit FileWriter(std::string path);
  FileWriter(FileWriter &&other) noexcept;
  FileWriter &operator=(FileWriter &&) = delete;
  ~FileWriter();

  void write(std::string_view bytes);
  /// Ends the writing. All that a full disk can spoil happens before its end.
  void finish();
  /// Finishes, and gives the file its name.
  void commit();

private:
  [[noreturn]] void fail(int error) const;
  void open();
  void flush();

  std::string name;      ///< As the user wrote it.
  std::string target;    ///< Where `temporary` goes.
  std::string temporary; ///< Empty where there is none to remove.
  std::string buffer;
  int fd = -1;
  bool direct = false; ///< Not a regular file: no temporary one.
  bool finished = false;
};

} // namespace seqc::driver

#endif // SEQC_TOOLS_SEQC_FILE_H
