// Orders that set an option, as the loop takes them.
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

using testing::HasSubstr;

class SetOrderTest : public RunLoopTest {
 protected:
  absl::Status Set(const std::string& name, const std::string& value, int64_t at) {
    v1::Order order;
    order.set_kind(v1::Order::KIND_SET);
    order.set_name(name);
    order.set_value(value);
    order.set_at_iteration(at);
    order.set_request_id(absl::StrCat(name, value, at));
    return loop_->GiveOrder(order, now_).status();
  }
};

// Else the plan could not be made, and the run would end.
TEST_F(SetOrderTest, IsRefusedWhereOptionsWouldNotFitAtSomeIteration) {
  Open();
  ASSERT_TRUE(Set("adaptive_boost_upper_p10", "30", 3).ok());
  const absl::Status early = Set("adaptive_boost_lower_p10", "25", 0);
  EXPECT_TRUE(absl::IsInvalidArgument(early)) << early;
  EXPECT_THAT(std::string(early.message()), HasSubstr("adaptive_boost_lower_p10"));
  EXPECT_TRUE(Set("adaptive_boost_lower_p10", "25", 3).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Set("adaptive_boost_upper_p10", "20", 4)));
  EXPECT_TRUE(absl::IsInvalidArgument(Set("adaptive_boost_window", "2", 4)));
  EXPECT_TRUE(absl::IsInvalidArgument(Set("adaptive_boost_stage_floor", "0:2", 4)));
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  while (!loop_->over()) {
    Work(id, worker, "one");
    if (!learner.updates.empty()) Learn(learner);
    Retain(learner);
  }
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_DONE) << loop_->Status(now_).message();
}

}  // namespace
}  // namespace shoal
