// The kind of mutexes that this program's libraries have.
#pragma once

#include "absl/synchronization/mutex.h"

namespace shoal {

// Abseil can look for cycles in the order of locks at every lock, at five times the cost of one. It is
// meant for debug builds, but on in Debian's build of it, and gRPC takes dozens of locks a message. Off
// in builds that have no assertions. Any thread; rpc.h's servers and channels do it.
inline void SetUpMutexes() {
#ifdef NDEBUG
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

}  // namespace shoal
