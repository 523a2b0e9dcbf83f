// A pause by order is no lack of progress.
#include <gmock/gmock.h>

#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

using testing::Contains;
using testing::Not;

class PauseTest : public RunLoopTest {
 protected:
  void Give(v1::Order::Kind kind) {
    v1::Order order;
    order.set_kind(kind);
    order.set_request_id(v1::Order::Kind_Name(kind));
    const auto given = loop_->GiveOrder(order, now_);
    ASSERT_TRUE(given.ok()) << given.status();
  }
  std::vector<std::string> Alerts() const {
    std::vector<std::string> names;
    const v1::RunStatus status = loop_->Status(now_);
    for (const v1::AlertStatus& alert : status.alerts()) names.push_back(alert.name());
    return names;
  }
};

TEST_F(PauseTest, NoProgressIsSilentWhileItLastsAndForAsLongAfterItAsACommitMayTake) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  Work(id, worker, "one");
  Give(v1::Order::KIND_PAUSE);
  EXPECT_NE(loop_->Status(now_).state(), v1::RunStatus::STATE_PAUSED) << "an iteration is in flight";
  Learn(learner);
  ASSERT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_PAUSED);
  now_ += absl::Hours(1);
  EXPECT_THAT(Alerts(), Not(Contains("NoProgress")));
  Give(v1::Order::KIND_RESUME);
  EXPECT_THAT(Alerts(), Not(Contains("NoProgress")));
  now_ += absl::Seconds(601);
  EXPECT_THAT(Alerts(), Contains("NoProgress"));
}

TEST_F(PauseTest, AnUpdateThatHangsIsNoticedAlsoWhereAPauseIsToFollow) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  Work(id, worker, "one");
  Learn(learner);
  Work(id, worker, "one");
  Give(v1::Order::KIND_PAUSE);
  now_ += absl::Seconds(601);
  EXPECT_THAT(Alerts(), Contains("NoProgress"));
}

}  // namespace
}  // namespace shoal
