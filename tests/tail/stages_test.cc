#include "coordinator/tail/stages.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(ParseStageSpec, IterationsAndPaths) {
  const auto stages = ParseStageSpec("24:stage1.json; 16:/a/b:c.json ;20:x");
  ASSERT_TRUE(stages.ok()) << stages.status();
  ASSERT_EQ(stages->size(), 3u);
  EXPECT_EQ((*stages)[0].iterations, 24);
  EXPECT_EQ((*stages)[0].path, "stage1.json");
  EXPECT_EQ((*stages)[1].iterations, 16);
  EXPECT_EQ((*stages)[1].path, "/a/b:c.json");
  EXPECT_EQ((*stages)[2].path, "x");
  EXPECT_TRUE(ParseStageSpec("")->empty());
}

TEST(ParseStageSpec, ErrorsNameTheEntry) {
  for (const char* text :
       {"a.json", "0:a", "-1:a", "x:a", "1:", "1:a;", ";1:a", "1.5:a", "1000001:a"}) {
    const auto stages = ParseStageSpec(text);
    ASSERT_FALSE(stages.ok()) << text;
    EXPECT_THAT(std::string(stages.status().message()),
                HasSubstr(std::string("--tail_seed_stage_spec ") + text));
  }
}

TEST(LoadTailStages, ReadsEachFileOnceAndNamesIt) {
  const std::string path = testing::TempDir() + "/tail_stages_test.json";
  std::ofstream(path) << R"({"velocities": [[1, 2], [3, 4]]})";
  v1::RunOptions options;
  options.set_tail_seed_stage_spec("3:" + path + ";4:" + path);
  auto stages = LoadTailStages(options);
  ASSERT_TRUE(stages.ok()) << stages.status();
  ASSERT_EQ(stages->size(), 2u);
  EXPECT_EQ((*stages)[1].iterations, 4);
  EXPECT_EQ((*stages)[0].velocities, (*stages)[1].velocities) << "shared";
  EXPECT_EQ((*stages)[0].velocities->at(1), (Velocity{3, 4}));

  options.clear_tail_seed_stage_spec();
  EXPECT_TRUE(LoadTailStages(options)->empty());
  options.set_tail_seed_replay_path(path);
  options.set_tail_seed_prewarm_iterations(7);
  stages = LoadTailStages(options);
  ASSERT_TRUE(stages.ok()) << stages.status();
  ASSERT_EQ(stages->size(), 1u);
  EXPECT_EQ(stages->front().iterations, 7);

  options.set_tail_seed_replay_path(path + ".missing");
  EXPECT_THAT(std::string(LoadTailStages(options).status().message()),
              HasSubstr(path + ".missing"));
  std::ofstream(path) << "{}";
  options.set_tail_seed_replay_path(path);
  EXPECT_THAT(std::string(LoadTailStages(options).status().message()), HasSubstr(path));
  std::remove(path.c_str());
}

}  // namespace
}  // namespace shoal
