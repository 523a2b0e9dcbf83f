#include "coordinator/run/absent_peers.h"

#include <algorithm>
#include <utility>

namespace shoal {

void AbsentPeers::Left(AbsentPeer peer) {
  Back(peer.learner, peer.name);
  const auto later = std::find_if(peers_.begin(), peers_.end(), [&](const AbsentPeer& other) {
    return other.last_heard > peer.last_heard;
  });
  peers_.insert(later, std::move(peer));
  if (peers_.size() > kMost) peers_.pop_front();
}

void AbsentPeers::Back(bool learner, const std::string& name) {
  peers_.remove_if([&](const AbsentPeer& peer) {
    return peer.learner == learner && (learner || peer.name == name);
  });
}

void AbsentPeers::Expire(absl::Time now) {
  peers_.remove_if([&](const AbsentPeer& peer) { return now - peer.last_heard > kMemory; });
}

}  // namespace shoal
