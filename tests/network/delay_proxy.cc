#include "tests/network/delay_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <list>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace shoal {
namespace {

constexpr size_t kPiece = 16 << 10;

// A file descriptor that closes when it goes.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

void NoDelay(int fd) {
  const int on = 1;
  // Fails on a Unix socket, which has no such delay.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

// A socket on its way to the target; the first write shows whether it gets there.
Fd Connect(const ListenAddress& target) {
  const bool is_unix = !target.unix_path.empty();
  Fd fd(socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int result = -1;
  if (is_unix) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    memcpy(name.sun_path, target.unix_path.c_str(), target.unix_path.size() + 1);
    result = connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name));
  } else {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<uint16_t>(target.port));
    inet_pton(AF_INET, target.host.c_str(), &name.sin_addr);
    result = connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name));
  }
  if (result != 0 && errno != EINPROGRESS) return Fd(-1);
  NoDelay(fd.get());
  return fd;
}

struct Piece {
  absl::Time due;
  std::string bytes;
};

// One way through a connection.
struct Direction {
  int from;
  int to;
  std::deque<Piece> pieces;
  size_t buffered = 0;
  // The source has ended, at this time with the delay; passed on once.
  absl::Time end_due = absl::InfiniteFuture();
  bool reading = true;
  bool ended = false;

  bool Due(absl::Time now) const {
    return !pieces.empty() ? pieces.front().due <= now : !ended && end_due <= now;
  }
  absl::Time NextDue() const {
    if (!pieces.empty()) return pieces.front().due;
    return ended ? absl::InfiniteFuture() : end_due;
  }
};

struct Connection {
  Fd client;
  Fd server;
  Direction ways[2];
  bool broken = false;

  Connection(Fd a, Fd b)
      : client(std::move(a)),
        server(std::move(b)),
        ways{{client.get(), server.get(), {}}, {server.get(), client.get(), {}}} {}
  bool over() const { return broken || (ways[0].ended && ways[1].ended); }
};

}  // namespace

class DelayProxy::Loop {
 public:
  Loop(DelayProxy* proxy, const DelayProxyOptions& options, const ListenAddress& target,
       Fd listener, Fd stop)
      : proxy_(proxy),
        options_(options),
        target_(target),
        listener_(std::move(listener)),
        stop_(std::move(stop)) {}

  void Run() {
    while (true) {
      const std::vector<pollfd> polled = Poll();
      if (polled[0].revents != 0) return;
      if (polled[1].revents != 0) Accept();
      const absl::Time now = absl::Now();
      for (Connection& connection : connections_) {
        for (Direction& way : connection.ways) {
          if (!connection.broken) connection.broken = !Read(way, now) || !Write(way, now);
        }
      }
      connections_.remove_if([](const Connection& connection) { return connection.over(); });
    }
  }

 private:
  // Waits for something to do. Entry 0 is the order to stop, entry 1 the listener.
  std::vector<pollfd> Poll() {
    std::vector<pollfd> polled = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    const absl::Time now = absl::Now();
    absl::Time next = now + absl::Seconds(1);
    for (const Connection& connection : connections_) {
      for (const Direction& way : connection.ways) {
        if (way.reading && way.buffered < options_.buffer_bytes) {
          polled.push_back({way.from, POLLIN, 0});
        }
        if (way.Due(now)) {
          polled.push_back({way.to, POLLOUT, 0});
        } else {
          next = std::min(next, way.NextDue());
        }
      }
    }
    // A millisecond more rather than less: bytes are never early.
    const int64_t wait = absl::ToInt64Milliseconds(next - now) + 1;
    poll(polled.data(), polled.size(), static_cast<int>(std::max<int64_t>(wait, 0)));
    return polled;
  }

  void Accept() {
    while (true) {
      Fd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (client.get() < 0) return;
      ++proxy_->connections_;
      if (connections_.size() >= options_.max_connections) continue;
      NoDelay(client.get());
      Fd server = Connect(target_);
      if (server.get() < 0) continue;
      connections_.emplace_back(std::move(client), std::move(server));
    }
  }

  // False: the connection is broken.
  bool Read(Direction& way, absl::Time now) {
    char piece[kPiece];
    while (way.reading && way.buffered < options_.buffer_bytes) {
      const size_t room = std::min(sizeof(piece), options_.buffer_bytes - way.buffered);
      const ssize_t got = recv(way.from, piece, room, 0);
      // A socket that is still connecting is read from later.
      if (got < 0) return WouldBlock() || errno == ENOTCONN;
      if (got == 0) {
        way.reading = false;
        way.end_due = now + options_.delay;
        return true;
      }
      way.pieces.push_back({now + options_.delay, std::string(piece, static_cast<size_t>(got))});
      way.buffered += static_cast<size_t>(got);
      proxy_->most_buffered_ = std::max<size_t>(proxy_->most_buffered_, way.buffered);
    }
    return true;
  }

  bool Write(Direction& way, absl::Time now) {
    while (!way.pieces.empty() && way.pieces.front().due <= now) {
      std::string& bytes = way.pieces.front().bytes;
      const ssize_t put = send(way.to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put < 0) return WouldBlock();
      proxy_->forwarded_ += put;
      way.buffered -= static_cast<size_t>(put);
      bytes.erase(0, static_cast<size_t>(put));
      if (!bytes.empty()) return true;
      way.pieces.pop_front();
    }
    if (way.pieces.empty() && !way.ended && way.end_due <= now) {
      shutdown(way.to, SHUT_WR);
      way.ended = true;
    }
    return true;
  }

  DelayProxy* const proxy_;
  const DelayProxyOptions options_;
  const ListenAddress target_;
  const Fd listener_;
  const Fd stop_;
  std::list<Connection> connections_;
};

absl::StatusOr<std::unique_ptr<DelayProxy>> DelayProxy::Start(const DelayProxyOptions& options) {
  auto target = ParseListenAddress(options.target, /*allow_insecure=*/true);
  if (!target.ok()) return target.status();
  in_addr v4;
  if (target->unix_path.empty() && inet_pton(AF_INET, target->host.c_str(), &v4) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("target ", options.target, ": accepted are unix:/path and IPv4:port"));
  }
  Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 ||
      listen(listener.get(), 64) != 0 ||
      getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return absl::ErrnoToStatus(errno, "cannot listen on the loopback interface");
  }
  Fd stop(eventfd(0, EFD_CLOEXEC));
  auto proxy = absl::WrapUnique(new DelayProxy());
  // The thread waits on a copy of its own, so that neither closes what the other uses.
  proxy->stop_fd_ = dup(stop.get());
  if (stop.get() < 0 || proxy->stop_fd_ < 0) return absl::ErrnoToStatus(errno, "no eventfd");
  proxy->address_ = absl::StrCat("127.0.0.1:", ntohs(name.sin_port));
  auto loop = std::make_shared<Loop>(proxy.get(), options, *target, std::move(listener),
                                     std::move(stop));
  proxy->thread_ = std::thread([loop] { loop->Run(); });
  return proxy;
}

DelayProxy::~DelayProxy() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // Cannot fail: the counter is far from its limit.
    [[maybe_unused]] const ssize_t written = write(stop_fd_, &one, sizeof(one));
    thread_.join();
  }
  if (stop_fd_ >= 0) close(stop_fd_);
}

}  // namespace shoal
