// Takes the C library's pthread_attr_setstacksize's place in programs that load LibTorch.
//
// LibTorch and OpenBLAS have hundreds of kilobytes of static thread-local variables, which glibc
// takes from the stack of every thread. The web server in prometheus-cpp asks for stacks so small
// that nothing is left of them, and its threads cannot start. A stack is address space until it is
// touched, so more of it costs nothing.
#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

extern "C" int pthread_attr_setstacksize(pthread_attr_t* attributes, size_t size) noexcept {
  using Function = int (*)(pthread_attr_t*, size_t);
  static const Function original =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pthread_attr_setstacksize"));
  if (original == nullptr) return ENOSYS;
  constexpr size_t kLeast = size_t{1} << 20;
  return original(attributes, std::max(size, kLeast));
}
