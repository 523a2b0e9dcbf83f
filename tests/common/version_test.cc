#include "common/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal {
namespace {

TEST(Version, SaysWhatItIs) {
  const BuildInfo& info = GetBuildInfo();
  EXPECT_THAT(info.version, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(info.compiler, testing::MatchesRegex("(GCC|Clang) [0-9.]+"));
  for (const std::string& part : {info.revision, info.build_type, info.cpu}) {
    EXPECT_FALSE(part.empty());
    EXPECT_THAT(part, testing::Not(testing::HasSubstr("\n")));
  }
  EXPECT_THAT(VersionLine("actor"),
              testing::StartsWith("actor " + info.version + " (" + info.revision + ", "));
  EXPECT_THAT(info.Build(), testing::Not(testing::HasSubstr(info.cpu)));
}

}  // namespace
}  // namespace shoal
