// learner/checkpoint on disks that fail.
#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "learner/checkpoint/checkpoint.h"
#include "tests/disk/scenario.h"
#include "tests/faults/file_faults.h"
#include "tests/store/temporary_folder.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

Checkpoint Made(int64_t iteration, char content) {
  return {iteration, std::string(5000, content), std::string(9000, content)};
}

void Ok(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }

std::string Describe(const absl::StatusOr<Checkpoint>& checkpoint) {
  if (!checkpoint.ok()) return checkpoint.status().ToString();
  const char content = checkpoint->policy[0];
  if (*checkpoint != Made(checkpoint->iteration, content)) return "mixed";
  return absl::StrCat(checkpoint->iteration, std::string(1, content));
}

// As a learner that starts: prepares the folder, and reads everything in it.
std::string Look(const std::string& root) {
  const std::string dir = root + "/checkpoints";
  if (absl::Status status = PrepareCheckpointDirectory(dir); !status.ok()) return status.ToString();
  auto iterations = ListCheckpoints(dir);
  if (!iterations.ok()) return iterations.status().ToString();
  std::string text;
  for (const int64_t iteration : *iterations) {
    absl::StrAppend(&text, Describe(ReadCheckpoint(dir, iteration)), " ");
  }
  const auto best = ReadBestCheckpoint(dir);
  return absl::StrCat(text, "best ", absl::IsNotFound(best.status()) ? "none" : Describe(best));
}

Scenario Work(const std::function<absl::Status(const std::string& dir)>& work) {
  Scenario scenario;
  scenario.prepare = [](const std::string& root) {
    const std::string dir = root + "/checkpoints";
    Ok(PrepareCheckpointDirectory(dir));
    for (const int64_t iteration : {1, 2, 3}) Ok(WriteCheckpoint(dir, Made(iteration, 'a')).status());
  };
  scenario.work = [work](const std::string& root, const Scenario::Acknowledge& acknowledge) {
    absl::Status status = work(root + "/checkpoints");
    if (status.ok()) acknowledge();
    return status;
  };
  scenario.look = Look;
  return scenario;
}

Scenario Writing(int64_t iteration) {
  return Work([=](const std::string& dir) {
    return WriteCheckpoint(dir, Made(iteration, 'b')).status();
  });
}

Scenario CopyingBest(bool over_another) {
  Scenario scenario = Work([](const std::string& dir) { return CopyBestCheckpoint(dir, 2); });
  if (!over_another) return scenario;
  scenario.prepare = [prepare = scenario.prepare](const std::string& root) {
    prepare(root);
    Ok(CopyBestCheckpoint(root + "/checkpoints", 1));
  };
  return scenario;
}

Scenario Pruning() {
  Scenario scenario = Work([](const std::string& dir) { return PruneCheckpoints(dir, {3}); });
  scenario.between = {"2a 3a best none"};
  return scenario;
}

// On a file system that cannot exchange two names: the first renaming there is fails for good.
Scenario WithoutExchange(Scenario scenario) {
  scenario.rules = "einval:rename:/checkpoints/:1";
  return scenario;
}

TEST(CheckpointOnABadDisk, NewOneErrors) { TestErrors(Writing(4)); }
TEST(CheckpointOnABadDisk, NewOneDeaths) { TestDeaths(Writing(4)); }
TEST(CheckpointOnABadDisk, ReplacedOneErrors) { TestErrors(Writing(2)); }
TEST(CheckpointOnABadDisk, ReplacedOneDeaths) { TestDeaths(Writing(2)); }
TEST(CheckpointOnABadDisk, FirstBestErrors) { TestErrors(CopyingBest(false)); }
TEST(CheckpointOnABadDisk, FirstBestDeaths) { TestDeaths(CopyingBest(false)); }
TEST(CheckpointOnABadDisk, NextBestErrors) { TestErrors(CopyingBest(true)); }
TEST(CheckpointOnABadDisk, NextBestDeaths) { TestDeaths(CopyingBest(true)); }
TEST(CheckpointOnABadDisk, PruneErrors) { TestErrors(Pruning()); }
TEST(CheckpointOnABadDisk, PruneDeaths) { TestDeaths(Pruning()); }

TEST(CheckpointOnABadDisk, LastsAfterErrors) {
  TestPowerAfterErrors(Writing(4));
  TestPowerAfterErrors(Writing(2));
  TestPowerAfterErrors(CopyingBest(false));
  TestPowerAfterErrors(CopyingBest(true));
  TestPowerAfterErrors(WithoutExchange(Writing(2)));
}

TEST(CheckpointOnABadDisk, ReplacedWithoutExchange) {
  TestErrors(WithoutExchange(Writing(2)));
  TestDeaths(WithoutExchange(Writing(2)));
  TestErrors(WithoutExchange(CopyingBest(true)));
  TestDeaths(WithoutExchange(CopyingBest(true)));
}

// A run's first checkpoint, with the folder itself made on the way.
TEST(CheckpointOnABadDisk, FirstOfAll) {
  Scenario scenario = Work([](const std::string& dir) {
    absl::Status status = PrepareCheckpointDirectory(dir);
    return status.ok() ? WriteCheckpoint(dir, Made(0, 'b')).status() : status;
  });
  scenario.prepare = [](const std::string&) {};
  TestErrors(scenario);
  TestDeaths(scenario);
  TestPowerAfterErrors(scenario);
}

TEST(CheckpointOnABadDisk, PreparingSaysWhatIsWrong) {
  TemporaryFolder folder;
  const std::string dir = folder.Path("checkpoints");
  file_faults::SetRules("erofs:mkdir:/checkpoints:1");
  absl::Status status = PrepareCheckpointDirectory(dir);
  file_faults::SetRules("");
  EXPECT_THAT(status.ToString(), HasSubstr(dir));
  EXPECT_THAT(status.ToString(), HasSubstr("Read-only file system"));
  Ok(PrepareCheckpointDirectory(dir));
  fs::create_directories(dir + "/.tmp-iter_1");
  file_faults::SetRules("erofs:unlink:/checkpoints:1+");
  status = PrepareCheckpointDirectory(dir);
  file_faults::SetRules("");
  EXPECT_THAT(status.ToString(), HasSubstr(dir));
  EXPECT_THAT(status.ToString(), HasSubstr("Read-only file system"));
}

class DamagedCheckpoint : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::mt19937_64 random(5);
    checkpoint_.iteration = 7;
    for (std::string* bytes : {&checkpoint_.policy, &checkpoint_.optimizer}) {
      bytes->resize(3000);
      for (char& byte : *bytes) byte = static_cast<char>(random());
    }
    Ok(WriteCheckpoint(folder_.path(), checkpoint_).status());
    whole_ = folder_.Read(name_);
    ASSERT_TRUE(ReadCheckpoint(folder_.path(), 7).ok());
  }
  void ExpectRefused(const std::string& content) {
    folder_.Write(name_, content);
    const auto read = ReadCheckpoint(folder_.path(), 7);
    if (content == whole_) {
      EXPECT_TRUE(read.ok());
      return;
    }
    ASSERT_TRUE(absl::IsDataLoss(read.status())) << read.status();
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(GetParam()));
  }

  const std::string name_ = absl::StrCat("iter_7/", GetParam());
  TemporaryFolder folder_;
  Checkpoint checkpoint_;
  std::string whole_;
};

TEST_P(DamagedCheckpoint, TruncatedAnywhere) {
  // Without its last newline a manifest says what it said.
  const size_t last = whole_.size() - (whole_.back() == '\n' ? 2 : 1);
  for (size_t length = 0; length <= last; length += 1 + length / 40) ExpectRefused(whole_.substr(0, length));
  ExpectRefused(whole_.substr(0, last));
}

TEST_P(DamagedCheckpoint, BitFlips) {
  std::mt19937_64 random(6);
  for (int i = 0; i < 200; ++i) {
    std::string content = whole_;
    content[random() % content.size()] ^= static_cast<char>(1 << random() % 8);
    ExpectRefused(content);
    if (HasFailure()) {
      ADD_FAILURE() << "flip " << i << " gave\n" << content;
      return;
    }
  }
}

TEST_P(DamagedCheckpoint, Missing) {
  fs::remove(folder_.Path(name_));
  const auto read = ReadCheckpoint(folder_.path(), 7);
  ASSERT_TRUE(absl::IsDataLoss(read.status())) << read.status();
  EXPECT_THAT(std::string(read.status().message()), HasSubstr(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Files, DamagedCheckpoint,
                         testing::Values(kPolicyFile, kOptimizerFile, kManifestFile),
                         [](const auto& info) {
                           const std::string name = info.param;
                           return name.substr(0, name.find('.'));
                         });

}  // namespace
}  // namespace shoal
