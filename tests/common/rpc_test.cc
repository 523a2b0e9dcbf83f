#include "common/rpc.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <functional>
#include <numeric>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/rpc_counts.h"
#include "shoal/v1/run.grpc.pb.h"
#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

using testing::HasSubstr;

// Only a broken program waits this long.
constexpr absl::Duration kLong = absl::Seconds(60);

class TestService : public v1::RunService::Service {
 public:
  // Answers with as many bytes as asked for.
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    response->mutable_status()->set_message(std::string(answer_bytes, 'x'));
    return grpc::Status::OK;
  }
  // Sends one message and then waits until it may end or is cancelled.
  grpc::Status WatchRun(grpc::ServerContext* context, const v1::WatchRunRequest*,
                        grpc::ServerWriter<v1::WatchRunResponse>* writer) override {
    writer->Write(v1::WatchRunResponse());
    while (!context->IsCancelled()) {
      if (may_end.WaitForNotificationWithTimeout(absl::Milliseconds(1))) return grpc::Status::OK;
    }
    return grpc::Status::CANCELLED;
  }

  size_t answer_bytes = 10;
  absl::Notification may_end;
};

std::unique_ptr<RpcServer> MustStart(const std::string& listen,
                                     const std::vector<grpc::Service*>& services = {}) {
  ServerOptions options;
  options.listen = listen;
  absl::StatusOr<std::unique_ptr<RpcServer>> server = StartServer(options, services);
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

absl::Status StartError(const std::string& listen) {
  ServerOptions options;
  options.listen = listen;
  return StartServer(options, {}).status();
}

std::unique_ptr<v1::RunService::Stub> MakeStub(const std::string& address) {
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = ConnectChannel(address);
  EXPECT_TRUE(channel.ok()) << channel.status();
  return v1::RunService::NewStub(*channel);
}

absl::Status Ask(const std::string& address) {
  v1::GetStatusResponse response;
  return FromGrpc(MakeStub(address)->GetStatus(MakeContext(kLong, true).get(), {}, &response));
}

// A call of which only the bytes are known: one message there, one back; empty on an error.
std::string RawCall(const std::string& address, const std::string& method,
                    const std::string& request) {
  grpc::GenericStub stub(ConnectChannel(address).value());
  grpc::CompletionQueue queue;
  const std::unique_ptr<grpc::ClientContext> context = MakeContext(kLong, true);
  const auto call = stub.PrepareCall(context.get(), method, &queue);
  const auto next = [&queue] {
    void* tag;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const grpc::Slice slice(request);
  const grpc::ByteBuffer sent(&slice, 1);
  grpc::ByteBuffer received;
  call->StartCall(nullptr);
  if (!next()) return "";
  call->WriteLast(sent, grpc::WriteOptions(), nullptr);
  if (!next()) return "";
  call->Read(&received, nullptr);
  const bool ok = next();
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
  grpc::Slice whole;
  if (!ok || !received.DumpToSingleSlice(&whole).ok()) return "";
  return std::string(reinterpret_cast<const char*>(whole.begin()), whole.size());
}

// grpc.health.v1: HealthCheckResponse.status is field 1; 1 is SERVING, 2 NOT_SERVING.
std::string Health(const std::string& address) {
  return RawCall(address, "/grpc.health.v1.Health/Check", "");
}
constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";

TEST(ParseListenAddress, KnowsUnixSocketsAndPorts) {
  const ListenAddress unix_socket = ParseListenAddress("unix:/tmp/s", false).value();
  EXPECT_EQ(unix_socket.unix_path, "/tmp/s");
  EXPECT_TRUE(unix_socket.loopback);
  EXPECT_EQ(unix_socket.ToString(), "unix:/tmp/s");
  EXPECT_EQ(ParseListenAddress("unix:///tmp/s", false)->ToString(), "unix:/tmp/s");
  EXPECT_EQ(ParseListenAddress("unix:s", false)->ToString(), "unix:s");
  const ListenAddress port = ParseListenAddress("127.0.0.1:0", false).value();
  EXPECT_EQ(port.host, "127.0.0.1");
  EXPECT_EQ(port.port, 0);
  EXPECT_EQ(ParseListenAddress("localhost:50051", false)->ToString(), "127.0.0.1:50051");
  EXPECT_EQ(ParseListenAddress("127.1.2.3:1", false)->ToString(), "127.1.2.3:1");
  EXPECT_EQ(ParseListenAddress("[::1]:65535", false)->ToString(), "[::1]:65535");
}

TEST(ParseListenAddress, RefusesOtherMachinesUnlessAllowed) {
  for (const char* text : {"0.0.0.0:1", "[::]:1", "10.1.2.3:1", "coordinator:1"}) {
    const absl::Status status = ParseListenAddress(text, false).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("--allow_insecure"));
    const absl::StatusOr<ListenAddress> allowed = ParseListenAddress(text, true);
    ASSERT_TRUE(allowed.ok()) << allowed.status();
    EXPECT_EQ(allowed->ToString(), text);
    EXPECT_FALSE(allowed->loopback);
  }
}

TEST(ParseListenAddress, RefusesWhatIsNoAddress) {
  const std::string too_long = "unix:/" + std::string(107, 'x');
  for (const std::string text :
       {"", "50051", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
        ":1", "::1:50051", "[::1]", "[::x]:1", "[127.0.0.1]:1", "unix:", too_long.c_str()}) {
    const absl::Status status = ParseListenAddress(text, true).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("\"", text, "\"")));
    EXPECT_THAT(std::string(status.message()), HasSubstr("accepted are unix:/path and host:port"));
  }
}

TEST(StartServer, ServesOnAFreePort) {
  TestService service;
  const std::unique_ptr<RpcServer> server = MustStart("127.0.0.1:0", {&service});
  EXPECT_THAT(server->address(), testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  EXPECT_TRUE(Ask(server->address()).ok());
}

TEST(StartServer, AnswersHealthAndReflection) {
  TestService service;
  const std::unique_ptr<RpcServer> server = MustStart("127.0.0.1:0", {&service});
  EXPECT_EQ(Health(server->address()), kServing);
  server->SetServing(false);
  EXPECT_EQ(Health(server->address()), kNotServing);
  server->SetServing(true);
  EXPECT_EQ(Health(server->address()), kServing);
  // ServerReflectionRequest.list_services is field 7.
  EXPECT_THAT(
      RawCall(server->address(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              std::string("\x3a\x00", 2)),
      HasSubstr("shoal.v1.RunService"));
}

TEST(StartServer, ReflectsOnlyWhereThisMachineAloneCanConnectUnlessAsked) {
  const auto reflects = [](const std::string& listen, Reflection reflection) {
    TestService service;
    ServerOptions options;
    options.listen = listen;
    options.allow_insecure = true;
    options.reflection = reflection;
    const auto server = StartServer(options, {&service});
    EXPECT_TRUE(server.ok()) << server.status();
    const std::string port = (*server)->address().substr((*server)->address().rfind(':'));
    EXPECT_EQ(Health("127.0.0.1" + port), kServing);
    return RawCall("127.0.0.1" + port,
                   "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                   std::string("\x3a\x00", 2))
               .find("shoal.v1.RunService") != std::string::npos;
  };
  EXPECT_TRUE(reflects("127.0.0.1:0", Reflection::kAuto));
  EXPECT_FALSE(reflects("127.0.0.1:0", Reflection::kOff));
  EXPECT_FALSE(reflects("0.0.0.0:0", Reflection::kAuto));
  EXPECT_TRUE(reflects("0.0.0.0:0", Reflection::kOn));
}

TEST(StartServer, SaysThatAPortIsInUse) {
  const std::unique_ptr<RpcServer> server = MustStart("127.0.0.1:0");
  const absl::Status status = StartError(server->address());
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(status.message(), server->address() + " is in use; give --listen another port");
}

TEST(StartServer, TakesAPortAgainAtOnce) {
  TestService service;
  std::unique_ptr<RpcServer> server = MustStart("127.0.0.1:0", {&service});
  const std::string address = server->address();
  // A connection that the server closes keeps the port busy for a while, but not for listening.
  EXPECT_TRUE(Ask(address).ok());
  server.reset();
  server = MustStart(address, {&service});
  EXPECT_TRUE(Ask(address).ok());
}

TEST(StartServer, RefusesOtherMachines) {
  EXPECT_EQ(StartError("0.0.0.0:0").code(), absl::StatusCode::kPermissionDenied);
  // TEST-NET-1: no machine has it.
  ServerOptions options;
  options.listen = "192.0.2.1:0";
  options.allow_insecure = true;
  const absl::Status status = StartServer(options, {}).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot listen on 192.0.2.1:0: Cannot"));
}

TEST(StartServer, ServesOnAUnixSocket) {
  const TemporaryDirectory folder;
  TestService service;
  const std::string address = "unix:" + folder / "socket";
  std::unique_ptr<RpcServer> server = MustStart(address, {&service});
  EXPECT_EQ(server->address(), address);
  EXPECT_TRUE(Ask(address).ok());
  const absl::Status status = StartError(address);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(status.message(), address + " is in use; give --listen another path");
  // The attempt has not taken the socket away.
  EXPECT_TRUE(Ask(address).ok());
}

TEST(StartServer, ReplacesASocketThatNobodyListensOn) {
  const TemporaryDirectory folder;
  const std::string path = folder / "socket";
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  close(fd);
  TestService service;
  const std::unique_ptr<RpcServer> server = MustStart("unix:" + path, {&service});
  EXPECT_TRUE(Ask(server->address()).ok());
}

TEST(StartServer, LeavesAFileThatIsNoSocket) {
  const TemporaryDirectory folder;
  Spill(folder / "file", "precious");
  EXPECT_EQ(StartError("unix:" + folder / "file").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Slurp(folder / "file"), "precious");
}

TEST(StartServer, SaysWhyASocketCannotBeMade) {
  const TemporaryDirectory folder;
  const std::string address = "unix:" + folder / "no/socket";
  EXPECT_THAT(std::string(StartError(address).message()),
              HasSubstr("cannot listen on " + address + ": No such file"));
}

TEST(Server, PassesMessagesUpToItsLimit) {
  TestService service;
  const std::unique_ptr<RpcServer> server = MustStart("127.0.0.1:0", {&service});
  service.answer_bytes = kMaxMessageBytes - 100;
  EXPECT_TRUE(Ask(server->address()).ok());
  service.answer_bytes = kMaxMessageBytes;
  EXPECT_EQ(Ask(server->address()).code(), absl::StatusCode::kResourceExhausted);
}

TEST(Server, DrainLetsCallsFinish) {
  TestService service;
  const std::unique_ptr<RpcServer> server = MustStart("127.0.0.1:0", {&service});
  const std::unique_ptr<v1::RunService::Stub> stub = MakeStub(server->address());
  const std::unique_ptr<grpc::ClientContext> context = MakeContext(kLong, true);
  const auto reader = stub->WatchRun(context.get(), {});
  v1::WatchRunResponse response;
  ASSERT_TRUE(reader->Read(&response));
  std::thread drain([&server] { server->Drain(absl::Now() + kLong); });
  service.may_end.Notify();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
  drain.join();
  // Nobody is there any more.
  v1::GetStatusResponse status;
  EXPECT_EQ(FromGrpc(stub->GetStatus(MakeContext(kLong).get(), {}, &status)).code(),
            absl::StatusCode::kUnavailable);
}

TEST(Server, DrainCancelsWhatDoesNotFinish) {
  TestService service;
  const std::unique_ptr<RpcServer> server = MustStart("127.0.0.1:0", {&service});
  const std::unique_ptr<v1::RunService::Stub> stub = MakeStub(server->address());
  const std::unique_ptr<grpc::ClientContext> context = MakeContext(kLong, true);
  const auto reader = stub->WatchRun(context.get(), {});
  v1::WatchRunResponse response;
  ASSERT_TRUE(reader->Read(&response));
  server->Drain(absl::Now());
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_FALSE(reader->Finish().ok());
  server->Drain(absl::Now());
}

uint64_t Calls(const RpcSeconds& seconds, const std::string& method) {
  const auto found = seconds.find(method);
  if (found == seconds.end()) return 0;
  return std::accumulate(found->second.counts.begin(), found->second.counts.end(), uint64_t{0});
}

// The last of a call is done after its caller knows of it.
bool Await(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kLong;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(RpcSeconds, AreObservedOnBothSidesAtTheEndOfACall) {
  TestService service;
  const std::unique_ptr<RpcServer> server = MustStart("127.0.0.1:0", {&service});
  const std::string unary = "RunService.GetStatus", stream = "RunService.WatchRun";
  const std::unique_ptr<v1::RunService::Stub> stub = MakeStub(server->address());
  std::unique_ptr<grpc::ClientContext> context = MakeContext(kLong, true);
  auto reader = stub->WatchRun(context.get(), {});
  v1::WatchRunResponse response;
  ASSERT_TRUE(reader->Read(&response));
  const RpcSeconds served = ServerRpcSeconds(), made = ClientRpcSeconds();
  EXPECT_TRUE(served.contains(stream)) << "a call that began shows its method";
  ASSERT_TRUE(Ask(server->address()).ok());
  EXPECT_TRUE(Await([&] {
    return Calls(ServerRpcSeconds(), unary) == Calls(served, unary) + 1 &&
           Calls(ClientRpcSeconds(), unary) == Calls(made, unary) + 1;
  }));
  EXPECT_EQ(Calls(ServerRpcSeconds(), stream), Calls(served, stream)) << "it is open still";
  service.may_end.Notify();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
  reader.reset();
  context.reset();
  EXPECT_TRUE(Await([&] {
    return Calls(ServerRpcSeconds(), stream) == Calls(served, stream) + 1 &&
           Calls(ClientRpcSeconds(), stream) == Calls(made, stream) + 1;
  }));
  EXPECT_GT(ServerRpcSeconds()[stream].sum, 0);
}

// A peer that accepts and then says nothing, as one behind a cut cable does.
TEST(ConnectChannel, NoticesASilentPeer) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&name), size), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size), 0);
  std::string address = absl::StrCat("127.0.0.1:", ntohs(name.sin_port));
  std::thread peer([listener] {
    const int fd = accept(listener, nullptr, nullptr);
    // An empty SETTINGS frame makes a connection; then only reading, until the client gives up.
    const char settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    if (write(fd, settings, sizeof(settings)) == sizeof(settings)) {
      char buffer[4096];
      while (read(fd, buffer, sizeof(buffer)) > 0) {
      }
    }
    close(fd);
  });
  ChannelOptions options;
  options.keepalive = {absl::Milliseconds(20), absl::Milliseconds(20)};
  const auto stub = v1::RunService::NewStub(ConnectChannel(address, options).value());
  v1::GetStatusResponse response;
  EXPECT_EQ(FromGrpc(stub->GetStatus(MakeContext(kLong).get(), {}, &response)).code(),
            absl::StatusCode::kUnavailable);
  peer.join();
  close(listener);
}

TEST(ConnectChannel, RefusesWhatIsNoAddress) {
  EXPECT_EQ(ConnectChannel("nowhere").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ConnectChannel("127.0.0.1:0").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConnectChannel, SpeaksPlainTextWithThisMachineOnlyUnlessAllowed) {
  for (const char* address : {"127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/nowhere"}) {
    EXPECT_TRUE(ConnectChannel(address).ok()) << address;
  }
  ChannelOptions allowed;
  allowed.allow_insecure = true;
  // A name, too: where it leads may change.
  for (const char* address : {"192.0.2.1:1", "0.0.0.0:1", "[2001:db8::1]:1", "coordinator:50051"}) {
    const absl::Status status = ConnectChannel(address).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("--allow_insecure"));
    EXPECT_TRUE(ConnectChannel(address, allowed).ok()) << address;
  }
}

TEST(MakeContext, CarriesTheDeadline) {
  const std::unique_ptr<grpc::ClientContext> context = MakeContext(absl::FromUnixSeconds(12345));
  EXPECT_EQ(context->deadline(), std::chrono::system_clock::from_time_t(12345));
  TestService service;
  const std::unique_ptr<RpcServer> server = MustStart("127.0.0.1:0", {&service});
  v1::GetStatusResponse response;
  EXPECT_EQ(FromGrpc(MakeStub(server->address())
                         ->GetStatus(MakeContext(-absl::Seconds(1)).get(), {}, &response))
                .code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(Statuses, AreTheSameOnBothSides) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), code == 0 ? "" : "why");
    EXPECT_EQ(ToGrpc(status).error_code(), code);
    EXPECT_EQ(FromGrpc(ToGrpc(status)), status);
  }
  EXPECT_EQ(FromGrpc({grpc::StatusCode::NOT_FOUND, "gone"}), absl::NotFoundError("gone"));
}

}  // namespace
}  // namespace shoal
