// Makes absl::Mutex and absl::CondVar visible to ThreadSanitizer. Linked into every program of a
// TSan build, and into no other.
//
// Debian's Abseil is not instrumented, so TSan sees nothing of its locks: everything they guard
// would be reported as a race. The functions below have the names of Abseil's own, and since a
// program's symbols win over those of the libraries it loads, every call comes here, be it from our
// code or from gRPC's. Each tells TSan what Abseil, built with TSan, would tell it, and calls the
// function of the library. Nothing is hidden: what a lock does not order is still reported
// (tests/sanitizers proves it).
//
// Awaiting or using a CondVar under a reader's lock is not covered, since nothing here does so, and
// aborts.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/base/options.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace absl {
ABSL_NAMESPACE_BEGIN
namespace {

#define SHOAL_STRING_OF(name) #name
#define SHOAL_STRING(name) SHOAL_STRING_OF(name)

[[noreturn]] void Die(const char* what, const char* name) {
  std::fprintf(stderr, "tsan_absl_mutex: %s: %s\n", what, name);
  std::abort();
}

// The library's function with this name (as the compiler writes it, without the namespaces).
template <class Function>
Function* Find(const char* name) {
  const std::string space = SHOAL_STRING(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  const std::string mangled = "4absl" + std::to_string(space.size()) + space + name;
  for (const char* prefix : {"_ZN", "_ZNK"}) {
    void* found = dlsym(RTLD_NEXT, (prefix + mangled).c_str());
    if (found != nullptr) return reinterpret_cast<Function*>(found);
  }
  Die("libabsl_synchronization.so (it must be linked as a shared library) lacks", name);
}

// What this thread is doing inside the library.
struct Operation {
  Mutex* mutex;
  unsigned flags;  // As for __tsan_mutex_pre_lock.
  bool locking;    // To TSan it is a lock, else an unlock.
};
thread_local const Operation* current = nullptr;
thread_local int reader_locks = 0;

class InLibrary {
 public:
  explicit InLibrary(const Operation& operation) { current = &operation; }
  ~InLibrary() { current = nullptr; }
};

void CheckNoReader(const char* what) {
  if (reader_locks > 0) Die("under a reader's lock", what);
}

// The library's calls of its own functions are part of the outer operation: they go straight on.
template <class Call>
auto Locking(Mutex* mutex, unsigned flags, Call call) {
  if (current != nullptr) return call();
  const Operation operation{mutex, flags, true};
  __tsan_mutex_pre_lock(mutex, flags);
  if constexpr (std::is_void_v<decltype(call())>) {
    {
      const InLibrary in(operation);
      call();
    }
    __tsan_mutex_post_lock(mutex, flags, 0);
  } else {
    bool result;
    {
      const InLibrary in(operation);
      result = call();
    }
    const bool failed = (flags & __tsan_mutex_try_lock) != 0 && !result;
    __tsan_mutex_post_lock(mutex, flags | (failed ? __tsan_mutex_try_lock_failed : 0), 0);
    return result;
  }
}

template <class Call>
void Unlocking(Mutex* mutex, unsigned flags, Call call) {
  if (current != nullptr) return call();
  const Operation operation{mutex, flags, false};
  __tsan_mutex_pre_unlock(mutex, flags);
  {
    const InLibrary in(operation);
    call();
  }
  __tsan_mutex_post_unlock(mutex, flags);
}

// Lets go of the mutex and takes it again.
template <class Call>
auto Waiting(Mutex* mutex, const char* what, Call call) {
  if (current != nullptr) return call();
  CheckNoReader(what);
  __tsan_mutex_pre_unlock(mutex, 0);
  __tsan_mutex_post_unlock(mutex, 0);
  return Locking(mutex, 0, call);
}

// Locking when a condition holds: who waits made the condition without the lock, and another thread
// asks it. The library hands it over in its queue of waiters, which TSan does not see.
template <class Call>
auto LockingWhen(Mutex* mutex, unsigned flags, const Condition& condition, Call call) {
  if (current == nullptr) __tsan_release(const_cast<Condition*>(&condition));
  return Locking(mutex, flags, call);
}

bool RealEval(const Condition* condition) {
  static auto* const real = Find<bool(const Condition*)>("9Condition4EvalEv");
  return real(condition);
}

}  // namespace

// The library asks in the middle of an operation, holding the mutex. To TSan the operation is
// finished before, and begun anew afterwards.
bool Condition::Eval() const {
  const Operation* const operation = current;
  if (operation == nullptr) return RealEval(this);
  Mutex* const mutex = operation->mutex;
  // There is no unlock that tries.
  const unsigned unlock_flags = operation->flags & __tsan_mutex_read_lock;
  current = nullptr;
  bool result;
  if (operation->locking) {
    __tsan_mutex_post_lock(mutex, operation->flags, 0);
    __tsan_acquire(const_cast<Condition*>(this));
    result = RealEval(this);
    __tsan_mutex_pre_unlock(mutex, unlock_flags);
    __tsan_mutex_post_unlock(mutex, unlock_flags);
    __tsan_mutex_pre_lock(mutex, operation->flags);
  } else {
    __tsan_mutex_post_unlock(mutex, operation->flags);
    __tsan_mutex_pre_lock(mutex, operation->flags);
    __tsan_mutex_post_lock(mutex, operation->flags, 0);
    __tsan_acquire(const_cast<Condition*>(this));
    result = RealEval(this);
    __tsan_mutex_pre_unlock(mutex, operation->flags);
  }
  current = operation;
  return result;
}

Mutex::~Mutex() {
  static auto* const real = Find<void(Mutex*)>("5MutexD1Ev");
  real(this);
  __tsan_mutex_destroy(this, __tsan_mutex_not_static);
}

void Mutex::Lock() {
  static auto* const real = Find<void(Mutex*)>("5Mutex4LockEv");
  Locking(this, 0, [this] { real(this); });
}

bool Mutex::TryLock() {
  static auto* const real = Find<bool(Mutex*)>("5Mutex7TryLockEv");
  return Locking(this, __tsan_mutex_try_lock, [this] { return real(this); });
}

void Mutex::Unlock() {
  static auto* const real = Find<void(Mutex*)>("5Mutex6UnlockEv");
  Unlocking(this, 0, [this] { real(this); });
}

void Mutex::ReaderLock() {
  static auto* const real = Find<void(Mutex*)>("5Mutex10ReaderLockEv");
  Locking(this, __tsan_mutex_read_lock, [this] { real(this); });
  ++reader_locks;
}

bool Mutex::ReaderTryLock() {
  static auto* const real = Find<bool(Mutex*)>("5Mutex13ReaderTryLockEv");
  const bool locked = Locking(this, __tsan_mutex_try_read_lock, [this] { return real(this); });
  if (locked) ++reader_locks;
  return locked;
}

void Mutex::ReaderUnlock() {
  static auto* const real = Find<void(Mutex*)>("5Mutex12ReaderUnlockEv");
  Unlocking(this, __tsan_mutex_read_lock, [this] { real(this); });
  --reader_locks;
}

void Mutex::LockWhen(const Condition& condition) {
  static auto* const real =
      Find<void(Mutex*, const Condition&)>("5Mutex8LockWhenERKNS0_9ConditionE");
  LockingWhen(this, 0, condition, [&] { real(this, condition); });
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const real = Find<bool(Mutex*, const Condition&, Duration)>(
      "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  // False, too, means that the mutex is held, and the condition is not true.
  return LockingWhen(this, 0, condition, [&] { return real(this, condition, timeout); });
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const real = Find<bool(Mutex*, const Condition&, Time)>(
      "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return LockingWhen(this, 0, condition, [&] { return real(this, condition, deadline); });
}

void Mutex::ReaderLockWhen(const Condition& condition) {
  static auto* const real =
      Find<void(Mutex*, const Condition&)>("5Mutex14ReaderLockWhenERKNS0_9ConditionE");
  LockingWhen(this, __tsan_mutex_read_lock, condition, [&] { real(this, condition); });
  ++reader_locks;
}

bool Mutex::ReaderLockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const real = Find<bool(Mutex*, const Condition&, Duration)>(
      "5Mutex25ReaderLockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  const bool met = LockingWhen(this, __tsan_mutex_read_lock, condition,
                               [&] { return real(this, condition, timeout); });
  ++reader_locks;
  return met;
}

bool Mutex::ReaderLockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const real = Find<bool(Mutex*, const Condition&, Time)>(
      "5Mutex26ReaderLockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  const bool met = LockingWhen(this, __tsan_mutex_read_lock, condition,
                               [&] { return real(this, condition, deadline); });
  ++reader_locks;
  return met;
}

// A condition that is true at once means no wait, and so no moment without the mutex.
void Mutex::Await(const Condition& condition) {
  static auto* const real = Find<void(Mutex*, const Condition&)>("5Mutex5AwaitERKNS0_9ConditionE");
  if (current == nullptr && RealEval(&condition)) return;
  Waiting(this, "Await", [&] { real(this, condition); });
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const real = Find<bool(Mutex*, const Condition&, Duration)>(
      "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  if (current == nullptr && RealEval(&condition)) return true;
  return Waiting(this, "AwaitWithTimeout", [&] { return real(this, condition, timeout); });
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const real = Find<bool(Mutex*, const Condition&, Time)>(
      "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  if (current == nullptr && RealEval(&condition)) return true;
  return Waiting(this, "AwaitWithDeadline", [&] { return real(this, condition, deadline); });
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const real = Find<void(CondVar*, Mutex*)>("7CondVar4WaitEPNS0_5MutexE");
  Waiting(mutex, "CondVar::Wait", [&] { real(this, mutex); });
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const real = Find<bool(CondVar*, Mutex*, Duration)>(
      "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  return Waiting(mutex, "CondVar::WaitWithTimeout", [&] { return real(this, mutex, timeout); });
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const real =
      Find<bool(CondVar*, Mutex*, Time)>("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  return Waiting(mutex, "CondVar::WaitWithDeadline", [&] { return real(this, mutex, deadline); });
}

ABSL_NAMESPACE_END
}  // namespace absl
