//===- ArtifactTest.cpp - Reading good and bad artifacts ------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Runtime/Artifact.h"
#include "Fixture.h"

#include <filesystem>
#include <fstream>
#include <random>

using namespace seqc;
using namespace seqc::test;

static const std::string &goodArtifact() {
  static const std::string bytes =
      compile("func.func @twice(%x: f64) -> f64 {\n"
              "  %r = arith.addf %x, %x : f64\n"
              "  return %r : f64\n"
              "}\n");
  return bytes;
}

static std::string withCode(const std::string &metadata) {
  std::vector<char> file =
      writeArtifact({{SectionKind::Metadata, kNoTarget, metadata},
                     {SectionKind::SharedObject, 0, "not an ELF file"}},
                    SEQC_ABI_VERSION);
  return std::string(file.begin(), file.end());
}

/// Loads something that must be refused, and returns the status.
static SeqcStatus refused(const std::string &bytes,
                          const char *target = nullptr) {
  SeqcProgram *program = nullptr;
  SeqcStatus status =
      seqcProgramLoadBytes(bytes.data(), bytes.size(), target, &program);
  EXPECT_NE(status, SEQC_OK);
  EXPECT_EQ(program, nullptr);
  EXPECT_TRUE(isOneLine(seqcLastErrorMessage())) << seqcLastErrorMessage();
  return status;
}

TEST(Artifact, Crc32IsTheUsualOne) {
  EXPECT_EQ(crc32("123456789"), 0xCBF43926u);
  EXPECT_EQ(crc32(""), 0u);
  EXPECT_EQ(crc32("The quick brown fox jumps over the lazy dog"), 0x414FA339u);
}

TEST(Artifact, RoundTrip) {
  std::string metadata = "{}", first(1000, 'a'), second;
  std::vector<char> file =
      writeArtifact({{SectionKind::Metadata, kNoTarget, metadata},
                     {SectionKind::SharedObject, 0, first},
                     {SectionKind(77), 1, second}},
                    SEQC_ABI_VERSION);
  std::vector<ArtifactSection> sections;
  std::string error;
  ASSERT_TRUE(readArtifact({file.data(), file.size()}, SEQC_ABI_VERSION,
                           sections, error))
      << error;
  ASSERT_EQ(sections.size(), 3u);
  EXPECT_EQ(sections[0].content, metadata);
  EXPECT_EQ(sections[0].target, kNoTarget);
  EXPECT_EQ(sections[1].content, first);
  EXPECT_EQ(sections[1].target, 0u);
  EXPECT_EQ(sections[2].kind, SectionKind(77));
  EXPECT_EQ(sections[2].content, second);
}

TEST(Artifact, LoadsWhatWasCompiled) {
  ASSERT_FALSE(goodArtifact().empty()) << seqcLastErrorMessage();
  Program program = load(goodArtifact(), "cpu");
  ASSERT_TRUE(program) << seqcLastErrorMessage();
  EXPECT_STREQ(seqcProgramTarget(program.get()), "cpu");
  EXPECT_EQ(seqcProgramNumFunctions(program.get()), 1u);
  EXPECT_EQ(seqcProgramFunction(program.get(), 1), nullptr);
  SeqcValue argument = real(21), result;
  ASSERT_EQ(seqcProgramCall(program.get(), "twice", &argument, 1, &result, 1),
            SEQC_OK);
  EXPECT_EQ(result.as.f64, 42);
}

TEST(Artifact, EveryTruncation) {
  const std::string &good = goodArtifact();
  for (size_t size = 0; size < good.size(); size += size < 512 ? 1 : 97)
    EXPECT_EQ(refused(good.substr(0, size)), SEQC_ERROR_INVALID_ARTIFACT)
        << size;
  refused(good.substr(0, 100));
  EXPECT_TRUE(messageHas("truncated"));
  refused(good + "x");
  EXPECT_TRUE(messageHas("corrupt"));
}

TEST(Artifact, EveryDamagedByte) {
  const std::string &good = goodArtifact();
  std::mt19937 random(1);
  for (size_t i = 0; i < good.size(); i += i < 1024 ? 1 : 13) {
    std::string bad = good;
    bad[i] = char(bad[i] ^ char(1u << (random() % 8)));
    EXPECT_EQ(refused(bad), SEQC_ERROR_INVALID_ARTIFACT) << "byte " << i;
  }
}

TEST(Artifact, ForeignFiles) {
  EXPECT_EQ(refused(""), SEQC_ERROR_INVALID_ARTIFACT);
  EXPECT_EQ(refused("\x7f"
                    "ELF and so on"),
            SEQC_ERROR_INVALID_ARTIFACT);
  EXPECT_TRUE(messageHas("not a seqc artifact"));
  EXPECT_EQ(refused(std::string(1000, '\0')), SEQC_ERROR_INVALID_ARTIFACT);
  std::string text = goodArtifact();
  text.replace(text.find("\r\n"), 2, "\n");
  EXPECT_EQ(refused(text), SEQC_ERROR_INVALID_ARTIFACT);
  EXPECT_TRUE(messageHas("text mode"));
}

TEST(Artifact, OtherVersions) {
  std::string newer = goodArtifact();
  newer[8] = 2;
  EXPECT_EQ(refused(newer), SEQC_ERROR_INVALID_ARTIFACT);
  EXPECT_TRUE(messageHas("format version 2"));

  std::vector<char> file =
      writeArtifact({{SectionKind::Metadata, kNoTarget, "{}"}}, 99);
  EXPECT_EQ(refused({file.begin(), file.end()}), SEQC_ERROR_INVALID_ARTIFACT);
  EXPECT_TRUE(messageHas("ABI version 99"));
}

TEST(Artifact, BadMetadata) {
  const char *const targets =
      R"("targets":[{"name":"cpu","kind":"cpu","arch":"x86_64","requires":[]}])";
  auto function = [&](const std::string &rest) {
    return std::string(R"({"functions":[{"name":"f",)") + rest + "}]," +
           targets + "}";
  };
  auto argument = [&](const std::string &value) {
    return function(R"("results":[],"arguments":[)" + value + "]");
  };
  const std::string cases[] = {
      "",
      "{",
      "[]",
      "{}",
      R"({"functions":{}})",
      R"({"functions":[1],"targets":[]})",
      R"({"functions":[],"targets":[]})",
      R"({"functions":[],"targets":[{}]})",
      R"({"functions":[],"targets":[{"name":3}]})",
      function(R"("arguments":[])"),
      argument("7"),
      argument(R"({"kind":"tensor","dtype":"f32"})"),
      argument(R"({"kind":"tensor","dtype":"f31","shape":[]})"),
      argument(R"({"kind":"banana","dtype":"f32"})"),
      argument(R"({"kind":"tensor","dtype":"f32","shape":[-1]})"),
      argument(R"({"kind":"tensor","dtype":"f32","shape":["4"]})"),
      argument(R"({"name":1,"kind":"scalar","dtype":"f32"})"),
      function(R"("arguments":[],"results":[],"equal":[[[0,0],[1,0]]])"),
      function(R"("arguments":[],"results":[],"equal":[[0,1]])"),
      function(R"("arguments":[],"results":[],"multiple":[[1]])"),
      function(R"("arguments":[],"results":[],"multiple":[[8,[0,1]]])"),
      "{\"functions\":[],\"targets\":\xff\xfe}",
  };
  for (const std::string &metadata : cases)
    EXPECT_EQ(refused(withCode(metadata)), SEQC_ERROR_INVALID_ARTIFACT)
        << metadata;
  // Fine until its code is looked at.
  EXPECT_EQ(refused(withCode(argument(R"({"kind":"scalar","dtype":"f32"})"))),
            SEQC_ERROR_IO);
  EXPECT_TRUE(messageHas("cannot load the code"));
}

TEST(Artifact, OtherTargets) {
  EXPECT_EQ(refused(goodArtifact(), "sm_90a"), SEQC_ERROR_NOT_FOUND);
  EXPECT_TRUE(messageHas("'sm_90a'"));
  EXPECT_TRUE(messageHas("cpu"));

  auto withTarget = [](const char *target) {
    return withCode(std::string(R"({"functions":[],"targets":[)") + target +
                    "]}");
  };
  EXPECT_EQ(refused(withTarget(R"({"name":"cpu","kind":"cpu",
                                   "arch":"s390x","requires":[]})")),
            SEQC_ERROR_UNSUPPORTED);
  EXPECT_TRUE(messageHas("s390x"));
  EXPECT_EQ(refused(withTarget(R"({"name":"cpu","kind":"cpu",
                      "arch":"x86_64","requires":["sse3","quantum"]})")),
            SEQC_ERROR_UNSUPPORTED);
  EXPECT_TRUE(messageHas("lacks quantum"));
  EXPECT_EQ(refused(withTarget(R"({"name":"npu","kind":"npu"})")),
            SEQC_ERROR_UNSUPPORTED);
  EXPECT_TRUE(
      messageHas("npu: this runtime runs targets of kind cpu and cuda"));
  // Also where no GPU is, what it has of a kind that it knows must be whole.
  EXPECT_EQ(refused(withTarget(R"({"name":"sm_90a","kind":"cuda"})")),
            SEQC_ERROR_INVALID_ARTIFACT);
  EXPECT_TRUE(messageHas("no \"arch\""));
}

TEST(Artifact, SkipsSectionsAndTargetsThatItCannotUse) {
  std::vector<ArtifactSection> sections;
  std::string error;
  ASSERT_TRUE(readArtifact(goodArtifact(), SEQC_ABI_VERSION, sections, error));
  std::string metadata(sections[0].content);
  std::string first = R"("targets":[{"name":"npu","kind":"npu"},)";
  metadata.replace(metadata.find(R"("targets":[)"),
                   std::strlen(R"("targets":[)"), first);
  std::vector<char> file =
      writeArtifact({{SectionKind::Metadata, kNoTarget, metadata},
                     {SectionKind::Cubin, 0, "cubin"},
                     {SectionKind(99), kNoTarget, "later"},
                     {SectionKind::SharedObject, 1, sections[1].content}},
                    SEQC_ABI_VERSION);
  Program program = load({file.begin(), file.end()});
  ASSERT_TRUE(program) << seqcLastErrorMessage();
  EXPECT_STREQ(seqcProgramTarget(program.get()), "cpu");
}

TEST(Artifact, Files) {
  namespace fs = std::filesystem;
  fs::path folder =
      fs::temp_directory_path() /
      ("seqc-artifact-test-" + std::to_string(std::random_device()()));
  fs::create_directory(folder);
  std::string path = folder / "a.seqc", error;
  ASSERT_TRUE(writeFileAtomically(path, goodArtifact(), error)) << error;
  ASSERT_TRUE(writeFileAtomically(path, goodArtifact(), error)) << error;
  SeqcProgram *program = nullptr;
  EXPECT_EQ(seqcProgramLoadFile(path.c_str(), nullptr, &program), SEQC_OK)
      << seqcLastErrorMessage();
  seqcProgramRelease(program);

  // No temporary file stays behind, and a failure leaves the old content.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
  EXPECT_FALSE(writeFileAtomically(folder / "no" / "b.seqc", "x", error));
  EXPECT_TRUE(isOneLine(error)) << error;
  fs::create_directory(folder / "c.seqc");
  EXPECT_FALSE(writeFileAtomically(folder / "c.seqc", "x", error));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 2);

  EXPECT_EQ(
      seqcProgramLoadFile((folder / "no.seqc").c_str(), nullptr, &program),
      SEQC_ERROR_NOT_FOUND);
  EXPECT_TRUE(messageHas("no.seqc"));
  EXPECT_EQ(seqcProgramLoadFile(folder.c_str(), nullptr, &program),
            SEQC_ERROR_IO);
  std::ofstream(path, std::ios::binary) << goodArtifact().substr(0, 200);
  EXPECT_EQ(seqcProgramLoadFile(path.c_str(), nullptr, &program),
            SEQC_ERROR_INVALID_ARTIFACT);
  EXPECT_TRUE(messageHas("a.seqc"));
  EXPECT_TRUE(messageHas("truncated"));
  fs::remove_all(folder);
}

TEST(Artifact, NullPointers) {
  SeqcProgram *program = nullptr;
  EXPECT_EQ(seqcProgramLoadBytes(nullptr, 4, nullptr, &program),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seqcProgramLoadBytes("", 0, nullptr, nullptr),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seqcProgramLoadFile(nullptr, nullptr, &program),
            SEQC_ERROR_INVALID_ARGUMENT);
  seqcProgramRelease(nullptr);
  EXPECT_EQ(seqcProgramMetadata(nullptr), nullptr);
  EXPECT_EQ(seqcProgramNumFunctions(nullptr), 0u);
}
