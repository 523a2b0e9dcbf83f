// A coordinator that hangs: neither dead nor answering.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/end_to_end/small_run.h"

namespace shoal {
namespace {

using testing::HasSubstr;

class HungCoordinator : public Train {
 protected:
  void TearDown() override {
    for (const pid_t pid : Processes("shoal-coordinator", "hung")) kill(pid, SIGKILL);
  }
  // A run that would take long, once something of it is committed; then its coordinator is stopped.
  std::unique_ptr<Running> Hang() {
    auto run = std::make_unique<Running>(place_, Small(place_, "hung", {}, "9:4000,12:4000"));
    EXPECT_TRUE(run->WaitUntil([&] { return run->Out().find("rows/s") != std::string::npos; }));
    const std::vector<pid_t> found = Processes("shoal-coordinator", "hung");
    EXPECT_EQ(found.size(), 1u);
    for (const pid_t pid : found) EXPECT_EQ(kill(pid, SIGSTOP), 0);
    stopped_ = absl::Now();
    return run;
  }
  bool Says(Running& run, const std::string& text) const {
    return run.WaitUntil([&] { return run.Out().find(text) != std::string::npos; });
  }

  absl::Time stopped_;
};

TEST_F(HungCoordinator, IsNamedAndOneInterruptEndsTheCommand) {
  const auto run = Hang();
  ASSERT_TRUE(Says(*run, "missing: coordinator (")) << run->Out();
  // A lease time, and a little for a busy machine.
  EXPECT_LT(absl::Now() - stopped_, absl::Seconds(10 + 5));
  const Finished status =
      Shoal(place_, {"status", "hung", "--out", place_.Path("runs"), "--timeout", "1"});
  EXPECT_EQ(status.code, 4) << status.out;
  EXPECT_THAT(status.error, HasSubstr("does not answer"));
  EXPECT_THAT(status.out, HasSubstr("committed"));

  (void)run->process().Signal(SIGINT);
  const Finished ended = run->Finish();
  EXPECT_EQ(ended.code, 130) << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("the coordinator does not answer; if it does not within 10 s"));
  EXPECT_THAT(ended.out, HasSubstr("has not answered for "));
  EXPECT_THAT(ended.out, HasSubstr("shoal train --resume"));
  EXPECT_TRUE(Processes("shoal-coordinator", "hung").empty());
}

TEST_F(HungCoordinator, ASecondInterruptEndsItAtOnce) {
  const auto run = Hang();
  (void)run->process().Signal(SIGINT);
  ASSERT_TRUE(Says(*run, "the coordinator does not answer")) << run->Out();
  (void)run->process().Signal(SIGINT);
  const Finished ended = run->Finish();
  EXPECT_EQ(ended.code, 130) << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("stopped at once; `shoal train --resume"));
}

TEST_F(HungCoordinator, GoesOnWhereItIsContinued) {
  const auto run = Hang();
  ASSERT_TRUE(Says(*run, "missing: coordinator (")) << run->Out();
  const size_t before = run->Out().size();
  for (const pid_t pid : Processes("shoal-coordinator", "hung")) kill(pid, SIGCONT);
  ASSERT_TRUE(run->WaitUntil([&] {
    const std::string later = run->Out().substr(before);
    return later.find("iteration ") != std::string::npos && later.rfind("missing: coordinator") == std::string::npos;
  })) << run->Out();
  (void)run->process().Signal(SIGINT);
  const Finished ended = run->Finish();
  EXPECT_EQ(ended.code, 130) << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("finishing this iteration's commit"));
}

}  // namespace
}  // namespace shoal
