#include "coordinator/service/peer_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "coordinator/service/peer_limits.h"
#include "tests/run/fakes.h"

namespace shoal {
namespace {

using testing::HasSubstr;

v1::Lease RolloutLease(uint64_t fencing, int environments = 8, int fish = 25) {
  v1::Lease lease;
  lease.set_fencing(fencing);
  v1::RolloutItem* item = lease.mutable_rollout();
  item->mutable_plan()->set_iteration(3);
  item->mutable_plan()->set_num_fish(fish);
  item->set_shard(2);
  item->set_first_environment(2 * environments);
  item->set_policy_sha256(FakePolicy(2));
  item->set_state("state");
  for (int e = 0; e < environments; ++e) item->add_environments();
  return lease;
}

v1::Lease EvaluationLease(uint64_t fencing) {
  v1::Lease lease;
  lease.set_fencing(fencing);
  lease.mutable_evaluation()->set_seed(7);
  lease.mutable_evaluation()->set_num_fish(3);
  return lease;
}

v1::WorkResult Result(const v1::RolloutRecord& record) {
  v1::WorkResult result;
  result.set_rollout(record.SerializeAsString());
  return result;
}

v1::WorkRequest Answer(uint64_t fencing) {
  v1::WorkRequest request;
  request.mutable_result()->set_fencing(fencing);
  return request;
}

size_t PeerMessageBytes() { return PeerLimits().message_bytes; }

TEST(CheckHello, NamesTheFieldThatIsWrong) {
  v1::WorkerHello hello;
  hello.set_name("gpu-07/b\xc3\xbcro");
  hello.set_kernel_id(std::string(kMaxHelloField, 'k'));
  EXPECT_TRUE(CheckHello(hello).ok());
  hello.set_build("x\x1b[2Jy");
  EXPECT_EQ(CheckHello(hello).message(), "build \"x\\033[2Jy\" has characters that do not show");
  hello.set_build("");
  hello.set_kernel_id(std::string(kMaxHelloField + 1, 'k'));
  EXPECT_EQ(CheckHello(hello).message(), "kernel_id has 257 bytes; at most 256 are accepted");
  v1::LearnerHello learner;
  EXPECT_TRUE(CheckHello(learner).ok());
  learner.set_address("unix:/a\nb");
  EXPECT_THAT(std::string(CheckHello(learner).message()), HasSubstr("address \"unix:/a\\nb\""));
}

TEST(CheckMessage, TakesWhatMayFollowAHello) {
  v1::WorkRequest work;
  EXPECT_FALSE(CheckMessage(work).ok()) << "no kind";
  work.mutable_hello();
  EXPECT_FALSE(CheckMessage(work).ok());
  work.mutable_heartbeat();
  EXPECT_TRUE(CheckMessage(work).ok());
  work.mutable_result()->set_compute_seconds(1);
  EXPECT_TRUE(CheckMessage(work).ok());
  for (const double seconds : {-1.0, std::numeric_limits<double>::quiet_NaN(),
                               std::numeric_limits<double>::infinity()}) {
    work.mutable_result()->set_compute_seconds(seconds);
    EXPECT_FALSE(CheckMessage(work).ok()) << seconds;
  }
  v1::LearnRequest learn;
  EXPECT_FALSE(CheckMessage(learn).ok());
  learn.mutable_hello();
  EXPECT_FALSE(CheckMessage(learn).ok());
  learn.mutable_ready()->set_policy_sha256(FakePolicy(1));
  EXPECT_TRUE(CheckMessage(learn).ok());
  learn.mutable_update_done()->set_policy_sha256("../../etc/passwd");
  EXPECT_FALSE(CheckMessage(learn).ok());
  learn.mutable_update_done()->set_policy_sha256(FakePolicy(1));
  EXPECT_TRUE(CheckMessage(learn).ok());
  learn.mutable_update_done()->set_update_seconds(std::numeric_limits<double>::quiet_NaN());
  EXPECT_FALSE(CheckMessage(learn).ok());
}

TEST(CheckMessage, MakesFreeTextFitForPeople) {
  v1::WorkRequest work;
  work.mutable_failure()->set_message("\x1b]0;title\x07" + std::string(kMaxText, 'x'));
  ASSERT_TRUE(CheckMessage(work).ok());
  EXPECT_THAT(work.failure().message(), testing::StartsWith("\\033]0;title\\007xxx"));
  EXPECT_THAT(work.failure().message(), testing::SizeIs(kMaxText));
  v1::LearnRequest learn;
  learn.mutable_update_failed()->set_message("a\nb");
  ASSERT_TRUE(CheckMessage(learn).ok());
  EXPECT_EQ(learn.update_failed().message(), "a\\nb");
  learn.mutable_retained()->set_message("a\nb");
  ASSERT_TRUE(CheckMessage(learn).ok());
  EXPECT_EQ(learn.retained().message(), "a\\nb");
  learn.mutable_checkpoint_damaged()->set_message("a\nb");
  ASSERT_TRUE(CheckMessage(learn).ok());
  EXPECT_EQ(learn.checkpoint_damaged().message(), "a\\nb");
  learn.mutable_checkpoint_damaged()->add_intact()->set_policy_sha256("..");
  EXPECT_FALSE(CheckMessage(learn).ok());
}

TEST(MaxAnswerBytes, FollowsFromTheLease) {
  const size_t usual = MaxAnswerBytes(RolloutLease(1), 512);
  EXPECT_GT(usual, size_t{1} << 20);
  EXPECT_LT(usual, size_t{16} << 20);
  EXPECT_GT(MaxAnswerBytes(RolloutLease(1, 16), 512), usual);
  EXPECT_GT(MaxAnswerBytes(RolloutLease(1, 8, 50), 512), usual);
  EXPECT_EQ(MaxAnswerBytes(RolloutLease(1, 1024, 4096), 65535), size_t{64} << 20);
  EXPECT_LT(MaxAnswerBytes(EvaluationLease(1), 512), size_t{64} << 10);
}

// The bound must hold for the largest record that honest work can give: every step of every
// environment ends an episode in which all fish die at once.
TEST(MaxAnswerBytes, HoldsTheLargestRecord) {
  constexpr int kSteps = 64;
  const v1::Lease lease = RolloutLease(1, 8, 25);
  v1::RolloutRecord record;
  v1::ShardState state;
  for (int e = 0; e < 8; ++e) {
    v1::EnvironmentState* environment = state.add_environments();
    for (int fish = 0; fish < 25; ++fish) {
      environment->add_position_x(1.5f);
      environment->add_position_y(1.5f);
      environment->add_velocity_x(1.5f);
      environment->add_velocity_y(1.5f);
      environment->add_death_step(500);
      environment->add_tracked_fish(-1);
    }
    for (int step = 0; step < kSteps; ++step) {
      v1::EpisodeRecord* episode = record.add_episodes();
      episode->set_environment(1000000);
      episode->set_episode(std::numeric_limits<int64_t>::max());
      episode->set_num_fish(25);
      episode->set_length(500);
      episode->set_final_alive(25);
      episode->set_alive_sum(std::numeric_limits<int64_t>::max());
      episode->set_reward_sum(1.5);
      episode->set_first_death_step(1);
      episode->set_tail_override(true);
      episode->set_end(v1::EpisodeRecord::END_FORCED);
      for (int fish = 0; fish < 25; ++fish) {
        v1::StepOneDeath* death = episode->add_step_one_deaths();
        death->set_fish_index(24);
        for (v1::Vector2* vector : {death->mutable_fish_position(),
                                    death->mutable_predator_position(),
                                    death->mutable_predator_velocity()}) {
          vector->set_x(1.5);
          vector->set_y(1.5);
        }
        death->set_unavoidable(true);
      }
    }
    *environment->mutable_record() = record.episodes(0);
    record.add_environments()->set_episodes_begun(kSteps);
  }
  record.set_next_state(state.SerializeAsString());
  EXPECT_LE(record.ByteSizeLong(), MaxAnswerBytes(lease, kSteps));
}

TEST(LeaseBook, AnswersEachLeaseOnce) {
  LeaseBook book;
  EXPECT_EQ(book.max_bytes(), 0u);
  EXPECT_FALSE(book.Take(Answer(5)).ok());
  book.Given(RolloutLease(5), 512);
  book.Given(EvaluationLease(6), 512);
  EXPECT_EQ(book.max_bytes(), MaxAnswerBytes(RolloutLease(5), 512));
  EXPECT_FALSE(book.Take(Answer(7)).ok());
  const auto lease = book.Take(Answer(5));
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ(lease->rollout().shard(), 2);
  EXPECT_EQ(lease->rollout().state(), "") << "is not kept";
  EXPECT_EQ(book.max_bytes(), MaxAnswerBytes(EvaluationLease(6), 512));
  EXPECT_EQ(book.Take(Answer(5)).status().message(),
            "lease 5 was not given to this stream, or is answered already");
  v1::WorkRequest failure;
  failure.mutable_failure()->set_fencing(6);
  EXPECT_TRUE(book.Take(failure).ok());
  EXPECT_TRUE(book.empty());
}

TEST(LearnerBook, TakesOneAnswerToEachOrder) {
  LearnerBook book;
  v1::LearnRequest ready, damaged, done, failed, retained, heartbeat;
  ready.mutable_ready();
  damaged.mutable_checkpoint_damaged()->set_iteration(9);
  done.mutable_update_done();
  failed.mutable_update_failed();
  retained.mutable_retained();
  heartbeat.mutable_heartbeat();
  EXPECT_FALSE(book.Take(ready).ok()) << "before the welcome";
  EXPECT_EQ(book.Take(done).value(), false);
  EXPECT_EQ(book.Take(heartbeat).value(), false);
  EXPECT_EQ(book.max_bytes(), 0u);

  v1::LearnResponse welcome, update, retain;
  welcome.mutable_welcome()->set_committed_iteration(9);
  book.Sent(welcome);
  // Nine versions and the initial one.
  for (int i = 0; i <= 9; ++i) {
    v1::CheckpointName* name = damaged.mutable_checkpoint_damaged()->add_intact();
    name->set_iteration(1000000);
    name->set_policy_sha256(FakePolicy(i));
  }
  EXPECT_GE(book.max_bytes(), damaged.ByteSizeLong());
  EXPECT_EQ(book.Take(damaged).value(), true);
  EXPECT_FALSE(book.Take(ready).ok()) << "the welcome is answered";
  book.Sent(welcome);
  EXPECT_EQ(book.Take(ready).value(), true);
  EXPECT_FALSE(book.Take(damaged).ok());
  book.Sent(welcome);
  damaged.mutable_checkpoint_damaged()->set_iteration(8);
  EXPECT_EQ(book.Take(damaged).status().message(),
            "a damaged checkpoint of iteration 8; asked for was 9");

  for (int shard = 0; shard < 100; ++shard) update.mutable_begin_update()->add_shards();
  book.Sent(update);
  for (int shard = 0; shard < 100; ++shard) {
    failed.mutable_update_failed()->add_missing_shards(std::numeric_limits<int32_t>::max());
  }
  EXPECT_GE(book.max_bytes() + PeerMessageBytes(), failed.ByteSizeLong());
  EXPECT_EQ(book.Take(failed).value(), true);
  EXPECT_EQ(book.Take(done).value(), false) << "the update is answered";
  retain.mutable_retain();
  book.Sent(retain);
  EXPECT_EQ(book.Take(retained).value(), true);
  EXPECT_EQ(book.Take(retained).value(), false);
}

absl::Status Check(const v1::Lease& lease, const v1::WorkResult& result) {
  v1::RolloutRecord parsed;
  return CheckRecord(lease, result, &parsed);
}

TEST(CheckRecord, TakesTheItemsRecord) {
  const v1::Lease rollout = RolloutLease(1);
  EXPECT_TRUE(Check(rollout, Result(FakeRecord(rollout.rollout()))).ok());
  const v1::Lease evaluation = EvaluationLease(1);
  v1::WorkResult result;
  result.set_evaluation(FakeEpisode(evaluation.evaluation()).SerializeAsString());
  EXPECT_TRUE(Check(evaluation, result).ok());
}

TEST(CheckRecord, GivesTheParsedRecord) {
  const v1::Lease lease = RolloutLease(1);
  const v1::RolloutRecord record = FakeRecord(lease.rollout());
  v1::RolloutRecord parsed;
  ASSERT_TRUE(CheckRecord(lease, Result(record), &parsed).ok());
  EXPECT_EQ(parsed.SerializeAsString(), record.SerializeAsString());
}

TEST(CheckRecord, RefusesWhatWouldEndTheRun) {
  const v1::Lease lease = RolloutLease(1);
  const auto refused = [&](auto change) {
    v1::RolloutRecord record = FakeRecord(lease.rollout());
    change(record);
    return std::string(Check(lease, Result(record)).message());
  };
  EXPECT_EQ(refused([](auto&) {}), "");
  EXPECT_THAT(refused([](auto& r) { r.set_iteration(4); }),
              HasSubstr("the record for iteration 3, shard 2 is one of iteration 4, shard 2"));
  EXPECT_THAT(refused([](auto& r) { r.set_shard(-1); }), HasSubstr("shard -1"));
  EXPECT_THAT(refused([](auto& r) { r.set_policy_sha256("a\nb"); }), HasSubstr("policy a\\nb"));
  EXPECT_THAT(refused([](auto& r) { r.add_environments(); }), HasSubstr("9 environments of 8"));
  EXPECT_THAT(refused([](auto& r) { r.mutable_environments(0)->set_overrides(1); }),
              HasSubstr("used 1 of 0 tail slots"));
  EXPECT_THAT(refused([](auto& r) { r.set_rows(-1); }), HasSubstr("rows is -1"));
  EXPECT_THAT(refused([](auto& r) { r.set_advantage_sum(std::nan("")); }), HasSubstr("not finite"));
  EXPECT_THAT(refused([](auto& r) { r.add_episodes()->set_environment(99); }),
              HasSubstr("episode of environment 99"));
  EXPECT_THAT(refused([](auto& r) { r.add_episodes()->set_environment(16); }),
              HasSubstr("has no fish"));
  v1::WorkResult result;
  result.set_rollout("\xff\xff");
  EXPECT_THAT(std::string(Check(lease, result).message()), HasSubstr("cannot be read"));
  result.set_evaluation("");
  EXPECT_THAT(std::string(Check(lease, result).message()), HasSubstr("another kind"));
  EXPECT_FALSE(Check(lease, {}).ok());
}

TEST(CheckRecord, RefusesAnotherScene) {
  const v1::Lease lease = EvaluationLease(1);
  const auto refused = [&](auto change) {
    v1::EvaluationEpisode episode = FakeEpisode(lease.evaluation());
    change(episode);
    v1::WorkResult result;
    result.set_evaluation(episode.SerializeAsString());
    return std::string(Check(lease, result).message());
  };
  EXPECT_EQ(refused([](auto&) {}), "");
  EXPECT_THAT(refused([](auto& e) { e.set_seed(8); }), HasSubstr("seed 8"));
  EXPECT_THAT(refused([](auto& e) { e.set_num_fish(4); }), HasSubstr("4 fish"));
  EXPECT_THAT(refused([](auto& e) { e.add_death_step(0); }), HasSubstr("4 death steps"));
  EXPECT_THAT(refused([](auto& e) { e.set_length(501); }), HasSubstr("501 steps"));
}

}  // namespace
}  // namespace shoal
