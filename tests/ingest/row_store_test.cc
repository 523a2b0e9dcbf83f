#include "learner/ingest/row_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/ingest/test_rows.h"

namespace shoal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::Status Store(RowStore& store, int64_t iteration, int shard, const Rows& rows) {
  const v1::RowsHeader header = TestHeader(iteration, shard, rows);
  const auto admission = store.Admit(header);
  if (!admission.ok()) return admission.status();
  return store.Put(header, *admission, rows);
}

v1::ShardRows Expect(int shard, const Rows& rows) { return Expected(TestHeader(1, shard, rows)); }

class RowStoreTest : public ::testing::Test {
 protected:
  RowStoreTest() { store_.Open(TestShape(), "session", 0); }

  RowStore store_;
  const Rows first_ = TestRows(0, 8, 3);
  const Rows second_ = TestRows(1, 2, 5);
  const Rows third_ = TestRows(2, 4, 1);
  const std::vector<v1::ShardRows> all_ = {Expect(0, first_), Expect(1, second_),
                                           Expect(2, third_)};
};

TEST_F(RowStoreTest, OrdersShardsHoweverTheyCome) {
  std::vector<float> expected = first_.advantages;
  expected.insert(expected.end(), second_.advantages.begin(), second_.advantages.end());
  expected.insert(expected.end(), third_.advantages.begin(), third_.advantages.end());
  const Rows* const rows[] = {&first_, &second_, &third_};
  for (const std::vector<int>& order :
       {std::vector<int>{0, 1, 2}, std::vector<int>{2, 0, 1}, std::vector<int>{1, 2, 0}}) {
    store_.Open(TestShape(), "session", 0);
    for (const int shard : order) ASSERT_TRUE(Store(store_, 1, shard, *rows[shard]).ok());
    const RowStore::Assembly assembly = store_.Take(1, all_);
    EXPECT_THAT(assembly.missing, IsEmpty());
    EXPECT_EQ(assembly.batch.rows, 24 + 10 + 4);
    EXPECT_EQ(assembly.batch.obs_dim, 11);
    EXPECT_EQ(assembly.batch.advantages, expected);
    EXPECT_EQ(assembly.batch.observations.size(), 38u * 11);
    EXPECT_EQ(assembly.batch.observations[24 * 11], second_.observations[0]);
    EXPECT_EQ(assembly.batch.actions.size(), 38u);
    EXPECT_EQ(assembly.batch.log_probs.size(), 38u);
    EXPECT_EQ(assembly.batch.returns[34], third_.returns[0]);
  }
}

TEST_F(RowStoreTest, NamesMissingShardsAndTakesNothing) {
  ASSERT_TRUE(Store(store_, 1, 1, second_).ok());
  EXPECT_THAT(store_.Take(1, all_).missing, ElementsAre(0, 2));
  EXPECT_EQ(store_.rows_held(), 10);
  ASSERT_TRUE(Store(store_, 1, 2, third_).ok());
  ASSERT_TRUE(Store(store_, 1, 0, first_).ok());
  EXPECT_THAT(store_.Take(1, all_).missing, IsEmpty());
  EXPECT_EQ(store_.rows_held(), 0);
  // Rows are given out once; whoever wants them again must have them computed again.
  EXPECT_THAT(store_.Take(1, all_).missing, ElementsAre(0, 1, 2));
}

TEST_F(RowStoreTest, DropsRowsOtherThanExpected) {
  const Rows other = TestRows(1, 2, 5, 0.25f);
  ASSERT_TRUE(Store(store_, 1, 0, first_).ok());
  ASSERT_TRUE(Store(store_, 1, 1, other).ok());
  ASSERT_TRUE(Store(store_, 1, 2, third_).ok());
  EXPECT_THAT(store_.Take(1, all_).missing, ElementsAre(1));
  EXPECT_TRUE(Store(store_, 1, 1, second_).ok());
  EXPECT_THAT(store_.Take(1, all_).missing, IsEmpty());
}

TEST_F(RowStoreTest, KnowsDuplicatesAndRefusesMismatches) {
  ASSERT_TRUE(Store(store_, 1, 0, first_).ok());
  const auto again = store_.Admit(TestHeader(1, 0, first_));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->stored);
  EXPECT_EQ(again->session, "session");
  EXPECT_TRUE(Store(store_, 1, 0, first_).ok());
  EXPECT_EQ(store_.rows_held(), first_.size());

  const Rows other = TestRows(0, 8, 3, 0.25f);
  const absl::Status mismatch = Store(store_, 1, 0, other);
  EXPECT_EQ(mismatch.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(mismatch.message(),
              AllOf(HasSubstr(RowsChecksum(first_)), HasSubstr(RowsChecksum(other))));
  // The first one stays.
  EXPECT_TRUE(store_.Admit(TestHeader(1, 0, first_))->stored);
}

TEST_F(RowStoreTest, TwoPushesOfOneShardAtOnce) {
  const v1::RowsHeader header = TestHeader(1, 0, first_);
  const auto one = store_.Admit(header);
  const auto two = store_.Admit(header);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_FALSE(one->stored || two->stored);
  EXPECT_TRUE(store_.Put(header, *one, first_).ok());
  EXPECT_TRUE(store_.Put(header, *two, first_).ok());
  EXPECT_EQ(store_.rows_held(), first_.size());
}

TEST_F(RowStoreTest, OpensOnlyTheNextIterations) {
  EXPECT_EQ(Store(store_, 0, 0, first_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Store(store_, 1, 0, first_).ok());
  EXPECT_TRUE(Store(store_, 2, 0, first_).ok());
  const absl::Status later = Store(store_, 3, 0, first_);
  EXPECT_EQ(later.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(later.message(), HasSubstr("open are 1 to 2"));
  store_.Advance(1);
  EXPECT_EQ(store_.rows_held(), first_.size());  // Those of iteration 2.
  EXPECT_EQ(Store(store_, 1, 0, first_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Store(store_, 3, 0, first_).ok());
}

TEST_F(RowStoreTest, RefusesWhatCannotBe) {
  v1::RowsHeader header = TestHeader(1, 2, third_);
  // Shard 2 has 4 environments of 4096 steps, with at most 2 rows each.
  header.set_rows(4 * 4096 * 2);
  EXPECT_TRUE(store_.Admit(header).ok());
  header.set_rows(4 * 4096 * 2 + 1);
  EXPECT_EQ(store_.Admit(header).status().code(), absl::StatusCode::kInvalidArgument);
  header.set_rows(-1);
  EXPECT_EQ(store_.Admit(header).status().code(), absl::StatusCode::kInvalidArgument);
  header = TestHeader(1, 3, third_);
  EXPECT_EQ(store_.Admit(header).status().code(), absl::StatusCode::kInvalidArgument);
  header = TestHeader(1, 0, third_);
  header.set_obs_dim(18);
  EXPECT_EQ(store_.Admit(header).status().code(), absl::StatusCode::kInvalidArgument);
  header = TestHeader(1, 0, third_);
  header.set_run_id("run-2");
  EXPECT_EQ(store_.Admit(header).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RowStoreTest, ChecksRowsAgainstTheirHeader) {
  // Environments of shard 2 under the name of shard 0.
  EXPECT_EQ(Store(store_, 1, 0, third_).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Store(store_, 1, 0, TestRows(0, 1, 4097)).code(), absl::StatusCode::kInvalidArgument);

  v1::RowsHeader header = TestHeader(1, 0, first_);
  header.set_rows(first_.size() - 1);
  EXPECT_EQ(store_.Put(header, *store_.Admit(header), first_).code(),
            absl::StatusCode::kInvalidArgument);
  header = TestHeader(1, 0, first_);
  header.set_rows_checksum(std::string(32, '0'));
  EXPECT_EQ(store_.Put(header, *store_.Admit(header), first_).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(store_.rows_held(), 0);
}

TEST_F(RowStoreTest, AcceptsNothingAcrossSessions) {
  const v1::RowsHeader header = TestHeader(1, 0, first_);
  const auto admission = store_.Admit(header);
  ASSERT_TRUE(admission.ok());
  ASSERT_TRUE(Store(store_, 1, 1, second_).ok());
  store_.Open(TestShape(), "another", 0);
  EXPECT_EQ(store_.rows_held(), 0);
  EXPECT_EQ(store_.Put(header, *admission, first_).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(store_.Admit(header)->session, "another");
  store_.Close();
  EXPECT_EQ(store_.Admit(header).status().code(), absl::StatusCode::kUnavailable);
}

TEST(RowShapeTest, FollowsTheOptions) {
  v1::RunOptions options;
  options.set_curriculum("3:2,7:1");
  options.set_train_fish_per_env(0);
  options.set_include_neighbor_features(false);
  auto shape = MakeRowShape("r", options);
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->rows_per_step, 7);
  EXPECT_EQ(shape->obs_dim, 11);
  EXPECT_EQ(shape->num_shards(), 16);
  options.set_train_fish_per_env(5);
  EXPECT_EQ(MakeRowShape("r", options)->rows_per_step, 5);
  options.set_training_mode("broadcast");
  EXPECT_EQ(MakeRowShape("r", options)->rows_per_step, 1);
  options.set_training_mode("per_fish");
  options.set_train_fish_per_env(0);
  options.set_curriculum("");
  EXPECT_EQ(MakeRowShape("r", options)->rows_per_step, 25);
  options.set_curriculum("many:2");
  EXPECT_THAT(MakeRowShape("r", options).status().message(), HasSubstr("many:2"));
  // Rows of a shard are a product of what these say.
  options.set_curriculum("9223372036854775807:2");
  EXPECT_THAT(MakeRowShape("r", options).status().message(), HasSubstr("fish from 1 to 4096"));
  options.set_curriculum("");
  options.set_n_steps(int64_t{1} << 40);
  EXPECT_THAT(MakeRowShape("r", options).status().message(), HasSubstr("--n_steps"));
  options.clear_n_steps();
  options.set_envs_per_shard(0);
  EXPECT_EQ(MakeRowShape("r", options).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shoal
