#include "coordinator/run/absent_peers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

using testing::ElementsAre;

class AbsentPeersTest : public testing::Test {
 protected:
  void Leave(const std::string& name, int second, bool learner = false) {
    AbsentPeer peer;
    peer.learner = learner;
    peer.name = name;
    peer.last_heard = begin_ + absl::Seconds(second);
    absent_.Left(peer);
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const AbsentPeer& peer : absent_.peers()) names.push_back(peer.name);
    return names;
  }

  const absl::Time begin_ = absl::UnixEpoch() + absl::Hours(1);
  AbsentPeers absent_;
};

TEST_F(AbsentPeersTest, AreMissedUntilTheyAreBack) {
  Leave("b", 2);
  Leave("a", 1);
  Leave("learner", 3, /*learner=*/true);
  EXPECT_THAT(Names(), ElementsAre("a", "b", "learner")) << "in the order in which they were heard";
  absent_.Back(false, "a");
  EXPECT_THAT(Names(), ElementsAre("b", "learner"));
  absent_.Back(false, "unknown");
  EXPECT_THAT(Names(), ElementsAre("b", "learner"));
  absent_.Clear();
  EXPECT_TRUE(Names().empty());
}

TEST_F(AbsentPeersTest, AnActorMayBeCalledLearner) {
  Leave("learner", 1);
  Leave("learner", 2, /*learner=*/true);
  absent_.Back(true, "learner");
  ASSERT_EQ(absent_.peers().size(), 1u);
  EXPECT_FALSE(absent_.peers().front().learner);
}

TEST_F(AbsentPeersTest, ALaterAbsenceReplacesTheEarlier) {
  Leave("a", 1);
  Leave("b", 2);
  Leave("a", 3);
  EXPECT_THAT(Names(), ElementsAre("b", "a"));
  EXPECT_EQ(absent_.peers().back().last_heard, begin_ + absl::Seconds(3));
}

TEST_F(AbsentPeersTest, TheOldestAreForgottenBeyondTheBound) {
  for (int i = 0; i < static_cast<int>(AbsentPeers::kMost) + 3; ++i) Leave(absl::StrCat("a", i), i);
  EXPECT_EQ(absent_.peers().size(), AbsentPeers::kMost);
  EXPECT_EQ(absent_.peers().front().name, "a3");
}

TEST_F(AbsentPeersTest, AreForgottenInTime) {
  Leave("a", 0);
  Leave("b", 60);
  absent_.Expire(begin_ + AbsentPeers::kMemory);
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
  absent_.Expire(begin_ + AbsentPeers::kMemory + absl::Seconds(1));
  EXPECT_THAT(Names(), ElementsAre("b"));
}

}  // namespace
}  // namespace shoal
