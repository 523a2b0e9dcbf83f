#include "tests/faults/file_faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/faults/file_fault_rules.h"
#include "tests/faults/unsynced.h"

namespace shoal::file_faults {
namespace {

struct Layer {
  std::vector<Rule> rules;
  std::string report;
  std::string root;
  Unsynced unsynced;
};

// Everything below holds it; what the layer itself does is not looked at.
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
thread_local bool inside = false;
// A sanitizer's library may make a folder for its reports before it can lock.
bool loaded = false;

bool LookedAt() { return loaded && !inside; }

[[noreturn]] void Die() {
  syscall(SYS_kill, getpid(), SIGKILL);
  while (true) pause();
}

// As the kernel names it, so that one file has one name whichever way it is reached.
std::string Canonical(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  // The last part as it is: it need not exist, and may be a link that an operation is about.
  const size_t slash = trimmed.rfind('/');
  if (slash == std::string::npos || trimmed.size() == 1) return trimmed;
  char* const folder = realpath(slash == 0 ? "/" : trimmed.substr(0, slash).c_str(), nullptr);
  if (folder == nullptr) return trimmed;
  std::string canonical = folder;
  free(folder);
  if (canonical == "/") canonical.clear();
  return canonical + trimmed.substr(slash);
}

// Never destroyed: the program may write until its last moment.
Layer& TheLayer() {
  static Layer* const layer = [] {
    auto* made = new Layer();
    const auto variable = [](const char* name) {
      const char* value = getenv(name);
      return std::string(value == nullptr ? "" : value);
    };
    made->root = Canonical(variable("SHOAL_FILE_FAULTS_ROOT"));
    made->report = variable("SHOAL_FILE_FAULTS_REPORT");
    ParseRules(variable("SHOAL_FILE_FAULTS"), made->rules);
    return made;
  }();
  return *layer;
}

// Whoever arms a program can see that the layer is there to act.
__attribute__((constructor)) void SayLoaded() {
  loaded = true;
  const char* file = getenv("SHOAL_FILE_FAULTS_LOADED");
  if (file != nullptr) RawWrite(file, "loaded\n", /*append=*/true);
}

// Holds the lock, and keeps the layer from looking at what it does itself.
class Inside {
 public:
  Inside() {
    pthread_mutex_lock(&mutex);
    inside = true;
  }
  ~Inside() {
    inside = false;
    pthread_mutex_unlock(&mutex);
  }
};

std::string PathOf(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof(path));
  return size > 0 && path[0] == '/' ? std::string(path, size) : std::string();
}

std::string Absolute(int folder, const char* path) {
  if (path[0] == '/') return Canonical(path);
  std::string base;
  if (folder == AT_FDCWD) {
    char buffer[4096];
    base = getcwd(buffer, sizeof(buffer)) != nullptr ? buffer : "";
  } else {
    base = PathOf(folder);
  }
  return Canonical(base + "/" + path);
}

bool Watched(const Layer& layer, const std::string& path) {
  const std::string& root = layer.root;
  if (root.empty() || (path != root && path.compare(0, root.size() + 1, root + "/") != 0)) return false;
  // Locks and shared memory hold nothing that is to last.
  const auto ends = [&](const char* end) {
    const size_t size = strlen(end);
    return path.size() >= size && path.compare(path.size() - size, size, end) == 0;
  };
  return !ends("-shm") && !ends("/.lock");
}

void Report(Layer& layer, Rule& rule) {
  if (rule.reported || layer.report.empty()) return;
  rule.reported = true;
  RawWrite(layer.report, rule.text + "\n", /*append=*/true);
}

// What is to happen to an operation: at most one rule acts on it.
struct Verdict {
  Action action = Action::kNone;
  int error = 0;
};

Verdict Judge(Layer& layer, const char* operation, const std::string& path, size_t bytes,
              bool message) {
  Verdict verdict;
  for (Rule& rule : layer.rules) {
    if (!Concerns(rule, operation, message)) continue;
    if (message ? bytes < rule.least_bytes : path.find(rule.where) == std::string::npos) continue;
    ++rule.seen;
    if (rule.seen < rule.first || rule.seen > rule.last || verdict.action != Action::kNone) continue;
    Report(layer, rule);
    ++rule.fired;
    verdict = {rule.action, rule.error};
  }
  if (verdict.action == Action::kKill) Die();
  if (verdict.action == Action::kPower) {
    layer.unsynced.Undo();
    Die();
  }
  return verdict;
}

// The C library's own function of a name.
template <class Function>
Function Real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

// One operation on one path: the rules first, then the operation itself, then, where it succeeded,
// what a loss of power would now take back.
template <class Call, class Note>
auto Operate(const char* operation, const std::string& path, const Call& call, const Note& note)
    -> decltype(call()) {
  Layer& layer = TheLayer();
  const Verdict verdict = Judge(layer, operation, path, 0, false);
  if (verdict.action == Action::kFail) {
    errno = verdict.error;
    return -1;
  }
  if (verdict.action == Action::kTorn) Die();
  const auto result = call();
  const int error = errno;
  if (result >= 0 && Watched(layer, path)) note(layer.unsynced);
  if (verdict.action == Action::kKillAfter) Die();
  errno = error;
  return result;
}

// At `offset`, or, where that is negative, where the descriptor stands.
template <class Call>
ssize_t Write(int fd, size_t bytes, off64_t offset, const Call& call) {
  if (!LookedAt()) return call(bytes);
  const Inside guard;
  const std::string path = PathOf(fd);
  struct stat info;
  if (path.empty() || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return call(bytes);
  Layer& layer = TheLayer();
  const Verdict verdict = Judge(layer, "write", path, 0, false);
  if (verdict.action == Action::kFail) {
    errno = verdict.error;
    return -1;
  }
  const bool watched = Watched(layer, path);
  if (watched) layer.unsynced.Changing(path);
  const bool half = verdict.action == Action::kTorn || (verdict.action == Action::kShort && bytes > 1);
  const ssize_t result = call(half ? bytes / 2 : bytes);
  if (verdict.action == Action::kTorn || verdict.action == Action::kKillAfter) Die();
  const int error = errno;
  if (watched && result > 0) {
    const off64_t at = offset >= 0 ? offset : lseek64(fd, 0, SEEK_CUR) - result;
    layer.unsynced.Changed(path, at, static_cast<size_t>(result));
  }
  errno = error;
  return result;
}

template <class Call>
int Open(int folder, const char* name, int flags, const Call& call) {
  if (!LookedAt() || (flags & O_ACCMODE) == O_RDONLY) return call();
  const Inside guard;
  const std::string path = Absolute(folder, name);
  struct stat info;
  const bool exists = lstat(path.c_str(), &info) == 0;
  Layer& layer = TheLayer();
  const bool empties = exists && (flags & O_TRUNC) != 0;
  if (empties && Watched(layer, path)) layer.unsynced.Changing(path);
  return Operate(exists ? "reopen" : "open", path, call, [&](Unsynced& unsynced) {
    if (!exists && (flags & O_CREAT) != 0) unsynced.Created(path);
    if (empties) unsynced.ChangedAll(path);
  });
}

template <class Call>
int Sync(int fd, const Call& call) {
  if (!LookedAt()) return call();
  const Inside guard;
  const std::string path = PathOf(fd);
  const int result =
      Operate("sync", path, call, [&](Unsynced& unsynced) { unsynced.Synced(path); });
  Layer& layer = TheLayer();
  if (result < 0 && Watched(layer, path)) layer.unsynced.SyncFailed(path);
  return result;
}

template <class Call>
int Truncate(int fd, const Call& call) {
  if (!LookedAt()) return call();
  const Inside guard;
  const std::string path = PathOf(fd);
  Layer& layer = TheLayer();
  if (Watched(layer, path)) layer.unsynced.Changing(path);
  return Operate("truncate", path, call, [&](Unsynced& unsynced) { unsynced.ChangedAll(path); });
}

template <class Call>
int Unlink(int folder, const char* name, const Call& call) {
  if (!LookedAt()) return call();
  const Inside guard;
  const std::string path = Absolute(folder, name);
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return call();
  Layer& layer = TheLayer();
  Unsynced::Kept kept;
  if (Watched(layer, path)) kept = layer.unsynced.Durable(path);
  return Operate("unlink", path, call,
                 [&](Unsynced& unsynced) { unsynced.Removed(path, std::move(kept)); });
}

template <class Call>
int MakeFolder(int folder, const char* name, const Call& call) {
  if (!LookedAt()) return call();
  const Inside guard;
  const std::string path = Absolute(folder, name);
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) return call();
  return Operate("mkdir", path, call, [&](Unsynced& unsynced) { unsynced.MadeFolder(path); });
}

template <class Call>
int Rename(int from_folder, const char* from_name, int to_folder, const char* to_name,
           unsigned flags, const Call& call) {
  if (!LookedAt()) return call();
  const Inside guard;
  const std::string from = Absolute(from_folder, from_name), to = Absolute(to_folder, to_name);
  struct stat info;
  if (lstat(from.c_str(), &info) != 0) return call();
  Layer& layer = TheLayer();
  Unsynced::Kept kept;
  if (Watched(layer, to)) kept = layer.unsynced.Durable(to);
  return Operate("rename", to, call, [&](Unsynced& unsynced) {
    if ((flags & RENAME_EXCHANGE) != 0) {
      unsynced.Exchanged(from, to);
    } else {
      unsynced.Renamed(from, to, std::move(kept));
    }
  });
}

void Message(const char* operation, size_t bytes) {
  if (!LookedAt()) return;
  const Inside guard;
  Judge(TheLayer(), operation, "", bytes, true);
}

size_t SizeOf(const msghdr* message) {
  size_t bytes = 0;
  for (size_t i = 0; i < message->msg_iovlen; ++i) bytes += message->msg_iov[i].iov_len;
  return bytes;
}

}  // namespace

void SetRules(const std::string& rules) {
  const Inside guard;
  ParseRules(rules, TheLayer().rules);
}

void Watch(const std::string& root) {
  const Inside guard;
  Layer& layer = TheLayer();
  layer.root = Canonical(root);
  layer.unsynced = Unsynced();
}

int64_t Fired(size_t rule) {
  const Inside guard;
  const std::vector<Rule>& rules = TheLayer().rules;
  return rule < rules.size() ? rules[rule].fired : 0;
}

void LosePower() {
  const Inside guard;
  TheLayer().unsynced.Undo();
}

}  // namespace shoal::file_faults

// --- What programs call instead of the C library ---------------------------------------------------

namespace faults = shoal::file_faults;

#define SHOAL_REAL(name) static const auto real = faults::Real<decltype(&::name)>(#name)

extern "C" {

#define SHOAL_OPEN(name)                                              \
  int name(const char* path, int flags, ...) {                        \
    va_list arguments;                                                \
    va_start(arguments, flags);                                       \
    const mode_t mode = va_arg(arguments, mode_t);                    \
    va_end(arguments);                                                \
    SHOAL_REAL(name);                                                 \
    return faults::Open(AT_FDCWD, path, flags, [&] { return real(path, flags, mode); }); \
  }
SHOAL_OPEN(open)
SHOAL_OPEN(open64)

#define SHOAL_OPENAT(name)                                            \
  int name(int folder, const char* path, int flags, ...) {            \
    va_list arguments;                                                \
    va_start(arguments, flags);                                       \
    const mode_t mode = va_arg(arguments, mode_t);                    \
    va_end(arguments);                                                \
    SHOAL_REAL(name);                                                 \
    return faults::Open(folder, path, flags, [&] { return real(folder, path, flags, mode); }); \
  }
SHOAL_OPENAT(openat)
SHOAL_OPENAT(openat64)

ssize_t write(int fd, const void* data, size_t size) {
  SHOAL_REAL(write);
  return faults::Write(fd, size, -1, [&](size_t bytes) { return real(fd, data, bytes); });
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  SHOAL_REAL(pwrite);
  return faults::Write(fd, size, offset, [&](size_t bytes) { return real(fd, data, bytes, offset); });
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  SHOAL_REAL(pwrite64);
  return faults::Write(fd, size, offset, [&](size_t bytes) { return real(fd, data, bytes, offset); });
}
int fsync(int fd) {
  SHOAL_REAL(fsync);
  return faults::Sync(fd, [&] { return real(fd); });
}
int fdatasync(int fd) {
  SHOAL_REAL(fdatasync);
  return faults::Sync(fd, [&] { return real(fd); });
}
int ftruncate(int fd, off_t size) noexcept {
  SHOAL_REAL(ftruncate);
  return faults::Truncate(fd, [&] { return real(fd, size); });
}
int ftruncate64(int fd, off64_t size) noexcept {
  SHOAL_REAL(ftruncate64);
  return faults::Truncate(fd, [&] { return real(fd, size); });
}
int unlink(const char* path) noexcept {
  SHOAL_REAL(unlink);
  return faults::Unlink(AT_FDCWD, path, [&] { return real(path); });
}
// Which the C++ library takes for the last step of remove_all.
int remove(const char* path) noexcept {
  SHOAL_REAL(remove);
  return faults::Unlink(AT_FDCWD, path, [&] { return real(path); });
}
int rmdir(const char* path) noexcept {
  SHOAL_REAL(rmdir);
  return faults::Unlink(AT_FDCWD, path, [&] { return real(path); });
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  SHOAL_REAL(unlinkat);
  return faults::Unlink(folder, path, [&] { return real(folder, path, flags); });
}
int mkdir(const char* path, mode_t mode) noexcept {
  SHOAL_REAL(mkdir);
  return faults::MakeFolder(AT_FDCWD, path, [&] { return real(path, mode); });
}
int rename(const char* from, const char* to) noexcept {
  SHOAL_REAL(rename);
  return faults::Rename(AT_FDCWD, from, AT_FDCWD, to, 0, [&] { return real(from, to); });
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  SHOAL_REAL(renameat2);
  return faults::Rename(from_folder, from, to_folder, to, flags,
                        [&] { return real(from_folder, from, to_folder, to, flags); });
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  SHOAL_REAL(sendmsg);
  faults::Message("send", faults::SizeOf(message));
  return real(fd, message, flags);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) {
  SHOAL_REAL(recvmsg);
  const ssize_t bytes = real(fd, message, flags);
  const int error = errno;
  if (bytes > 0) faults::Message("receive", static_cast<size_t>(bytes));
  errno = error;
  return bytes;
}

}  // extern "C"
