#include "learner/checkpoint/checkpoint.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/checkpoint/manifest.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A folder of its own for each test, removed at its end.
class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "shoal_checkpoint_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    dir_ = name + "/checkpoints";
    ASSERT_TRUE(PrepareCheckpointDirectory(dir_).ok());
  }
  void TearDown() override { fs::remove_all(root_); }

  static Checkpoint Make(int64_t iteration, const std::string& text = "") {
    return {iteration, absl::StrCat("policy ", iteration, text),
            absl::StrCat("optimizer ", iteration, std::string("\0\xff", 2))};
  }
  std::string Write(const Checkpoint& checkpoint) {
    const auto hash = WriteCheckpoint(dir_, checkpoint);
    EXPECT_TRUE(hash.ok()) << hash.status();
    return *hash;
  }
  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  void Put(const std::string& name, const std::string& bytes) {
    fs::create_directories(fs::path(Path(name)).parent_path());
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  void ExpectDataLoss(const absl::Status& status, const std::string& text) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }

  std::string root_;
  std::string dir_;
};

TEST_F(CheckpointTest, RoundTrip) {
  const Checkpoint checkpoint = Make(12);
  const std::string hash = Write(checkpoint);
  EXPECT_EQ(hash, Sha256Hex(checkpoint.policy));
  const auto read = ReadCheckpoint(dir_, 12, hash);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, checkpoint);
  EXPECT_THAT(Names(), ElementsAre("iter_12"));
  const auto manifest = ParseManifest(*ReadFile(Path("iter_12/manifest.json")));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->iteration, 12);
  EXPECT_EQ(manifest->files.at("policy.safetensors").sha256, hash);
  EXPECT_EQ(manifest->files.at("optimizer.safetensors").size, checkpoint.optimizer.size());
}

TEST_F(CheckpointTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(ReadCheckpoint(dir_, 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadBestCheckpoint(dir_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CopyBestCheckpoint(dir_, 1).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(WriteCheckpoint(dir_, Make(-1)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CheckpointTest, EveryFlippedBitIsNoticed) {
  Write(Make(3));
  for (const char* file : {kPolicyFile, kOptimizerFile}) {
    const std::string name = absl::StrCat("iter_3/", file);
    const std::string good = *ReadFile(Path(name));
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bad = good;
      bad[bit / 8] ^= static_cast<char>(1 << (bit % 8));
      Put(name, bad);
      const absl::Status status = ReadCheckpoint(dir_, 3).status();
      ExpectDataLoss(status, file);
      EXPECT_THAT(std::string(status.message()), HasSubstr("SHA-256 is " + Sha256Hex(bad)));
      EXPECT_THAT(std::string(status.message()), HasSubstr("expected " + Sha256Hex(good)));
    }
    Put(name, good);
  }
  EXPECT_TRUE(ReadCheckpoint(dir_, 3).ok());
}

TEST_F(CheckpointTest, TruncationAndLossAreNoticed) {
  Write(Make(3));
  for (const char* file : {kPolicyFile, kOptimizerFile, kManifestFile}) {
    const std::string name = absl::StrCat("iter_3/", file);
    const std::string good = *ReadFile(Path(name));
    for (size_t size : {size_t{0}, good.size() / 2}) {
      Put(name, good.substr(0, size));
      ExpectDataLoss(ReadCheckpoint(dir_, 3).status(), file);
    }
    fs::remove(Path(name));
    ExpectDataLoss(ReadCheckpoint(dir_, 3).status(), "the file is missing");
    Put(name, good);
  }
  Put("iter_3/policy.safetensors", Make(3).policy + "x");
  ExpectDataLoss(ReadCheckpoint(dir_, 3).status(), "size is 9 bytes, expected 8");
}

TEST_F(CheckpointTest, AnotherPolicyThanTheCommittedOneIsNoticed) {
  const std::string hash = Write(Make(3));
  const std::string committed = Sha256Hex("another");
  const absl::Status status = ReadCheckpoint(dir_, 3, committed).status();
  ExpectDataLoss(status, "iter_3/policy.safetensors: SHA-256 is " + hash);
  EXPECT_THAT(std::string(status.message()), HasSubstr("expected " + committed));
}

TEST_F(CheckpointTest, AManifestMustBeOne) {
  Write(Make(3));
  const std::string good = *ReadFile(Path("iter_3/manifest.json"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, text.npos) << from;
    Put("iter_3/manifest.json", text.replace(at, from.size(), to));
    return ReadCheckpoint(dir_, 3).status();
  };
  ExpectDataLoss(with("\"iteration\": 3", "\"iteration\": 4"), "iteration is 4, expected 3");
  ExpectDataLoss(with("\"iteration\": 3", "\"iteration\": \"3\""), "iteration must be");
  ExpectDataLoss(with("\"format_version\": 1", "\"format_version\": 2"),
                 "format_version must be 1");
  ExpectDataLoss(with("policy.safetensors", "policy.bin"), "lacks policy.safetensors");
  ExpectDataLoss(with("\"size\": 8", "\"size\": -8"), "must have size and sha256");
  ExpectDataLoss(with("\"sha256\": \"", "\"sha256\": \"A"), "must have size and sha256");
  Put("iter_3/manifest.json", "[]");
  ExpectDataLoss(ReadCheckpoint(dir_, 3).status(), "not a JSON object");
}

TEST_F(CheckpointTest, WritingAgainIsHarmlessAndOtherContentReplaces) {
  const std::string hash = Write(Make(3));
  const auto time = fs::last_write_time(Path("iter_3/policy.safetensors"));
  EXPECT_EQ(Write(Make(3)), hash);
  EXPECT_EQ(fs::last_write_time(Path("iter_3/policy.safetensors")), time);
  const Checkpoint other = Make(3, " other");
  EXPECT_NE(Write(other), hash);
  EXPECT_EQ(*ReadCheckpoint(dir_, 3), other);
  Checkpoint optimizer_differs = other;
  optimizer_differs.optimizer += "!";
  Write(optimizer_differs);
  EXPECT_EQ(*ReadCheckpoint(dir_, 3), optimizer_differs);
  // Damage is repaired by writing again.
  Put("iter_3/policy.safetensors", "rubbish");
  Write(other);
  EXPECT_EQ(*ReadCheckpoint(dir_, 3), other);
  EXPECT_THAT(Names(), ElementsAre("iter_3"));
}

TEST_F(CheckpointTest, HalfWrittenDirectoriesAreNoCheckpointsAndGoAway) {
  Write(Make(3));
  Put(".tmp-iter_4/policy.safetensors", "half");
  Put(".tmp-removed-iter_2/manifest.json", "half");
  EXPECT_THAT(*ListCheckpoints(dir_), ElementsAre(3));
  EXPECT_EQ(ReadCheckpoint(dir_, 4).status().code(), absl::StatusCode::kNotFound);
  Write(Make(4));  // Its temporary name is taken: no matter.
  EXPECT_EQ(*ReadCheckpoint(dir_, 4), Make(4));
  ASSERT_TRUE(PrepareCheckpointDirectory(dir_).ok());
  EXPECT_THAT(Names(), ElementsAre("iter_3", "iter_4"));
}

TEST_F(CheckpointTest, AHalfDoneReplacementIsUndoneOrFinished) {
  Write(Make(3));
  Write(Make(4));
  fs::rename(Path("iter_3"), Path(".replaced-iter_3"));
  fs::copy(Path("iter_4"), Path(".replaced-iter_4"));
  ASSERT_TRUE(PrepareCheckpointDirectory(dir_).ok());
  EXPECT_THAT(Names(), ElementsAre("iter_3", "iter_4"));
  EXPECT_EQ(*ReadCheckpoint(dir_, 3), Make(3));
}

TEST_F(CheckpointTest, ListIsNumericAndIgnoresOtherNames) {
  for (int64_t iteration : {10, 9, 0, 100}) Write(Make(iteration));
  for (const char* name : {"iter_", "iter_07", "iter_-1", "iter_x", "iter_1x", "other", "best"}) {
    fs::create_directory(Path(name));
  }
  Put("iter_55", "a file");
  EXPECT_THAT(*ListCheckpoints(dir_), ElementsAre(0, 9, 10, 100));
  EXPECT_THAT(*ListCheckpoints(root_ + "/nowhere"), IsEmpty());
}

TEST_F(CheckpointTest, PruneKeepsWhatItIsTold) {
  for (int64_t iteration : {1, 2, 3, 4, 5}) Write(Make(iteration));
  ASSERT_TRUE(CopyBestCheckpoint(dir_, 1).ok());
  Put(".tmp-removed-iter_1/policy.safetensors", "left by a crash");
  ASSERT_TRUE(PruneCheckpoints(dir_, {2, 5, 77}).ok());
  EXPECT_THAT(Names(), ElementsAre("best", "iter_2", "iter_5"));
  EXPECT_EQ(*ReadBestCheckpoint(dir_), Make(1));
}

TEST_F(CheckpointTest, BestIsReplacedByVerifiedCopiesOnly) {
  Write(Make(1));
  Write(Make(2));
  ASSERT_TRUE(CopyBestCheckpoint(dir_, 1).ok());
  ASSERT_TRUE(CopyBestCheckpoint(dir_, 2).ok());
  EXPECT_EQ(*ReadBestCheckpoint(dir_), Make(2));
  Put("iter_1/optimizer.safetensors", "rubbish");
  ExpectDataLoss(CopyBestCheckpoint(dir_, 1), "iter_1/optimizer.safetensors");
  EXPECT_EQ(*ReadBestCheckpoint(dir_), Make(2));
  Put("best/policy.safetensors", "rubbish");
  ExpectDataLoss(ReadBestCheckpoint(dir_).status(), "best/policy.safetensors");
  EXPECT_THAT(Names(), ElementsAre("best", "iter_1", "iter_2"));
}

TEST_F(CheckpointTest, ErrorsOfTheFileSystemNameThePath) {
  Put("file", "");
  const absl::Status status = WriteCheckpoint(Path("file"), Make(1)).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("file")));
}

}  // namespace
}  // namespace shoal
