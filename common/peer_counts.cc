#include "common/peer_counts.h"

namespace shoal {

std::string PeerHost(const std::string& peer) {
  if (peer.compare(0, 5, "unix:") == 0) return "unix";
  return peer.substr(0, peer.rfind(':'));
}

bool PeerCounts::Enter(const std::string& host) {
  size_t& count = counts_[host];
  if (count < most_) {
    ++count;
    return true;
  }
  if (count == 0) counts_.erase(host);
  return false;
}

void PeerCounts::Leave(const std::string& host) {
  const auto found = counts_.find(host);
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
}

bool PeerRates::Take(const std::string& host, absl::Time now, double amount) {
  auto found = buckets_.find(host);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kMostHosts) buckets_.clear();
    found = buckets_.emplace(host, TokenBucket(burst_, per_second_)).first;
  }
  return found->second.Take(now, amount);
}

}  // namespace shoal
