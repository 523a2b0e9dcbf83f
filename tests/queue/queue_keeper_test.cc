#include "coordinator/queue/queue_keeper.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "coordinator/queue/submission.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr char kMix[] = R"({"velocities": [[0.1, 0.2], [0.3, 0.4]]})";

class Keeper : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/shoal-queue-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    runs_ = absl::StrCat(folder_, "/runs");
    Open();
  }
  void TearDown() override {
    keeper_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  void Open() {
    keeper_.reset();
    auto keeper = QueueKeeper::Open(runs_);
    ASSERT_TRUE(keeper.ok()) << keeper.status();
    keeper_ = *std::move(keeper);
  }
  static v1::SubmitRunRequest Request(const std::string& name, const std::string& token = "t1") {
    v1::SubmitRunRequest request;
    request.mutable_options()->set_run_name(name);
    request.set_token(token);
    return request;
  }
  static v1::SubmitRunRequest WithTail(const std::string& name, const std::string& path) {
    v1::SubmitRunRequest request = Request(name);
    request.mutable_options()->set_tail_seed_stage_spec(absl::StrCat("3:", path));
    v1::TailFile* file = request.add_tail_files();
    file->set_path(path);
    file->set_content(kMix);
    return request;
  }
  absl::Status Submit(const v1::SubmitRunRequest& request) {
    return keeper_->Submit(request, absl::Now()).status();
  }
  bool Exists(const std::string& path) const { return fs::exists(absl::StrCat(runs_, "/", path)); }

  std::string folder_;
  std::string runs_;
  std::unique_ptr<QueueKeeper> keeper_;
};

TEST_F(Keeper, ASubmissionBecomesAFolderAndSurvives) {
  ASSERT_TRUE(Submit(Request("a")).ok());
  ASSERT_TRUE(Submit(Request("b")).ok());
  EXPECT_TRUE(Exists("a/config.textproto"));
  Open();
  auto turn = keeper_->TakeNext(absl::Now());
  ASSERT_TRUE(turn.ok() && turn->has_value()) << turn.status();
  EXPECT_EQ((*turn)->entry.name, "a");
  EXPECT_FALSE((*turn)->was_on);
  Open();
  turn = keeper_->TakeNext(absl::Now());
  ASSERT_TRUE(turn.ok() && turn->has_value());
  EXPECT_EQ((*turn)->entry.name, "a") << "the one that was on goes on";
  EXPECT_TRUE((*turn)->was_on);
}

TEST_F(Keeper, TheFolderBelongsToOne) {
  EXPECT_TRUE(absl::IsFailedPrecondition(QueueKeeper::Open(runs_).status()));
}

TEST_F(Keeper, TheSameSubmissionIsAnsweredAgain) {
  ASSERT_TRUE(Submit(Request("a", "first")).ok());
  EXPECT_TRUE(Submit(Request("a", "first")).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Submit(Request("a", "second"))));
  ASSERT_TRUE(fs::create_directories(runs_ + "/foreign"));
  EXPECT_TRUE(absl::IsAlreadyExists(Submit(Request("foreign"))));
}

TEST_F(Keeper, AFolderMadeByInitIsPutInLineOnce) {
  EXPECT_TRUE(absl::IsNotFound(keeper_->Adopt("first", absl::Now()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(keeper_->Adopt("../first", absl::Now()).status()));
  ASSERT_TRUE(fs::create_directories(runs_ + "/first"));
  EXPECT_TRUE(absl::IsNotFound(keeper_->Adopt("first", absl::Now()).status())) << "empty";
  ASSERT_TRUE(WriteFileAtomically(runs_ + "/first/config.textproto", "run_name: 'second'").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(keeper_->Adopt("first", absl::Now()).status()));
  ASSERT_TRUE(WriteFileAtomically(runs_ + "/first/config.textproto", "run_name: 'first'").ok());
  ASSERT_TRUE(Submit(Request("before")).ok());
  auto run = keeper_->Adopt("first", absl::Now());
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->state(), v1::QueuedRun::STATE_QUEUED);
  EXPECT_EQ(run->ahead(), 1);
  EXPECT_TRUE(absl::IsAlreadyExists(Submit(Request("first"))));
  // As at every start of the coordinator.
  Open();
  run = keeper_->Adopt("first", absl::Now());
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->ahead(), 1);
  ASSERT_TRUE(keeper_->Cancel("before", absl::Now()).ok());
  ASSERT_TRUE(keeper_->TakeNext(absl::Now()).ok());
  EXPECT_EQ(keeper_->Adopt("first", absl::Now())->state(), v1::QueuedRun::STATE_RUNNING);
  RunEnd end;
  end.state = QueueState::kStopped;
  ASSERT_TRUE(keeper_->End("first", end, absl::Now()).ok());
  EXPECT_EQ(keeper_->Adopt("first", absl::Now())->state(), v1::QueuedRun::STATE_STOPPED)
      << "what somebody stopped stays so";
}

TEST_F(Keeper, BadNamesAndTokensAreRefused) {
  for (const char* name : {"", ".", "..", "../a", "a/b", "-a", ".a", "a b", "a\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Submit(Request(name)))) << name;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(Request(std::string(129, 'a')))));
  for (const char* token : {"", "a b", "../x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Submit(Request("a", token)))) << token;
  }
  EXPECT_FALSE(Exists("a"));
}

TEST_F(Keeper, BadOptionsAreRefused) {
  v1::SubmitRunRequest request = Request("a");
  request.mutable_options()->set_num_envs(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(request)));
  // A field that this build does not know: number 20000, a varint.
  request = Request("a");
  ASSERT_TRUE(request.mutable_options()->MergeFromString(std::string("\x80\xe2\x09\x01", 4)));
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(request)));
  EXPECT_FALSE(Exists("a"));
}

TEST_F(Keeper, TailFilesStayInTheirFolder) {
  for (const char* path : {"tail/../x", "../x", "/x", "tail/a/b", "tail/.x", "tail/", "x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Submit(WithTail("a", path)))) << path;
  }
  // Others than those that the options name.
  v1::SubmitRunRequest request = Request("a");
  request.add_tail_files()->set_path("tail/x");
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(request)));
  request = WithTail("a", "tail/x");
  request.clear_tail_files();
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(request)));
  EXPECT_FALSE(Exists("a"));
  EXPECT_FALSE(fs::exists(folder_ + "/x"));
  EXPECT_EQ(Submit(WithTail("a", "tail/x")), absl::OkStatus());
  EXPECT_TRUE(Exists("a/tail/x"));
}

TEST_F(Keeper, TooLargeTailFilesAreRefused) {
  v1::SubmitRunRequest request = WithTail("a", "tail/x");
  request.mutable_tail_files(0)->set_content(std::string(kMostTailBytes + 1, ' '));
  const absl::Status status = Submit(request);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_FALSE(Exists("a"));
  EXPECT_FALSE(Exists(".a.new"));
}

TEST_F(Keeper, ATailFileThatIsNoneLeavesNothing) {
  v1::SubmitRunRequest request = WithTail("a", "tail/x");
  request.mutable_tail_files(0)->set_content("no mix");
  const absl::Status status = Submit(request);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(status.message().find(runs_), absl::string_view::npos) << status;
  EXPECT_FALSE(Exists("a"));
  EXPECT_FALSE(Exists(".a.new"));
}

// What a death between any two steps of a submission leaves.
TEST_F(Keeper, ADeathInTheMiddleOfASubmissionLeavesAllOfItOrNothing) {
  v1::RunOptions options = *CheckSubmission(Request("half"));
  ASSERT_TRUE(PrepareSubmission(runs_, Request("half"), options).ok());
  Open();
  EXPECT_FALSE(Exists(".half.new")) << "not in line: removed";
  EXPECT_TRUE(absl::IsNotFound(keeper_->Get("half").status()));

  ASSERT_TRUE(Submit(Request("whole")).ok());
  fs::rename(runs_ + "/whole", runs_ + "/.whole.new");
  Open();
  EXPECT_TRUE(Exists(".whole.new")) << "in line: kept";
  auto turn = keeper_->TakeNext(absl::Now());
  ASSERT_TRUE(turn.ok() && turn->has_value());
  EXPECT_TRUE(Exists("whole/config.textproto"));
}

TEST_F(Keeper, ARunWithoutAFolderFailsAndTheNextHasItsTurn) {
  ASSERT_TRUE(Submit(Request("a")).ok());
  ASSERT_TRUE(Submit(Request("b")).ok());
  fs::remove_all(runs_ + "/a");
  auto turn = keeper_->TakeNext(absl::Now());
  ASSERT_TRUE(turn.ok()) << turn.status();
  EXPECT_FALSE(turn->has_value());
  EXPECT_EQ(keeper_->Get("a")->state(), v1::QueuedRun::STATE_FAILED);
  turn = keeper_->TakeNext(absl::Now());
  ASSERT_TRUE(turn.ok() && turn->has_value());
  EXPECT_EQ((*turn)->entry.name, "b");
}

TEST_F(Keeper, AStopSurvives) {
  ASSERT_TRUE(Submit(Request("a")).ok());
  ASSERT_TRUE(keeper_->TakeNext(absl::Now()).ok());
  EXPECT_FALSE(keeper_->stop_ordered());
  ASSERT_TRUE(keeper_->Cancel("a", absl::Now()).ok());
  Open();
  EXPECT_TRUE(keeper_->stop_ordered());
}

TEST_F(Keeper, ListsByPages) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Submit(Request(absl::StrCat("run", i))).ok());
  v1::ListRunsRequest request;
  request.set_page_size(2);
  std::string names;
  for (int page = 0; page < 3; ++page) {
    auto response = keeper_->List(request);
    ASSERT_TRUE(response.ok());
    for (const v1::QueuedRun& run : response->runs()) absl::StrAppend(&names, run.name(), " ");
    request.set_page_token(response->next_page_token());
    EXPECT_EQ(request.page_token().empty(), page == 2);
  }
  EXPECT_EQ(names, "run0 run1 run2 run3 run4 ");
  request.set_page_token("x");
  EXPECT_TRUE(absl::IsInvalidArgument(keeper_->List(request).status()));
}

}  // namespace
}  // namespace shoal
