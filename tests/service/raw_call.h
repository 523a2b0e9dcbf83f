// Calls and connections whose bytes the test chooses, to any server.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <grpc/grpc.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/rpc.h"

namespace shoal {

// gRPC shuts down with its last object, and then sometimes waits ten seconds for a thread of its own
// that polls. A test program that includes this keeps it up until its end.
inline const bool kGrpcStaysUp = (grpc_init(), true);

// Only a broken program waits so long.
inline constexpr absl::Duration kLong = absl::Seconds(60);

// Polls until the condition holds; false after kLong.
template <class Condition>
bool Eventually(const Condition& condition) {
  const absl::Time end = absl::Now() + kLong;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

// A bidirectional call of any method with any bytes as messages.
class RawCall {
 public:
  // A channel of its own, so that one peer's connection is not another's.
  RawCall(const std::string& address, const std::string& method)
      : RawCall(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), Own()),
                method) {}
  RawCall(std::shared_ptr<grpc::Channel> channel, const std::string& method)
      : stub_(std::move(channel)), context_(MakeContext(kLong, true)) {
    call_ = stub_.PrepareCall(context_.get(), method, &queue_);
    call_->StartCall(nullptr);
    alive_ = Next();
  }
  ~RawCall() {
    if (!finished_) {
      context_->TryCancel();
      Finish();
    }
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) continue;
  }
  RawCall(const RawCall&) = delete;
  RawCall& operator=(const RawCall&) = delete;

  // False: the call is over.
  bool Send(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    call_->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    return alive_ = alive_ && Next();
  }
  template <class Message>
  bool SendMessage(const Message& message) {
    return Send(message.SerializeAsString());
  }
  bool HalfClose() {
    call_->WritesDone(nullptr);
    return Next();
  }
  // The next message; none: the call is over.
  template <class Message>
  std::optional<Message> Receive() {
    grpc::ByteBuffer bytes;
    call_->Read(&bytes, nullptr);
    if (!Next()) return std::nullopt;
    Message message;
    if (!grpc::SerializationTraits<Message>::Deserialize(&bytes, &message).ok()) return std::nullopt;
    return message;
  }
  void Cancel() { context_->TryCancel(); }
  // Reads whatever comes until the end.
  grpc::Status Finish() {
    while (true) {
      grpc::ByteBuffer bytes;
      call_->Read(&bytes, nullptr);
      if (!Next()) break;
    }
    finished_ = true;
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Next();
    return status;
  }

 private:
  static grpc::ChannelArguments Own() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxSendMessageSize(-1);
    return arguments;
  }
  bool Next() {
    void* tag;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool alive_ = false;
  bool finished_ = false;
};

// A TCP connection to a server on 127.0.0.1, closed at the end of its life.
class Connection {
 public:
  explicit Connection(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons(static_cast<uint16_t>(port));
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0;
    // So that a test whose server never closes ends too.
    const timeval limit{.tv_sec = 30, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  }
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }
  Connection(Connection&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}

  bool connected() const { return connected_; }
  void Send(const std::string& bytes) { (void)!send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void HalfClose() { shutdown(fd_, SHUT_WR); }
  // Reads until the server closes; false: it did not within the socket's limit.
  bool AwaitClose() {
    char buffer[4096];
    ssize_t count;
    while ((count = recv(fd_, buffer, sizeof(buffer), 0)) > 0) continue;
    return count == 0 || errno == ECONNRESET;
  }

 private:
  int fd_;
  bool connected_ = false;
};

}  // namespace shoal
