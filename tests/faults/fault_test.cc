// The order of faults, and that a run of faults can be had again.
#include "tests/faults/fault.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/faults/fault_run.h"

namespace shoal {
namespace {

std::vector<std::string> Take(FaultSequence sequence, int count) {
  std::vector<std::string> taken;
  for (int i = 0; i < count; ++i) {
    const Fault fault = sequence.Current();
    taken.push_back(absl::StrCat(FaultName(fault.kind), " ", fault.wait_ms, " ", fault.freeze_ms, " ",
                                 fault.pick, " ", fault.rule));
    sequence.Advance();
  }
  return taken;
}

TEST(FaultSequence, DealsEveryKindBeforeAnyComesAgain) {
  FaultSequence sequence(7);
  std::set<std::vector<FaultKind>> orders;
  for (int round = 0; round < 5; ++round) {
    std::set<FaultKind> kinds;
    std::vector<FaultKind> order;
    for (int i = 0; i < kFaultKindCount; ++i) {
      order.push_back(sequence.Current().kind);
      kinds.insert(order.back());
      sequence.Advance();
    }
    EXPECT_EQ(kinds.size(), static_cast<size_t>(kFaultKindCount)) << "round " << round;
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 5u) << "rounds are in different orders";
}

TEST(FaultSequence, GoesOnAtAnyNumberAsBefore) {
  const std::vector<std::string> all = Take(FaultSequence(3), 60);
  for (const int first : {1, 16, 17, 40}) {
    EXPECT_EQ(Take(FaultSequence(3, first), 60 - first),
              std::vector<std::string>(all.begin() + first, all.end()))
        << "from " << first;
  }
  EXPECT_NE(Take(FaultSequence(4), 60), all);
}

TEST(FaultTally, NamesKindsThatNeverCameAbout) {
  FaultTally tally;
  EXPECT_EQ(tally.never_injected().size(), static_cast<size_t>(kFaultKindCount));
  for (const FaultKind kind : kFaultKinds) tally.injected[kind] = 1;
  tally.injected[FaultKind::kKillAll] = 0;
  tally.missed[FaultKind::kKillAll] = 3;
  EXPECT_EQ(tally.never_injected(), std::set<FaultKind>{FaultKind::kKillAll});
  EXPECT_EQ(tally.total(), kFaultKindCount - 1);
}

}  // namespace
}  // namespace shoal
