#include "learner/ingest/policy_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "actor/policy_cache.h"
#include "common/hash.h"
#include "common/rpc.h"
#include "learner/ingest/policy_store.h"
#include "tests/service/raw_call.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

TEST(PolicyStoreTest, KeepsTheLatestInMemoryAndLooksUpOthers) {
  std::map<std::string, std::string> disk;
  PolicyStore store(2, [&](const std::string& sha256) -> absl::StatusOr<std::string> {
    const auto found = disk.find(sha256);
    if (found == disk.end()) return absl::NotFoundError("not on disk");
    return found->second;
  });
  const std::string a = store.Publish("a");
  const std::string b = store.Publish("b");
  EXPECT_EQ(store.Publish("b"), b);
  EXPECT_EQ(a, Sha256Hex("a"));
  EXPECT_EQ(**store.Find(a), "a");
  store.Publish("c");
  EXPECT_EQ(store.Find(a).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(**store.Find(b), "b");
  disk.emplace(a, "a");
  EXPECT_EQ(**store.Find(a), "a");
  disk.at(a).append(" with something else");
  const absl::Status damaged = store.Find(a).status();
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(damaged.message(), HasSubstr(Sha256Hex("a with something else")));
}

TEST(PolicyServiceTest, SendsAVersionInPieces) {
  PolicyStore store(4, nullptr);
  PolicyServiceImpl service(&store);
  const auto server = StartServer({}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::PolicyService::NewStub(*ConnectChannel((*server)->address()));
  std::string bytes;
  for (int i = 0; i < (5 << 19) + 3; ++i) bytes.push_back(static_cast<char>(i * 37 + i / 256));
  const std::string sha256 = store.Publish(bytes);
  const auto fetched = FetchPolicy(*stub, sha256, absl::Seconds(20));
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_TRUE(*fetched == bytes);
  EXPECT_EQ(FetchPolicy(*stub, std::string(64, 'a'), absl::Seconds(20)).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(PolicyServiceTest, LooksForHashesOnly) {
  std::atomic<int> lookups = 0;
  PolicyStore store(4, [&](const std::string&) {
    ++lookups;
    return absl::NotFoundError("");
  });
  PolicyServiceImpl service(&store);
  const auto server = StartServer({}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::PolicyService::NewStub(*ConnectChannel((*server)->address()));
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("/etc/passwd"),
        std::string("../../policy.safetensors"), std::string("iter_1"), std::string("iter_1/.."),
        std::string(64, '\0'), std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'A'),
        std::string(63, 'a') + '/', std::string(64, 'a') + '\0' + "/..",
        std::string(61, 'a') + "/.."}) {
    const absl::Status status = FetchPolicy(*stub, name, absl::Seconds(20)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << absl::CEscape(name);
  }
  EXPECT_EQ(lookups, 0);
  EXPECT_EQ(FetchPolicy(*stub, std::string(64, 'a'), absl::Seconds(20)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(lookups, 1);
}

TEST(PolicyServiceTest, LeavesCallsToOtherHosts) {
  PolicyStore store(4, nullptr);
  PolicyServiceOptions options;
  options.calls.calls = 2;
  options.calls.calls_per_host = 1;
  PolicyServiceImpl service(&store, options);
  const auto server = StartServer({}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::PolicyService::NewStub(*ConnectChannel((*server)->address()));
  // More than the network holds, for one that does not read.
  const std::string large = store.Publish(std::string(32 << 20, 'p'));
  const std::string small = store.Publish("p");
  v1::GetPolicyRequest request;
  request.set_policy_sha256(large);
  v1::GetPolicyResponse response;
  const auto context = MakeContext(kLong, true);
  const auto deaf = stub->GetPolicy(context.get(), request);
  ASSERT_TRUE(deaf->Read(&response));
  EXPECT_EQ(FetchPolicy(*stub, small, absl::Seconds(20)).status().code(),
            absl::StatusCode::kResourceExhausted);
  context->TryCancel();
  deaf->Finish();
  const absl::Time deadline = absl::Now() + kLong;
  bool served = false;
  while (!served && absl::Now() < deadline) {
    served = FetchPolicy(*stub, small, absl::Seconds(20)).ok();
  }
  EXPECT_TRUE(served);
}

TEST(PolicyServiceTest, LimitsItsCallsAndEndsThoseThatDoNotRead) {
  PolicyStore store(4, nullptr);
  PolicyServiceOptions options;
  options.calls.calls = 1;
  options.calls.first = options.calls.idle = absl::Milliseconds(300);
  PolicyServiceImpl service(&store, options);
  const auto server = StartServer({}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::PolicyService::NewStub(*ConnectChannel((*server)->address()));
  // More than the network holds.
  const std::string sha256 = store.Publish(std::string(32 << 20, 'p'));
  v1::GetPolicyRequest request;
  request.set_policy_sha256(sha256);
  v1::GetPolicyResponse response;
  const auto deaf_context = MakeContext(kLong, true);
  const auto deaf = stub->GetPolicy(deaf_context.get(), request);
  ASSERT_TRUE(deaf->Read(&response));
  {
    const auto context = MakeContext(kLong, true);
    const auto reader = stub->GetPolicy(context.get(), request);
    while (reader->Read(&response)) continue;
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  EXPECT_TRUE(Eventually([&] {
    const auto fetched = FetchPolicy(*stub, sha256, absl::Seconds(20));
    return fetched.ok();
  })) << "the call that is not read has ended";
  request.set_policy_sha256(std::string(65, 'a'));
  const auto context = MakeContext(kLong, true);
  const auto reader = stub->GetPolicy(context.get(), request);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// Sends one piece, and then nothing until the client gives up.
class SilentPolicyService final : public v1::PolicyService::Service {
 public:
  grpc::Status GetPolicy(grpc::ServerContext* context, const v1::GetPolicyRequest*,
                         grpc::ServerWriter<v1::GetPolicyResponse>* writer) override {
    v1::GetPolicyResponse piece;
    piece.set_data("the beginning");
    writer->Write(piece);
    absl::MutexLock lock(&mutex_);
    auto cancelled = [&] { return context->IsCancelled(); };
    while (!cancelled()) mutex_.AwaitWithTimeout(absl::Condition(&never_), absl::Milliseconds(10));
    return grpc::Status::CANCELLED;
  }

 private:
  absl::Mutex mutex_;
  const bool never_ = false;
};

TEST(PolicyServiceTest, ALearnerThatGoesSilentIsGivenUp) {
  SilentPolicyService service;
  const auto server = StartServer({}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::PolicyService::NewStub(*ConnectChannel((*server)->address()));
  const auto fetched = FetchPolicy(*stub, std::string(64, 'a'), absl::Milliseconds(300));
  EXPECT_EQ(fetched.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(fetched.status().message(), HasSubstr("has sent nothing"));
}

TEST(PolicyServiceTest, CacheRefusesWhatIsNoPolicy) {
  PolicyStore store(4, nullptr);
  PolicyServiceImpl service(&store);
  const auto server = StartServer({}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::PolicyService::NewStub(*ConnectChannel((*server)->address()));
  PolicyCache cache("fused", 2);
  const std::string sha256 = store.Publish("no policy at all");
  EXPECT_EQ(cache.Get(sha256, *stub, absl::Seconds(20)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shoal
