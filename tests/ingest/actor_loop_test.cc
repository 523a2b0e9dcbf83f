#include "actor/actor_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "actor/policy/weights.h"
#include "common/rpc.h"
#include "learner/ingest/policy_service.h"
#include "learner/ingest/policy_store.h"
#include "learner/ingest/row_service.h"
#include "learner/ingest/row_store.h"
#include "tests/ingest/fake_coordinator.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::RunOptions SmallRun() {
  v1::RunOptions options;
  options.set_seed(5);
  options.set_num_envs(4);
  options.set_envs_per_shard(2);
  options.set_n_steps(16);
  options.set_curriculum("3:2");
  options.set_total_iterations(2);
  options.set_include_neighbor_features(false);
  return options;
}

DenseLayer Layer(int in, int out) {
  DenseLayer layer{in, out, {}, std::vector<float>(out)};
  for (int i = 0; i < in * out; ++i) {
    layer.weight.push_back(0.1f * static_cast<float>(i % 7 - 3));
  }
  return layer;
}

std::string SmallPolicy() {
  PolicyWeights weights;
  weights.policy = {Layer(11, 4), Layer(4, 5)};
  weights.value = {Layer(11, 4), Layer(4, 1)};
  return *SerializePolicy(weights);
}

v1::WorkResponse Dismissal(v1::Dismissal::Reason reason, const std::string& message) {
  v1::WorkResponse response;
  response.mutable_dismissal()->set_reason(reason);
  response.mutable_dismissal()->set_message(message);
  return response;
}

// A coordinator that is a stand-in, a learner's real services, and an actor in a thread.
class ActorLoopTest : public ::testing::Test {
 protected:
  ActorLoopTest() : policies_(4, nullptr), row_service_(&rows_), policy_service_(&policies_) {
    rows_.Open(*MakeRowShape("run-1", SmallRun()), "session-1", 0);
    policy_ = policies_.Publish(SmallPolicy());
    server_ = *StartServer({}, {&coordinator_, &row_service_, &policy_service_});
    v1::WorkResponse welcome;
    FillWelcome("run-1", SmallRun(), welcome.mutable_welcome());
    peer().Greet(welcome);
  }
  ~ActorLoopTest() override {
    if (actor_ != nullptr) actor_->Stop();
    if (thread_.joinable()) thread_.join();
  }

  void StartActor(absl::Duration unavailable_limit = absl::Milliseconds(50),
                  absl::Duration patience = absl::ZeroDuration()) {
    ActorOptions options;
    options.coordinator = server_->address();
    options.link.patience = patience;
    options.name = "tester";
    options.executor.unavailable_limit = unavailable_limit;
    options.executor.retry_interval = absl::Milliseconds(5);
    options.link.backoff_min = absl::Milliseconds(1);
    auto actor = ActorLoop::Create(options);
    ASSERT_TRUE(actor.ok()) << actor.status();
    actor_ = *std::move(actor);
    thread_ = std::thread([this] { ended_ = actor_->Run(); });
  }
  absl::Status AwaitEnd() {
    thread_.join();
    return ended_;
  }

  FakeWorkerPeer& peer() { return coordinator_.peer; }

  v1::WorkResponse RolloutLease(uint64_t fencing, int shard) {
    v1::WorkResponse response;
    v1::Lease* lease = response.mutable_lease();
    lease->set_fencing(fencing);
    lease->set_learner_address(server_->address());
    v1::RolloutItem* item = lease->mutable_rollout();
    item->mutable_plan()->set_iteration(1);
    item->mutable_plan()->set_phase(1);
    item->mutable_plan()->set_num_fish(3);
    item->mutable_plan()->set_escape_boost_speed(0.8);
    item->mutable_plan()->set_fresh_episodes(true);
    item->set_shard(shard);
    item->set_first_environment(2 * shard);
    item->set_policy_sha256(policy_);
    item->add_environments();
    item->add_environments();
    return response;
  }

  // Nobody listens where its learner should be.
  v1::WorkResponse StuckLease(uint64_t fencing, int shard) {
    v1::WorkResponse response = RolloutLease(fencing, shard);
    response.mutable_lease()->set_learner_address("unix:" + ::testing::TempDir() + "/nobody.sock");
    return response;
  }

  v1::WorkResponse EvaluationLease(uint64_t fencing) {
    v1::WorkResponse response;
    v1::Lease* lease = response.mutable_lease();
    lease->set_fencing(fencing);
    lease->set_learner_address(server_->address());
    lease->mutable_evaluation()->set_seed(774941881);
    lease->mutable_evaluation()->set_num_fish(4);
    lease->mutable_evaluation()->set_escape_boost_speed(0.8);
    lease->mutable_evaluation()->set_policy_sha256(policy_);
    return response;
  }

  FakeWorkerService coordinator_;
  RowStore rows_;
  PolicyStore policies_;
  RowServiceImpl row_service_;
  PolicyServiceImpl policy_service_;
  std::string policy_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<ActorLoop> actor_;
  std::thread thread_;
  absl::Status ended_;
};

TEST_F(ActorLoopTest, ComputesARolloutAndPushesItsRows) {
  StartActor();
  const v1::WorkRequest hello = peer().Next();
  ASSERT_TRUE(hello.has_hello());
  EXPECT_EQ(hello.hello().name(), "tester");
  EXPECT_EQ(hello.hello().protocol(), v1::PROTOCOL_CURRENT);
  EXPECT_EQ(hello.hello().leases(), 2);
  EXPECT_FALSE(hello.hello().kernel_id().empty());
  EXPECT_FALSE(hello.hello().build().empty());

  std::vector<v1::ShardRows> expected;
  for (const int shard : {1, 0}) {
    peer().Send(RolloutLease(7 + shard, shard));
    const v1::WorkRequest answer = peer().Next();
    ASSERT_TRUE(answer.has_result()) << answer.ShortDebugString();
    EXPECT_EQ(answer.result().fencing(), 7u + shard);
    EXPECT_EQ(answer.result().learner_session(), "session-1");
    v1::RolloutRecord record;
    ASSERT_TRUE(record.ParseFromString(answer.result().rollout()));
    EXPECT_EQ(record.iteration(), 1);
    EXPECT_EQ(record.shard(), shard);
    EXPECT_GT(record.rows(), 0);
    v1::ShardRows rows;
    rows.set_shard(shard);
    rows.set_rows(record.rows());
    rows.set_rows_checksum(record.rows_checksum());
    expected.push_back(rows);

    // The same item again is the same record, and its rows are there already.
    peer().Send(RolloutLease(20 + shard, shard));
    const v1::WorkRequest again = peer().Next();
    ASSERT_TRUE(again.has_result());
    EXPECT_EQ(again.result().rollout(), answer.result().rollout());
  }
  const RowStore::Assembly assembly = rows_.Take(1, expected);
  EXPECT_THAT(assembly.missing, IsEmpty());
  EXPECT_EQ(assembly.batch.rows, expected[0].rows() + expected[1].rows());
}

TEST_F(ActorLoopTest, PlaysAnEvaluation) {
  StartActor();
  peer().Next();
  peer().Send(EvaluationLease(3));
  const v1::WorkRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_result()) << answer.ShortDebugString();
  v1::EvaluationEpisode episode;
  ASSERT_TRUE(episode.ParseFromString(answer.result().evaluation()));
  EXPECT_EQ(episode.seed(), 774941881u);
  EXPECT_EQ(episode.death_step_size(), 4);
}

TEST_F(ActorLoopTest, ComputesWhileRowsArePushed) {
  StartActor(/*unavailable_limit=*/kTestDeadline);
  peer().Next();
  peer().Send(RolloutLease(1, 0));
  ASSERT_TRUE(peer().Next().has_result());
  // The policy is known, so that this one is computed; nobody takes its rows.
  peer().Send(StuckLease(2, 1));
  peer().Send(EvaluationLease(3));
  const v1::WorkRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_result()) << answer.ShortDebugString();
  EXPECT_EQ(answer.result().fencing(), 3u);
}

TEST_F(ActorLoopTest, StopsWhileRowsArePushedAndOthersWait) {
  StartActor(/*unavailable_limit=*/kTestDeadline);
  peer().Next();
  peer().Send(RolloutLease(1, 0));
  ASSERT_TRUE(peer().Next().has_result());
  for (uint64_t fencing = 2; fencing <= 4; ++fencing) peer().Send(StuckLease(fencing, 1));
  peer().AwaitHeartbeats(peer().heartbeats() + 2);
  actor_->Stop();
  EXPECT_TRUE(AwaitEnd().ok());
}

TEST_F(ActorLoopTest, ReportsFailuresAndGoesOn) {
  StartActor();
  peer().Next();

  v1::WorkResponse unknown_policy = RolloutLease(1, 0);
  unknown_policy.mutable_lease()->mutable_rollout()->set_policy_sha256(std::string(64, 'a'));
  peer().Send(unknown_policy);
  v1::WorkRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_failure());
  EXPECT_EQ(answer.failure().fencing(), 1u);
  EXPECT_EQ(answer.failure().code(), static_cast<int>(absl::StatusCode::kNotFound));

  v1::WorkResponse no_learner = RolloutLease(2, 0);
  no_learner.mutable_lease()->set_learner_address("unix:" + ::testing::TempDir() + "/nobody.sock");
  no_learner.mutable_lease()->mutable_rollout()->set_policy_sha256(std::string(64, 'b'));
  peer().Send(no_learner);
  answer = peer().Next();
  ASSERT_TRUE(answer.has_failure());
  EXPECT_EQ(answer.failure().code(), static_cast<int>(absl::StatusCode::kUnavailable));

  v1::WorkResponse nonsense = RolloutLease(3, 0);
  nonsense.mutable_lease()->mutable_rollout()->set_state("not a state");
  peer().Send(nonsense);
  answer = peer().Next();
  ASSERT_TRUE(answer.has_failure());
  EXPECT_EQ(answer.failure().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));

  v1::WorkResponse empty;
  empty.mutable_lease()->set_fencing(4);
  empty.mutable_lease()->set_learner_address(server_->address());
  peer().Send(empty);
  answer = peer().Next();
  ASSERT_TRUE(answer.has_failure());
  EXPECT_EQ(answer.failure().code(), static_cast<int>(absl::StatusCode::kUnimplemented));

  rows_.Open(*MakeRowShape("run-1", SmallRun()), "session-1", 5);
  peer().Send(RolloutLease(5, 0));
  answer = peer().Next();
  ASSERT_TRUE(answer.has_failure());
  EXPECT_EQ(answer.failure().code(), static_cast<int>(absl::StatusCode::kFailedPrecondition));

  rows_.Open(*MakeRowShape("run-1", SmallRun()), "session-2", 0);
  peer().Send(RolloutLease(6, 0));
  answer = peer().Next();
  ASSERT_TRUE(answer.has_result()) << answer.ShortDebugString();
  EXPECT_EQ(answer.result().learner_session(), "session-2");
}

TEST_F(ActorLoopTest, ComesBackAndDropsTheLeasesOfALostStream) {
  // Nobody listens where the first lease's learner should be, so it stays in work.
  StartActor(/*unavailable_limit=*/kTestDeadline);
  ASSERT_TRUE(peer().Next().has_hello());
  peer().Send(StuckLease(1, 0));
  peer().AwaitHeartbeats(peer().heartbeats() + 2);
  peer().Break();
  ASSERT_TRUE(peer().Next().has_hello());
  peer().Send(RolloutLease(2, 0));
  const v1::WorkRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_result()) << answer.ShortDebugString();
  EXPECT_EQ(answer.result().fencing(), 2u);
}

TEST_F(ActorLoopTest, GivesBackMoreLeasesThanItHolds) {
  StartActor(/*unavailable_limit=*/kTestDeadline);
  peer().Next();
  // One in work, two waiting, and at least one too many whatever the timing.
  for (uint64_t fencing = 1; fencing <= 4; ++fencing) peer().Send(StuckLease(fencing, 0));
  const v1::WorkRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_failure());
  EXPECT_EQ(answer.failure().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_GE(answer.failure().fencing(), 3u);
}

TEST_F(ActorLoopTest, EndsWhenTheRunIsOver) {
  StartActor();
  peer().Next();
  peer().Send(Dismissal(v1::Dismissal::REASON_RUN_OVER, "done"));
  EXPECT_TRUE(AwaitEnd().ok());
}

// One that comes when the run is over and the coordinator gone.
TEST_F(ActorLoopTest, EndsWithWordsWhenNoCoordinatorHasAnsweredForLong) {
  StartActor(absl::Milliseconds(50), /*patience=*/absl::Milliseconds(200));
  // While it is answered its patience does not run out.
  peer().AwaitHeartbeats(20);
  server_.reset();
  const absl::Status status = AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no coordinator has answered for 200ms"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--patience"));
}

TEST_F(ActorLoopTest, EndsWithTheReasonWhenItDoesNotFit) {
  peer().Greet(Dismissal(v1::Dismissal::REASON_UNFIT, "kernel a, and the run has b"));
  StartActor();
  const absl::Status status = AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("kernel a, and the run has b"));
}

TEST_F(ActorLoopTest, ComesAgainWhenItIsToldTo) {
  v1::WorkResponse none = Dismissal(v1::Dismissal::REASON_NO_RUN, "no run is on");
  none.mutable_dismissal()->mutable_come_again()->set_nanos(1'000'000);
  v1::WorkResponse over = none;
  over.mutable_dismissal()->set_reason(v1::Dismissal::REASON_RUN_OVER);
  StartActor();
  EXPECT_TRUE(peer().Next().has_hello());
  peer().Greet(none);
  peer().Send(over);
  // While there is no run, and when there is one.
  EXPECT_TRUE(peer().Next().has_hello());
  EXPECT_TRUE(peer().Next().has_hello());
  const int heartbeats = peer().heartbeats();
  v1::WorkResponse welcome;
  FillWelcome("run-1", SmallRun(), welcome.mutable_welcome());
  peer().Greet(welcome);
  // None come without a welcome.
  peer().AwaitHeartbeats(heartbeats + 1);
  peer().Send(RolloutLease(1, 0));
  v1::WorkRequest next = peer().Next();
  while (next.has_hello()) next = peer().Next();
  EXPECT_TRUE(next.has_result()) << next.ShortDebugString();
}

TEST_F(ActorLoopTest, RefusesACoordinatorOfAnotherBuildOrProtocol) {
  v1::WorkResponse welcome;
  FillWelcome("run-1", SmallRun(), welcome.mutable_welcome());
  v1::Coordinator* coordinator = welcome.mutable_welcome()->mutable_coordinator();
  coordinator->set_build("0.0.1 (old)");
  coordinator->set_protocol(v1::PROTOCOL_CURRENT);
  peer().Greet(welcome);
  StartActor();
  absl::Status status = AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("0.0.1 (old)"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--any_build"));
}

TEST_F(ActorLoopTest, StopsInTheMiddleOfAnything) {
  StartActor(/*unavailable_limit=*/kTestDeadline);
  peer().Next();
  peer().Send(StuckLease(1, 0));
  peer().AwaitHeartbeats(peer().heartbeats() + 2);
  actor_->Stop();
  EXPECT_TRUE(AwaitEnd().ok());
}

TEST(ActorCreateTest, RefusesWhatCannotBe) {
  ActorOptions options;
  options.coordinator = "unix:/tmp/some.sock";
  options.executor.backend = "abacus";
  EXPECT_EQ(ActorLoop::Create(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.executor.backend = "fused";
  options.coordinator = "nowhere";
  EXPECT_EQ(ActorLoop::Create(options).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shoal
