// Peers that do not even speak the protocol: bytes on a port, and calls that no stub would make.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "absl/strings/escaping.h"
#include "tests/service/peers.h"
#include "tests/service/run_server.h"

namespace shoal {
namespace {

using grpc::StatusCode;

constexpr char kGetStatus[] = "/shoal.v1.RunService/GetStatus";

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const std::string kSettings("\0\0\0\x04\0\0\0\0\0", 9);
// The beginning of what a TLS 1.2 client says: a handshake record with a ClientHello.
const std::string kTlsHello(
    "\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03"
    "0123456789abcdef0123456789abcdef"
    "\x00\x00\x04\x13\x01\x13\x02\x01\x00\x00\x00", 54);

TEST(HostileBytes, WhatIsNoHttp2IsClosed) {
  RunServer server;
  const GoodLearner learner(server.address());
  std::mt19937 random(7);
  std::string noise(4096, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  const std::string cases[] = {
      noise,
      "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n",
      kTlsHello,
      // A frame that is longer than any may be, and one of a stream that is not open.
      kPreface + std::string("\xff\xff\xff\x00\x00\x00\x00\x00\x01", 9) + noise,
      kPreface + kSettings + std::string("\0\0\x04\0\0\0\0\0\x63", 9) + "data" + noise,
      // HEADERS whose compressed block is noise.
      kPreface + kSettings + std::string("\0\x0f\0\x01\x04\0\0\0\x01", 9) + noise,
  };
  for (const std::string& bytes : cases) {
    Connection connection(server.address());
    ASSERT_TRUE(connection.connected());
    connection.Send(bytes);
    EXPECT_TRUE(connection.AwaitClose()) << absl::CHexEscape(bytes.substr(0, 40));
  }
  EXPECT_TRUE(Serves(server));
}

TEST(HostileBytes, RandomFramesHarmNobody) {
  RunServer server;
  const GoodLearner learner(server.address());
  std::mt19937 random(11);
  for (int i = 0; i < 200; ++i) {
    Connection connection(server.address());
    ASSERT_TRUE(connection.connected());
    std::string bytes = kPreface + kSettings;
    for (int frame = 0; frame < 8; ++frame) {
      const size_t length = random() % 64;
      bytes += std::string("\0\0", 2) + static_cast<char>(length);
      bytes += static_cast<char>(random() % 10);   // type
      bytes += static_cast<char>(random() % 256);  // flags
      bytes += std::string("\0\0\0", 3) + static_cast<char>(random() % 8);
      for (size_t b = 0; b < length; ++b) bytes += static_cast<char>(random());
    }
    connection.Send(bytes);
    if (random() % 2 == 0) connection.HalfClose();
  }
  EXPECT_TRUE(Serves(server));
}

TEST(HostileBytes, ConnectionsThatSayNothingAreClosed) {
  ServerOptions options;
  // The honest client's own handshake must fit in, on a loaded machine too.
  options.handshake_limit = absl::Seconds(3);
  // Which would close them, too.
  options.keepalive = {absl::Minutes(1), absl::Minutes(1)};
  RunServer server({}, {}, options);
  const GoodLearner learner(server.address());
  std::vector<Connection> connections;
  for (int i = 0; i < 500; ++i) {
    connections.emplace_back(server.address());
    ASSERT_TRUE(connections.back().connected()) << i;
    // Some begin and stop, some half-close.
    if (i % 3 == 1) connections.back().Send(kPreface.substr(0, 10));
    if (i % 3 == 2) connections.back().HalfClose();
  }
  EXPECT_TRUE(Serves(server)) << "with all of them open";
  for (Connection& connection : connections) ASSERT_TRUE(connection.AwaitClose());
  EXPECT_TRUE(Serves(server));
}

TEST(HostileBytes, ConnectionsWithoutCallsAreClosed) {
  ServerOptions options;
  options.idle_connection_limit = absl::Milliseconds(300);
  // Which would close it, too, as this peer answers no ping.
  options.keepalive = {absl::Minutes(1), absl::Minutes(1)};
  RunServer server({}, {}, options);
  const GoodLearner learner(server.address());
  Connection connection(server.address());
  connection.Send(kPreface + kSettings);
  EXPECT_TRUE(connection.AwaitClose());
  EXPECT_TRUE(Serves(server)) << "the learner's connection has a call and stays";
}

TEST(HostileBytes, CallsOfNoMethodAreUnimplemented) {
  RunServer server;
  const GoodLearner learner(server.address());
  for (const char* method : {"/shoal.v1.WorkerService/Fire", "/no.such.Service/Call", "/", "//x",
                             "/shoal.v1.WorkerService/work"}) {
    RawCall call(server.address(), method);
    call.Send("x");
    EXPECT_EQ(call.Finish().error_code(), StatusCode::UNIMPLEMENTED) << method;
  }
  EXPECT_TRUE(Serves(server));
}

TEST(HostileBytes, WrongMessagesOfKnownMethodsAreRefused) {
  RunServer server;
  const GoodLearner learner(server.address());
  std::mt19937 random(13);
  for (const char* method : {kGetStatus, "/shoal.v1.RunService/WatchRun", kWork, kLearn}) {
    for (int i = 0; i < 20; ++i) {
      std::string bytes(1 + random() % 200, '\0');
      for (char& byte : bytes) byte = static_cast<char>(random());
      // A field of wire type 7, which there is not.
      bytes[0] = '\x0f';
      RawCall call(server.address(), method);
      call.Send(bytes);
      EXPECT_FALSE(call.Finish().ok()) << method;
    }
    // More messages than a unary call has, and none.
    RawCall two(server.address(), kGetStatus);
    two.Send("");
    two.Send("");
    two.Finish();
    RawCall none(server.address(), kGetStatus);
    none.HalfClose();
    EXPECT_FALSE(none.Finish().ok());
  }
  EXPECT_NE(server.Status().state(), v1::RunStatus::STATE_STOPPED);
  EXPECT_TRUE(Serves(server));
}

TEST(HostileBytes, MessagesAboveGrpcsLimitAreRefused) {
  RunServer server;
  const GoodLearner learner(server.address());
  const std::string huge(size_t{kMaxMessageBytes} + 1, '\0');
  for (const char* method : {kGetStatus, kWork, kLearn}) {
    RawCall call(server.address(), method);
    call.Send(huge);
    EXPECT_EQ(call.Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED) << method;
  }
  EXPECT_TRUE(Serves(server));
}

TEST(HostileBytes, CallsThatAreHeldOpenTakeNoThreads) {
  ServerOptions options;
  options.max_threads = 32;
  RunServer server({}, {}, options);
  const GoodLearner learner(server.address());
  std::vector<std::unique_ptr<RawCall>> calls;
  for (const char* method : {kGetStatus, "/shoal.v1.RunService/WatchRun",
                             "/grpc.health.v1.Health/Watch", "/no.such.Service/Call"}) {
    // Without a message, and without an end.
    for (int i = 0; i < 64; ++i) calls.push_back(std::make_unique<RawCall>(server.address(), method));
  }
  for (size_t i = 128; i < calls.size(); ++i) calls[i]->Send("");
  EXPECT_TRUE(Serves(server));
}

}  // namespace
}  // namespace shoal
