// Two threads and a number, once with what orders them and once without. tsan_test.cc runs each
// probe and looks at what ThreadSanitizer says.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace shoal {
namespace {

constexpr int kTimes = 200;

struct Shared {
  absl::Mutex mutex;
  absl::Mutex other;
  absl::CondVar changed;
  int value = 0;
  bool ready = false;
};

using Side = std::function<void(Shared&)>;

// Both at the same time, each many times.
void Both(const Side& first, const Side& second) {
  Shared shared;
  std::thread thread([&] { first(shared); });
  second(shared);
  thread.join();
}

void Locked(Shared& shared) {
  for (int i = 0; i < kTimes; ++i) {
    absl::MutexLock lock(&shared.mutex);
    ++shared.value;
  }
}

void LockedByAnother(Shared& shared) {
  for (int i = 0; i < kTimes; ++i) {
    absl::MutexLock lock(&shared.other);
    ++shared.value;
  }
}

void Unlocked(Shared& shared) {
  for (int i = 0; i < kTimes; ++i) ++shared.value;
}

void ReadByReader(Shared& shared) {
  int sum = 0;
  for (int i = 0; i < kTimes; ++i) {
    absl::ReaderMutexLock lock(&shared.mutex);
    sum += shared.value;
  }
  if (sum == 1) std::puts("");
}

void WrittenByReader(Shared& shared) {
  for (int i = 0; i < kTimes; ++i) {
    absl::ReaderMutexLock lock(&shared.mutex);
    ++shared.value;
  }
}

void Tried(Shared& shared) {
  for (int i = 0; i < kTimes; ++i) {
    while (!shared.mutex.TryLock()) std::this_thread::yield();
    ++shared.value;
    shared.mutex.Unlock();
  }
}

// Hands the number over, back and forth: the conditions are looked at by whichever thread lets go.
void PassOn(Shared& shared, bool to) {
  const auto mine = [&] { return shared.ready == to; };
  for (int i = 0; i < kTimes; ++i) {
    absl::MutexLock lock(&shared.mutex);
    while (!shared.mutex.AwaitWithTimeout(absl::Condition(&mine), absl::Milliseconds(1))) {
    }
    ++shared.value;
    shared.ready = !to;
  }
}

void PassOnByLockWhen(Shared& shared, bool to) {
  const auto mine = [&] { return shared.ready == to; };
  for (int i = 0; i < kTimes; ++i) {
    shared.mutex.LockWhen(absl::Condition(&mine));
    ++shared.value;
    shared.ready = !to;
    shared.mutex.Unlock();
  }
}

void PassOnByCondVar(Shared& shared, bool to) {
  for (int i = 0; i < kTimes; ++i) {
    absl::MutexLock lock(&shared.mutex);
    while (shared.ready != to) {
      shared.changed.WaitWithTimeout(&shared.mutex, absl::Seconds(1));
    }
    ++shared.value;
    shared.ready = !to;
    shared.changed.SignalAll();
  }
}

// The lock is let go of during the wait; what was written before it without the lock is a race.
void AwaitThenUnlocked(Shared& shared, bool to) {
  const auto mine = [&] { return shared.ready == to; };
  for (int i = 0; i < kTimes; ++i) {
    {
      absl::MutexLock lock(&shared.mutex);
      shared.mutex.AwaitWithTimeout(absl::Condition(&mine), absl::Milliseconds(1));
      shared.ready = !to;
    }
    ++shared.value;
  }
}

// A TryLock that fails orders nothing.
void FailedTry() {
  Shared shared;
  shared.mutex.Lock();
  std::thread thread([&] {
    if (shared.mutex.TryLock()) std::abort();
    ++shared.value;
  });
  ++shared.value;
  thread.join();
  shared.mutex.Unlock();
}

const std::map<std::string, std::function<void()>>& Probes() {
  static const auto& probes = *new std::map<std::string, std::function<void()>>{
      {"sound_lock", [] { Both(Locked, Locked); }},
      {"sound_try_lock", [] { Both(Tried, Locked); }},
      {"sound_readers", [] { Both(ReadByReader, Locked); }},
      {"sound_await", [] { Both([](Shared& s) { PassOn(s, true); }, [](Shared& s) { PassOn(s, false); }); }},
      {"sound_lock_when", [] { Both([](Shared& s) { PassOnByLockWhen(s, true); },
                                    [](Shared& s) { PassOnByLockWhen(s, false); }); }},
      {"sound_condvar", [] { Both([](Shared& s) { PassOnByCondVar(s, true); },
                                  [](Shared& s) { PassOnByCondVar(s, false); }); }},
      {"race_no_lock", [] { Both(Unlocked, Unlocked); }},
      {"race_one_lock", [] { Both(Locked, Unlocked); }},
      {"race_two_locks", [] { Both(Locked, LockedByAnother); }},
      {"race_writing_reader", [] { Both(WrittenByReader, WrittenByReader); }},
      {"race_failed_try", FailedTry},
      {"race_after_await", [] { Both([](Shared& s) { AwaitThenUnlocked(s, true); },
                                     [](Shared& s) { AwaitThenUnlocked(s, false); }); }},
  };
  return probes;
}

}  // namespace
}  // namespace shoal

// Without an argument: the names of all probes.
int main(int argc, char** argv) {
  if (argc < 2) {
    for (const auto& [name, run] : shoal::Probes()) std::puts(name.c_str());
    return 0;
  }
  shoal::Probes().at(argv[1])();
  return 0;
}
