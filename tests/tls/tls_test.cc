// Servers and channels with certificates: who gets in, who does not, and with what words.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "common/rpc.h"
#include "shoal/v1/run.grpc.pb.h"
#include "tests/tls/certificates.h"

namespace shoal {
namespace {

using testing::HasSubstr;

// Only a broken program waits this long.
constexpr absl::Duration kLong = absl::Seconds(60);
// Of a call that is expected to fail to connect.
constexpr absl::Duration kShort = absl::Seconds(5);

class TestService : public v1::RunService::Service {
 public:
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    response->mutable_status()->set_message("seen");
    return grpc::Status::OK;
  }
  grpc::Status StopRun(grpc::ServerContext*, const v1::StopRunRequest*,
                       v1::StopRunResponse*) override {
    ++stops;
    return grpc::Status::OK;
  }
  std::atomic<int> stops = 0;
};

class TlsTest : public testing::Test {
 protected:
  std::unique_ptr<RpcServer> Serve(std::shared_ptr<const Tls> tls,
                                   const std::string& listen = "127.0.0.1:0") {
    ServerOptions options;
    options.listen = listen;
    options.tls = std::move(tls);
    auto server = StartServer(options, {&service_});
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }
  std::unique_ptr<RpcServer> Serve() { return Serve(certificates_.Load("coordinator")); }

  static std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                                std::shared_ptr<const Tls> tls,
                                                Role server = Role::kCoordinator) {
    ChannelOptions options;
    options.tls = std::move(tls);
    options.server = server;
    auto channel = ConnectChannel(address, options);
    EXPECT_TRUE(channel.ok()) << channel.status();
    return *channel;
  }
  static absl::Status Ask(const std::shared_ptr<grpc::Channel>& channel,
                          absl::Duration timeout = kShort) {
    v1::GetStatusResponse response;
    return FromGrpc(v1::RunService::NewStub(channel)->GetStatus(MakeContext(timeout).get(), {},
                                                                &response));
  }
  static absl::Status Stop(const std::shared_ptr<grpc::Channel>& channel) {
    v1::StopRunResponse response;
    return FromGrpc(
        v1::RunService::NewStub(channel)->StopRun(MakeContext(kLong).get(), {}, &response));
  }
  absl::Status AskAs(const std::string& name, const std::string& address) {
    return Ask(Connect(address, certificates_.Load(name)), kLong);
  }

  Certificates certificates_;
  TestService service_;
};

TEST_F(TlsTest, LetsInWhoMayCall) {
  const auto server = Serve();
  EXPECT_EQ(AskAs("operator", server->address()), absl::OkStatus());
  EXPECT_EQ(AskAs("reader", server->address()), absl::OkStatus());
  EXPECT_EQ(Stop(Connect(server->address(), certificates_.Load("operator"))), absl::OkStatus());
  EXPECT_EQ(service_.stops, 1);
}

TEST_F(TlsTest, ServesUnixSocketsToo) {
  const auto server = Serve(certificates_.Load("coordinator"), "unix:" + certificates_.Folder("s"));
  EXPECT_EQ(AskAs("reader", server->address()), absl::OkStatus());
  EXPECT_EQ(AskAs("actor", server->address()).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(TlsTest, RefusesOrdersOfOthersThanTheOperatorAndSaysSoInTheLog) {
  const std::string log = certificates_.Folder("log");
  ASSERT_TRUE(SetUpLogging({.component = "test", .file = log}).ok());
  const auto server = Serve();
  for (const std::string name : {"actor", "reader", "learner", "coordinator"}) {
    const absl::Status status = Stop(Connect(server->address(), certificates_.Load(name)));
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << name << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("takes the roles operator; the caller's certificate has " + name));
  }
  EXPECT_EQ(service_.stops, 0);
  ASSERT_TRUE(SetUpLogging({}).ok());
  EXPECT_THAT(Slurp(log), HasSubstr("service=/shoal.v1.RunService/StopRun peer=actor reason=role"));
}

TEST_F(TlsTest, LogsAFloodOfRefusalsAsFewLines) {
  const std::string log = certificates_.Folder("log");
  ASSERT_TRUE(SetUpLogging({.component = "test", .file = log}).ok());
  const auto server = Serve();
  const auto channel = Connect(server->address(), certificates_.Load("actor"));
  for (int i = 0; i < 200; ++i) ASSERT_FALSE(Stop(channel).ok());
  ASSERT_TRUE(SetUpLogging({}).ok());
  const std::vector<std::string> lines = absl::StrSplit(Slurp(log), "reason=role");
  EXPECT_GE(lines.size(), 5u);
  EXPECT_LE(lines.size(), 100u);
}

TEST_F(TlsTest, AMethodInNoTableIsRefused) {
  const auto server = Serve();
  const auto channel = Connect(server->address(), certificates_.Load("operator"));
  grpc::GenericStub stub(channel);
  const auto context = MakeContext(kLong);
  const grpc::Slice empty("");
  const grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  absl::Notification done;
  grpc::Status status;
  stub.UnaryCall(context.get(), "/shoal.v1.RunService/Unknown", grpc::StubOptions(), &request,
                 &response, [&](grpc::Status result) {
                   status = result;
                   done.Notify();
                 });
  done.WaitForNotification();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << status.error_message();
}

TEST_F(TlsTest, RefusesPlainTextAndClientsWithoutCertificates) {
  const auto server = Serve();
  EXPECT_EQ(Ask(Connect(server->address(), nullptr)).code(), absl::StatusCode::kUnavailable);
  // It trusts the server, and has nothing to show.
  grpc::SslCredentialsOptions one_sided;
  one_sided.pem_root_certs = Slurp(certificates_.Files("operator").ca);
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("localhost");
  EXPECT_EQ(Ask(grpc::CreateCustomChannel(server->address(), grpc::SslCredentials(one_sided), arguments))
                .code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(AskAs("operator", server->address()), absl::OkStatus());
}

TEST_F(TlsTest, AClientWithCertificatesDoesNotFallBackToPlainText) {
  const auto server = Serve(nullptr);
  EXPECT_EQ(Ask(Connect(server->address(), certificates_.Load("operator"))).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(TlsTest, RefusesCertificatesOfAnotherCa) {
  const Certificates others;
  const auto server = Serve();
  EXPECT_EQ(Ask(Connect(server->address(), others.Load("operator"))).code(),
            absl::StatusCode::kUnavailable);
  // Also one who trusts this server.
  TlsFiles files = others.Files("operator");
  files.ca = others.Folder("both.pem");
  Spill(files.ca, Slurp(others.Files("operator").ca) + Slurp(certificates_.Files("operator").ca));
  auto trusting = Tls::Load(files);
  ASSERT_TRUE(trusting.ok()) << trusting.status();
  EXPECT_EQ(Ask(Connect(server->address(), *trusting)).code(), absl::StatusCode::kUnavailable);
}

TEST_F(TlsTest, RefusesExpiredCertificatesOnBothSides) {
  const std::shared_ptr<const Tls> reader = certificates_.Load("reader");
  const std::shared_ptr<const Tls> coordinator = certificates_.Load("coordinator");
  // What is loaded at the start is checked at the start.
  certificates_.Expire("reader");
  const absl::Status status = Tls::Load(certificates_.Files("reader")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("reader/cert.pem"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("certificate has expired"));
  // One that grew old while its holder ran: the file changed, and nobody checked it.
  const auto server = Serve(coordinator);
  EXPECT_EQ(AskAs("operator", server->address()), absl::OkStatus());
  const absl::Time deadline = absl::Now() + kLong;
  absl::Status asked;
  do {
    asked = Ask(Connect(server->address(), reader));
  } while (asked.ok() && absl::Now() < deadline);
  EXPECT_EQ(asked.code(), absl::StatusCode::kUnavailable) << asked;
  // The server's own.
  certificates_.Expire("coordinator");
  do {
    asked = Ask(Connect(server->address(), certificates_.Load("operator")));
  } while (asked.ok() && absl::Now() < deadline);
  EXPECT_EQ(asked.code(), absl::StatusCode::kUnavailable) << asked;
}

TEST_F(TlsTest, AClientGoesOnlyToAServerOfTheRoleItExpects) {
  // An actor that has got hold of the coordinator's address.
  for (const std::string name : {"actor", "learner", "operator"}) {
    const auto server = Serve(certificates_.Load(name));
    const absl::Status status = AskAs("operator", server->address());
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("has the roles " + name + ", not coordinator"));
  }
  const auto learner = Serve(certificates_.Load("learner"));
  EXPECT_EQ(Ask(Connect(learner->address(), certificates_.Load("reader"), Role::kLearner)),
            absl::OkStatus());
}

TEST_F(TlsTest, TakesNewCertificatesWithoutARestart) {
  const auto server = Serve();
  const std::shared_ptr<const Tls> client = certificates_.Load("operator");
  const auto old = Connect(server->address(), client);
  EXPECT_EQ(Ask(old, kLong), absl::OkStatus());
  // Another CA altogether; what runs learns of it from the files alone.
  certificates_.Make({"all", certificates_.path(), "--force"});
  const std::shared_ptr<const Tls> renewed = certificates_.Load("operator");
  const absl::Time deadline = absl::Now() + kLong;
  absl::Status asked;
  do {
    asked = Ask(Connect(server->address(), renewed));
  } while (!asked.ok() && absl::Now() < deadline);
  EXPECT_EQ(asked, absl::OkStatus());
  // The connection from before goes on.
  EXPECT_EQ(old->GetState(false), GRPC_CHANNEL_READY);
  EXPECT_EQ(Ask(old, kLong), absl::OkStatus());
  // The client that ran on reads its new certificate, too.
  do {
    const auto other = Serve(certificates_.Load("coordinator"));
    asked = Ask(Connect(other->address(), client));
  } while (!asked.ok() && absl::Now() < deadline);
  EXPECT_EQ(asked, absl::OkStatus());
}

TEST_F(TlsTest, SpeaksNothingOlderThanTls12) {
  const auto server = Serve();
  const TlsFiles files = certificates_.Files("operator");
  const auto handshake = [&](const std::string& version) {
    return RunCommand({"openssl", "s_client", "-connect", server->address(), version, "-alpn", "h2",
                       "-CAfile", files.ca, "-cert", files.cert, "-key", files.key,
                       "-cipher", "ALL:@SECLEVEL=0", "-verify_return_error"});
  };
  for (const std::string version : {"-tls1", "-tls1_1"}) {
    const Output refused = handshake(version);
    EXPECT_NE(refused.code, 0) << version << refused.text;
    // It was the client that offered, and the server that hung up.
    EXPECT_THAT(refused.text, HasSubstr("Protocol  : TLSv1")) << version;
    EXPECT_THAT(refused.text, HasSubstr("SSL handshake has read 0 bytes")) << version;
  }
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    const Output spoken = handshake(version);
    EXPECT_EQ(spoken.code, 0) << version << spoken.text;
    EXPECT_THAT(spoken.text, HasSubstr("Verify return code: 0 (ok)")) << version;
  }
}

TEST_F(TlsTest, SaysWhatIsWrongWithFiles) {
  TlsFiles files = certificates_.Files("actor");
  files.cert = certificates_.Folder("absent.pem");
  EXPECT_EQ(Tls::Load(files).status().code(), absl::StatusCode::kNotFound);
  files = certificates_.Files("actor");
  files.key = certificates_.Files("reader").key;
  EXPECT_THAT(std::string(Tls::Load(files).status().message()), HasSubstr("is not the key of"));
  files.key = files.cert;
  EXPECT_THAT(std::string(Tls::Load(files).status().message()), HasSubstr("holds no key"));
  files = certificates_.Files("actor");
  files.ca = files.key;
  EXPECT_THAT(std::string(Tls::Load(files).status().message()), HasSubstr("holds no certificate"));
  const Certificates others;
  files.ca = others.Files("actor").ca;
  const absl::Status status = Tls::Load(files).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is no valid certificate of"));
}

}  // namespace
}  // namespace shoal
