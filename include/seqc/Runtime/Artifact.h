//===- Artifact.h - The .seqc file ------------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One file holds the code of a program for any number of targets and the
// metadata that a runtime needs to load and call it. All integers are little
// endian.
//
//   offset  size
//        0     8  magic: "SEQC" 0d 0a 1a 0a
//        8     4  format version
//       12     4  ABI version
//       16     8  size of the file
//       24     4  number of sections
//       28     4  CRC-32 of the header and the section table, with this field 0
//       32   32n  section table
//
//   section:
//        0     4  kind
//        4     4  CRC-32 of the content
//        8     8  offset from the start of the file, a multiple of 64
//       16     8  size
//       24     8  number of the target in the metadata, or all ones
//
// Sections follow one another in the order of the table, each at the first
// possible offset; the bytes in between are 0. The first is the metadata. A
// reader skips kinds that it does not know, so a later compiler can add kinds
// without a new format version. The line break in the magic shows a transfer
// that treated the file as text.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_RUNTIME_ARTIFACT_H
#define SEQC_RUNTIME_ARTIFACT_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace seqc {

/// The format version that this build writes, and the newest that it reads.
constexpr uint32_t kArtifactFormatVersion = 1;

enum class SectionKind : uint32_t {
  Metadata = 1,     ///< JSON text.
  SharedObject = 2, ///< An ELF shared object for the host.
  Cubin = 3,        ///< Reserved: a CUDA binary.
  Ptx = 4           ///< Reserved: PTX text.
};

/// The target number of a section that belongs to no target.
constexpr uint64_t kNoTarget = ~uint64_t(0);

struct ArtifactSection {
  SectionKind kind;
  uint64_t target = kNoTarget;
  /// When read, a view into the bytes that were given.
  std::string_view content;
};

/// CRC-32 as in zlib, PNG and Ethernet.
uint32_t crc32(std::string_view bytes);

/// Lays out `sections` as a file. The first must be the metadata.
std::vector<char> writeArtifact(const std::vector<ArtifactSection> &sections,
                                uint32_t abiVersion);

/// Checks `bytes` and finds the sections. On failure returns false and sets
/// `error` to one line.
bool readArtifact(std::string_view bytes, uint32_t abiVersion,
                  std::vector<ArtifactSection> &sections, std::string &error);

/// Replaces `path`, or what it is a symbolic link to, by `bytes`: writes a
/// temporary file beside it and renames.
/// On failure returns false, sets `error`, and leaves no file behind.
bool writeFileAtomically(const std::string &path, std::string_view bytes,
                         std::string &error);

} // namespace seqc

#endif // SEQC_RUNTIME_ARTIFACT_H
