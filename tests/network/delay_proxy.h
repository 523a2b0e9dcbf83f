// A TCP proxy that holds every byte back for a fixed time in each direction, as a long line does. For
// tests, since the kernel's own means (netem) is often missing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc.h"

namespace shoal {

struct DelayProxyOptions {
  // Where connections lead: "unix:/path" or "IPv4:port".
  std::string target;
  // Each way.
  absl::Duration delay;
  // What a direction of a connection may hold back; a sender that is faster than that has to wait.
  size_t buffer_bytes = size_t{1} << 20;
  // Further ones are closed at once.
  size_t max_connections = 64;
};

// Listens on the loopback interface. One thread, which lives as long as the object. The end of a
// direction is passed on after its bytes; an error on one side closes the other. Thread safe.
class DelayProxy {
 public:
  // InvalidArgument: no such target. Others after errno.
  static absl::StatusOr<std::unique_ptr<DelayProxy>> Start(const DelayProxyOptions& options);
  // Closes all connections.
  ~DelayProxy();
  DelayProxy(const DelayProxy&) = delete;
  DelayProxy& operator=(const DelayProxy&) = delete;

  // "127.0.0.1:port".
  const std::string& address() const { return address_; }
  int64_t bytes_forwarded() const { return forwarded_; }
  int64_t connections() const { return connections_; }
  // The most that one direction has held back.
  size_t most_buffered() const { return most_buffered_; }

 private:
  class Loop;

  DelayProxy() = default;

  std::string address_;
  std::atomic<int64_t> forwarded_{0};
  std::atomic<int64_t> connections_{0};
  std::atomic<size_t> most_buffered_{0};
  // Writing to it ends the thread.
  int stop_fd_ = -1;
  std::thread thread_;
};

}  // namespace shoal
