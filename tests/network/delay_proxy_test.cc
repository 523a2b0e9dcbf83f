#include "tests/network/delay_proxy.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace shoal {
namespace {

// Generous: only a hang gets there.
constexpr int kPatienceMs = 60000;

// Waits for the socket; a test that hangs fails here instead.
bool Ready(int fd, short events) {
  pollfd polled{fd, events, 0};
  return poll(&polled, 1, kPatienceMs) == 1;
}

int ConnectTo(const std::string& address) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(port));
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  return fd;
}

bool SendAll(int fd, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    if (!Ready(fd, POLLOUT)) return false;
    const ssize_t put = send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (put <= 0) return false;
    at += static_cast<size_t>(put);
  }
  return true;
}

// Until the peer's end, or so many bytes.
std::string Receive(int fd, size_t most) {
  std::string bytes;
  char piece[65536];
  while (bytes.size() < most && Ready(fd, POLLIN)) {
    const ssize_t got = recv(fd, piece, std::min(sizeof(piece), most - bytes.size()), 0);
    if (got <= 0) break;
    bytes.append(piece, static_cast<size_t>(got));
  }
  return bytes;
}

// Accepts one connection and does with it what the test says.
class Server {
 public:
  explicit Server(std::function<void(int)> serve) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
    address_ = absl::StrCat("127.0.0.1:", ntohs(name.sin_port));
    thread_ = std::thread([this, serve] {
      if (!Ready(listener_, POLLIN)) return;
      const int fd = accept(listener_, nullptr, nullptr);
      serve(fd);
      close(fd);
    });
  }
  ~Server() {
    thread_.join();
    close(listener_);
  }
  const std::string& address() const { return address_; }

 private:
  int listener_ = -1;
  std::string address_;
  std::thread thread_;
};

std::unique_ptr<DelayProxy> Proxy(const std::string& target, absl::Duration delay,
                                  size_t buffer = size_t{1} << 20, size_t connections = 8) {
  auto proxy = DelayProxy::Start({target, delay, buffer, connections});
  EXPECT_TRUE(proxy.ok()) << proxy.status();
  return *std::move(proxy);
}

std::string Noise(size_t size) {
  std::mt19937 random(7);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST(DelayProxyTest, HoldsBytesBackForTheDelayEachWay) {
  Server server([](int fd) { SendAll(fd, Receive(fd, 4)); });
  const absl::Duration delay = absl::Milliseconds(150);
  const auto proxy = Proxy(server.address(), delay);
  const absl::Time begin = absl::Now();
  const int fd = ConnectTo(proxy->address());
  ASSERT_TRUE(SendAll(fd, "ping"));
  EXPECT_EQ(Receive(fd, 4), "ping");
  // Never early. How much later it may be depends on the machine.
  EXPECT_GE(absl::Now() - begin, 2 * delay);
  // They may arrive before the proxy has counted them.
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (proxy->bytes_forwarded() < 8 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(proxy->bytes_forwarded(), 8);
  EXPECT_EQ(proxy->connections(), 1);
  close(fd);
}

TEST(DelayProxyTest, PassesEverythingOnInOrderAndTheEndAfterIt) {
  const std::string bytes = Noise(3 << 20);
  std::string arrived;
  {
    Server server([&](int fd) {
      arrived = Receive(fd, SIZE_MAX);  // up to the end
      SendAll(fd, "thank you");
    });
    const auto proxy = Proxy(server.address(), absl::Milliseconds(5));
    const int fd = ConnectTo(proxy->address());
    ASSERT_TRUE(SendAll(fd, bytes));
    shutdown(fd, SHUT_WR);
    EXPECT_EQ(Receive(fd, SIZE_MAX), "thank you") << "the other direction is still open";
    close(fd);
  }
  EXPECT_TRUE(arrived == bytes) << arrived.size() << " of " << bytes.size();
}

TEST(DelayProxyTest, ASenderWaitsForRoom) {
  const std::string bytes = Noise(2 << 20);
  std::string arrived;
  {
    Server server([&](int fd) { arrived = Receive(fd, bytes.size()); });
    const auto proxy = Proxy(server.address(), absl::Milliseconds(20), 100000);
    const int fd = ConnectTo(proxy->address());
    ASSERT_TRUE(SendAll(fd, bytes));
    shutdown(fd, SHUT_WR);
    EXPECT_EQ(Receive(fd, SIZE_MAX), "");
    EXPECT_LE(proxy->most_buffered(), 100000u);
    EXPECT_GT(proxy->most_buffered(), 50000u);
    close(fd);
  }
  EXPECT_TRUE(arrived == bytes);
}

TEST(DelayProxyTest, ClosesWhatLeadsNowhere) {
  const auto proxy = Proxy("unix:/nonexistent/socket", absl::Milliseconds(1));
  const int fd = ConnectTo(proxy->address());
  EXPECT_EQ(Receive(fd, SIZE_MAX), "");
  close(fd);
}

TEST(DelayProxyTest, BoundsTheConnections) {
  Server server([](int fd) { SendAll(fd, Receive(fd, 1)); });
  const auto proxy = Proxy(server.address(), absl::Milliseconds(1), 1000, 1);
  const int first = ConnectTo(proxy->address());
  const int second = ConnectTo(proxy->address());
  EXPECT_EQ(Receive(second, SIZE_MAX), "") << "closed at once";
  ASSERT_TRUE(SendAll(first, "x"));
  EXPECT_EQ(Receive(first, 1), "x");
  close(first);
  close(second);
}

TEST(DelayProxyTest, EndsWithOpenConnections) {
  absl::Notification connected;
  Server server([&](int fd) {
    connected.Notify();
    // Until the end that the proxy's destruction brings.
    Receive(fd, SIZE_MAX);
  });
  auto proxy = Proxy(server.address(), absl::Seconds(30));
  const int fd = ConnectTo(proxy->address());
  ASSERT_TRUE(SendAll(fd, "held back"));
  ASSERT_TRUE(connected.WaitForNotificationWithTimeout(absl::Milliseconds(kPatienceMs)));
  proxy.reset();
  EXPECT_EQ(Receive(fd, SIZE_MAX), "");
  close(fd);
}

TEST(DelayProxyTest, RefusesATargetThatIsNone) {
  EXPECT_TRUE(absl::IsInvalidArgument(DelayProxy::Start({"nowhere", absl::Seconds(1)}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(DelayProxy::Start({"example.org:80", absl::Seconds(1)}).status()));
}

}  // namespace
}  // namespace shoal
