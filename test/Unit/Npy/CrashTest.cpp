//===- CrashTest.cpp - What is left of a crash ----------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Crash.h"
#include "Driver.h"

#include "gtest/gtest.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

using namespace seqc::driver;
namespace fs = std::filesystem;

namespace {

/// A TMPDIR of its own, for the reproducers.
class CrashTest : public testing::Test {
protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "crash-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    ::setenv("TMPDIR", folder.c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("TMPDIR");
    fs::remove_all(folder);
  }

  fs::path folder;
};

/// Uses up the stack; the result keeps the compiler from making it a loop.
int recurse(int depth) {
  if (depth < 0)
    return 0;
  volatile char frame[4096];
  frame[0] = char(depth);
  return recurse(depth + 1) + frame[0];
}

} // namespace

TEST_F(CrashTest, WritesTheSource) {
  auto crash = [] {
    CrashGuard guard("compiling 'x.mlir'", "the source");
    std::abort();
  };
  EXPECT_EXIT(crash(), testing::ExitedWithCode(InternalFault),
              "^seqc: internal error: crashed while compiling 'x.mlir'; "
              "reproducer: .*seqc-crash-[0-9]+\\.mlir\n$");
  ASSERT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
  fs::path reproducer = *fs::directory_iterator(folder);
  EXPECT_EQ(readFile(reproducer.string()).view(), "the source");
}

TEST_F(CrashTest, SurvivesAFullStackAndNoSource) {
  auto crash = [] {
    CrashGuard guard("running @f", {});
    recurse(0);
  };
  EXPECT_EXIT(crash(), testing::ExitedWithCode(InternalFault),
              "^seqc: internal error: crashed while running @f\n$");
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(CrashTest, ReportsOnceForManyThreads) {
  auto crash = [] {
    CrashGuard guard("running @f", {});
    std::atomic<int> waiting{8};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] {
        --waiting;
        while (waiting > 0)
          ;
        std::raise(SIGSEGV);
      });
    for (std::thread &thread : threads)
      thread.join();
  };
  for (int i = 0; i < 10; ++i)
    EXPECT_EXIT(crash(), testing::ExitedWithCode(InternalFault),
                "^seqc: internal error: crashed while running @f\n$");
}

TEST_F(CrashTest, EndsWithTheGuard) {
  auto crash = [] {
    {
      CrashGuard guard("compiling", "the source");
    }
    std::raise(SIGABRT);
  };
  EXPECT_EXIT(crash(), testing::KilledBySignal(SIGABRT), "^$");
}
