//===- Cache.cpp - Compiled programs on disk ------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One file per entry, named by its key, so there is no index to keep right:
//
//   offset  size
//        0     8  magic: "SEQCACH1"
//        8     4  CRC-32 of all that follows
//       12    64  the key, in hexadecimal
//       76     4  number of messages
//              .. of each: 4 bytes severity, 4 bytes length, the text
//              8  size of the content, and the content
//
// A file appears under its name when it is complete (writeFileAtomically), so a
// reader sees the old one, the new one or none. What a crash or a bad disk
// leaves fails the checksum and counts as absent; the program is compiled and
// the file replaced.
//
// The time of a file is that of its last use. When an entry is added and the
// folder has grown over its limit, the files that were used longest ago go.
//
//===----------------------------------------------------------------------===//

#include "Cache.h"

#include "seqc/Runtime/Artifact.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <mutex>

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace seqc;
using llvm::StringRef;

static constexpr llvm::StringLiteral kMagic = "SEQCACH1";
static constexpr llvm::StringLiteral kExtension = ".seqc-cache";
static constexpr size_t kHeaderSize = 12;
static constexpr size_t kNameSize = 64;
static constexpr uint64_t kDefaultLimit = uint64_t(1) << 30;

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

/// The build ID that the linker gave the object that holds `address`, or "".
static std::string readBuildID(const void *address) {
  struct Search {
    ElfW(Addr) address;
    std::string id;
  } search = {ElfW(Addr)(address), ""};
  auto visit = [](dl_phdr_info *info, size_t, void *data) {
    auto &search = *static_cast<Search *>(data);
    auto contains = [&](const ElfW(Phdr) & part) {
      ElfW(Addr) start = info->dlpi_addr + part.p_vaddr;
      return part.p_type == PT_LOAD && search.address >= start &&
             search.address < start + part.p_memsz;
    };
    llvm::ArrayRef<ElfW(Phdr)> parts(info->dlpi_phdr, info->dlpi_phnum);
    if (llvm::none_of(parts, contains))
      return 0;
    for (const ElfW(Phdr) &part : parts) {
      if (part.p_type != PT_NOTE)
        continue;
      auto align = [](size_t n) { return (n + 3) & ~size_t(3); };
      const char *at =
          reinterpret_cast<const char *>(info->dlpi_addr + part.p_vaddr);
      const char *end = at + part.p_memsz;
      while (size_t(end - at) >= sizeof(ElfW(Nhdr))) {
        auto *note = reinterpret_cast<const ElfW(Nhdr) *>(at);
        const char *name = at + sizeof(*note);
        const char *content = name + align(note->n_namesz);
        if (size_t(end - name) < align(note->n_namesz) + note->n_descsz)
          break;
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
            std::memcmp(name, "GNU", 4) == 0)
          search.id.assign(content, note->n_descsz);
        at = content + align(note->n_descsz);
      }
    }
    return 1;
  };
  ::dl_iterate_phdr(visit, &search);
  return search.id;
}

/// What tells this build of the compiler from any other.
static const std::string &getBuildID() {
  static const std::string id = [] {
    const void *here = reinterpret_cast<const void *>(&readBuildID);
    std::string id = readBuildID(here);
    if (!id.empty())
      return id;
    // A linker that gives none.
    Dl_info info;
    struct stat file;
    if (::dladdr(here, &info) && info.dli_fname &&
        ::stat(info.dli_fname, &file) == 0)
      return std::string(info.dli_fname) + ":" + std::to_string(file.st_size) +
             ":" + std::to_string(file.st_mtim.tv_sec) + "." +
             std::to_string(file.st_mtim.tv_nsec);
    return std::string(SEQC_VERSION);
  }();
  return id;
}

CacheKey::CacheKey() {
  add(kMagic);
  add(SEQC_VERSION);
  add(getBuildID());
}

CacheKey &CacheKey::add(StringRef text) {
  add(int64_t(text.size()));
  hash.update(text);
  return *this;
}

CacheKey &CacheKey::add(int64_t number) {
  char bytes[8];
  llvm::support::endian::write64le(bytes, uint64_t(number));
  hash.update(StringRef(bytes, sizeof(bytes)));
  return *this;
}

std::string CacheKey::name() const {
  return llvm::toHex(hash.result(), /*LowerCase=*/true);
}

//===----------------------------------------------------------------------===//
// Entries as bytes
//===----------------------------------------------------------------------===//

static std::string pack(const std::string &name, const CacheEntry &entry) {
  std::string bytes(kHeaderSize, '\0');
  auto add32 = [&](uint64_t value) {
    char buffer[4];
    llvm::support::endian::write32le(buffer, uint32_t(value));
    bytes.append(buffer, sizeof(buffer));
  };
  bytes += name;
  add32(entry.messages.size());
  for (const CacheEntry::Message &message : entry.messages) {
    add32(uint32_t(message.severity));
    add32(message.text.size());
    bytes += message.text;
  }
  add32(entry.content.size() & ~uint32_t(0));
  add32(entry.content.size() >> 32);
  bytes += entry.content;
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  llvm::support::endian::write32le(
      bytes.data() + kMagic.size(),
      crc32(std::string_view(bytes).substr(kHeaderSize)));
  return bytes;
}

static std::optional<CacheEntry> unpack(const std::string &name,
                                        StringRef bytes) {
  if (bytes.size() < kHeaderSize + kNameSize || !bytes.starts_with(kMagic) ||
      bytes.substr(kHeaderSize, kNameSize) != name)
    return std::nullopt;
  uint32_t crc = llvm::support::endian::read32le(bytes.data() + kMagic.size());
  if (crc32(std::string_view(bytes).substr(kHeaderSize)) != crc)
    return std::nullopt;
  bytes = bytes.drop_front(kHeaderSize + kNameSize);
  // The checksum is right, so the sizes are; but a bug of a writer must not
  // become one of a reader.
  bool isShort = false;
  auto take = [&](uint64_t size) {
    isShort |= size > bytes.size();
    StringRef result = isShort ? StringRef() : bytes.take_front(size);
    bytes = isShort ? StringRef() : bytes.drop_front(size);
    return result;
  };
  auto take32 = [&]() -> uint64_t {
    StringRef word = take(4);
    return isShort ? 0 : llvm::support::endian::read32le(word.data());
  };
  CacheEntry entry;
  for (uint64_t count = take32(); count > 0 && !isShort; --count) {
    auto severity = int32_t(take32());
    uint64_t size = take32();
    entry.messages.push_back({severity, take(size).str()});
  }
  uint64_t size = take32();
  size |= take32() << 32;
  entry.content = take(size).str();
  if (isShort || !bytes.empty())
    return std::nullopt;
  return entry;
}

//===----------------------------------------------------------------------===//
// The folder
//===----------------------------------------------------------------------===//

static std::string getEnvironment(const char *name) {
  return llvm::sys::Process::GetEnv(name).value_or("");
}

/// A number of bytes, as in "4096", "64K", "512M" and "2G".
static std::optional<uint64_t> parseSize(StringRef text) {
  text = text.trim();
  unsigned shift = 0;
  if (!text.empty())
    switch (llvm::toUpper(text.back())) {
    case 'K':
      shift = 10;
      break;
    case 'M':
      shift = 20;
      break;
    case 'G':
      shift = 30;
      break;
    default:
      break;
    }
  uint64_t value;
  if (text.drop_back(shift ? 1 : 0).getAsInteger(10, value) ||
      value > (~uint64_t(0) >> 1 >> shift))
    return std::nullopt;
  return value << shift;
}

DiskCache DiskCache::fromEnvironment() {
  std::string wanted = StringRef(getEnvironment("SEQC_CACHE")).trim().lower();
  if (wanted == "0" || wanted == "off" || wanted == "no" || wanted == "false")
    return {};
  std::string folder = getEnvironment("SEQC_CACHE_DIR");
  if (folder.empty()) {
    std::string base = getEnvironment("XDG_CACHE_HOME");
    // The specification has relative ones ignored.
    if (!llvm::sys::path::is_absolute(base)) {
      llvm::SmallString<128> home;
      if (!llvm::sys::path::home_directory(home) ||
          !llvm::sys::path::is_absolute(home))
        return {};
      base = (home + "/.cache").str();
    }
    folder = base + "/seqc";
    // What is in there runs: it must be this user's.
    struct stat info;
    if (::stat(folder.c_str(), &info) == 0 &&
        (info.st_uid != ::geteuid() || (info.st_mode & S_IWOTH)))
      return {};
  }
  return DiskCache(
      folder,
      parseSize(getEnvironment("SEQC_CACHE_SIZE")).value_or(kDefaultLimit));
}

std::string DiskCache::getPath(const std::string &name) const {
  return folder + "/" + name + kExtension.str();
}

std::optional<CacheEntry> DiskCache::load(const CacheKey &key) {
  if (!isEnabled())
    return std::nullopt;
  std::string name = key.name();
  int fd = ::open(getPath(name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return std::nullopt;
  std::optional<CacheEntry> entry;
  struct stat info;
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    std::string bytes(size_t(info.st_size), '\0');
    size_t done = 0;
    while (done < bytes.size()) {
      ssize_t n = ::read(fd, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        break;
      done += size_t(n);
    }
    if (done == bytes.size())
      entry = unpack(name, bytes);
  }
  // In a folder that is read-only, entries keep their age.
  if (entry)
    (void)::futimens(fd, nullptr);
  ::close(fd);
  return entry;
}

void DiskCache::store(const CacheKey &key, const CacheEntry &entry) {
  if (!isEnabled())
    return;
  std::string name = key.name();
  std::string bytes = pack(name, entry);
  if (bytes.size() > limit)
    return;
  if (llvm::sys::fs::create_directories(folder, /*IgnoreExisting=*/true,
                                        llvm::sys::fs::owner_all))
    return;
  // A pipe in its place would be written to, and might have no reader.
  struct stat info;
  if (::stat(getPath(name).c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return;
  std::string problem;
  if (writeFileAtomically(getPath(name), bytes, problem))
    evict(name + kExtension.str());
}

void DiskCache::evict(const std::string &keep) {
  struct File {
    std::string name;
    uint64_t size;
    timespec used;
  };
  std::vector<File> files;
  uint64_t total = 0;
  DIR *listing = ::opendir(folder.c_str());
  if (!listing)
    return;
  int fd = ::dirfd(listing);
  time_t now = ::time(nullptr);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of this thread alone.
  while (dirent *item = ::readdir(listing)) {
    StringRef name = item->d_name;
    if (!name.contains(kExtension))
      continue;
    struct stat info;
    if (::fstatat(fd, item->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(info.st_mode))
      continue;
    // A process that was killed leaves its temporary file.
    if (!name.ends_with(kExtension)) {
      if (now - info.st_mtim.tv_sec > 3600)
        ::unlinkat(fd, item->d_name, 0);
      continue;
    }
    total += uint64_t(info.st_size);
    if (name != keep)
      files.push_back({name.str(), uint64_t(info.st_size), info.st_mtim});
  }
  if (total > limit) {
    llvm::sort(files, [](const File &lhs, const File &rhs) {
      return std::make_pair(lhs.used.tv_sec, lhs.used.tv_nsec) <
             std::make_pair(rhs.used.tv_sec, rhs.used.tv_nsec);
    });
    for (const File &file : files) {
      if (total <= limit)
        break;
      // Another process may have been faster, which is as good.
      ::unlinkat(fd, file.name.c_str(), 0);
      total -= file.size;
    }
  }
  ::closedir(listing);
}
