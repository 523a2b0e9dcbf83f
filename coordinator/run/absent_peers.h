// Peers that left a run without being dismissed: who they were and when they were last heard, so that
// people can be told who is missing. Plain bookkeeping with the time passed in; decides nothing. Not
// thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "absl/time/time.h"

namespace shoal {

struct AbsentPeer {
  // What tells it from others: an actor's name, or the learner, of which a run has one.
  bool learner = false;
  std::string name;
  std::string cpu;
  std::string build;
  int64_t items_done = 0;
  // Its last message.
  absl::Time last_heard;
};

class AbsentPeers {
 public:
  // More than these are not missed: the one that was heard longest ago is forgotten first.
  static constexpr size_t kMost = 64;
  // An actor that is gone for so long was taken away rather than lost.
  static constexpr absl::Duration kMemory = absl::Minutes(10);

  // A peer's stream ended. An earlier absence of the same peer is replaced.
  void Left(AbsentPeer peer);
  // It is there again, or another one under its name.
  void Back(bool learner, const std::string& name);
  // Forgets those that have not been heard for kMemory.
  void Expire(absl::Time now);
  void Clear() { peers_.clear(); }

  // In the order in which they were last heard, the latest last.
  const std::list<AbsentPeer>& peers() const { return peers_; }

 private:
  std::list<AbsentPeer> peers_;
};

}  // namespace shoal
