// How much of a server each host uses, so that none can use all of it. A host is what is left of a
// peer's address without its port; all of a Unix socket's peers are one host.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "common/token_bucket.h"

namespace shoal {

// "ipv4:10.1.2.3:4711" -> "ipv4:10.1.2.3"; "unix:/path" -> "unix".
std::string PeerHost(const std::string& peer);

// Things that are open at a time, by host. Not thread safe.
class PeerCounts {
 public:
  explicit PeerCounts(size_t most) : most_(most) {}

  // False: the host has as many as it may, and this one is not counted.
  bool Enter(const std::string& host);
  // Of one that entered.
  void Leave(const std::string& host);

 private:
  const size_t most_;
  std::map<std::string, size_t> counts_;  // none is 0
};

// Calls a second, by host, or bytes. Not thread safe.
class PeerRates {
 public:
  PeerRates(double burst, double per_second) : burst_(burst), per_second_(per_second) {}

  // False: that is more than the host may, and none of it is counted.
  bool Take(const std::string& host, absl::Time now, double amount = 1);

 private:
  // More hosts than this are forgotten at once; each begins with a full burst again.
  static constexpr size_t kMostHosts = 4096;
  const double burst_;
  const double per_second_;
  std::map<std::string, TokenBucket> buckets_;
};

}  // namespace shoal
