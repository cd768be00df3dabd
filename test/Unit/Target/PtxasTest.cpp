//===- PtxasTest.cpp - Finding, running and reading ptxas -----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A script takes the place of ptxas, so the tests need none.
//
//===----------------------------------------------------------------------===//

#include "seqc/Target/PTX/Ptxas.h"

#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

using namespace seqc;

namespace {

using Kind = PtxasMessage::Kind;
using Status = PtxasResult::Status;

//===----------------------------------------------------------------------===//
// The log
//===----------------------------------------------------------------------===//

TEST(PtxasLog, Usage) {
  PtxasLog log = parsePtxasLog(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'f' for 'sm_80'\n"
      "ptxas info    : Function properties for f\n"
      "    8 bytes stack frame, 16 bytes spill stores, 12 bytes spill loads\n"
      "ptxas info    : Used 255 registers, used 2 barriers, 8 bytes cumulative "
      "stack size, 1024 bytes smem, 584 bytes cmem[0]\n"
      "ptxas info    : Compile time = 174.375 ms\n"
      "ptxas info    : Compiling entry function 'g' for 'sm_80'\n"
      "ptxas info    : Function properties for g\n"
      "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 32 registers\n");
  EXPECT_TRUE(log.messages.empty());
  ASSERT_EQ(log.functions.size(), 2u);
  const PtxasUsage &f = *log.find("f");
  EXPECT_EQ(f.registers, 255);
  EXPECT_EQ(f.barriers, 2);
  EXPECT_EQ(f.stackBytes, 8);
  EXPECT_EQ(f.spillStoreBytes, 16);
  EXPECT_EQ(f.spillLoadBytes, 12);
  EXPECT_EQ(f.sharedBytes, 1024);
  EXPECT_EQ(f.constantBytes, 584);
  const PtxasUsage &g = *log.find("g");
  EXPECT_EQ(g.registers, 32);
  EXPECT_EQ(g.sharedBytes, -1);
  EXPECT_EQ(log.find("h"), nullptr);
}

TEST(PtxasLog, Slow) {
  // One problem is reported once, however many instructions have it.
  PtxasLog log = parsePtxasLog(
      "ptxas info    : (C7519) warpgroup.arrive is injected in around line 460 "
      "by compiler to allow use of registers in GMMA in function 'f'\n"
      "ptxas info    : (C7517) warpgroup.wait is injected in around line 460 "
      "by "
      "compiler to allow use of registers defined by GMMA in function 'f'\n"
      "ptxas info    : (C7517) warpgroup.wait is injected in around line 598 "
      "by "
      "compiler to allow use of registers defined by GMMA in function 'f'\n"
      "ptxas info    : (C7511) Potential Performance Loss: wgmma.mma_async "
      "instructions are serialized due to insufficient register resources for "
      "the wgmma pipeline in the function 'f'\n"
      "ptxas info    : Compiling entry function 'g' for 'sm_90a'\n"
      "ptxas info    : (C7508) Potential Performance Loss: 'setmaxnreg' "
      "ignored; "
      "unable to determine register count at entry.\n");
  ASSERT_EQ(log.messages.size(), 3u);
  for (const PtxasMessage &message : log.messages)
    EXPECT_EQ(message.kind, Kind::Slow) << message.text;
  EXPECT_EQ(log.messages[0].code, "C7517");
  EXPECT_EQ(log.messages[0].kernel, "f");
  EXPECT_EQ(log.messages[1].code, "C7511");
  EXPECT_EQ(log.messages[2].code, "C7508");
  EXPECT_EQ(log.messages[2].kernel, "g");
  EXPECT_EQ(log.messages[2].text,
            "Potential Performance Loss: 'setmaxnreg' ignored; unable to "
            "determine register count at entry.");
}

TEST(PtxasLog, Errors) {
  PtxasLog log = parsePtxasLog(
      "ptxas warning : Unresolved extern variable 'x' in whole program "
      "compilation, ignoring extern qualifier\n"
      "ptxas /tmp/a b.ptx, line 13; error   : Unknown symbol 'bar'\n"
      "ptxas /tmp/a b.ptx, line 14; error   : Unknown symbol 'bar'\n"
      "ptxas fatal   : Ptx assembly aborted due to errors\n");
  ASSERT_EQ(log.messages.size(), 4u);
  EXPECT_EQ(log.messages[0].kind, Kind::Warning);
  EXPECT_EQ(log.messages[1].kind, Kind::Error);
  EXPECT_EQ(log.messages[1].text, "PTX line 13: Unknown symbol 'bar'");
  EXPECT_EQ(log.messages[3].kind, Kind::Error);
}

TEST(PtxasLog, Garbage) {
  for (const char *text :
       {"", "\n\n", "ptxas", "ptxas info",
        "ptxas info :", "ptxas info    : Used registers",
        "ptxas info    : Used 99999999999999999999999 registers",
        "    bytes stack frame", "ptxas info : Function properties for ",
        "ptxas info : Compiling entry function '"})
    EXPECT_TRUE(parsePtxasLog(text).messages.empty()) << text;
}

//===----------------------------------------------------------------------===//
// The program
//===----------------------------------------------------------------------===//

class PtxasProgram : public testing::Test {
protected:
  void SetUp() override {
    char name[] = "/tmp/seqc-ptxas-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder = name;
  }
  void TearDown() override { (void)llvm::sys::fs::remove_directories(folder); }

  /// A script in the place of ptxas. It has the file to read in $input and the
  /// one to write in $output.
  Ptxas write(const std::string &body, const std::string &version = "13.0.88") {
    Ptxas ptxas;
    ptxas.path = folder + "/ptxas " + std::to_string(count++);
    std::ofstream(ptxas.path) << "#!/bin/sh\n"
                                 "if [ \"$1\" = --version ]; then\n"
                                 "  echo 'Cuda compilation tools, release 0, V"
                              << version
                              << "'; exit\nfi\n"
                                 "for word; do\n"
                                 "  [ \"$last\" = -o ] && output=$word\n"
                                 "  case $word in *.ptx) input=$word;; esac\n"
                                 "  last=$word\n"
                                 "done\n"
                              << body;
    ::chmod(ptxas.path.c_str(), 0700);
    return ptxas;
  }

  std::string folder;
  int count = 0;
};

TEST_F(PtxasProgram, Works) {
  Ptxas ptxas = write("printf '\\177ELF' > \"$output\"; cat \"$input\" >> "
                      "\"$output\"; echo \"log of $1\"");
  PtxasResult result = runPtxas(ptxas, "sm_80", "some ptx");
  EXPECT_EQ(result.status, Status::Ok) << result.problem;
  EXPECT_EQ(result.cubin, "\177ELFsome ptx");
  EXPECT_EQ(result.log, "log of -arch=sm_80\n");
}

TEST_F(PtxasProgram, Fails) {
  PtxasResult result = runPtxas(write("echo no >&2; exit 3"), "sm_80", "");
  EXPECT_EQ(result.status, Status::Failed);
  EXPECT_EQ(result.log, "no\n");
  EXPECT_EQ(result.problem, "it ended with exit code 3");
  EXPECT_EQ(result.cubin, "");

  result = runPtxas(write("kill -SEGV $$"), "sm_80", "");
  EXPECT_EQ(result.status, Status::Failed);
  EXPECT_NE(result.problem.find("signal 11"), std::string::npos);

  result = runPtxas(write("exit 0"), "sm_80", "");
  EXPECT_EQ(result.status, Status::Failed);
  EXPECT_EQ(result.problem, "it wrote no cubin");

  result = runPtxas(write("echo text > \"$output\""), "sm_80", "");
  EXPECT_EQ(result.status, Status::Failed);
}

TEST_F(PtxasProgram, IsAbsent) {
  Ptxas ptxas;
  ptxas.path = folder + "/none";
  PtxasResult result = runPtxas(ptxas, "sm_80", "");
  EXPECT_EQ(result.status, Status::NotRun);
  EXPECT_NE(result.problem.find("cannot run"), std::string::npos);
}

TEST_F(PtxasProgram, Hangs) {
  auto start = std::chrono::steady_clock::now();
  // What it started goes with it.
  std::string mark = folder + "/mark";
  PtxasResult result =
      runPtxas(write("echo begun; (sleep 2; touch '" + mark + "') & sleep 60"),
               "sm_80", "", 0.3);
  std::chrono::duration<double> taken =
      std::chrono::steady_clock::now() - start;
  EXPECT_EQ(result.status, Status::Timeout);
  EXPECT_EQ(result.problem, "ptxas did not end within 0.3 s");
  EXPECT_EQ(result.log, "begun\n");
  EXPECT_LT(taken.count(), 2);
  ::usleep(2200000);
  EXPECT_NE(::access(mark.c_str(), F_OK), 0);
}

TEST_F(PtxasProgram, Version) {
  std::string problem;
  Ptxas ptxas = findPtxas({write("", "12.7.2").path, {}}, problem);
  EXPECT_EQ(problem, "");
  EXPECT_EQ(ptxas.version, "12.7.2");
  EXPECT_EQ(ptxas.major, 12u);
  EXPECT_EQ(ptxas.minor, 7u);

  ptxas = findPtxas({folder + "/none", {}}, problem);
  EXPECT_FALSE(ptxas.isFound());
  EXPECT_EQ(problem,
            "option ptxas is '" + folder + "/none', which is no program");

  ptxas = findPtxas({write("", "oops").path, {}}, problem);
  EXPECT_FALSE(ptxas.isFound());
  EXPECT_NE(problem.find("does not say that it is ptxas"), std::string::npos);

  // Another program under the same name is another program.
  std::string path = write("", "1.2.3").path;
  EXPECT_EQ(findPtxas({path, {}}, problem).version, "1.2.3");
  --count;
  write("# Of another size.\n", "4.5.6");
  EXPECT_EQ(findPtxas({path, {}}, problem).version, "4.5.6");
}

TEST_F(PtxasProgram, Search) {
  std::string before = std::getenv("PATH");
  ::setenv("PATH", "/nowhere", 1);
  ::setenv("CUDA_HOME", folder.c_str(), 1);
  ::unsetenv("SEQC_PTXAS");
  ::mkdir((folder + "/bin").c_str(), 0700);
  ::mkdir((folder + "/last").c_str(), 0700);
  std::string problem;
  std::string inHome = folder + "/bin/ptxas", last = folder + "/last/ptxas";
  ASSERT_EQ(std::rename(write("").path.c_str(), inHome.c_str()), 0);
  ASSERT_EQ(std::rename(write("").path.c_str(), last.c_str()), 0);
  EXPECT_EQ(findPtxas({"", {folder + "/last"}}, problem).path, inHome);
  ASSERT_EQ(::unlink(inHome.c_str()), 0);
  if (::access("/usr/local/cuda/bin/ptxas", X_OK) != 0) {
    EXPECT_EQ(findPtxas({"", {folder + "/last"}}, problem).path, last);
    EXPECT_FALSE(findPtxas({}, problem).isFound());
    EXPECT_EQ(problem, "");
  }
  ::setenv("SEQC_PTXAS", last.c_str(), 1);
  EXPECT_EQ(findPtxas({}, problem).path, last);
  ::setenv("SEQC_PTXAS", "/nowhere/ptxas", 1);
  EXPECT_FALSE(findPtxas({}, problem).isFound());
  EXPECT_EQ(problem, "SEQC_PTXAS is '/nowhere/ptxas', which is no program");
  ::unsetenv("SEQC_PTXAS");
  ::unsetenv("CUDA_HOME");
  ::setenv("PATH", before.c_str(), 1);
}

TEST(PtxasCommand, Quotes) {
  Ptxas ptxas;
  ptxas.path = "/opt/my tools/ptxas";
  EXPECT_EQ(getPtxasCommand(ptxas, "sm_80", "a.ptx", "/dev/null"),
            "\"/opt/my tools/ptxas\" -arch=sm_80 -O3 -v a.ptx -o /dev/null");
}

} // namespace
