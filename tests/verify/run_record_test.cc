#include "coordinator/verify/run_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "learner/checkpoint/checkpoint.h"
#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RunRecordTest : public RunLoopTest {
 protected:
  // The whole run, with another clock each time, computed by an actor of this name.
  RunRecord Whole(absl::Duration pause, const std::string& more = "",
                  const std::string& actor = "worker") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Configure(more);
    Open();
    FakeLearner learner;
    Arrive(learner, "one");
    FakeWorker worker;
    const WorkerId id = Arrive(worker, "kernel", actor);
    for (int i = 1; i <= 4; ++i) {
      now_ += pause;
      Work(id, worker, "one");
      Learn(learner);
    }
    Work(id, worker, "one");
    Retain(learner);
    EXPECT_TRUE(loop_->over());
    loop_.reset();
    auto record = ReadRunRecord(folder_);
    EXPECT_TRUE(record.ok()) << record.status();
    return record.value_or(RunRecord());
  }
};

TEST_F(RunRecordTest, TimesDoNotCount) {
  const RunRecord quick = Whole(absl::Milliseconds(3));
  const RunRecord slow = Whole(absl::Seconds(7));
  EXPECT_THAT(Differences(quick, slow), IsEmpty());
  const std::map<std::string, std::string> values(quick.begin(), quick.end());
  EXPECT_EQ(values.size(), quick.size()) << "a name stands twice";
  EXPECT_EQ(values.count("plan 4"), 1u);
  EXPECT_EQ(values.count("iteration 4, shard 2"), 1u);
  EXPECT_EQ(values.count("evaluation 1, scene 1"), 1u);
  EXPECT_EQ(values.at("metrics.csv"), "5 lines");
}

TEST_F(RunRecordTest, WhoComputedItDoesNotCount) {
  const RunRecord one = Whole(absl::Seconds(1), "", "one");
  const RunRecord other = Whole(absl::Seconds(1), "", "other");
  EXPECT_THAT(Differences(one, other), IsEmpty());
}

TEST_F(RunRecordTest, NamesWhatDiffers) {
  const RunRecord one = Whole(absl::Seconds(1));
  const RunRecord other = Whole(absl::Seconds(1), "learning_rate: 0.002");
  const auto differences = Differences(one, other);
  // Where they parted comes first.
  ASSERT_GE(differences.size(), 2u);
  EXPECT_THAT(differences[0], HasSubstr("options: "));
  EXPECT_THAT(differences[1], HasSubstr("plan 1: "));
  RunRecord shorter = one;
  shorter.erase(std::find_if(shorter.begin(), shorter.end(),
                             [](const auto& entry) { return entry.first == "policy 3"; }));
  EXPECT_THAT(Differences(one, shorter), testing::ElementsAre(HasSubstr("not there")));
  EXPECT_THAT(Differences(shorter, one), testing::ElementsAre(HasSubstr("not there")));
}

TEST_F(RunRecordTest, ALimitCountsTheRest) {
  const RunRecord one = Whole(absl::Seconds(1));
  const auto differences = Differences(one, {}, 2);
  ASSERT_THAT(differences, SizeIs(3));
  EXPECT_THAT(differences[2], HasSubstr("more"));
}

TEST_F(RunRecordTest, CheckpointsAreTheirFiles) {
  RunRecord whole = Whole(absl::Seconds(1));
  const std::string folder = folder_ + "/checkpoints";
  ASSERT_TRUE(PrepareCheckpointDirectory(folder).ok());
  ASSERT_TRUE(WriteCheckpoint(folder, {3, "a policy", "an optimizer"}).ok());
  ASSERT_TRUE(CopyBestCheckpoint(folder, 3).ok());
  const auto read = [&] { return ReadRunRecord(folder_).value_or(RunRecord()); };
  const RunRecord with_best = read();
  EXPECT_THAT(Differences(whole, with_best),
              testing::ElementsAre(HasSubstr("checkpoints/best/manifest.json: none | ")));
  EXPECT_THAT(Differences(with_best, read()), IsEmpty());
  // Whole by their manifests.
  for (const char* file : {kPolicyFile, kOptimizerFile}) {
    const std::string path = absl::StrCat(folder, "/best/", file);
    const std::string content = ReadFile(path).value_or("");
    ASSERT_TRUE(WriteFileAtomically(path, content.substr(0, 5)).ok());
    EXPECT_THAT(Differences(with_best, read()),
                testing::ElementsAre(HasSubstr("checkpoints/best/manifest.json: ")))
        << file;
    ASSERT_TRUE(WriteFileAtomically(path, content).ok());
  }
  EXPECT_THAT(Differences(with_best, read()), IsEmpty());
}

TEST_F(RunRecordTest, TheLastCheckpointIsTheCommittedOne) {
  const RunRecord whole = Whole(absl::Seconds(1));
  const std::string folder = folder_ + "/checkpoints";
  ASSERT_TRUE(PrepareCheckpointDirectory(folder).ok());
  ASSERT_TRUE(WriteCheckpoint(folder, {4, "another policy", "an optimizer"}).ok());
  const auto record = ReadRunRecord(folder_);
  ASSERT_TRUE(record.ok()) << record.status();
  const std::map<std::string, std::string> values(record->begin(), record->end());
  EXPECT_EQ(Differences(whole, *record).size(), 1u);
  EXPECT_NE(values.at("checkpoints/iter_4/manifest.json"), "none");
}

TEST_F(RunRecordTest, DamagedTextIsSaid) {
  Whole(absl::Seconds(1));
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/eval_multi_history.jsonl", "{\"iteration\": \n").ok());
  const auto record = ReadRunRecord(folder_);
  EXPECT_TRUE(absl::IsDataLoss(record.status()));
  EXPECT_THAT(record.status().message(), HasSubstr("eval_multi_history.jsonl, line 1"));
}

}  // namespace
}  // namespace shoal
