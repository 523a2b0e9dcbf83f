// Makes the promises of gRPC's interface visible to ThreadSanitizer. Linked into every program of a
// TSan build, and into no other, as tsan_absl_mutex.cc is, which explains how.
//
// Debian's gRPC is not instrumented, and hands operations over between threads with atomics that
// TSan does not see. What it promises: whoever is told that an operation is done sees what was done
// before it was started; and OnDone of a server's reactor comes after all of its other reactions.
// No more than this is told here.

#include <dlfcn.h>
#include <grpc/grpc.h>
#include <grpcpp/support/server_callback.h>
#include <sanitizer/tsan_interface.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace {

template <class Function>
Function* Find(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    std::fprintf(stderr, "tsan_grpc: gRPC, which must be linked as a shared library, lacks %s\n",
                 name);
    std::abort();
  }
  return reinterpret_cast<Function*>(found);
}

void Acquire(const grpc_event& event) {
  if (event.type == GRPC_OP_COMPLETE && event.tag != nullptr) __tsan_acquire(event.tag);
}

}  // namespace

extern "C" {

grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count, void* tag,
                                      void* reserved) {
  static auto* const real = Find<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  if (tag != nullptr) __tsan_release(tag);
  return real(call, ops, count, tag, reserved);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline,
                                      void* reserved) {
  static auto* const real = Find<decltype(grpc_completion_queue_next)>("grpc_completion_queue_next");
  const grpc_event event = real(queue, deadline, reserved);
  Acquire(event);
  return event;
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag,
                                       gpr_timespec deadline, void* reserved) {
  static auto* const real =
      Find<decltype(grpc_completion_queue_pluck)>("grpc_completion_queue_pluck");
  const grpc_event event = real(queue, tag, deadline, reserved);
  Acquire(event);
  return event;
}

}  // extern "C"

namespace grpc::internal {

// Called by whoever ends the last reaction. Where that is the library, it has counted down unseen;
// so this looks at what the others, whose counting is compiled into our programs, left there.
void ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  static auto* const real = Find<void(ServerCallbackCall*, bool)>(
      "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  callbacks_outstanding_.load(std::memory_order_acquire);
  real(this, inline_ondone);
}

}  // namespace grpc::internal
