// What `shoal status` and the progress line print, and how a run's coordinator is found.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "common/files.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/status_text.h"
#include "coordinator/run/address_file.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::RunStatus SomeStatus() {
  v1::RunStatus status;
  status.set_run_name("demo");
  status.set_run_id("0123");
  status.set_state(v1::RunStatus::STATE_ROLLOUT);
  status.set_iteration(12);
  status.set_committed_iteration(11);
  status.set_total_iterations(60);
  status.set_shards(16);
  status.set_shards_done(7);
  status.set_learner_silent_seconds(6.2);
  v1::WorkerStatus* there = status.add_workers();
  there->set_name("actor-0");
  there->set_connected(true);
  there->set_items_done(40);
  v1::WorkerStatus* gone = status.add_workers();
  gone->set_name("actor-1");
  gone->set_silent_seconds(4.1);
  auto miss = [&](const char* name, double seconds) {
    status.add_missing()->set_name(name);
    status.mutable_missing(status.missing_size() - 1)->set_silent_seconds(seconds);
  };
  miss("learner", 6.2);
  miss("actor-1", 4.1);
  return status;
}

TEST(StatusTest, TheProgressLineNamesTheMissing) {
  v1::RunStatus status = SomeStatus();
  EXPECT_THAT(ProgressText(status),
              HasSubstr("iteration 12/60  rollout 7/16  missing: learner (6 s), actor-1 (4 s)"));
  for (int i = 2; i < 9; ++i) status.add_missing()->set_name("actor-" + std::to_string(i));
  EXPECT_THAT(ProgressText(status), HasSubstr("actor-4 (0 s) and 4 more"));
  status.clear_missing();
  EXPECT_THAT(ProgressText(status), Not(HasSubstr("missing")));
}

TEST(StatusTest, TheTableSaysWhatTheLastEvaluationLackedOfASuccess) {
  v1::RunStatus status = SomeStatus();
  EXPECT_THAT(StatusTable(status, true), Not(HasSubstr("missed at")));
  v1::GateStatus& gate = *status.mutable_gate();
  gate.set_iteration(10);
  const auto add = [&](const char* name, bool on, bool held, std::optional<double> value, double threshold) {
    v1::GateCriterionStatus& c = *gate.add_criteria();
    c.set_name(name);
    c.set_on(on);
    c.set_held(held);
    c.set_threshold(threshold);
    if (value) c.set_value(*value);
  };
  add("failure_p10", true, false, 120, 95);
  add("success_step_one", true, false, 22, 18);
  add("success_early_death", true, true, 0.08, 0.09);
  add("success_avoidable_step_one_ratio", false, false, 0.5, 0);
  EXPECT_THAT(StatusTable(status, true), HasSubstr("missed at 10: success_step_one 22 (at most 18)\n"));
  add("success_p10", true, false, std::nullopt, 120);
  gate.mutable_criteria(0)->set_held(true);
  gate.mutable_criteria(0)->set_value(90);
  EXPECT_THAT(StatusTable(status, true),
              HasSubstr("missed at 10: failure_p10 90 (at least 95), success_step_one 22 (at most 18), success_p10 (not known yet)\n"));
}

TEST(StatusTest, PlainOutputSaysOnceThatSomebodyIsMissingAndOnceThatAllAreBack) {
  ProgressPrinter printer(/*live=*/false);
  v1::RunStatus status = SomeStatus();
  testing::internal::CaptureStdout();
  printer.Show(status);
  status.mutable_missing(0)->set_silent_seconds(7);
  printer.Show(status);
  status.clear_missing();
  printer.Show(status);
  printer.Show(status);
  const std::string out = testing::internal::GetCapturedStdout();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2) << out;
  EXPECT_THAT(out, HasSubstr("missing: learner (6 s)"));
}

TEST(StatusTest, TheTableNamesThoseWhoAreThereAndThoseWhoAreNot) {
  const std::string table = StatusTable(SomeStatus(), true);
  EXPECT_THAT(table, HasSubstr("rollout 7/16"));
  EXPECT_THAT(table, HasSubstr("11 of 60 committed"));
  EXPECT_THAT(table, HasSubstr("learner (6 s), actor-1 (4 s)"));
  EXPECT_THAT(table, HasSubstr("actor-0     40 items  connected"));
  EXPECT_THAT(table, HasSubstr("actor-1      0 items  gone, heard 4.1 s ago"));
  EXPECT_THAT(table, HasSubstr("gone, heard 6 s ago"));
  v1::RunStatus alone = SomeStatus();
  alone.clear_workers();
  alone.clear_missing();
  alone.set_learner_silent_seconds(-1);
  EXPECT_THAT(StatusTable(alone, true), HasSubstr("none so far"));
  EXPECT_THAT(StatusTable(alone, true), HasSubstr("nobody"));
}

TEST(StatusTest, JsonIsTheProtosMappingWithEveryField) {
  const auto json = StatusJson(SomeStatus());
  ASSERT_TRUE(json.ok()) << json.status();
  v1::RunStatus back;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(*json, &back).ok());
  EXPECT_EQ(back.SerializeAsString(), SomeStatus().SerializeAsString());
  const auto parsed = nlohmann::json::parse(*json);
  EXPECT_EQ(parsed["missing"][1]["name"], "actor-1");
  EXPECT_EQ(parsed["tailSlots"], "0") << "zeros are there too";
}

class AddressFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/address-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(AddressFileTest, IsThereForAsLongAsItsOwner) {
  EXPECT_TRUE(absl::IsNotFound(ReadAddressFile(folder_).status()));
  {
    auto file = AddressFile::Write(folder_, "10.0.0.1:5000");
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(*ReadAddressFile(folder_), "10.0.0.1:5000");
    const AddressFile moved = *std::move(file);
    EXPECT_EQ(*ReadAddressFile(folder_), "10.0.0.1:5000");
  }
  EXPECT_TRUE(absl::IsNotFound(ReadAddressFile(folder_).status()));
}

TEST_F(AddressFileTest, AKilledCoordinatorsFileIsReplaced) {
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/coordinator.address", "unix:/old\n").ok());
  auto file = AddressFile::Write(folder_, "unix:relative.sock");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*ReadAddressFile(folder_),
            "unix:" + (std::filesystem::current_path() / "relative.sock").string());
}

TEST_F(AddressFileTest, GarbageIsRefused) {
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/coordinator.address", "").ok());
  EXPECT_TRUE(absl::IsDataLoss(ReadAddressFile(folder_).status()));
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/coordinator.address", "a\nb\n").ok());
  EXPECT_TRUE(absl::IsDataLoss(ReadAddressFile(folder_).status()));
}

TEST_F(AddressFileTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_FALSE(AddressFile::Write(folder_ + "/absent", "10.0.0.1:1").ok());
}

}  // namespace
}  // namespace shoal
