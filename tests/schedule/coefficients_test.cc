#include "coordinator/schedule/coefficients.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/schedule/main_experiment.h"

namespace shoal {
namespace {

using testing::HasSubstr;

TEST(EntropySchedule, PublishedValuesOfTheMainExperiment) {
  const auto schedule = EntropySchedule::Create(MainExperiment());
  ASSERT_TRUE(schedule.ok()) << schedule.status();
  for (int64_t i = 1; i <= 60; ++i) {
    EXPECT_DOUBLE_EQ(schedule->Value(i), i >= 16 && i <= 24 ? 0.03 : 0.02) << i;
  }
}

TEST(EntropySchedule, LastMatchingWindowWins) {
  v1::RunOptions options;
  options.set_ent_coef(0.5);
  options.set_entropy_coef_schedule("10+:0.1, 12-14:0.2,13:0.3");
  const auto schedule = EntropySchedule::Create(options);
  ASSERT_TRUE(schedule.ok()) << schedule.status();
  EXPECT_EQ(schedule->Value(9), 0.5);
  EXPECT_EQ(schedule->Value(10), 0.1);
  EXPECT_EQ(schedule->Value(12), 0.2);
  EXPECT_EQ(schedule->Value(13), 0.3);
  EXPECT_EQ(schedule->Value(14), 0.2);
  EXPECT_EQ(schedule->Value(77), 0.1);
}

TEST(EntropySchedule, LinearToItsFinalValue) {
  const auto schedule = EntropySchedule::Create(SchoolPreset());
  ASSERT_TRUE(schedule.ok()) << schedule.status();
  EXPECT_DOUBLE_EQ(schedule->Value(1), 0.01);
  EXPECT_DOUBLE_EQ(schedule->Value(31), 0.005);
  EXPECT_NEAR(schedule->Value(60), 0.01 / 60, 1e-15);
  v1::RunOptions options;
  options.set_ent_coef_final(0.1);
  EXPECT_TRUE(EntropySchedule::Create(options).ok()) << "the default schedule gives way";
  options.set_entropy_coef_schedule("1:0.2");
  EXPECT_THAT(std::string(EntropySchedule::Create(options).status().message()),
              HasSubstr("excludes a schedule"));
}

TEST(EntropySchedule, RefusesWhatIsNoWindow) {
  for (const char* text : {"16-24", "24-16:0.1", "0:0.1", "a-b:0.1", "3-:0.1", "-3:0.1", "3:x",
                           "3:-0.1", "3:nan", "1:0.1,,2:0.1", "1:2:3", "5+-9:0.1", ":0.1"}) {
    v1::RunOptions options;
    options.set_entropy_coef_schedule(text);
    const auto schedule = EntropySchedule::Create(options);
    ASSERT_FALSE(schedule.ok()) << text;
    EXPECT_THAT(std::string(schedule.status().message()),
                HasSubstr(std::string("--entropy_coef_schedule ") + text));
  }
}

double RateAt(const char* course, int64_t iteration) {
  v1::RunOptions options;
  options.set_curriculum("10:20");
  options.set_learning_rate(8);
  options.set_lr_schedule(course);
  const auto rate = LearningRate::Create(options);
  EXPECT_TRUE(rate.ok()) << rate.status();
  return rate.ok() ? rate->Value(iteration) : -1;
}

TEST(LearningRate, Courses) {
  EXPECT_DOUBLE_EQ(RateAt("constant", 1), 8);
  EXPECT_DOUBLE_EQ(RateAt("constant", 20), 8);
  EXPECT_DOUBLE_EQ(RateAt("linear", 1), 8);
  EXPECT_DOUBLE_EQ(RateAt("linear", 11), 4);
  EXPECT_NEAR(RateAt("linear", 20), 0.4, 1e-14);
  EXPECT_DOUBLE_EQ(RateAt("cosine", 1), 8);
  EXPECT_DOUBLE_EQ(RateAt("cosine", 11), 4);
  EXPECT_DOUBLE_EQ(RateAt("cosine", 6), 4 * (1 + std::sqrt(0.5)));
  // To half within the first fifth (p = 0.2 at iteration 5), then a cosine from there to 0.
  EXPECT_DOUBLE_EQ(RateAt("warm_cosine", 1), 8);
  EXPECT_DOUBLE_EQ(RateAt("warm_cosine", 3), 6);
  EXPECT_DOUBLE_EQ(RateAt("warm_cosine", 5), 4);
  EXPECT_NEAR(RateAt("warm_cosine", 13), 2, 1e-12);
  EXPECT_NEAR(RateAt("warm_cosine", 9), 2 * (1 + std::sqrt(0.5)), 1e-12);
}

}  // namespace
}  // namespace shoal
