#include "coordinator/schedule/curriculum.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/schedule/main_experiment.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string ErrorOf(const v1::RunOptions& options) {
  const auto curriculum = Curriculum::Create(options);
  EXPECT_FALSE(curriculum.ok());
  return std::string(curriculum.status().message());
}

TEST(Curriculum, PhasesOfTheMainExperiment) {
  const auto curriculum = Curriculum::Create(MainExperiment());
  ASSERT_TRUE(curriculum.ok()) << curriculum.status();
  EXPECT_EQ(curriculum->num_phases(), 7);
  EXPECT_EQ(curriculum->total_iterations(), 60);
  const int64_t firsts[] = {1, 10, 20, 29, 37, 45, 53};
  for (int64_t iteration = 1; iteration <= 60; ++iteration) {
    int64_t expected = 0;
    bool begins = false;
    for (const int64_t first : firsts) {
      expected += first <= iteration;
      begins |= first == iteration;
    }
    const Phase phase = curriculum->PhaseOf(iteration);
    EXPECT_EQ(phase.phase, expected) << iteration;
    EXPECT_EQ(phase.begins_here, begins) << iteration;
    EXPECT_EQ(phase.first_iteration, firsts[expected - 1]);
    EXPECT_EQ(phase.last_iteration, expected == 7 ? 60 : firsts[expected] - 1);
    EXPECT_EQ(phase.num_fish, expected == 1 ? 15 : expected == 2 ? 20 : 25);
  }
}

TEST(Curriculum, IterationsOutsideBelongToTheNearestPhase) {
  const auto curriculum = Curriculum::Create(MainExperiment());
  ASSERT_TRUE(curriculum.ok());
  EXPECT_EQ(curriculum->PhaseOf(0).phase, 1);
  EXPECT_FALSE(curriculum->PhaseOf(0).begins_here);
  EXPECT_EQ(curriculum->PhaseOf(61).phase, 7);
}

TEST(Curriculum, DefaultAddsUpTo60AndIsFittedToTheTotal) {
  v1::RunOptions options;
  EXPECT_EQ(Curriculum::Create(options)->total_iterations(), 60);
  options.set_total_iterations(30);
  EXPECT_EQ(Curriculum::Create(options)->ToString(), "15:12,20:14,25:4");
  options.set_total_iterations(26);
  EXPECT_EQ(Curriculum::Create(options)->ToString(), "15:12,20:14");
  options.set_total_iterations(100);
  EXPECT_EQ(Curriculum::Create(options)->ToString(), "15:12,20:14,25:8,25:8,25:10,25:4,25:44");
}

TEST(Curriculum, EmptyIsOnePhase) {
  v1::RunOptions options;
  options.set_curriculum("");
  EXPECT_THAT(ErrorOf(options), AllOf(HasSubstr("curriculum"), HasSubstr("total_iterations")));
  options.set_total_iterations(5);
  options.set_num_fish(40);
  const auto curriculum = Curriculum::Create(options);
  ASSERT_TRUE(curriculum.ok());
  EXPECT_EQ(curriculum->ToString(), "40:5");
  EXPECT_EQ(curriculum->min_fish(), 40);
}

TEST(Curriculum, ErrorsNameOptionValueAndWhatWouldBeRight) {
  v1::RunOptions options;
  options.set_total_iterations(60);
  options.set_curriculum("15:9,20:10");
  EXPECT_THAT(ErrorOf(options), AllOf(HasSubstr("--curriculum 15:9,20:10"), HasSubstr("19"),
                                      HasSubstr("total_iterations is 60")));
  options.set_curriculum("15:9,20");
  EXPECT_THAT(ErrorOf(options), HasSubstr("\"20\" is not fish:iterations"));
  options.set_curriculum("15:60:1");
  EXPECT_THAT(ErrorOf(options), HasSubstr("is not fish:iterations"));
  options.set_curriculum("0:60");
  EXPECT_THAT(ErrorOf(options), HasSubstr("0 is not within 1 to 4096"));
  options.set_curriculum("15:0");
  EXPECT_THAT(ErrorOf(options), HasSubstr("0 is not within 1 to 1000000"));
  options.set_curriculum("15:1.5");
  EXPECT_THAT(ErrorOf(options), HasSubstr("\"1.5\" is not a whole number"));
  options.set_curriculum("15:1000000,15:1000000");
  EXPECT_THAT(ErrorOf(options), HasSubstr("more than 1000000"));
}

}  // namespace
}  // namespace shoal
