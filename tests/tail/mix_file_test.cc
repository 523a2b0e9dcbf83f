#include "coordinator/tail/mix_file.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Velocity kA = {1, 2};
constexpr Velocity kB = {-0.5, 0.25};

std::string MixError(const std::string& text) {
  const auto mix = ReadMix(text, "some/mix.json");
  EXPECT_EQ(mix.status().code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_THAT(std::string(mix.status().message()), HasSubstr("some/mix.json"));
  return std::string(mix.status().message());
}

TEST(ReadMix, VelocitiesAndClusterSamples) {
  EXPECT_THAT(*ReadMix(R"({"velocities": [[1, 2], [-0.5, 0.25]]})", "f"), ElementsAre(kA, kB));
  EXPECT_THAT(*ReadMix(R"({"summary": {"clusters": [
                  {"count": 9, "sample": {"predator_velocity": [1, 2]}},
                  {"count": 2, "sample": {"predator_velocity": [-0.5, 0.25]}}, {"count": 1}]}})",
                       "f"),
              ElementsAre(kA, kB));
  EXPECT_THAT(*ReadMix(R"({"summary": {"clusters": [{"sample": {"predator_velocity": [1, 2]}}]},
                           "velocities": [[-0.5, 0.25]]})",
                       "f"),
              ElementsAre(kB, kA));
}

TEST(ReadMix, RefusesWithPathAndPlace) {
  EXPECT_THAT(MixError("{"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(MixError("[[1, 2]]"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(MixError("{}"), HasSubstr("has no velocity"));
  EXPECT_THAT(MixError(R"({"velocities": []})"), HasSubstr("has no velocity"));
  EXPECT_THAT(MixError(R"({"velocities": 3})"), HasSubstr("velocities is not a list"));
  EXPECT_THAT(MixError(R"({"velocities": [[1, 2], [1]]})"),
              HasSubstr("velocities[1] is not a pair of numbers"));
  EXPECT_THAT(MixError(R"({"velocities": [[1, "2"]]})"), HasSubstr("velocities[0]"));
  EXPECT_THAT(MixError(R"({"velocities": [[1, null]]})"), HasSubstr("velocities[0]"));
  EXPECT_THAT(MixError(R"({"velocities": [null]})"), HasSubstr("velocities[0]"));
  EXPECT_THAT(MixError(R"({"velocities": [[1, NaN]]})"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(MixError(R"({"velocities": [[1e999, 0]]})"), HasSubstr("some/mix.json"));
  EXPECT_THAT(MixError(R"({"velocities": [[1, 2], [8, 8]]})"),
              AllOf(HasSubstr("velocities[1]"), HasSubstr("at most 10")));
  EXPECT_THAT(MixError(R"({"summary": {"clusters": [{"sample": {"predator_velocity": [1]}}]}})"),
              HasSubstr("summary.clusters[0].sample.predator_velocity"));
  EXPECT_TRUE(ReadMix(R"({"velocities": [[6, 8]]})", "f").ok()) << "a speed of exactly 10";
}

TEST(ReadDeaths, EveryFileThatARunWrites) {
  EXPECT_THAT(*ReadDeaths(R"({"summary": {"clusters": [
                  {"count": 2, "sample": {"predator_velocity": [1, 2]}},
                  {"count": 1, "sample": {"predator_velocity": [-0.5, 0.25]}}]}})",
                          "f"),
              ElementsAre(kA, kA, kB));
  EXPECT_THAT(*ReadDeaths(R"({"step_one_deaths": [{"predator_velocity": [1, 2]}],
                  "clusters": [{"count": 1, "sample": {"predator_velocity": [1, 2]}}]})",
                          "f"),
              ElementsAre(kA))
      << "a death is not counted twice";
}

TEST(ReadDeaths, OneObjectALine) {
  EXPECT_THAT(
      *ReadDeaths("{\"iteration\": 1, \"step_one_deaths\": [{\"predator_velocity\": [1, 2]}]}\n\n"
                  "{\"clusters\": [{\"count\": 2, \"sample\": {\"predator_velocity\": [-0.5, "
                  "0.25]}}]}\n{\"step_one_deaths\": []}\n",
                  "f"),
      ElementsAre(kA, kB, kB));
  const auto broken =
      ReadDeaths("{\"velocities\": [[1, 2]]}\n{\"velocities\": [[1]]}\n", "d.jsonl");
  EXPECT_THAT(std::string(broken.status().message()),
              AllOf(HasSubstr("d.jsonl"), HasSubstr("velocities[0]"), HasSubstr("line 2")));
  EXPECT_THAT(std::string(ReadDeaths("{}\nx\n", "d.jsonl").status().message()),
              AllOf(HasSubstr("d.jsonl"), HasSubstr("line 2")));
  EXPECT_THAT(std::string(ReadDeaths("\n", "d.jsonl").status().message()),
              HasSubstr("d.jsonl: has no velocity"));
  EXPECT_FALSE(
      ReadDeaths(R"({"clusters": [{"count": -1, "sample": {"predator_velocity": [1, 2]}}]})", "f")
          .ok());
}

TEST(ReadDeaths, CountsCannotAskForMoreMemoryThanThereIs) {
  // A kilobyte that stands for billions of velocities.
  std::string text = R"({"clusters": [)";
  for (int i = 0; i < 12; ++i) {
    text += R"({"count": 1000000, "sample": {"predator_velocity": [1, 2]}},)";
  }
  text.back() = ']';
  EXPECT_THAT(std::string(ReadDeaths(text + "}", "d.json").status().message()),
              AllOf(HasSubstr("clusters[10]"), HasSubstr("more than 10000000 velocities")));
}

}  // namespace
}  // namespace shoal
