#include "common/peer_counts.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

TEST(PeerHost, IsTheAddressWithoutThePort) {
  EXPECT_EQ(PeerHost("ipv4:10.1.2.3:4711"), "ipv4:10.1.2.3");
  EXPECT_EQ(PeerHost("ipv6:%5B::1%5D:4711"), "ipv6:%5B::1%5D");
  EXPECT_EQ(PeerHost("ipv6:[fd00::1]:4711"), "ipv6:[fd00::1]");
  EXPECT_EQ(PeerHost("unix:/tmp/a:b"), PeerHost("unix:"));
  EXPECT_EQ(PeerHost(""), "");
}

TEST(PeerCounts, LimitsEachHostByItself) {
  PeerCounts counts(2);
  EXPECT_TRUE(counts.Enter("a"));
  EXPECT_TRUE(counts.Enter("a"));
  EXPECT_FALSE(counts.Enter("a"));
  EXPECT_TRUE(counts.Enter("b"));
  counts.Leave("a");
  EXPECT_TRUE(counts.Enter("a"));
  EXPECT_FALSE(counts.Enter("a"));
  counts.Leave("nobody");
  EXPECT_FALSE(PeerCounts(0).Enter("a"));
}

TEST(PeerRates, LimitsEachHostByItself) {
  PeerRates rates(3, 1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rates.Take("a", kStart));
  EXPECT_FALSE(rates.Take("a", kStart));
  EXPECT_TRUE(rates.Take("b", kStart));
  EXPECT_TRUE(rates.Take("a", kStart + absl::Seconds(1)));
  EXPECT_FALSE(rates.Take("a", kStart + absl::Seconds(1)));
}

TEST(PeerRates, CountsAmounts) {
  PeerRates rates(100, 10);
  EXPECT_TRUE(rates.Take("a", kStart, 60));
  EXPECT_FALSE(rates.Take("a", kStart, 60));
  EXPECT_TRUE(rates.Take("a", kStart, 40)) << "what was refused was not taken";
  EXPECT_TRUE(rates.Take("a", kStart + absl::Seconds(2), 20));
  EXPECT_FALSE(rates.Take("b", kStart, 101)) << "never";
}

TEST(PeerRates, RemembersABoundedNumberOfHosts) {
  PeerRates rates(1, 0);
  EXPECT_TRUE(rates.Take("a", kStart));
  EXPECT_FALSE(rates.Take("a", kStart));
  for (int i = 0; i < 5000; ++i) EXPECT_TRUE(rates.Take(absl::StrCat("host-", i), kStart));
  EXPECT_TRUE(rates.Take("a", kStart));
}

}  // namespace
}  // namespace shoal
