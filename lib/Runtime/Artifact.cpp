//===- Artifact.cpp - The .seqc file --------------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Runtime/Artifact.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace seqc;

namespace {

constexpr char kMagic[8] = {'S', 'E', 'Q', 'C', '\r', '\n', '\x1a', '\n'};
constexpr size_t kHeaderSize = 32;
constexpr size_t kSectionSize = 32;
constexpr size_t kAlignment = 64;
constexpr uint32_t kMaxSections = 4096;

/// Tables for eight bytes at a time: table k advances a byte over k more.
std::array<std::array<uint32_t, 256>, 8> makeCrcTables() {
  std::array<std::array<uint32_t, 256>, 8> tables;
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
    tables[0][i] = crc;
  }
  for (size_t k = 1; k < 8; ++k)
    for (uint32_t i = 0; i < 256; ++i)
      tables[k][i] =
          (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xFF];
  return tables;
}

template <typename T>
T load(const char *from) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= T(uint8_t(from[i])) << (8 * i);
  return value;
}

template <typename T>
void store(char *to, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    to[i] = char(uint8_t(value >> (8 * i)));
}

uint64_t alignUp(uint64_t value) {
  return (value + kAlignment - 1) / kAlignment * kAlignment;
}

bool fail(std::string &error, std::string message) {
  error = std::move(message);
  return false;
}

} // namespace

uint32_t seqc::crc32(std::string_view bytes) {
  static const auto tables = makeCrcTables();
  uint32_t crc = ~0u;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word = load<uint64_t>(bytes.data() + i) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k)
      crc ^= tables[7 - k][(word >> (8 * k)) & 0xFF];
  }
  for (; i < bytes.size(); ++i)
    crc = (crc >> 8) ^ tables[0][(crc ^ uint8_t(bytes[i])) & 0xFF];
  return ~crc;
}

std::vector<char>
seqc::writeArtifact(const std::vector<ArtifactSection> &sections,
                    uint32_t abiVersion) {
  uint64_t tableEnd = kHeaderSize + kSectionSize * sections.size();
  uint64_t size = tableEnd;
  for (const ArtifactSection &section : sections)
    size = alignUp(size) + section.content.size();

  std::vector<char> file(size, 0);
  std::memcpy(file.data(), kMagic, sizeof(kMagic));
  store<uint32_t>(&file[8], kArtifactFormatVersion);
  store<uint32_t>(&file[12], abiVersion);
  store<uint64_t>(&file[16], size);
  store<uint32_t>(&file[24], uint32_t(sections.size()));

  uint64_t offset = tableEnd;
  char *entry = file.data() + kHeaderSize;
  for (const ArtifactSection &section : sections) {
    offset = alignUp(offset);
    store<uint32_t>(entry, uint32_t(section.kind));
    store<uint32_t>(entry + 4, crc32(section.content));
    store<uint64_t>(entry + 8, offset);
    store<uint64_t>(entry + 16, section.content.size());
    store<uint64_t>(entry + 24, section.target);
    if (!section.content.empty())
      std::memcpy(file.data() + offset, section.content.data(),
                  section.content.size());
    offset += section.content.size();
    entry += kSectionSize;
  }
  store<uint32_t>(&file[28], crc32({file.data(), size_t(tableEnd)}));
  return file;
}

bool seqc::readArtifact(std::string_view bytes, uint32_t abiVersion,
                        std::vector<ArtifactSection> &sections,
                        std::string &error) {
  sections.clear();
  size_t known = std::min(bytes.size(), sizeof(kMagic));
  if (bytes.empty())
    return fail(error, "artifact is empty");
  if (std::memcmp(bytes.data(), kMagic, std::min<size_t>(known, 4)) != 0)
    return fail(error, "not a seqc artifact: it does not start with \"SEQC\"");
  if (known == sizeof(kMagic) &&
      std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0)
    return fail(error, "artifact is corrupt: its signature was changed, as by "
                       "a transfer in text mode");
  if (bytes.size() < kHeaderSize)
    return fail(error, "artifact is truncated: it has " +
                           std::to_string(bytes.size()) + " bytes of a " +
                           std::to_string(kHeaderSize) + "-byte header");
  uint32_t version = load<uint32_t>(&bytes[8]);
  if (version == 0 || version > kArtifactFormatVersion)
    return fail(error, "artifact has format version " +
                           std::to_string(version) +
                           ", this runtime reads versions up to " +
                           std::to_string(kArtifactFormatVersion));
  uint64_t size = load<uint64_t>(&bytes[16]);
  if (bytes.size() < size)
    return fail(error, "artifact is truncated: it has " +
                           std::to_string(bytes.size()) + " of " +
                           std::to_string(size) + " bytes");
  if (bytes.size() > size)
    return fail(error, "artifact is corrupt: it has " +
                           std::to_string(bytes.size()) +
                           " bytes, its header says " + std::to_string(size));
  uint32_t count = load<uint32_t>(&bytes[24]);
  uint64_t tableEnd = kHeaderSize + uint64_t(kSectionSize) * count;
  if (count == 0 || count > kMaxSections || tableEnd > size)
    return fail(error, "artifact is corrupt: its header counts " +
                           std::to_string(count) + " sections");
  std::string head(bytes.substr(0, tableEnd));
  store<uint32_t>(&head[28], 0);
  if (crc32(head) != load<uint32_t>(&bytes[28]))
    return fail(error, "artifact is corrupt: checksum of the header");
  uint32_t abi = load<uint32_t>(&bytes[12]);
  if (abi != abiVersion)
    return fail(error, "artifact has ABI version " + std::to_string(abi) +
                           ", this runtime has " + std::to_string(abiVersion) +
                           "; compile it again");

  uint64_t end = tableEnd;
  for (uint32_t i = 0; i < count; ++i) {
    const char *entry = bytes.data() + kHeaderSize + kSectionSize * i;
    uint64_t offset = load<uint64_t>(entry + 8);
    uint64_t length = load<uint64_t>(entry + 16);
    if (offset > size || length > size - offset)
      return fail(error, "artifact is corrupt: section " + std::to_string(i) +
                             " lies outside the file");
    if (offset != alignUp(end))
      return fail(error, "artifact is corrupt: section " + std::to_string(i) +
                             " does not follow what is before it");
    for (uint64_t at = end; at < offset; ++at)
      if (bytes[at] != 0)
        return fail(error, "artifact is corrupt: byte " + std::to_string(at) +
                               " between sections is not 0");
    end = offset + length;
    ArtifactSection section;
    section.kind = SectionKind(load<uint32_t>(entry));
    section.target = load<uint64_t>(entry + 24);
    section.content = bytes.substr(offset, length);
    if (crc32(section.content) != load<uint32_t>(entry + 4))
      return fail(error, "artifact is corrupt: checksum of section " +
                             std::to_string(i));
    sections.push_back(section);
  }
  if (end != size)
    return fail(error, "artifact is corrupt: bytes follow its last section");
  if (sections.front().kind != SectionKind::Metadata)
    return fail(error, "artifact is corrupt: its first section is not the "
                       "metadata");
  return true;
}

bool seqc::writeFileAtomically(const std::string &path, std::string_view bytes,
                               std::string &error) {
  // A device or pipe cannot be replaced by a rename: write straight to it.
  static std::atomic<unsigned> counter{0};
  struct stat info;
  bool special = ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) &&
                 !S_ISDIR(info.st_mode);
  // The target of a symbolic link is replaced, not the link.
  std::string target = path;
  if (char *resolved = special ? nullptr : ::realpath(path.c_str(), nullptr)) {
    target = resolved;
    std::free(resolved);
  }
  std::string temporary = target;
  if (!special)
    temporary += ".tmp." + std::to_string(::getpid()) + "." +
                 std::to_string(counter.fetch_add(1));
  int flags = O_WRONLY | O_CLOEXEC | (special ? 0 : O_CREAT | O_EXCL);
  int fd = ::open(temporary.c_str(), flags, 0666);
  auto failed = [&](int code) {
    if (fd >= 0)
      ::close(fd);
    if (fd >= 0 && !special)
      ::unlink(temporary.c_str());
    return fail(error, "cannot write '" + path + "': " + std::strerror(code));
  };
  if (fd < 0)
    return failed(errno);
  for (size_t done = 0; done < bytes.size();) {
    ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return failed(n < 0 ? errno : ENOSPC);
    done += size_t(n);
  }
  if (special) {
    ::close(fd);
    return true;
  }
  if (::close(fd) != 0) {
    int code = errno;
    fd = -1;
    ::unlink(temporary.c_str());
    return failed(code);
  }
  if (::rename(temporary.c_str(), target.c_str()) != 0) {
    int code = errno;
    ::unlink(temporary.c_str());
    fd = -1;
    return failed(code);
  }
  return true;
}
